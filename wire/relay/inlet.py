"""What relays brought to the ground: packets of the link out of the store of the ground's relay, in order, each once.

Bundles overtake each other. A packet whose predecessor is still under way waits for it, at most ``wait_s``; what did
not come by then, or comes after a later start of its board, is counted as lost. The store is only read: what was taken
is known from the ground's own recording.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from pathlib import Path

from lookdown.wire.clock import NS_PER_S, Clock
from lookdown.wire.end_to_end import PacketOpener
from lookdown.wire.envelope import Delivery
from lookdown.wire.errors import EarlyError, WireError
from lookdown.wire.inbox import ReceiverCounts
from lookdown.wire.relay.carried import decode_carried, is_carried
from lookdown.wire.relay.store import Delivered, DeliveryReader
from lookdown.wire.security import Refusals

_ROWS_PER_SERVICE = 1000
_MOST_WAITING = 20_000  # packets in memory; beyond, the store is read no further


@dataclass(slots=True)
class _Stream:
    """What is known of one board."""

    boot_id: int = 0
    taken: int = 0
    old_boots: set[int] = field(default_factory=set)
    waiting: dict[int, tuple[int, Delivery]] = field(default_factory=dict)  # by sequence: that before, the packet
    order: list[int] = field(default_factory=list)  # heap of the sequences that wait
    since_ns: int = 0  # how long the first of them has waited, steady
    early: int | None = None  # which keys did not open the first of them; None: it was not tried


class RelayInlet:
    """Reads the packets that reached a ground over relays.

    Parameters
    ----------
    store : Path
        Store of the relay at the ground; it need not be there yet.
    boards : collection of int
        Senders that may be heard. Of all others only what relays tell of themselves is passed on.
    clock : Clock
        Its steady reading times the waiting.
    wait_s : float
        Longest wait for a packet that is missing before others [s].
    opener : PacketOpener or None
        Opens packets that were sealed for this ground; others are refused. None: they are taken as they come.
    resume : iterable of Delivery
        What an earlier process stored, in order.
    """

    def __init__(
        self,
        store: Path,
        boards: Collection[int],
        clock: Clock,
        wait_s: float,
        *,
        opener: PacketOpener | None = None,
        resume: Iterable[Delivery] = (),
    ) -> None:
        self._reader = DeliveryReader(store)
        self._clock, self._wait_ns, self._opener = clock, round(wait_s * NS_PER_S), opener
        self._streams = {board: _Stream() for board in boards}
        self._told: set[tuple[int, int, int]] = set()
        self._number = 0
        self.stats = {board: ReceiverCounts() for board in boards}
        """By sender: received, repeated, lost, refused by reason."""
        self.refusals = Refusals()
        """Packets that were not taken, and those that did not come."""
        for delivery in resume:
            stream = self._streams.get(delivery.sender_id)
            if stream is None:
                self._told.add((delivery.sender_id, delivery.boot_id, delivery.sequence))
                continue
            if stream.boot_id != delivery.boot_id:
                stream.old_boots.add(stream.boot_id)
                stream.boot_id = delivery.boot_id
            stream.taken = delivery.sequence

    def service(self) -> list[Delivery]:
        """Return the packets that can be taken now, in the order of each sender."""
        deliveries: list[Delivery] = []
        room = _MOST_WAITING - sum(len(stream.waiting) for stream in self._streams.values())
        for row in self._reader.read(self._number, max(min(_ROWS_PER_SERVICE, room), 0)):
            self._number = row.number
            deliveries += self._take(row)
        now_ns = self._clock.steady_ns()
        for board, stream in self._streams.items():
            late = stream.waiting and now_ns - stream.since_ns >= self._wait_ns
            if late and not self._too_early(stream):
                deliveries += self._release(board, stream)
            deliveries += self._follow(board, stream)
        return deliveries

    def close(self) -> None:
        """Close the store."""
        self._reader.close()

    def _take(self, row: Delivered) -> list[Delivery]:
        source, boot_id, sequence = row.key
        stream = self._streams.get(source)
        if stream is None or not is_carried(row.payload):
            return self._told_by_relay(row)
        counts = self.stats[source]
        try:
            carried = decode_carried(row.payload)
        except WireError as error:
            return self._refuse(row, error)
        delivery = Delivery(source, carried.origin_ns, row.arrival_ns, carried.packet, boot_id, sequence)
        released: list[Delivery] = []
        if boot_id in stream.old_boots:
            counts.refused["stale boot"] += 1
            return []
        if boot_id != stream.boot_id:
            while stream.waiting and not self._too_early(stream):
                released += self._release(source, stream)
            self._lose(source, len(stream.waiting), "sealed with keys that did not come before the board's next start")
            stream.waiting.clear()
            stream.order.clear()
            stream.old_boots.add(stream.boot_id)
            stream.boot_id, stream.taken = boot_id, 0
        if sequence <= stream.taken:
            counts.repeated += 1
            return released
        if sequence in stream.waiting:
            counts.repeated += 1
            return released
        if not stream.waiting:
            stream.since_ns = self._clock.steady_ns()
        stream.waiting[sequence] = (carried.previous, delivery)
        heappush(stream.order, sequence)
        return released + self._follow(source, stream)

    def _follow(self, board: int, stream: _Stream) -> list[Delivery]:
        """Take what waits and has nothing before it any more."""
        released: list[Delivery] = []
        while stream.order and stream.waiting[stream.order[0]][0] <= stream.taken and not self._too_early(stream):
            released += self._release(board, stream)
        return released

    def _too_early(self, stream: _Stream) -> bool:
        """Return whether the first packet that waits needs keys that are not known yet."""
        if self._opener is None or stream.early != self._opener.generation:
            stream.early = None
        return stream.early is not None

    def _release(self, board: int, stream: _Stream) -> list[Delivery]:
        """Take the first packet that waits, with what is missing before it given up."""
        sequence = stream.order[0]
        _, delivery = stream.waiting[sequence]
        counts = self.stats[board]
        refused: WireError | None = None
        if self._opener:
            try:
                delivery = self._opener.open(delivery)
            except WireError as error:
                refused = error
                counts.refused[error.reason] += 1
                self.refusals.add(f"packet {sequence} of node {board} refused, {error.reason}: {error}")
        if isinstance(refused, EarlyError):
            stream.early = self._opener.generation if self._opener else None
            return []
        heappop(stream.order)
        del stream.waiting[sequence]
        stream.since_ns = self._clock.steady_ns()
        self._lose(board, sequence - 1 - stream.taken, f"before {sequence}, did not come")
        stream.taken = sequence
        if refused:
            return []
        counts.received += 1
        return [delivery]

    def _lose(self, board: int, count: int, why: str) -> None:
        """Count packets as lost, and say so."""
        if count:
            self.stats[board].lost += count
            self.refusals.add(f"{count} packets of node {board} lost: {why}")

    def _told_by_relay(self, row: Delivered) -> list[Delivery]:
        """Pass on what a relay told of itself, once."""
        if row.key in self._told:
            return []
        self._told.add(row.key)
        return [
            Delivery(row.key.source, row.created_ns, row.arrival_ns, row.payload, row.key.boot_id, row.key.sequence)
        ]

    def _refuse(self, row: Delivered, error: WireError) -> list[Delivery]:
        self.stats[row.key.source].refused[error.reason] += 1
        self.refusals.add(f"bundle {row.key} refused, {error.reason}: {error}")
        return []
