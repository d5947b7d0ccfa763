"""The rig: starts the processes of a run, feeds them at rate, watches them, and collects what they left.

All that runs stands in one table (`processes`). The rig replaces the sensor, never the software: onboard and ground
processes are started with the commands that a user would type. Readiness is an event (the health of every satellite
was published by the ground), never a pause.
"""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tomli_w
import zmq

from lookdown.hil.plan import Scenario
from lookdown.hil.sensor import Detector
from lookdown.wire.clock import SystemClock
from lookdown.wire.errors import WireError
from lookdown.wire.messages import Health, Picture, TrackStatus
from lookdown.wire.packet import decode

MARKER = ".lookdown-run"
"""File that marks a folder as the output of a run, so that a later run may replace it."""

_READY_TIMEOUT_S = 60.0
_FINISH_TIMEOUT_S = 60.0
_START_DELAY_S = 0.5
_LOG_TAIL_LINES = 12


class RigError(Exception):
    """A run that could not be carried out; the message names the process and what it said last."""


@dataclass(slots=True)
class Process:
    """One process of a run.

    Attributes
    ----------
    role : str
        What it is: ``ground``, ``flight-3``, ``inject-3``.
    command : tuple of str
        What is started.
    sensor_id : int
        Satellite it belongs to; 0 for the ground.
    counters : dict
        The last line of JSON it wrote.
    status : int or None
        Exit status; None while it runs.
    """

    role: str
    command: tuple[str, ...]
    sensor_id: int = 0
    counters: dict[str, Any] = field(default_factory=dict)
    status: int | None = None
    running: subprocess.Popen[bytes] | None = field(default=None, repr=False)


@dataclass(slots=True)
class Live:
    """What is known while a run goes on."""

    elapsed_s: float = 0.0  # scenario time
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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run left.

    Attributes
    ----------
    folder : Path
        Folder of the run.
    recording, history : Path
        What the ground received, and what it made of it.
    processes : tuple of Process
        Each with its exit status and counters.
    wall_s : float
        Time between the first and the last frame's injection, by the clock of the machine [s].
    failure : str
        Why the run ended early; empty when it did not.
    """

    folder: Path
    recording: Path
    history: Path
    processes: tuple[Process, ...]
    wall_s: float
    failure: str = ""


def prepare_folder(folder: Path) -> None:
    """Make an empty folder for a run; one that an earlier run left is replaced.

    Raises
    ------
    RigError
        It exists and is not the output of a run: nothing in it is touched.
    """
    if folder.exists():
        if not folder.is_dir() or (any(folder.iterdir()) and not (folder / MARKER).is_file()):
            raise RigError(f"{folder}: wanted a new folder or one that an earlier run left, came another; choose --out")
        shutil.rmtree(folder)
    (folder / "run").mkdir(parents=True)
    (folder / "logs").mkdir()
    (folder / MARKER).write_text("output of lookdown-hil run; a later run may replace this folder\n", encoding="utf-8")


def processes(scenario: Scenario, scenario_path: Path, folder: Path, sockets: Path, pace: float) -> tuple[Process, ...]:
    """Write the configuration of each process of a run and return the table of them, in order of starting."""
    python = sys.executable
    ground_endpoint, picture_endpoint = f"ipc://{sockets}/ground", f"ipc://{sockets}/picture"
    size = {"rows": scenario.sensor.rows, "cols": scenario.sensor.cols}
    ids = [satellite.id for satellite in scenario.satellite]

    ground_config = folder / "run" / "ground.toml"
    ground = {
        "endpoint": ground_endpoint,
        "picture_endpoint": picture_endpoint,
        "folder": str(folder.resolve() / "ground"),
        "exit_when_all_ended": True,
        "fusion": {"sensors": [{"sensor_id": i, **size} for i in ids], **scenario.ground},
    }
    ground_config.write_text(tomli_w.dumps(ground), encoding="utf-8")
    table = [Process("ground", (python, "-m", "lookdown.ground", "run", "--config", str(ground_config)))]

    for i in ids:
        config = folder / "run" / f"flight-{i}.toml"
        flight = {
            "sensor_id": i,
            "frames_endpoint": f"ipc://{sockets}/frames-{i}",
            "ground_endpoint": ground_endpoint,
            **size,
            "bit_depth": scenario.sensor.bits,
            "calibration": {"bad_pixels": str(_bad_pixels(scenario, i, folder))},
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


def _bad_pixels(scenario: Scenario, sensor_id: int, folder: Path) -> Path:
    """Write the map of bad pixels that the factory would hand over with a sensor."""
    path = folder.resolve() / "run" / f"bad-pixels-{sensor_id}.npy"
    np.save(path, Detector(scenario.sensor, scenario.seed, sensor_id).known_bad)
    return path


def run(scenario: Scenario, scenario_path: Path, folder: Path, progress: Progress, pace: float = 1.0) -> Outcome:
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

    Returns
    -------
    Outcome
        What the processes left. A process that fails ends the run early, with the reason in ``failure``.
    """
    with contextlib.ExitStack() as stack:
        sockets = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lookdown-")))
        table = processes(scenario, scenario_path, folder, sockets, pace)
        context = stack.enter_context(zmq.Context())
        picture = stack.enter_context(context.socket(zmq.SUB))
        picture.setsockopt(zmq.LINGER, 0)
        picture.subscribe(b"")
        picture.connect(f"ipc://{sockets}/picture")
        stack.callback(_stop_all, table)
        failure, wall_s = "", 0.0
        try:
            wall_s = _drive(scenario, table, folder, picture, progress, pace)
        except RigError as error:
            failure = str(error)
        except KeyboardInterrupt:
            failure = "stopped by the user"
    for process in table:
        process.counters = process.counters or _last_json(_out(folder, process))
    ground = folder / "ground"
    return Outcome(folder, ground / "received.ldrec", ground / "history.sqlite", table, wall_s, failure)


