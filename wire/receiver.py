"""The receiver of the link: a ROUTER socket around an inbox, with keys, seal and those who were refused."""

import time
from collections.abc import Collection, Iterable

import zmq

from lookdown.wire.clock import NS_PER_S, Clock
from lookdown.wire.end_to_end import PacketOpener
from lookdown.wire.envelope import Delivery
from lookdown.wire.errors import ConfigError, WireError
from lookdown.wire.inbox import Inbox, ReceiverCounts
from lookdown.wire.security import NOT_ENROLLED, Gatekeeper, Refusals, Security, Watch
from lookdown.wire.sockets import attach, prepare
from lookdown.wire.standing import Standing

MESSAGES_PER_SERVICE = 1000
"""Messages that one call of ``service`` takes from its socket, and packets after which it takes no more message: the
owner gets its turn under any load."""
_REFRESH_NS = NS_PER_S // 2  # how soon a changed folder of keys is seen


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
    opener : PacketOpener or None
        Opens the packets; what was not sealed for this node is refused. None: they are taken as they come.
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
        opener: PacketOpener | None = None,
    ) -> None:
        self._inbox = Inbox(allowed, self._open if opener else None)
        self._inbox.resume(resume)
        self._clock = clock
        self.refusals = Refusals()
        """Peers that were not let in."""
        self._security, self._opener = security, opener
        self._standing = Standing(security) if security else None
        self._refresh_ns = 0
        self._uncommitted = False
        self._gate = Gatekeeper(context, security) if security else None
        self._socket = context.socket(zmq.ROUTER)
        prepare(self._socket, MESSAGES_PER_SERVICE)
        self._watch = Watch(self._socket, self._standing.ended if self._standing else lambda _: None)
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
                if self._standing:
                    node_id = self._standing.node_of(parts[0])
                    if node_id is None:
                        self._inbox.refuse("revoked")
                        continue
                deliveries += self._inbox.accept(parts[0].bytes, now_ns, peer.bytes, node_id)
        self._acknowledge()
        self._uncommitted = self._uncommitted or bool(deliveries)
        return deliveries

    def commit(self) -> None:
        """Acknowledge all that `service` returned so far: it is stored."""
        self._inbox.commit()
        self._uncommitted = False
        if self._opener:
            self._opener.stored(self._clock.steady_ns())
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
        if self._opener and not self._uncommitted:
            self._opener.stored(self._clock.steady_ns(), at_once=True)
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
        if self._security and self._standing and now_ns >= self._refresh_ns:
            self._refresh_ns = now_ns + _REFRESH_NS
            self._security.refresh()
            for line in self._standing.review():
                self.refusals.add(line)
                self._inbox.refuse("connection revoked")

    def _open(self, delivery: Delivery) -> Delivery:
        assert self._opener
        try:
            return self._opener.open(delivery)
        except WireError as error:
            self.refusals.add(
                f"packet {delivery.sequence} of node {delivery.sender_id} refused, {error.reason}: {error}"
            )
            raise

    def _acknowledge(self) -> None:
        """Send the acknowledgements that are owed; one that finds no way is given again when its packet repeats."""
        for peer, message in self._inbox.acknowledgements():
            self._socket.send_multipart([peer, message], zmq.NOBLOCK)
