"""The link over ZeroMQ: many senders (DEALER, connect), one receiver (ROUTER, bind), nothing lost silently.

`LinkSender` and `LinkReceiver` own the sockets and nothing else; what is sent, taken, acknowledged and counted is
decided by `Outbox` and `Inbox`. Neither has a thread: the owner calls ``service``, which does what is due, waits at
most as long as it is told, and is bounded in what it does. The rules stand in ``docs/link.md``.
"""

import contextlib
import secrets
import time
from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import replace

import zmq

from lookdown.wire.clock import NS_PER_S, Clock
from lookdown.wire.envelope import Delivery
from lookdown.wire.errors import ConfigError
from lookdown.wire.inbox import UNKNOWN, Inbox, ReceiverCounts
from lookdown.wire.outbox import LinkLimits, Outbox, SenderCounts
from lookdown.wire.pacing import Pacer
from lookdown.wire.packet import MAX_PACKET_OCTETS
from lookdown.wire.security import NOT_ENROLLED, Gatekeeper, Refusals, Security, Watch
from lookdown.wire.spool import Spool

__all__ = ["UNKNOWN", "Delivery", "LinkLimits", "LinkReceiver", "LinkSender", "ReceiverCounts", "SenderCounts"]

MESSAGES_PER_SERVICE = 1000
"""Messages that one call of ``service`` takes from its socket, and packets after which it takes no more message: the
owner gets its turn under any load."""
_MAX_MESSAGE_OCTETS = 1024 * 1024  # ZeroMQ cuts off a peer that sends more; what is less is counted as oversize
_RETRY_NS = NS_PER_S // 2  # after a refused connection
_REFRESH_NS = NS_PER_S // 2  # how soon a changed folder of keys is seen
_HEARTBEAT_MS = 1000
_HEARTBEAT_TIMEOUT_MS = 4000  # a half-open connection is given up after this silence


def prepare(
    socket: zmq.Socket[bytes],
    high_water_mark: int,
    max_message_octets: int = _MAX_MESSAGE_OCTETS,
    heartbeat_ms: int = _HEARTBEAT_MS,
    silence_ms: int = _HEARTBEAT_TIMEOUT_MS,
) -> None:
    """Set what every socket of links and relays has: nothing lingers, all is bounded, silence ends a connection."""
    socket.linger = 0
    socket.sndhwm = socket.rcvhwm = high_water_mark
    socket.set(zmq.MAXMSGSIZE, max_message_octets)
    socket.set(zmq.HEARTBEAT_IVL, heartbeat_ms)
    socket.set(zmq.HEARTBEAT_TIMEOUT, silence_ms)
    socket.set(zmq.HEARTBEAT_TTL, silence_ms)


def attach(socket: zmq.Socket[bytes], endpoint: str, bind: bool) -> None:
    """Bind or connect a socket; the socket is closed and ConfigError raised if the endpoint does not allow it."""
    try:
        (socket.bind if bind else socket.connect)(endpoint)
    except zmq.ZMQError as error:
        socket.close(linger=0)
        verb = "bind" if bind else "connect to"
        raise ConfigError(
            f"cannot {verb} endpoint {endpoint!r}: {zmq.strerror(error.errno or 0)}; "
            "wanted a free one such as tcp://127.0.0.1:5600 or ipc://reports"
        ) from None


