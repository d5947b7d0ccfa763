"""The rig: starts the processes of a run, feeds them at rate, watches them, and collects what they left.

All that runs stands in one table (`processes`). The rig replaces the sensor, never the software: onboard and ground
processes are started with the commands that a user would type. Readiness is an event (the health of every satellite
was published by the ground), never a pause.
"""

import contextlib
import shutil
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tomli_w
import zmq

from lookdown.hil.plan import Scenario
from lookdown.hil.process import Process
from lookdown.hil.radar.told import told_of_radar, told_of_roads
from lookdown.hil.scene.stars import told_of_stars
from lookdown.hil.sensor.detector import Detector
from lookdown.wire.clock import SystemClock
from lookdown.wire.errors import WireError
from lookdown.wire.keys import NodeKeys, enrol
from lookdown.wire.messages import Health, Picture, TrackStatus
from lookdown.wire.packet import decode

MARKER = ".lookdown-run"
"""File that marks a folder as the output of a run, so that a later run may replace it."""

_READY_TIMEOUT_S = 60.0
_FINISH_TIMEOUT_S = 60.0
_START_DELAY_S = 0.5
_LOOK_MS = 200


class RigError(Exception):
    """A run that could not be carried out; the message names the process and what it said last."""


@dataclass(slots=True)
class Live:
    """What is known while a run goes on."""

    elapsed_s: float = 0.0  # scenario time that every satellite has reached
    frames_sent: dict[int, int] = field(default_factory=dict)
    frames_late: int = 0
    health: dict[int, Health] = field(default_factory=dict)
    tracks_confirmed: int = 0
    tracks_tentative: int = 0


class Progress(Protocol):
    """Who is told how a run goes on."""

    def step(self, text: str) -> None:
        """Say what is done now."""
        ...

    def live(self, state: Live) -> None:
        """Show the state of the run; called several times a second."""
        ...


class Ran(Protocol):
    """A process of a run, as its report sees it."""

    @property
    def role(self) -> str:
        """What it was."""
        ...

    @property
    def counters(self) -> dict[str, Any]:
        """What it said last."""
        ...

    def as_row(self, wall_s: float) -> dict[str, Any]:
        """Return its line of the report."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run left.

    Attributes
    ----------
    folder : Path
        Folder of the run.
    recording, history : Path
        What the ground received, and the folder of what it made of it.
    processes : tuple of Ran
        Each with its exit status and counters.
    wall_s : float
        Time between the first and the last frame's injection, by the clock of the machine [s].
    failure : str
        Why the run ended early; empty when it did not.
    stopped : bool
        Whether a person or a signal ended it.
    """

    folder: Path
    recording: Path
    history: Path
    processes: tuple[Ran, ...]
    wall_s: float
    failure: str = ""
    stopped: bool = False


def prepare_folder(folder: Path, kept: Collection[str] = ()) -> None:
    """Make an empty folder for a run; one that an earlier run left is replaced, except for the files ``kept``.

    Raises
    ------
    RigError
        It exists and is not the output of a run: nothing in it is touched.
    """
    if folder.exists():
        if not folder.is_dir() or (any(folder.iterdir()) and not (folder / MARKER).is_file()):
            raise RigError(f"{folder}: wanted a new folder or one that an earlier run left, came another; choose --out")
        for entry in folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name not in (*kept, MARKER):
                entry.unlink()
    (folder / "run").mkdir(parents=True)
    (folder / "logs").mkdir()
    (folder / MARKER).write_text("output of lookdown-hil run; a later run may replace this folder\n", encoding="utf-8")


