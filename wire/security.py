"""Who may connect: CURVE (CurveZMQ, RFC 26) on the sockets and a list of node keys behind them (ZAP, RFC 27).

`Security` is a folder of keys (`lookdown.wire.keys`) that is read again when it changes, so that nodes are enrolled,
renewed and revoked while processes run. `Gatekeeper` answers the question of a context, which peers are let in, and
tells which were not. It has no thread: the owner polls its socket.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import zmq
from zmq.utils import z85
from zmq.utils.monitor import recv_monitor_message

from lookdown.wire.errors import ConfigError
from lookdown.wire.keys import Keyring, NodeKeys

_LOG = logging.getLogger(__name__)
_ENDPOINT = "inproc://zeromq.zap.01"
_DOMAIN = b"lookdown"
_REFUSALS_KEPT = 100
UNSECURED = (
    "the link is neither encrypted nor authenticated: anybody who reaches it can read it and speak for a node; make "
    "keys with lookdown-wire keys and name their folder as [security] keys"
)
"""Said by a live process that has no keys."""
NOT_ENROLLED = "not enrolled"
HANDSHAKE_FAILED = (
    zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
)
"""Events of a socket's monitor that say that a connection came to nothing."""


@dataclass(frozen=True, slots=True)
class SecurityConfig:
    """Section ``[security]`` of a process.

    Attributes
    ----------
    keys : Path or None
        Folder of keys of this node (`lookdown-wire keys make`); None: neither encrypted nor authenticated.
    peer : int
        For a process that connects: the node that it connects to, 1 to 65535.
    seal_for : int
        For a process that sends packets: the node that alone may read them, whatever carries them there; 0: none.
    sealed : bool
        For a process that packets are for: it takes those alone that were sealed for it.
    """

    keys: Path | None = None
    peer: int = 0
    seal_for: int = 0
    sealed: bool = False


