"""One onboard process on its target: started, fed, broken and looked after, whatever carries it."""

import contextlib
import json
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import zmq

from lookdown.hil.faults.feed import Message
from lookdown.hil.process import as_row
from lookdown.hil.rig import RigError
from lookdown.hil.station.config import TargetConfig
from lookdown.hil.station.files import CONFIG, SPOOL
from lookdown.hil.station.reach import BOARD_PYTHON, AgentLink, tai_ns
from lookdown.wire.clock import NS_PER_S
from lookdown.wire.topics import FRAMES

_CLOCKED, _OFFSET = "clocked.py", "clock-offset"
_ROOM_OCTETS = 50_000_000
_VITALS_EVERY_S = 1.0


@dataclass(slots=True)
class Vitals:
    """What a board took: its processor time, memory, temperature, and its clock against the station's."""

    cpu_s: float = 0.0
    memory_mb: float | None = None
    temperature_c: float | None = None
    clock_offset_s: float | None = None
    clock_error_s: float | None = None


@dataclass(slots=True)
class Injected:
    """What was sent to a board, and how late; of messages that a fault delays on purpose the delay counts as due."""

    sent: int = 0
    frames: int = 0
    late: int = 0
    lateness_max_ms: float = 0.0


@dataclass(slots=True)
class Stated:
    """One line of the table of processes in a report."""

    role: str
    command: tuple[str, ...]
    status: int | None
    counters: dict[str, Any] = field(default_factory=dict)
    cpu_s: float | None = None
    memory_mb: float | None = None

    def as_row(self, wall_s: float) -> dict[str, Any]:
        """Return its line of the report."""
        return as_row(self.role, self.status, self.counters, self.cpu_s, self.memory_mb, self.command, wall_s)


