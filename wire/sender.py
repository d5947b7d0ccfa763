"""The sender of the link: a DEALER socket around outboxes, with pacing, spool, keys and seal."""

import contextlib
import secrets
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import replace

import zmq

from lookdown.wire.clock import NS_PER_S, Clock
from lookdown.wire.end_to_end import PacketSealer
from lookdown.wire.errors import ConfigError
from lookdown.wire.outbox import LinkLimits, Note, Outbox, SenderCounts
from lookdown.wire.pacing import Pacer
from lookdown.wire.packet import MAX_PACKET_OCTETS
from lookdown.wire.relay.bundle import Key
from lookdown.wire.security import Refusals, Security, Watch
from lookdown.wire.sockets import attach, prepare
from lookdown.wire.spool import Spool
from lookdown.wire.trace_file import TraceFile

_ACKNOWLEDGEMENTS_PER_SERVICE = 1000
_RETRY_NS = NS_PER_S // 2  # after a refused connection
_REFRESH_NS = NS_PER_S // 2  # how soon a changed folder of keys is seen


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
    sealer : PacketSealer or None
        Seals each packet when it is offered; what waits in a spool goes out as it was offered.
    trace : TraceFile or None
        Where to note what happens to each packet; closed with the sender.

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
        sealer: PacketSealer | None = None,
        trace: TraceFile | None = None,
    ) -> None:
        limits = limits or LinkLimits()
        boot_id = boot_id or (spool.boot_id if spool else draw_boot_id())
        self._spool, self._trace = spool, trace
        self._sender_id, self._clock = sender_id, clock
        # One after the other: the receiver hears a start of a sender no more when it has heard a later one.
        self._outboxes = deque(
            Outbox(
                sender_id, left.boot_id, limits, journal=spool, held=left.lanes, acknowledged=left.acknowledged,
                note=self._noting(left.boot_id),
            )
            for left in (spool.left if spool else ())
        )  # fmt: skip
        seal = sealer.seal if sealer else None
        self._newest = Outbox(
            sender_id, boot_id, _less(limits, self._outboxes), journal=spool, seal=seal, note=self._noting(boot_id)
        )
        self._outboxes.append(self._newest)
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
        self._refresh_ns = 0
        self._server_key = b""
        self._watch = Watch(self._socket)
        try:
            if security:
                self._server_key = security.secure_client(self._socket, peer)
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
        self._follow_keys(now_ns)
        for _ in range(_ACKNOWLEDGEMENTS_PER_SERVICE):
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            self._outbox.acknowledge(b"".join(parts), now_ns)
        self._outbox.expire(now_ns)
        self._send()
        if self._trace:
            self._trace.flush()

    def register(self, poller: zmq.Poller) -> None:
        """Tell a poller of the owner when `service` would have something to do; call again before each poll."""
        poller.register(self._socket, zmq.POLLIN | (zmq.POLLOUT if self._blocked else 0))
        poller.register(self._watch.socket, zmq.POLLIN)

    def wait_ms(self, limit_ms: int) -> int:
        """Return how long the owner may wait before it calls `service`, at most ``limit_ms``."""
        due_ns = [self._pacer.due_ns] if self._paced else []
        if self._retry_ns is not None:
            due_ns.append(self._retry_ns)
        if self._security:
            due_ns.append(self._refresh_ns)
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
        if self._trace:
            self._trace.close()
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
        self._disconnect()
        if self._security:
            self._security.refresh()
            try:
                self._server_key = self._security.secure_client(self._socket, self._peer, self.refusals.count)
            except ConfigError:  # the receiver's card is gone: nobody is spoken to until there is one
                self._retry_ns = now_ns + _RETRY_NS
                return
        self._socket.connect(self._endpoint)

    def _follow_keys(self, now_ns: int) -> None:
        """Cut the connection if the receiver was revoked."""
        if self._security is None or now_ns < self._refresh_ns:
            return
        self._refresh_ns = now_ns + _REFRESH_NS
        self._security.refresh()
        if self._retry_ns is not None:
            return
        card = self._security.ring.card(self._peer)
        if card and self._server_key in card.curve_keys:
            return
        self._disconnect()
        why = "was revoked" if card is None else "uses other keys now"
        self.refusals.add(f"connection to {self._endpoint} cut: node {self._peer} {why}")
        self._newest.counts.refused["connection"] += 1
        self._retry_ns = now_ns + (_RETRY_NS if card is None else 0)

    def _disconnect(self) -> None:
        with contextlib.suppress(zmq.ZMQError):  # it has given up by itself
            self._socket.disconnect(self._endpoint)

    @property
    def _outbox(self) -> Outbox:
        """The oldest start that has something to send, or else this one."""
        while len(self._outboxes) > 1 and not self._outboxes[0].held:
            done = self._outboxes.popleft()
            if self._spool:
                self._spool.forget(done.boot_id)
        return self._outboxes[0]

    def _noting(self, boot_id: int) -> Note | None:
        """Return what notes the events of a start."""
        trace = self._trace
        if trace is None:
            return None

        def note(event: str, sequences: Sequence[int]) -> None:
            now_ns, peer = self._clock.now_ns(), self._peer if event in ("sent", "custody") else 0
            for sequence in sequences:
                trace.note(now_ns, event, Key(self._sender_id, boot_id, sequence), peer)

        return note

    def _send(self) -> None:
        """Send until nothing is to be sent, the rate is used up or the socket takes no more."""
        self._blocked = self._paced = False
        if self._spool:
            # Nothing is sent that could be forgotten, as long as the disk takes it.
            self._newest.journalled(self._spool.commit())
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
