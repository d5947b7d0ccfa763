"""The receiver's side of the link, without sockets: what is taken, once and in order, and what is refused.

Per sender the inbox knows the start (boot) that is current and the last sequence number taken. A message is taken
when nothing that its sender still promises is missing before it; what its sender gave up before it is counted as
lost. What was taken is acknowledged after `Inbox.commit`, when the application has stored it.
"""

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from lookdown.wire.batch import entries
from lookdown.wire.envelope import ACKNOWLEDGEMENT, DATA, Delivery, Envelope, decode_envelope
from lookdown.wire.errors import EarlyError, WireError

UNKNOWN = 0
"""Key under which refusals are counted whose sender is unknown or not to be trusted."""
_BOOTS_REMEMBERED = 16


@dataclass(slots=True)
class ReceiverCounts:
    """What came from one sender since the receiver's start."""

    received: int = 0
    repeated: int = 0  # came again, dropped
    lost: int = 0  # given up by the sender, by its own word
    refused: Counter[str] = field(default_factory=Counter)  # by reason


@dataclass(slots=True)
class _Sender:
    boot_id: int = 0
    taken: int = 0
    committed: int = 0
    peer: bytes = b""
    owed: bool = False
    old_boots: deque[int] = field(default_factory=lambda: deque(maxlen=_BOOTS_REMEMBERED))

    def begin(self, boot_id: int) -> None:
        """Turn to a new start of the sender."""
        if self.boot_id:
            self.old_boots.append(self.boot_id)
        self.boot_id, self.taken, self.committed, self.owed = boot_id, 0, 0, False


class Inbox:
    """What came from all senders.

    Parameters
    ----------
    allowed : collection of int or None
        Identities of the senders that may be heard; None hears all.
    opened : callable or None
        Returns a delivery with its packet opened, or raises WireError; None: packets are taken as they come.
    """

    def __init__(
        self, allowed: Collection[int] | None = None, opened: Callable[[Delivery], Delivery] | None = None
    ) -> None:
        self._opened = opened
        self._allowed = None if allowed is None else frozenset(allowed)
        self._senders: dict[int, _Sender] = {}
        self.counts: dict[int, ReceiverCounts] = {}

    def resume(self, deliveries: Iterable[Delivery]) -> None:
        """Take up where an earlier receiver ended, whose stored deliveries these are, in order."""
        for delivery in deliveries:
            sender = self._senders.setdefault(delivery.sender_id, _Sender())
            if sender.boot_id != delivery.boot_id:
                sender.begin(delivery.boot_id)
            sender.taken = sender.committed = max(sender.taken, delivery.sequence)

    def accept(self, data: bytes, arrival_ns: int, peer: bytes = b"", node_id: int | None = None) -> list[Delivery]:
        """Take one message, whatever its octets are.

        Parameters
        ----------
        data : bytes
            The message.
        arrival_ns : int
            When it came, TAI [ns].
        peer : bytes
            Address to which acknowledgements for its sender go from now on.
        node_id : int or None
            Who proved to have sent it: a node speaks for itself alone. None: nobody had to prove anything.

        Returns
        -------
        list of Delivery
            The packets, to be stored; without those that are repeats or refused, both counted.
        """
        try:
            return self._accept(data, arrival_ns, peer, node_id)
        except WireError as error:
            self.refuse(error.reason)
            return []

    def refuse(self, reason: str, sender_id: int = UNKNOWN) -> None:
        """Count a message that is not taken."""
        self._counts_of(sender_id).refused[reason] += 1

    def _accept(self, data: bytes, arrival_ns: int, peer: bytes, node_id: int | None) -> list[Delivery]:
        envelope = decode_envelope(data, DATA)
        sender_id, boot_id = envelope.sender_id, envelope.boot_id
        if self._allowed is not None and sender_id not in self._allowed:
            raise WireError("sender", f"wanted one of {sorted(self._allowed)}, came {sender_id}")
        if node_id is not None and sender_id != node_id:
            raise WireError("identity", f"wanted sender {node_id}, whose key it came with, came {sender_id}")
        came = entries(envelope)
        counts = self._counts_of(sender_id)
        sender = self._senders.setdefault(sender_id, _Sender())
        if boot_id in sender.old_boots:
            counts.refused["stale boot"] += 1
            return []
        if boot_id != sender.boot_id:
            sender.begin(boot_id)
        sender.peer = peer
        deliveries = []
        for sequence, after, origin_ns, packet in came:
            if sequence <= sender.taken:
                counts.repeated += 1
                sender.owed = True
                continue
            # An earlier receiver may have stored more than this one knows of.
            before = max(sender.taken, envelope.acknowledged)
            if after > before:
                counts.refused["gap"] += 1
                break
            lost = sequence - 1 - before
            delivery = Delivery(sender_id, origin_ns, arrival_ns, packet, boot_id, sequence)
            if self._opened:
                try:
                    delivery = self._opened(delivery)
                except EarlyError as error:
                    counts.refused[error.reason] += 1
                    break
                except WireError as error:
                    counts.refused[error.reason] += 1  # it would be no better the next time
                    counts.lost += lost
                    sender.taken = sequence
                    continue
            counts.lost += lost
            sender.taken = sequence
            counts.received += 1
            deliveries.append(delivery)
        return deliveries

    def commit(self) -> None:
        """Promise that all deliveries so far are stored: acknowledgements may go out."""
        for sender in self._senders.values():
            if sender.committed < sender.taken:
                sender.committed = sender.taken
                sender.owed = True

    def acknowledgements(self) -> list[tuple[bytes, bytes]]:
        """Return (peer, message) for each sender to which an acknowledgement is owed; they are owed no more."""
        messages = []
        for sender_id, sender in self._senders.items():
            if sender.owed and sender.committed:
                ack = Envelope(ACKNOWLEDGEMENT, sender_id, sender.boot_id, sender.committed)
                messages.append((sender.peer, ack.encode()))
            sender.owed = False
        return messages

    def _counts_of(self, sender_id: int) -> ReceiverCounts:
        return self.counts.setdefault(sender_id, ReceiverCounts())