def processes(
    scenario: Scenario, scenario_path: Path, folder: Path, sockets: Path, pace: float, secure: bool = False
) -> tuple[Process, ...]:
    """Write the configuration of each process of a run and return the table of them, in order of starting."""
    python = sys.executable
    ground_endpoint, picture_endpoint = f"ipc://{sockets}/ground", f"ipc://{sockets}/picture"
    ids = [satellite.id for satellite in scenario.satellite]
    radars = [scenario.satellite[index].id for index in scenario.indices("radar")]
    size = {"rows": scenario.sensor.rows, "cols": scenario.sensor.cols}
    looks_for = {"radar": scenario.radar.movers} if scenario.radar else {}
    sensors = [{"sensor_id": i, **(looks_for if i in radars else size)} for i in ids]
    security = make_keys(folder / "run" / "keys", ids) if secure else {}

    ground_config = folder / "run" / "ground.toml"
    ground = {
        "endpoint": ground_endpoint,
        "picture_endpoint": picture_endpoint,
        "folder": str(folder.resolve() / "ground"),
        "exit_when_all_ended": True,
        **security.get(0, {}),
        "fusion": {
            "sensors": sensors,
            **told_of_roads(scenario),
            **told_of_stars(scenario.sensor.band_um, scenario.seed, scenario.stars_catalogued, folder),
            **scenario.ground,
        },
    }
    ground_config.write_text(tomli_w.dumps(ground), encoding="utf-8")
    table = [Process("ground", (python, "-m", "lookdown.ground", "run", "--config", str(ground_config)))]

    for i in ids:
        config = folder / "run" / f"flight-{i}.toml"
        flight = {
            "sensor_id": i,
            "frames_endpoint": f"ipc://{sockets}/frames-{i}",
            "ground_endpoint": ground_endpoint,
            **(told_of_radar(scenario) if i in radars else _focal_plane(scenario, i, folder)),
            **security.get(i, {}),
            **scenario.flight,
        }
        config.write_text(tomli_w.dumps(flight), encoding="utf-8")
        command = (python, "-m", "lookdown.flight", "run", "--config", str(config))
        table.append(Process(f"flight-{i}", command, i))
    for index, i in enumerate(ids):
        inject = (
            *(python, "-m", "lookdown.hil.inject", str(scenario_path.resolve())),
            *("--satellite", str(index), "--endpoint", f"ipc://{sockets}/frames-{i}", "--pace", str(pace)),
        )
        table.append(Process(f"inject-{i}", inject, i))
    return tuple(table)


def make_keys(folder: Path, ids: list[int]) -> dict[int, dict[str, Any]]:
    """Make keys for the ground and each satellite, and enrol them with each other.

    Returns
    -------
    dict of int to dict
        By satellite, 0 for the ground: what its configuration says of them.
    """
    ground = next(node for node in range(100, 65536) if node not in ids)
    folder = folder.resolve()
    now_ns = SystemClock().now_ns()
    at = {node: folder / str(node) for node in (ground, *ids)}
    for node, path in at.items():
        NodeKeys.make(node, now_ns).save(path)
    for satellite in ids:
        enrol(at[ground], NodeKeys.load(at[satellite]).card)
        enrol(at[satellite], NodeKeys.load(at[ground]).card)
    said: dict[int, dict[str, Any]] = {
        i: {"security": {"keys": str(at[i]), "peer": ground, "seal_for": ground}} for i in ids
    }
    said[0] = {"security": {"keys": str(at[ground]), "sealed": True}}
    return said


def _focal_plane(scenario: Scenario, sensor_id: int, folder: Path) -> dict[str, Any]:
    """Say of an infrared satellite what its onboard process must know."""
    sensor = scenario.sensor
    return {
        "rows": sensor.rows,
        "cols": sensor.cols,
        "bit_depth": sensor.bits,
        "calibration": {
            "bad_pixels": str(_bad_pixels(scenario, sensor_id, folder)),
            "distortion": list(sensor.distortion),
        },
    }


def _bad_pixels(scenario: Scenario, sensor_id: int, folder: Path) -> Path:
    """Write the map of bad pixels that the factory would hand over with a sensor."""
    path = folder.resolve() / "run" / f"bad-pixels-{sensor_id}.npy"
    np.save(path, Detector(scenario.sensor, scenario.seed, sensor_id).known_bad)
    return path


def run(
    scenario: Scenario,
    scenario_path: Path,
    folder: Path,
    progress: Progress,
    pace: float = 1.0,
    secure: bool = False,
) -> Outcome:
    """Carry out a scenario with real processes over real sockets.

    Parameters
    ----------
    scenario : Scenario
        What to run.
    scenario_path : Path
        Its file; the injectors read it again.
    folder : Path
        Output, made by `prepare_folder`.
    progress : Progress
        Who is told how it goes on.
    pace : float
        Scenario seconds in a second of the clock [1].
    secure : bool
        Whether the link is encrypted (CURVE) and packets are sealed from end to end, with keys made into the folder.

    Returns
    -------
    Outcome
        What the processes left. A process that fails ends the run early, with the reason in ``failure``.
    """
    with contextlib.ExitStack() as stack:
        sockets = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lookdown-")))
        table = processes(scenario, scenario_path, folder, sockets, pace, secure)
        context = stack.enter_context(zmq.Context())
        picture = stack.enter_context(context.socket(zmq.SUB))
        picture.setsockopt(zmq.LINGER, 0)
        picture.subscribe(b"")
        picture.connect(f"ipc://{sockets}/picture")
        stack.callback(_stop_all, table)
        failure, wall_s, stopped = "", 0.0, False
        try:
            wall_s = _drive(scenario, table, folder, picture, progress, pace)
        except RigError as error:
            failure = str(error)
        except KeyboardInterrupt:
            failure, stopped = "stopped by the user", True
    ground = folder / "ground"
    return Outcome(folder, ground / "received.ldrec", ground, table, wall_s, failure, stopped)