def free_port() -> int:
    """Return a port of this machine that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class LiveBoard:
    """The onboard process of one satellite.

    Parameters
    ----------
    sensor_id : int
        The satellite.
    target : TargetConfig
        What carries it.
    folder : Path
        The run's folder on this machine.
    ground_port : int
        Port of this machine at which it reaches the ground, or the proxy before it.
    context : zmq.Context
        Of the station.
    period_s : float
        Time between frames [s].
    settable : bool
        Whether its clock must be one that the station can set.
    """

    def __init__(
        self, sensor_id: int, target: TargetConfig, folder: Path, ground_port: int,
        context: "zmq.Context[zmq.Socket[bytes]]", period_s: float, settable: bool,
    ) -> None:  # fmt: skip
        self.sensor_id, self.target, self.vitals, self.injected = sensor_id, target, Vitals(), Injected()
        self.settable = settable
        self._context, self._period_ns = context, round(period_s * NS_PER_S)
        self._near, self._there = free_port(), free_port()
        self._ground_here = ground_port
        self._ground_there = free_port() if self.tunnelled else ground_port
        self._local = folder.resolve() / "run" / f"flight-{sensor_id}"
        self._logs = folder.resolve() / "logs"
        self._socket: zmq.Socket[bytes] | None = None
        self._agent: AgentLink | None = None
        self.queue: deque[tuple[int, Message]] = deque()
        self.running = False
        self.starts = 0
        self._looked_s = 0.0
        self.last: dict[str, Any] = {}
        self.folder = ""

    @property
    def remote(self) -> bool:
        """Whether it is on another machine."""
        return self.target.kind == "ssh"

    @property
    def tunnelled(self) -> bool:
        """Whether frames and reports go through the connection of ssh."""
        return self.remote and not self.target.address

    @property
    def endpoints(self) -> tuple[str, str]:
        """Where its process takes frames, and where it sends reports, as its configuration says."""
        frames_at = self.target.address or "127.0.0.1"
        ground_at = self.target.rig_address or "127.0.0.1"
        return f"tcp://{frames_at}:{self._there}", f"tcp://{ground_at}:{self._ground_there}"

    @property
    def agent(self) -> AgentLink:
        """The agent; RigError if the target has not been reached."""
        if self._agent is None:
            raise RigError(f"flight-{self.sensor_id}: its target has not been reached")
        return self._agent

    def reach(self) -> dict[str, Any]:
        """Reach the target and make room; return what it is.

        Raises
        ------
        RigError
            It cannot be reached, its disk has no room, or it has no lookdown.
        """
        forwards = (self._near, self._there, self._ground_there, self._ground_here) if self.tunnelled else None
        self._agent = AgentLink(self.target, forwards)
        machine = dict(self.agent.machine)
        code = "import platform, lookdown.flight.live; print(platform.machine(), platform.python_version())"
        tried = self.agent.ask("try", command=[self.python, "-c", code], patience_s=0.9 * self.target.answer_s)
        if tried["status"] != 0:
            said = (tried["log"].strip().splitlines() or ["no word"])[-1]
            raise RigError(
                f"{self.name}: {self.python} has no lookdown that runs there ({said}); install the bundle of make "
                "board (docs/board.md), or set python in [target]"
            )
        machine["machine"], machine["python"] = tried["out"].split()
        self.folder = f"{self.target.folder}/flight-{self.sensor_id}" if self.remote else str(self._local)
        if self.remote and not self.folder.startswith("/"):
            self.folder = f"{machine['home']}/{self.folder}"
        room = self.agent.ask("room", path=self.folder, service=self.target.service)
        self.folder = room["path"]
        if room["free"] < _ROOM_OCTETS:
            raise RigError(
                f"{self.name}: wanted {_ROOM_OCTETS / 1e6:.0f} MB free in {self.folder}, came "
                f"{room['free'] / 1e6:.0f} MB; free some, or choose another folder in [target]"
            )
        return machine

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"flight-{self.sensor_id} on {self.target.host or self.target.kind}"

    @property
    def python(self) -> str:
        """Its interpreter."""
        if self.target.kind == "emulated":
            return str(Path(self.target.python).resolve())
        return self.target.python or (BOARD_PYTHON if self.remote else sys.executable)

    def put(self, contents: dict[str, bytes], anew: bool) -> None:
        """Hand over its files; ``anew`` forgets what an earlier run left."""
        if anew:
            names = [SPOOL, f"{SPOOL}-wal", f"{SPOOL}-shm", f"{SPOOL}.damaged", "out", "log"]
            self.agent.ask("remove", paths=[f"{self.folder}/{name}" for name in names])
        source = files("lookdown.hil.station").joinpath(_CLOCKED).read_bytes()
        for name, data in {**contents, **({_CLOCKED: source, _OFFSET: b"0"} if self.settable else {})}.items():
            self.agent.put(f"{self.folder}/{name}", data)

    def start(self) -> None:
        """Start the process, and connect to its door anew."""
        config = f"{self.folder}/{CONFIG}"
        command = [self.python, "-m", "lookdown.flight", "run", "--config", config]
        if self.settable:
            command = [self.python, f"{self.folder}/{_CLOCKED}", config, f"{self.folder}/{_OFFSET}"]
        self.command = tuple(command)
        said = {"out": f"{self.folder}/out", "log": f"{self.folder}/log"}
        self.agent.ask("start", command=command, service=self.target.service, **said)
        self.running = True
        self.starts += 1
        if self._socket is not None:
            self._socket.close(linger=0)
        socket = self._context.socket(FRAMES.sockets[0])
        socket.linger = 0
        socket.sndhwm = FRAMES.high_water_mark
        socket.immediate = True
        socket.set(zmq.RECONNECT_IVL, 50)
        near = self._near if self.tunnelled else self._there
        socket.connect(f"tcp://{self.target.address or '127.0.0.1'}:{near}")
        self._socket = socket

    def give(self, messages: list[Message], due_ns: int) -> None:
        """Put messages in line, each for its instant, TAI [ns]."""
        for message in messages:
            self.queue.append((due_ns + round(message.delay_s * NS_PER_S), message))

    def drain(self) -> bool:
        """Send what is due, as far as the board takes it; return whether nothing waits that is due."""
        assert self._socket is not None
        while self.queue and self.queue[0][0] <= (now_ns := tai_ns()):
            due_ns, message = self.queue[0]
            try:
                self._socket.send_multipart(message.parts, zmq.NOBLOCK)
            except zmq.Again:
                return False
            self.queue.popleft()
            self.injected.sent += 1
            if len(message.parts) == 2:
                self.injected.frames += 1
                self.injected.late += now_ns - due_ns > self._period_ns
                self.injected.lateness_max_ms = max(self.injected.lateness_max_ms, 1e-6 * (now_ns - due_ns))
        return True

    @property
    def due_ns(self) -> int | None:
        """Instant of the next message in line, TAI [ns]."""
        return self.queue[0][0] if self.queue else None

    def signal(self, name: str) -> int | None:
        """Send a signal; return the exit status, if it has ended."""
        status: int | None = self.agent.ask("signal", name=name)["status"]
        if name in ("SIGKILL", "SIGTERM"):
            self.running = False
        return status

    def look(self, force: bool = False) -> None:
        """Take note of vitals, once a second.

        Raises
        ------
        RigError
            The process has ended, which it should not have; the message says its last words.
        """
        if not force and time.monotonic() - self._looked_s < _VITALS_EVERY_S:
            return
        self._looked_s = time.monotonic()
        self.last = self.agent.ask("status", out=f"{self.folder}/out", log=f"{self.folder}/log")
        vitals = self.vitals
        vitals.cpu_s = self.last["cpu_s"]
        for name in ("memory_mb", "temperature_c"):
            came = self.last[name]
            if came is not None:
                setattr(vitals, name, max(getattr(vitals, name) or 0.0, came))
        if self.running and self.last["status"] is not None and not self.ended_well:
            words = self.last["log"].strip().splitlines()[-8:]
            raise RigError(
                f"{self.name} ended with status {self.last['status']}, which it should not have; its last words:\n"
                + "\n".join(f"    {line}" for line in words)
            )

    @property
    def ended_well(self) -> bool:
        """Whether it said all it had to say and ended."""
        return self.last.get("status") == 0 and self.counters.get("ended_by") == "end"

    @property
    def counters(self) -> dict[str, Any]:
        """Its last line of counters."""
        for line in reversed(str(self.last.get("out", "")).splitlines()):
            with contextlib.suppress(ValueError):
                values = json.loads(line)
                if isinstance(values, dict):
                    return values
        return {}

    def measure_clock(self) -> None:
        """Measure its clock against the station's; the best measurement stays."""
        offset_s, error_s = self.agent.clock_offset()
        if self.vitals.clock_error_s is None or error_s < self.vitals.clock_error_s:
            self.vitals.clock_offset_s, self.vitals.clock_error_s = offset_s, error_s

    def set_clock(self, seconds: float) -> None:
        """Set its clock off by so much more."""
        path = f"{self.folder}/{_OFFSET}"
        off = float(self.agent.get(path) or b"0") + seconds
        self.agent.put(path, repr(off).encode())

    def send_end(self, packet: bytes, patience_ms: int) -> bool:
        """Say that no frame follows."""
        assert self._socket is not None
        if not self._socket.poll(patience_ms, zmq.POLLOUT):
            return False
        self._socket.send(packet)
        return True

    def lose(self) -> None:
        """Forget the connection to a target that does not answer."""
        if self._agent is not None:
            self._agent.close()
            self._agent = None
        self.running = False

    def close(self) -> None:
        """End the process and what belongs to it; its log is brought home."""
        if self._agent is not None:
            with contextlib.suppress(Exception):
                self._logs.joinpath(f"flight-{self.sensor_id}.log").write_bytes(
                    self._agent.get(f"{self.folder}/log")[-1_000_000:]
                )
            self._agent.close()
            self._agent = None
        if self._socket is not None:
            self._socket.close(linger=0)

    def stated(self) -> tuple[Stated, Stated]:
        """Return the lines of the report about the process and what was injected."""
        vitals, injected = self.vitals, self.injected
        flight = Stated(
            f"flight-{self.sensor_id}", self.command if self.starts else (), self.last.get("status"), self.counters,
            vitals.cpu_s, vitals.memory_mb,
        )  # fmt: skip
        said = {"sent": injected.frames, "late": injected.late, "lateness_max_ms": injected.lateness_max_ms,
                "messages": injected.sent}  # fmt: skip
        return flight, Stated(f"inject-{self.sensor_id}", ("the station",), 0, said)
