"""Replay: the frames and packets of a run through this build, and what comes out otherwise than it did.

The board's part takes the frames of the run, with its faults, on a stepped clock, and compares plot reports. The
ground's part takes the packets that the run stored, in their order, and compares updates of tracks.
"""

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.ground.config import GroundConfig
from lookdown.ground.history import HISTORY_NAME
from lookdown.ground.offline import fuse_recording, make_pipeline, reports_in
from lookdown.ground.query import HistoryReader
from lookdown.ground.tracks import UPDATE_DTYPE
from lookdown.hil.differences import Differences, Tolerance, compare_reports, compare_updates
from lookdown.hil.plan import Scenario
from lookdown.hil.scenario import load_scenario
from lookdown.hil.station.course import Course
from lookdown.hil.station.files import write_boards, write_ground
from lookdown.hil.station.frames import Frames, have_frames
from lookdown.hil.station.stepped import SteppedRun
from lookdown.hil.station.watch import Watch
from lookdown.wire.config import load_config
from lookdown.wire.errors import ConfigError
from lookdown.wire.recording import Recording


@dataclass(frozen=True)
class Replayed:
    """What a replay found.

    Attributes
    ----------
    reports : Differences
        Of the board's plot reports.
    tracks : list of str
        What differs in the ground's tracks, a line each; empty without a history, too.
    n_updates : int
        Updates of tracks compared.
    """

    reports: Differences
    tracks: list[str]
    n_updates: int

    @property
    def good(self) -> bool:
        """Whether nothing differs beyond the tolerance."""
        return self.reports.good and not self.tracks


class _Quiet:
    def __init__(self, show: Callable[[int, int], None]) -> None:
        self._show = show

    def step(self, text: str) -> None:
        pass

    def frame(self, number: int, total: int) -> None:
        self._show(number, total)


def packets_of(run: Path) -> dict[tuple[int, int], bytes]:
    """Return the first report packet of each satellite and frame that a run stored.

    Raises
    ------
    ConfigError
        It stored none.
    """
    path = run / "ground" / "received.ldrec"
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; wanted the folder of a run")
    watch = Watch(path)
    watch.look()
    return {key: came[0].delivery.packet for key, came in watch.reports.items()}


def replay_run(
    run: Path, tolerance: Tolerance | None = None, show: Callable[[int, int], None] = lambda done, total: None
) -> Replayed:
    """Replay a run through this build.

    Parameters
    ----------
    run : Path
        Its folder, of ``lookdown-hil rig`` or ``lookdown-hil run``.
    tolerance : Tolerance or None
        How far plots may be apart.
    show : callable
        Called with (frames done, frames in all).

    Raises
    ------
    ConfigError
        The folder holds no run, or its scenario is not there any more.
    """
    before = packets_of(run)
    scenario, path = _scenario_of(run)
    with tempfile.TemporaryDirectory(prefix="lookdown-") as scratch:
        folder = Path(scratch)
        for name in ("run", "ground"):
            (folder / name).mkdir()
        kept = run / "frames.h5"
        if not kept.exists():  # of lookdown-hil run, which renders as it goes: the same seed gives the same frames
            kept = folder / "frames.h5"
            have_frames(scenario, path, kept, show)
        with Frames(kept) as frames:
            now = _step(scenario, frames, folder, _under_test(run, scenario), show)
    reports = compare_reports(before, now, tolerance)
    updates = _history(run / "ground")
    return Replayed(reports, compare_updates(updates, _fused_again(run)) if len(updates) else [], len(updates))


def _step(
    scenario: Scenario, frames: Frames, folder: Path, under_test: int, show: Callable[[int, int], None]
) -> dict[tuple[int, int], bytes]:
    configs = write_boards(scenario, frames, folder / "run")
    ground = load_config(write_ground(scenario, folder, "inproc://ground"), GroundConfig)
    course = Course.of(scenario, frames, under_test, {})
    SteppedRun(course, configs, ground.fusion, folder / "ground").run(_Quiet(show))
    return packets_of(folder)


def _scenario_of(run: Path) -> tuple[Scenario, Path]:
    """Return the scenario of a run, from its own file if that is there as it was, else from the copy."""
    report = _report(run)
    path, copy = Path(report.get("provenance", {}).get("scenario", "")), run / "run" / "scenario.toml"
    if copy.is_file() and not (path.is_file() and path.read_bytes() == copy.read_bytes()):
        path = copy
    if not path.is_file():
        raise ConfigError(f"{run}: its scenario {path} is not there any more; run it again")
    scenario = load_scenario(path)
    # Faults belong to the rig: a plain run has none.
    return (scenario if "target" in report or not report else replace(scenario, fault=())), path


def _under_test(run: Path, scenario: Scenario) -> int:
    told = _report(run).get("target", {})
    return int(told.get("satellite", scenario.satellite[0].id)) if isinstance(told, dict) else scenario.satellite[0].id


def _report(run: Path) -> dict[str, Any]:
    path = run / "report.json"
    tree: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return tree


def _history(folder: Path) -> NDArray[np.void]:
    """Read the track updates of a history."""
    if not (folder / HISTORY_NAME).is_file():
        return np.zeros(0, UPDATE_DTYPE)
    return HistoryReader(folder).updates()


def _fused_again(run: Path) -> NDArray[np.void]:
    """Fuse the packets of a run with this build."""
    parameters = load_config(run / "run" / "ground.toml", GroundConfig).fusion
    recording = Recording(run / "ground" / "received.ldrec")
    pipeline = make_pipeline(recording, parameters)
    batches = [event.updates for events in fuse_recording(recording, pipeline) for event in reports_in(events)]
    return np.concatenate(batches) if batches else np.zeros(0, UPDATE_DTYPE)