def _drive(
    scenario: Scenario, table: tuple[Process, ...], folder: Path, picture: "zmq.Socket[bytes]", progress: Progress,
    pace: float,
) -> float:  # fmt: skip
    live = Live()
    progress.step(f"starting {len(table)} processes: 1 ground, {len(scenario.satellite)} onboard, and their injectors")
    for process in table:
        try:
            process.start(folder / "logs")
        except OSError as error:
            raise RigError(f"{process.role} cannot be started: {error}") from None
    injectors = [process for process in table if process.role.startswith("inject")]
    wanted = {process.sensor_id for process in injectors}

    progress.step("waiting until every satellite has reported its health and rendered its first frame")
    for _ in _watch(table, False, picture, live, _READY_TIMEOUT_S):
        unready = [process.role for process in injectors if not process.counters.get("ready")]
        unready += [f"flight-{sensor_id}" for sensor_id in sorted(wanted - live.health.keys())]
        if not unready:
            break
    else:
        raise RigError(
            f"waited {_READY_TIMEOUT_S:.0f} s in vain for {', '.join(unready)} to be ready; see {folder / 'logs'}"
        )

    start_ns = SystemClock().now_ns() + round(_START_DELAY_S * 1e9)
    started_s = time.monotonic() + _START_DELAY_S
    for process in injectors:
        process.tell({"start_ns": start_ns})
    rate = f"{scenario.frame_rate_hz:g} frames/s" + (f" at {pace:g} times its pace" if pace != 1.0 else "")
    progress.step(f"running {scenario.duration_s:g} s of scenario, {len(wanted)} satellites, {rate}")
    # Real time is the goal, not a condition: a slow machine takes longer and loses nothing.
    allowed_s = 20.0 * scenario.duration_s / pace + _FINISH_TIMEOUT_S
    for _ in _watch(table, True, picture, live, allowed_s):
        said = {process.sensor_id: process.counters for process in injectors}
        live.frames_sent = {sensor_id: counters.get("sent", 0) for sensor_id, counters in said.items()}
        taken = [counters.get("sent", 0) + counters.get("dropped", 0) for counters in said.values()]
        live.elapsed_s = min(taken) / scenario.frame_rate_hz
        live.frames_late = sum(counters.get("late", 0) for counters in said.values())
        progress.live(live)
        if all(counters.get("done") for counters in said.values()):
            break
    else:
        raise RigError(f"the injectors did not end within {allowed_s:.0f} s; see {folder / 'logs'}")
    wall_s = time.monotonic() - started_s

    progress.step("waiting until the ground has stored every report")
    for _ in _watch(table, True, picture, live, _FINISH_TIMEOUT_S):
        if all(process.status == 0 for process in table):
            return wall_s
    running = ", ".join(process.role for process in table if process.status is None)
    raise RigError(f"{running} did not end within {_FINISH_TIMEOUT_S:.0f} s of the last frame; see {folder / 'logs'}")


def _watch(
    table: tuple[Process, ...], running: bool, picture: "zmq.Socket[bytes]", live: Live, timeout_s: float
) -> Iterator[None]:
    """Yield a few times a second until the time is over; raise when a process fails, or ends before it may."""
    end_s = time.monotonic() + timeout_s
    while time.monotonic() < end_s:
        if picture.poll(_LOOK_MS):
            _hear(picture, live)
        for process in [process for process in table if process.ended]:
            if process.status or not (running and _may_end(process, table)):
                raise RigError(f"{process.role} ended early with status {process.status}; {process.last_words()}")
        yield


def _may_end(process: Process, table: tuple[Process, ...]) -> bool:
    """Whether a process that ended well had done all it was there for; satellites need not end together."""
    if process.role == "ground":
        # It ends once every satellite has said that it has; these may take a little longer to be gone themselves.
        return all(other.counters.get("done") for other in table if other.role.startswith("inject"))
    return bool(process.counters.get("done") or process.counters.get("ended_by") == "end")


def _hear(picture: "zmq.Socket[bytes]", live: Live) -> None:
    """Take in all that the ground has published."""
    while picture.poll(0):
        try:
            message = decode(picture.recv_multipart()[-1])
        except WireError:
            continue
        if isinstance(message, Health):
            live.health[message.sensor_id] = message
        elif isinstance(message, Picture):
            status = [track.status for track in message.tracks]
            live.tracks_tentative = status.count(TrackStatus.TENTATIVE)
            live.tracks_confirmed = len(status) - live.tracks_tentative


def _stop_all(table: tuple[Process, ...]) -> None:
    """End what still runs, injectors first, the ground last."""
    for process in reversed(table):
        process.ask_to_stop()
    for process in reversed(table):
        process.stop()
