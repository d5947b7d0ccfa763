"""Live outputs: the picture in standard formats, to datagrams, a stream, ZeroMQ or a file; what cannot go is counted.

Nothing here waits: a datagram or message that the system does not take at once is lost and counted, and a stream keeps
what is being written, at most ``MAX_BACKLOG_OCTETS``, beyond which whole messages are lost and counted. (A name that is
no number is looked up when a stream connects, which may wait for the resolver: give numbers.)
"""

import contextlib
import errno
import os
import socket
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import zmq

from lookdown.ground.outputs.asterix import AsterixOptions, asterix_blocks
from lookdown.ground.outputs.cot import CotOptions, cot_events
from lookdown.ground.outputs.czml import czml_packets
from lookdown.ground.outputs.geojson import geojson_features
from lookdown.ground.outputs.gmti import GmtiOptions, GmtiWriter
from lookdown.ground.outputs.points import Points
from lookdown.wire.clock import NS_PER_S, Clock
from lookdown.wire.errors import ConfigError

MAX_BACKLOG_OCTETS = 1 << 20
_AGAIN_NS = NS_PER_S  # between attempts to connect a stream
_QUEUE = 1000  # messages that ZeroMQ keeps for a slow subscriber

Format = Literal["asterix", "cot", "stanag4607", "czml", "geojson"]


@dataclass(frozen=True)
class OutputConfig:
    """One live output.

    Attributes
    ----------
    format : str
        What is sent.
    to : str
        Where: ``udp://host:port`` (a datagram a message), ``tcp://host:port`` (connects, and again when it is lost),
        ``zmq:tcp://*:port`` or another ZeroMQ endpoint after ``zmq:`` (binds, PUB), or ``file:path`` (appends).
    rate_hz : float
        Pictures a second.
    simulated : bool
        Whether the format's mark for simulated data is set, where it has one.
    sac, sic : int
        ASTERIX: who sends.
    """

    format: Format
    to: str
    rate_hz: float = 1.0
    simulated: bool = False
    sac: int = 0
    sic: int = 0

    def __post_init__(self) -> None:
        kind, _, rest = self.to.partition(":")
        if kind not in ("udp", "tcp", "zmq", "file") or not rest:
            raise ValueError(f"to: wanted udp://host:port, tcp://host:port, zmq:endpoint or file:path, got {self.to!r}")
        if kind in ("udp", "tcp"):
            with contextlib.suppress(ValueError):
                if urlsplit(self.to).hostname and urlsplit(self.to).port:
                    kind = ""
            if kind:
                raise ValueError(f"to: wanted {kind}://host:port, got {self.to!r}")
        if not 0.01 <= self.rate_hz <= 100.0:
            raise ValueError(f"rate_hz: wanted 0.01 to 100, got {self.rate_hz}; change it")
        if not (0 <= self.sac <= 255 and 0 <= self.sic <= 255):
            raise ValueError(f"sac and sic: wanted 0 to 255, got {self.sac} and {self.sic}")


class Sink(ABC):
    """Where messages go; counts what it handed over whole, and what it lost."""

    def __init__(self) -> None:
        self.sent = self.lost = 0

    @abstractmethod
    def send(self, message: bytes) -> None:
        """Hand a message over, or lose it."""

    @abstractmethod
    def close(self) -> None:
        """Give the address up."""


class _AtOnce(Sink):
    """A sink of which each message is taken or lost at once."""

    def send(self, message: bytes) -> None:
        """Hand a message over, or lose it."""
        if self._take(message):
            self.sent += 1
        else:
            self.lost += 1

    @abstractmethod
    def _take(self, message: bytes) -> bool:
        """Return whether the message was handed over whole."""


class Output:
    """One live output: paces itself, encodes, sends and counts.

    Parameters
    ----------
    config : OutputConfig
        What goes where.
    context : zmq.Context
        For ZeroMQ addresses.
    clock : Clock
        Paces pictures and attempts to connect.

    Attributes
    ----------
    counts : dict of str to int
        Messages ``sent`` and ``lost``, and tracks ``left_out`` because the format cannot tell them.

    Raises
    ------
    ConfigError
        If the address cannot be used.
    """

    def __init__(self, config: OutputConfig, context: "zmq.Context[zmq.Socket[bytes]]", clock: Clock) -> None:
        self.config = config
        self._clock = clock
        self._due_ns = 0
        self._known: set[int] = set()
        self._gmti = GmtiWriter(GmtiOptions(simulated=config.simulated))
        self._sink = _open_sink(config.to, context, clock)

    def offer(self, points: Callable[[], Points]) -> None:
        """Send a picture if one is due; ``points`` is asked for it only then."""
        now_ns = self._clock.steady_ns()
        if now_ns < self._due_ns:
            return
        self._due_ns = now_ns + round(NS_PER_S / self.config.rate_hz)
        for message in self._messages(points()):
            self._sink.send(message)

    @property
    def counts(self) -> dict[str, int]:
        """What became of the messages."""
        return {"sent": self._sink.sent, "lost": self._sink.lost, "left_out": self._gmti.left_out}

    def close(self) -> None:
        """Give the address up."""
        self._sink.close()

    def _messages(self, points: Points) -> Sequence[bytes]:
        config = self.config
        if config.format == "asterix":
            first = frozenset(r for r, track in enumerate(points.track_id.tolist()) if track not in self._known)
            self._known = set(points.track_id.tolist())
            return list(asterix_blocks(points, AsterixOptions(config.sac, config.sic, config.simulated), first))
        if config.format == "cot":
            return list(cot_events(points, CotOptions(simulated=config.simulated)))
        if config.format == "stanag4607":
            return list(self._gmti.packets(points))
        lines = czml_packets(points) if config.format == "czml" else list(geojson_features(points))
        return [line + b"\n" for line in lines]