class LinkSender:
    """One sender of the link.

    Parameters
    ----------
    context : zmq.Context
        Context of the process.
    endpoint : str
        Where the receiver binds; it need not be there yet, and may go and come back.
    sender_id : int
        Identity of this sender, 1 to 65535.
    clock : Clock
        Its steady reading times the resending.
    boot_id : int or None
        Number of this start, not 0, 64 bit; None draws one, or takes that of the spool.
    spool : Spool or None
        Keeps what is held on disk; what earlier starts left in it goes out first. None: it is held in memory alone.
    limits : LinkLimits or None
        Bounds of what is held, in flight and a second; None for the defaults.
    security : Security or None
        Keys with which this node connects; None: neither encrypted nor authenticated.
    peer : int
        With security: the node that the receiver is.

    Raises
    ------
    ConfigError
        The endpoint is none, or the receiver's node is not enrolled.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        endpoint: str,
        sender_id: int,
        clock: Clock,
        *,
        boot_id: int | None = None,
        spool: Spool | None = None,
        limits: LinkLimits | None = None,
        security: Security | None = None,
        peer: int = 0,
    ) -> None:
        limits = limits or LinkLimits()
        boot_id = boot_id or (spool.boot_id if spool else draw_boot_id())
        self._spool = spool
        # One after the other: the receiver hears a start of a sender no more when it has heard a later one.
        self._outboxes = deque(
            Outbox(sender_id, left.boot_id, limits, journal=spool, held=left.packets, acknowledged=left.acknowledged)
            for left in (spool.left if spool else ())
        )
        self._newest = Outbox(sender_id, boot_id, _less(limits, self._outboxes), journal=spool)
        self._outboxes.append(self._newest)
        self._clock = clock
        self._pacer = Pacer(limits.bits_per_s)
        self._blocked = self._paced = False
        self.connections = 0
        """Connections made since the start."""
        self._socket = context.socket(zmq.DEALER)
        prepare(self._socket, limits.window)
        self._socket.immediate = True  # nothing is queued for a receiver that is not there
        self._socket.set(zmq.RECONNECT_IVL, 50)
        self._socket.set(zmq.RECONNECT_IVL_MAX, 1000)
        self._endpoint, self._security, self._peer = endpoint, security, peer
        self.refusals = Refusals()
        """Connections that came to nothing."""
        self._retry_ns: int | None = None
        self._watch = Watch(self._socket)
        try:
            if security:
                security.secure_client(self._socket, peer)
            attach(self._socket, endpoint, bind=False)
        except ConfigError:
            self._watch.close()
            self._socket.close(linger=0)
            raise

    def offer(self, packet: bytes, priority: int = 0, origin_ns: int = 0) -> bool:
        """Take a packet to send; see `Outbox.offer`. Nothing is sent before the next `service`."""
        return self._newest.offer(packet, priority, origin_ns)

    def service(self, timeout_ms: int = 0) -> None:
        """Send and resend what is due, take acknowledgements; wait at most ``timeout_ms`` for something to do."""
        self._send()
        poller = zmq.Poller()
        self.register(poller)
        poller.poll(self.wait_ms(timeout_ms))
        now_ns = self._clock.steady_ns()
        self._follow_connections(now_ns)
        for _ in range(MESSAGES_PER_SERVICE):
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            self._outbox.acknowledge(b"".join(parts), now_ns)
        self._outbox.expire(now_ns)
        self._send()

    def register(self, poller: zmq.Poller) -> None:
        """Tell a poller of the owner when `service` would have something to do; call again before each poll."""
        poller.register(self._socket, zmq.POLLIN | (zmq.POLLOUT if self._blocked else 0))
        poller.register(self._watch.socket, zmq.POLLIN)

    def wait_ms(self, limit_ms: int) -> int:
        """Return how long the owner may wait before it calls `service`, at most ``limit_ms``."""
        due_ns = [self._pacer.due_ns] if self._paced else []
        if self._retry_ns is not None:
            due_ns.append(self._retry_ns)
        if self._outbox.due_ns is not None:
            due_ns.append(self._outbox.due_ns)
        if not due_ns:
            return limit_ms
        return min(limit_ms, max(0, -((self._clock.steady_ns() - min(due_ns)) * 1000 // NS_PER_S)))

    @property
    def stats(self) -> SenderCounts:
        """What was offered, sent, resent, acknowledged, given up and refused so far, of this start alone."""
        return self._newest.counts

    @property
    def held(self) -> int:
        """Packets that are neither acknowledged nor given up, those of earlier starts among them."""
        return sum(outbox.held for outbox in self._outboxes)

    @property
    def idle(self) -> bool:
        """Whether every packet is acknowledged or was given up."""
        return not self.held

    def close(self) -> None:
        """Close sockets and spool; without a spool, what is not acknowledged is gone."""
        if self._spool:
            self._spool.close()
        self._watch.close()
        self._socket.close(linger=0)

    def _follow_connections(self, now_ns: int) -> None:
        """Note connections that were made or refused; connect again after a refusal, which ZeroMQ takes for final."""
        for failure in self._watch.events():
            if failure:
                self.refusals.add(f"no connection to {self._endpoint}: {failure}")
                self._newest.counts.refused["connection"] += 1
                self._retry_ns = self._retry_ns or now_ns + _RETRY_NS
                continue
            if self.connections:  # before the first there was no way to lose anything on
                self._outbox.go_back()
            self.connections += 1
            self._retry_ns = None
        if self._retry_ns is None or now_ns < self._retry_ns:
            return
        self._retry_ns = None
        with contextlib.suppress(zmq.ZMQError):  # it has given up by itself
            self._socket.disconnect(self._endpoint)
        if self._security:
            self._security.refresh()
            with contextlib.suppress(ConfigError):  # the receiver's card is gone: the keys that were stay
                self._security.secure_client(self._socket, self._peer, self.refusals.count)
        self._socket.connect(self._endpoint)

    @property
    def _outbox(self) -> Outbox:
        """The oldest start that has something to send, or else this one."""
        while len(self._outboxes) > 1 and not self._outboxes[0].held:
            done = self._outboxes.popleft()
            if self._spool:
                self._spool.forget(done.boot_id)
        return self._outboxes[0]

    def _send(self) -> None:
        """Send until nothing is to be sent, the rate is used up or the socket takes no more."""
        self._blocked = self._paced = False
        if self._spool:
            self._spool.commit()  # nothing is sent that could be forgotten, as long as the disk takes it
            self._newest.counts.unspooled = self._spool.unspooled
        now_ns = self._clock.steady_ns()
        while (message := self._outbox.next()) is not None:
            if not self._pacer.ready(now_ns):
                self._paced = True
                return
            try:
                self._socket.send(message, zmq.NOBLOCK)
            except zmq.Again:
                self._blocked = True
                return
            self._outbox.sent(now_ns)
            self._pacer.sent(len(message), now_ns)


def draw_boot_id() -> int:
    """Return a number for a start of a sender, random: a clock may be set back."""
    return secrets.randbits(64) | 1


def _less(limits: LinkLimits, left: Collection[Outbox]) -> LinkLimits:
    """Return the limits less what earlier starts left: all together keep within them."""
    return replace(
        limits,
        capacity=max(limits.capacity - sum(outbox.held for outbox in left), limits.window + 1),
        capacity_octets=max(limits.capacity_octets - sum(outbox.octets for outbox in left), MAX_PACKET_OCTETS),
    )


class LinkReceiver:
    """The receiver of the link.

    Parameters
    ----------
    context : zmq.Context
        Context of the process.
    endpoint : str
        Where to bind.
    clock : Clock
        Stamps the arrivals.
    allowed : collection of int or None
        Identities of the senders that may be heard; None hears all.
    security : Security or None
        Whose nodes alone may connect, each speaking for itself; None: anybody may.
    resume : iterable of Delivery
        What an earlier receiver stored, in order: it is not taken again.

    Raises
    ------
    ConfigError
        The endpoint is none, or another process holds it.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        endpoint: str,
        clock: Clock,
        allowed: Collection[int] | None = None,
        *,
        resume: Iterable[Delivery] = (),
        security: Security | None = None,
    ) -> None:
        self._inbox = Inbox(allowed)
        self._inbox.resume(resume)
        self._clock = clock
        self.refusals = Refusals()
        """Peers that were not let in."""
        self._security = security
        self._refresh_ns = 0
        self._gate = Gatekeeper(context, security) if security else None
        self._socket = context.socket(zmq.ROUTER)
        prepare(self._socket, MESSAGES_PER_SERVICE)
        self._watch = Watch(self._socket)
        if security:
            security.secure_server(self._socket)
        try:
            attach(self._socket, endpoint, bind=True)
        except ConfigError:
            self.close()
            raise

    def service(self, timeout_ms: int = 0) -> list[Delivery]:
        """Return the packets that came, each once and in the order of its sender.

        Waits at most ``timeout_ms`` for the first. Store them, then call `commit`: until then their sender keeps them.
        """
        deliveries: list[Delivery] = []
        taken = 0
        if self._wait(timeout_ms):
            now_ns = self._clock.now_ns()
            while len(deliveries) < MESSAGES_PER_SERVICE and taken < MESSAGES_PER_SERVICE:
                taken += 1
                try:
                    peer, *parts = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
                except zmq.Again:
                    break
                if len(parts) != 1:
                    self._inbox.refuse("parts")
                    continue
                node_id = None
                if self._security:
                    node_id = self._security.node_of(str(parts[0].get("User-Id")))
                    if node_id is None:
                        self._inbox.refuse("revoked")
                        continue
                deliveries += self._inbox.accept(parts[0].bytes, now_ns, peer.bytes, node_id)
        self._acknowledge()
        return deliveries

    def commit(self) -> None:
        """Acknowledge all that `service` returned so far: it is stored."""
        self._inbox.commit()
        self._acknowledge()

    @property
    def stats(self) -> dict[int, ReceiverCounts]:
        """By sender: received, repeated, lost, refused by reason; under `UNKNOWN` what no known sender sent."""
        return self._inbox.counts

    @property
    def endpoint(self) -> str:
        """Where it is bound, a free port filled in."""
        return self._socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def close(self) -> None:
        """Close the sockets; senders keep what is not acknowledged."""
        self._watch.close()
        if self._gate:
            self._gate.close()
        self._socket.close(linger=0)

    def register(self, poller: zmq.Poller) -> None:
        """Tell a poller of the owner when `service` would have something to do."""
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._watch.socket, zmq.POLLIN)
        if self._gate:
            poller.register(self._gate.socket, zmq.POLLIN)

    def _wait(self, timeout_ms: int) -> bool:
        """Let peers in until a message waits; return whether one does."""
        poller = zmq.Poller()
        self.register(poller)
        end_ns = time.monotonic_ns() + timeout_ms * 1_000_000
        while True:
            rest_ms = max(0, -((time.monotonic_ns() - end_ns) // 1_000_000))
            ready = dict(poller.poll(rest_ms))
            self._follow_peers()
            if self._socket in ready or not ready or not rest_ms:
                return self._socket in ready

    def _follow_peers(self) -> None:
        """Let peers in or not, and note those that were refused."""
        for line in self._gate.service() if self._gate else ():
            self.refusals.add(f"peer refused: {line}")
            self._inbox.refuse("peer not enrolled")
        for failure in self._watch.events():
            if failure and not failure.startswith(NOT_ENROLLED):  # the gatekeeper said that already
                self.refusals.add(f"peer refused: {failure}")
                self._inbox.refuse("peer handshake")
        now_ns = self._clock.steady_ns()
        if self._security and now_ns >= self._refresh_ns:
            self._refresh_ns = now_ns + _REFRESH_NS
            self._security.refresh()

    def _acknowledge(self) -> None:
        """Send the acknowledgements that are owed; one that finds no way is given again when its packet repeats."""
        for peer, message in self._inbox.acknowledgements():
            self._socket.send_multipart([peer, message], zmq.NOBLOCK)