class Security:
    """The keys of this node and of those that it believes.

    Parameters
    ----------
    folder : Path
        Folder of keys.

    Raises
    ------
    ConfigError
        The secret keys are absent, damaged or readable by others, or a card is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        """Where they are."""
        self.generation = 0
        """How often they were read again."""
        self._stamp = self._stamps()
        self.own = NodeKeys.load(self.folder)
        """Keys of this node."""
        self.ring = Keyring.load(self.folder)
        """Cards of the other nodes."""

    def refresh(self) -> bool:
        """Read the folder again if it changed; return whether it did. What is damaged is left as it was, and told."""
        stamp = self._stamps()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            own = NodeKeys.load(self.folder)
            ring = Keyring.load(self.folder, damaged=lambda text: _LOG.warning("%s; the node is not believed", text))
        except ConfigError as error:
            _LOG.warning("%s; the keys in use stay", error)
            return False
        self.own, self.ring = own, ring
        self.generation += 1
        return True

    def secure_server(self, socket: "zmq.Socket[bytes]") -> None:
        """Let only enrolled nodes connect to a socket that will bind; needs a `Gatekeeper` in the context."""
        socket.curve_publickey, socket.curve_secretkey = self.own.curve_pair
        socket.curve_server = True
        socket.zap_domain = _DOMAIN

    def secure_client(self, socket: "zmq.Socket[bytes]", peer: int, attempt: int = 0) -> bytes:
        """Let a socket that will connect do so as this node, and with node ``peer`` alone; return the peer's key.

        Parameters
        ----------
        socket : zmq.Socket
            Connections made from now on are meant.
        peer : int
            The node at the other end.
        attempt : int
            How often it failed: the peer may still use, or use already, another of its last keys.
        """
        card = self.ring.card(peer)
        if card is None:
            raise ConfigError(
                f"node {peer}, to which this one connects, is not enrolled in {self.folder}; give its number as "
                "security.peer and enrol its card with lookdown-wire keys enrol"
            )
        socket.curve_publickey, socket.curve_secretkey = self.own.curve_pair
        key = card.curve_keys[attempt % len(card.curve_keys)]
        socket.curve_serverkey = z85.encode(key)
        return key

    def node_of(self, user_id: str) -> int | None:
        """Return the node that a message comes from, by the ``User-Id`` of its frame; None if it was revoked since."""
        try:
            return self.ring.node_of(bytes.fromhex(user_id))
        except ValueError:
            return None

    def _stamps(self) -> tuple[int, ...]:
        """Return what changes with the folder: its files are replaced, never written in place."""
        stamps = []
        for path in (self.folder / "node.key", self.folder / "enrolled"):
            try:
                stamps.append(path.stat().st_mtime_ns)
            except OSError:
                stamps.append(0)
        return tuple(stamps)


def security_of(config: SecurityConfig, connects: bool = False) -> Security | None:
    """Return the security that a configuration asks for, None for none; ConfigError if it cannot be had."""
    if config.keys is None:
        if config.seal_for or config.sealed:
            raise ConfigError("security.keys: wanted a folder of keys to seal or open packets with, came none")
        return None
    if connects and config.sealed:
        raise ConfigError("security.sealed: it is for the process that packets are for; a sender says seal_for")
    if config.seal_for and not connects:
        raise ConfigError("security.seal_for: it is for a process that sends packets; who takes them says sealed")
    if connects and not 1 <= config.peer <= 65535:
        raise ConfigError(f"security.peer: wanted the node that is connected to, 1 to 65535, came {config.peer}")
    return Security(config.keys)


class Gatekeeper:
    """Answers which peers may connect to the sockets of a context.

    Parameters
    ----------
    context : zmq.Context
        Context of the process; it may have one gatekeeper.
    security : Security
        Whose ring is asked, as it is at the time.
    """

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", security: Security) -> None:
        self._security = security
        self.socket = context.socket(zmq.REP)
        """Readable when `service` has something to do."""
        self.socket.linger = 0
        try:
            self.socket.bind(_ENDPOINT)
        except zmq.ZMQError as error:
            self.socket.close()
            raise ConfigError(f"{_ENDPOINT}: wanted one gatekeeper in a context ({error})") from None

    def service(self) -> list[str]:
        """Answer what was asked; return a line for each peer that is refused."""
        refused: list[str] = []
        while True:
            try:
                request = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return refused
            number = request[1] if len(request) > 1 else b""
            self._security.refresh()
            good = len(request) == 7 and request[2] == _DOMAIN and request[5] == b"CURVE"
            key = request[6] if good else b""
            if good and self._security.ring.node_of(key) is not None:
                answer = [b"200", b"OK", key.hex().encode()]
            else:
                address = request[3].decode(errors="replace") if len(request) > 3 else "?"
                refused.append(f"key {key.hex()[:16] or '(none)'} at {address or 'a local address'} is not enrolled")
                answer = [b"400", b"not enrolled", b""]
            self.socket.send_multipart([b"1.0", number, *answer, b""])

    def close(self) -> None:
        """Close the socket; nobody is let in any more."""
        self.socket.unbind(_ENDPOINT)  # closing alone frees the name some time later
        self.socket.close(linger=0)


class Watch:
    """Tells what becomes of the connections of a socket.

    Parameters
    ----------
    socket : zmq.Socket
        The socket, before it binds or connects.
    ended : callable
        Told the descriptor of each connection that is over.
    """

    def __init__(self, socket: "zmq.Socket[bytes]", ended: Callable[[int], None] = lambda _: None) -> None:
        self._watched, self._ended = socket, ended
        self.socket = socket.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED | HANDSHAKE_FAILED
        )
        """Readable when `events` has something to say."""

    def events(self) -> list[str]:
        """Return for each handshake since the last call an empty string, or why it failed."""
        outcomes = []
        while self.socket.poll(0):
            message = recv_monitor_message(self.socket)
            event, value = message["event"], int(message["value"])
            if event == zmq.EVENT_DISCONNECTED:
                self._ended(value)
            elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                outcomes.append("")
            elif event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
                outcomes.append(f"{NOT_ENROLLED}: the peer does not know the key of this node")
            elif event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
                outcomes.append("the peer broke off, as one does that has another key than expected")
            elif value == zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH:
                outcomes.append("one side is secured and the other is not")
            elif value == zmq.PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC:
                outcomes.append("the peer expects another key of this node, or its messages were changed")
            else:
                outcomes.append(f"the peer does not speak the protocol of ZeroMQ ({value:#x})")
        return outcomes

    def close(self) -> None:
        """Stop watching."""
        if not self._watched.closed:
            self._watched.disable_monitor()
        self.socket.close(linger=0)


class Refusals:
    """Lines about refused connections, kept until somebody asks; the last ones if there are too many."""

    def __init__(self) -> None:
        self.count = 0
        """All so far."""
        self._lines: deque[str] = deque(maxlen=_REFUSALS_KEPT)

    def add(self, line: str) -> None:
        """Note a refused connection."""
        self.count += 1
        self._lines.append(line)

    def take(self) -> list[str]:
        """Return the lines that nobody has seen."""
        lines = list(self._lines)
        self._lines.clear()
        return lines