class _Datagrams(_AtOnce):
    def __init__(self, host: str, port: int) -> None:
        super().__init__()
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        self._address: Any = address
        self._socket = socket.socket(family, kind)
        self._socket.setblocking(False)
        if family == socket.AF_INET:
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 8)

    def _take(self, message: bytes) -> bool:
        try:
            return self._socket.sendto(message, self._address) == len(message)
        except OSError:
            return False

    def close(self) -> None:
        self._socket.close()


class _Stream(Sink):
    """A stream that connects by itself and begins with a whole message after each connection."""

    def __init__(self, host: str, port: int, clock: Clock) -> None:
        super().__init__()
        self._host, self._port, self._clock = host, port, clock
        self._socket: socket.socket | None = None
        self._waiting: deque[bytes] = deque()
        self._octets = self._again_ns = 0

    def send(self, message: bytes) -> None:
        self._flush()
        if self._socket is None or self._octets + len(message) > MAX_BACKLOG_OCTETS:
            self.lost += 1
            return
        self._waiting.append(message)
        self._octets += len(message)
        self._flush()

    def close(self) -> None:
        self._flush()
        self._drop()

    def _flush(self) -> None:
        if self._socket is None:
            self._connect()
        try:
            while self._socket is not None and self._waiting:
                done = self._socket.send(self._waiting[0])
                self._octets -= done
                rest = self._waiting.popleft()[done:]
                if rest:
                    self._waiting.appendleft(rest)
                else:
                    self.sent += 1
        except BlockingIOError:
            pass
        except OSError as error:
            if error.errno != errno.ENOTCONN:  # still connecting
                self._drop()

    def _connect(self) -> None:
        if self._clock.steady_ns() < self._again_ns:
            return
        self._again_ns = self._clock.steady_ns() + _AGAIN_NS
        try:
            family, kind, _, _, address = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)[0]
            self._socket = socket.socket(family, kind)
            self._socket.setblocking(False)
            if self._socket.connect_ex(address) not in (0, errno.EINPROGRESS):
                self._drop()
        except OSError:
            self._drop()

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self.lost += len(self._waiting)
        self._socket, self._octets = None, 0
        self._waiting.clear()


class _Publisher(_AtOnce):
    def __init__(self, endpoint: str, context: "zmq.Context[zmq.Socket[bytes]]") -> None:
        super().__init__()
        # XPUB tells when a subscriber's queue is full; PUB would lose in silence.
        self._socket = context.socket(zmq.XPUB)
        self._socket.setsockopt(zmq.XPUB_NODROP, 1)
        self._socket.sndhwm = _QUEUE
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError:
            self._socket.close(linger=0)
            raise

    def _take(self, message: bytes) -> bool:
        while self._socket.poll(0, zmq.POLLIN):
            self._socket.recv()  # who subscribed: nobody asks
        try:
            self._socket.send(message, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def close(self) -> None:
        self._socket.close(linger=200)


class _File(_AtOnce):
    def __init__(self, path: Path) -> None:
        super().__init__()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def _take(self, message: bytes) -> bool:
        try:
            return os.write(self._number, message) == len(message)
        except OSError:
            return False

    def close(self) -> None:
        os.close(self._number)


def _open_sink(to: str, context: "zmq.Context[zmq.Socket[bytes]]", clock: Clock) -> Sink:
    kind, _, rest = to.partition(":")
    try:
        if kind == "zmq":
            return _Publisher(rest, context)
        if kind == "file":
            return _File(Path(rest.removeprefix("//")))
        parts = urlsplit(to)
        host, port = parts.hostname or "", parts.port or 0
        return _Datagrams(host, port) if kind == "udp" else _Stream(host, port, clock)
    except (OSError, zmq.ZMQError) as error:
        raise ConfigError(f"outputs: {to}: cannot be used ({error}); change it") from None
