"""A scenario that breaks everything once, its frames, and runs of it."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from lookdown.ground.config import GroundConfig
from lookdown.hil.plan import Scenario
from lookdown.hil.scenario import load_scenario
from lookdown.hil.station.config import RigConfig, TargetConfig
from lookdown.hil.station.course import Course
from lookdown.hil.station.files import write_boards, write_ground
from lookdown.hil.station.frames import Frames, have_frames
from lookdown.hil.station.journal import Journal
from lookdown.hil.station.live import LiveRun
from lookdown.hil.station.stepped import SteppedRun
from lookdown.hil.station.watch import Watch
from lookdown.wire.config import load_config

FAULTS = Path(__file__).parents[1] / "faults.toml"


class Silent:
    """Progress that calls what a test wants at a frame."""

    def __init__(self, at: dict[int, Callable[[], None]] | None = None) -> None:
        self.steps: list[str] = []
        self._at = at or {}

    def step(self, text: str) -> None:
        self.steps.append(text)

    def frame(self, number: int, total: int) -> None:
        self._at.pop(number, lambda: None)()


@dataclass
class Ran:
    """What a run left."""

    course: Course
    watch: Watch
    run: Any
    folder: Path
    failure: str = ""

    def packets(self) -> dict[tuple[int, int], bytes]:
        return {key: came[0].delivery.packet for key, came in self.watch.reports.items()}


@dataclass(frozen=True)
class Prepared:
    """A scenario, its file, and the file of its frames."""

    scenario: Scenario
    path: Path
    frames: Path

    def folder(self, folder: Path) -> Path:
        for name in ("run", "ground", "logs"):
            (folder / name).mkdir(parents=True)
        return folder

    def stepped(self, folder: Path, scenario: Scenario | None = None) -> Ran:
        plan = scenario or self.scenario
        folder = self.folder(folder)
        with Frames(self.frames) as frames:
            course = Course.of(plan, frames, plan.satellite[0].id, {})
            configs = write_boards(plan, frames, folder / "run")
            ground = load_config(write_ground(plan, folder, "inproc://ground"), GroundConfig)
            run = SteppedRun(course, configs, ground.fusion, folder / "ground")
            run.run(Silent())
        watch = Watch(run.recording)
        watch.look()
        return Ran(course, watch, run, folder)

    def live(self, folder: Path, target: TargetConfig, pace: float, progress: Silent | None = None) -> Ran:
        folder = self.folder(folder)
        with Frames(self.frames) as frames:
            course = Course.of(self.scenario, frames, self.scenario.satellite[0].id, {})
            with Journal(folder) as journal:
                run = LiveRun(course, RigConfig(target=target), frames, folder, progress or Silent(), pace, journal)
                failure = run.run()
        return Ran(course, run.watch, run, folder, failure)


def prepare(path: Path, folder: Path) -> Prepared:
    scenario = load_scenario(path)
    have_frames(scenario, path, folder / "frames.h5", lambda done, total: None)
    return Prepared(scenario, path, folder / "frames.h5")


def write_short(path: Path, faults: list[tuple[str, int, int]], seconds: float = 5.0) -> Path:
    """Write the scenario with other faults: (kind, frame, frames)."""
    values = tomllib.loads(FAULTS.read_text(encoding="utf-8"))
    values["duration_s"] = seconds
    values["fault"] = [
        {"id": f"F{n}", "kind": kind, "frame": frame, "frames": frames}
        for n, (kind, frame, frames) in enumerate(faults, 1)
    ]
    path.write_text(tomli_w.dumps(values), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare(FAULTS, tmp_path_factory.mktemp("frames"))


@pytest.fixture(scope="session")
def stepped(everything: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return everything.stepped(tmp_path_factory.mktemp("stepped") / "run")


@pytest.fixture(scope="session")
def short(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """A few faults, one of each place where it breaks."""
    folder = tmp_path_factory.mktemp("short")
    faults = [("torn", 8, 1), ("repeated", 12, 1), ("hot-pixel", 14, 8), ("killed", 26, 3), ("link-down", 34, 4),
              ("stopped", 42, 3)]  # fmt: skip
    return prepare(write_short(folder / "short.toml", faults), folder)