def _drive(
    scenario: Scenario, table: tuple[Process, ...], folder: Path, picture: "zmq.Socket[bytes]", progress: Progress,
    pace: float,
) -> float:  # fmt: skip
    live = Live()
    progress.step(f"starting {len(table)} processes: 1 ground, {len(scenario.satellite)} onboard, and their injectors")
    for process in table:
        _start(process, folder)
    injectors = [process for process in table if process.role.startswith("inject")]
    wanted = {process.sensor_id for process in injectors}

    progress.step("waiting until every satellite has reported its health and rendered its first frame")
    for _ in _watch(table, folder, picture, live, _READY_TIMEOUT_S, "health of every satellite"):
        ready = all(process.counters.get("ready") for process in injectors)
        if ready and wanted <= live.health.keys():
            break

    start_ns = SystemClock().now_ns() + round(_START_DELAY_S * 1e9)
    started_s = time.monotonic() + _START_DELAY_S
    for process in injectors:
        _tell(process, {"start_ns": start_ns})
    rate = f"{scenario.frame_rate_hz:g} frames/s" + (f" at {pace:g} times its pace" if pace != 1.0 else "")
    progress.step(f"running {scenario.duration_s:g} s of scenario, {len(wanted)} satellites, {rate}")
    # Real time is the goal, not a condition: a slow machine takes longer and loses nothing.
    allowed_s = 20.0 * scenario.duration_s / pace + _FINISH_TIMEOUT_S
    wall_s = 0.0
    for _ in _watch(table, folder, picture, live, allowed_s, "end of all injectors"):
        live.elapsed_s = min(max(time.monotonic() - started_s, 0.0) * pace, scenario.duration_s)
        live.frames_sent = {process.sensor_id: process.counters.get("sent", 0) for process in injectors}
        live.frames_late = sum(process.counters.get("late", 0) for process in injectors)
        progress.live(live)
        if all(process.counters.get("done") for process in injectors):
            wall_s = time.monotonic() - started_s
            break

    progress.step("waiting until the ground has stored every report")
    for _ in _watch(table, folder, picture, live, _FINISH_TIMEOUT_S, "exit of all processes"):
        if all(process.status == 0 for process in table):
            break
    return wall_s


def _start(process: Process, folder: Path) -> None:
    with _out(folder, process).open("wb") as out, (folder / "logs" / f"{process.role}.log").open("wb") as log:
        process.running = subprocess.Popen(process.command, stdin=subprocess.PIPE, stdout=out, stderr=log)


def _out(folder: Path, process: Process) -> Path:
    return folder / "logs" / f"{process.role}.out"


def _tell(process: Process, order: dict[str, Any]) -> None:
    if process.running and process.running.stdin:
        process.running.stdin.write(json.dumps(order).encode() + b"\n")
        process.running.stdin.flush()


def _watch(
    table: tuple[Process, ...], folder: Path, picture: "zmq.Socket[bytes]", live: Live, timeout_s: float, awaited: str
) -> Iterator[None]:
    """Yield a few times a second with what the processes said; raise when one dies or the time is over."""
    end_s = time.monotonic() + timeout_s
    while time.monotonic() < end_s:
        if picture.poll(200):
            _hear(picture, live)
        for process in table:
            process.status = process.running.poll() if process.running else None
            if process.role.startswith("inject"):
                process.counters = _last_json(_out(folder, process)) or process.counters
            if process.status:
                raise RigError(f"{process.role} ended early with status {process.status}; {_tail(folder, process)}")
        yield
    raise RigError(f"waited {timeout_s:.0f} s for {awaited} in vain; the logs are in {folder / 'logs'}")


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


def _last_json(path: Path) -> dict[str, Any]:
    """Return the last whole line of JSON in a file; empty when there is none yet."""
    if not path.is_file():
        return {}
    for line in reversed(path.read_bytes().split(b"\n")[:-1]):
        with contextlib.suppress(ValueError):
            values = json.loads(line)
            if isinstance(values, dict):
                return values
    return {}


def _tail(folder: Path, process: Process) -> str:
    path = folder / "logs" / f"{process.role}.log"
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_TAIL_LINES:]
    return f"the end of {path}:\n" + "\n".join(f"    {line}" for line in lines) if lines else f"{path} is empty"


def _stop_all(table: tuple[Process, ...]) -> None:
    """End what still runs: politely, then surely; injectors first, the ground last."""
    for process in reversed(table):
        if process.running and process.running.poll() is None:
            process.running.send_signal(signal.SIGTERM)
    for process in reversed(table):
        if process.running:
            try:
                process.status = process.running.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.running.kill()
                process.status = process.running.wait()
            if process.running.stdin:
                process.running.stdin.close()
