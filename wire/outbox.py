"""The sender's side of the link, without sockets: what is held, what is sent next, what is given up.

Every packet gets the next sequence number when it is offered and is held until it is acknowledged. At most
``window`` packets are in flight. When the outbox is full, the oldest packet of the lowest priority that was never
sent is given up and counted. What was sent once is never given up, so the gaps that the receiver sees are exactly
the packets given up here: ``offered = received + lost`` on the other side, to the last packet.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice
from operator import attrgetter
from typing import Protocol, TypeAlias

from lookdown.wire.batch import MAX_RECORDS_OCTETS, RECORD_OCTETS, pack_records
from lookdown.wire.clock import NS_PER_S
from lookdown.wire.envelope import ACKNOWLEDGEMENT, BATCH, DATA, Envelope, decode_envelope
from lookdown.wire.errors import WireError
from lookdown.wire.lane import Lane
from lookdown.wire.pacing import BURST_S
from lookdown.wire.packet import MAX_PACKET_OCTETS
from lookdown.wire.sealed import SEALED_OCTETS
from lookdown.wire.spool import PRIORITIES, Kept

_LONGEST_BACKOFF = 8
_LAST_SEQUENCE = 2**64 - 1
Seal: TypeAlias = Callable[[int, int, int, int, bytes], bytes]
"""Given sender, boot, sequence, origin [ns] and a packet, returns it sealed, `SEALED_OCTETS` longer."""
Note: TypeAlias = Callable[[str, Sequence[int]], None]
"""Told of an event and the sequences that it befell."""


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """Bounds of a sender.

    Attributes
    ----------
    window : int
        Packets in flight, sent and not yet acknowledged.
    batch : int
        Packets in one message.
    capacity : int
        Packets held.
    capacity_octets : int
        Octets of the packets held; what is in flight may exceed it.
    resend_after_s : float
        Wait for an acknowledgement before all in flight is sent again; doubles, up to eightfold, while none comes [s].
    bits_per_s : float
        Rate at which messages leave at most, their envelopes included, what is sent again too; 0 for no bound [bit/s].
    """

    window: int = 1024
    batch: int = 64
    capacity: int = 100_000
    capacity_octets: int = 64 * 1024 * 1024
    resend_after_s: float = 2.0
    bits_per_s: float = 0.0

    def __post_init__(self) -> None:
        """Refuse bounds within which nothing can be sent."""
        if not 1 <= self.window < self.capacity or self.capacity_octets < MAX_PACKET_OCTETS:
            raise ValueError(
                f"wanted 1 <= window < capacity and capacity_octets >= {MAX_PACKET_OCTETS}; "
                f"came {self.window}, {self.capacity}, {self.capacity_octets}"
            )
        if not self.batch >= 1:
            raise ValueError(f"batch: wanted 1 or more, came {self.batch}")
        if not self.resend_after_s > 0:
            raise ValueError(f"resend_after_s: wanted more than 0, came {self.resend_after_s}")
        if not 0 <= self.bits_per_s < float("inf"):
            raise ValueError(f"bits_per_s: wanted a rate, or 0 for no bound, came {self.bits_per_s}")


@dataclass(slots=True)
class SenderCounts:
    """What a sender did since its start; ``offered = acknowledged + dropped + held``."""

    offered: int = 0
    sent: int = 0  # for the first time
    resent: int = 0
    acknowledged: int = 0
    dropped: int = 0  # given up because the outbox was full
    unspooled: int = 0  # could not be written to the spool: in memory alone
    refused: Counter[str] = field(default_factory=Counter)  # acknowledgements, by reason


class Journal(Protocol):
    """What is told of each packet: `lookdown.wire.spool.Spool` keeps it on disk."""

    def load(self, boot_id: int, sequence: int) -> list[Kept]:
        """Return some packets of a start, in order from ``sequence`` on."""
        ...

    def add(self, sequence: int, priority: int, origin_ns: int, packet: bytes) -> None:
        """Note a packet that is held."""
        ...

    def give_up(self, sequence: int) -> None:
        """Note one that is held no more."""
        ...

    def acknowledge(self, boot_id: int, sequence: int) -> None:
        """Note that all up to ``sequence`` are stored by the receiver."""
        ...


class Outbox:
    """Packets on their way to the receiver.

    Parameters
    ----------
    sender_id : int
        Identity of the sender, 1 to 65535.
    boot_id : int
        Number of this start of the sender, 64 bit; no two starts may share one.
    limits : LinkLimits
        Bounds of what is held and in flight.
    journal : Journal or None
        Told of each packet; None: they are held in memory alone.
    held : tuple of Lane or None
        What a journal kept of this start, by priority. Some of it may have been sent: nothing more may be offered, so
        that nothing of it is given up.
    acknowledged : int
        Highest sequence of which the journal knows that the receiver stored it.
    seal : callable or None
        Seals a packet when it is offered; None: it is sent as it is.
    note : callable or None
        Told of each event with the sequences that it befell: ``created`` (offered), ``spooled``, ``sent``,
        ``custody`` (acknowledged) and ``dropped`` (given up).
    """

    def __init__(
        self,
        sender_id: int,
        boot_id: int,
        limits: LinkLimits | None = None,
        *,
        journal: Journal | None = None,
        held: tuple[Lane, ...] | None = None,
        acknowledged: int = 0,
        seal: Seal | None = None,
        note: Note | None = None,
    ) -> None:
        self.counts = SenderCounts()
        self._seal, self._note = seal, note
        self._sender_id = sender_id
        self._boot_id = boot_id
        self._limits = limits or LinkLimits()
        self._capacity, self._capacity_octets = self._limits.capacity, self._limits.capacity_octets
        self._longest = MAX_PACKET_OCTETS - (SEALED_OCTETS if seal else 0)
        # Never sent, by priority; what each is stands in `_content`, or else in the journal.
        self._waiting = held or tuple(Lane() for _ in range(PRIORITIES))
        self._content: dict[int, Kept] = {}
        self._fresh: list[int] = []  # offered since the journal was written
        self._in_window: deque[tuple[Kept, int]] = deque()  # sent once or more, with their ``after``
        self._cursor = 0  # place in the window of the packet to send again next
        self._next: list[Kept] = []  # in the message that `next` returned last
        # A message of a paced link takes no more of it than may leave at once.
        burst_octets = int(BURST_S * self._limits.bits_per_s / 8) or MAX_RECORDS_OCTETS
        self._batch_octets = min(burst_octets, MAX_RECORDS_OCTETS)
        self._held = sum(map(len, self._waiting))
        self._octets = sum(octets for lane in self._waiting for _, octets in lane)
        self._acknowledged = acknowledged
        self._sent_up_to = 0
        self._timer_ns = 0
        self._backoff = 1
        self._journal = journal
        if any(lane for lane in self._waiting):
            # The journal may have lost its last writes: the receiver may know of more that this start sent.
            self._sent_up_to = _LAST_SEQUENCE

    @property
    def held(self) -> int:
        """Packets that are neither acknowledged nor given up."""
        return self._held

    @property
    def octets(self) -> int:
        """Octets of the packets that are held."""
        return self._octets

    @property
    def boot_id(self) -> int:
        """Number of this start of the sender."""
        return self._boot_id

    @property
    def due_ns(self) -> int | None:
        """Steady time at which packets in flight count as lost on the way; None if none is in flight [ns]."""
        if not self._cursor:
            return None
        return self._timer_ns + round(self._backoff * self._limits.resend_after_s * NS_PER_S)

    def offer(self, packet: bytes, priority: int = 0, origin_ns: int = 0) -> bool:
        """Take a packet to send.

        Returns
        -------
        bool
            Whether this packet is held; False if the outbox is full of packets that matter more.

        Raises
        ------
        ValueError
            An empty or too long packet, or a priority that does not exist.
        """
        octets = len(packet)
        if not 1 <= octets <= self._longest:
            raise ValueError(f"packet: wanted 1 to {self._longest} octets, came {octets}")
        if not 0 <= priority < PRIORITIES:
            raise ValueError(f"priority: wanted 0 to {PRIORITIES - 1}, came {priority}")
        counts = self.counts
        sequence = counts.offered = counts.offered + 1
        if not 0 <= origin_ns < 2**63:  # of a clock that is far off: unknown, or the receiver would never take it
            origin_ns = 0
        if self._seal:
            packet = self._seal(self._sender_id, self._boot_id, sequence, origin_ns, packet)
            octets = len(packet)
        self._waiting[priority].append(sequence, octets)
        self._content[sequence] = Kept(sequence, priority, origin_ns, packet)
        self._held += 1
        self._octets += octets
        if self._journal:
            self._journal.add(sequence, priority, origin_ns, packet)
            self._fresh.append(sequence)
        if self._note:
            self._note("created", (sequence,))
        kept = True
        while self._held > self._capacity or self._octets > self._capacity_octets:
            lowest = next((lane for lane in self._waiting if lane), None)
            if lowest is None:
                break
            kept = self._give_up(lowest) != sequence and kept
        return kept

    def journalled(self, written: bool) -> None:
        """Note that the journal has written all that it was told, or could not.

        What waits behind the next few packets lives in the journal alone from now on; what could not be written stays
        in memory.
        """
        if written and sum(map(len, self._waiting)) > self._limits.window:
            for sequence in self._fresh:
                self._content.pop(sequence, None)
        if self._note and written:
            self._note("spooled", self._fresh)
        self._fresh.clear()

    def next(self) -> bytes | None:
        """Return the message to send now, or None if there is none or the window is full."""
        packets = self._next = self._due()
        if not packets:
            return None
        after = self._in_window[self._cursor][1] if self._cursor < len(self._in_window) else self._last_promised()
        last = packets[-1]
        kind, origin_ns, content = DATA, last.origin_ns, last.packet
        if len(packets) > 1:
            records = pack_records(after, packets)
            kind, origin_ns, content = BATCH, 0, records
        return Envelope(
            kind, self._sender_id, self._boot_id, last.sequence, after, self._acknowledged, origin_ns, content
        ).encode()

    def sent(self, now_ns: int) -> None:
        """Note that the message of `next` went out, at steady time ``now_ns``."""
        if self._cursor == 0:
            self._timer_ns = now_ns
        if self._note:
            self._note("sent", [held.sequence for held in self._next])
        count = len(self._next)
        if self._cursor < len(self._in_window):
            self.counts.resent += count
        elif count:
            sequences = [held[0] for held in self._next]
            self._in_window.extend(zip(self._next, [self._last_promised(), *sequences[:-1]], strict=True))
            for sequence in sequences:
                self._content.pop(sequence, None)
            for priority, n in Counter([held[1] for held in self._next]).items():
                self._waiting[priority].drop(n)
            self._sent_up_to = max(self._sent_up_to, sequences[-1])
            self.counts.sent += count
        self._cursor += count
        self._next = []

    def acknowledge(self, data: bytes, now_ns: int) -> None:
        """Take an acknowledgement, whatever its octets are: a bad one is counted by reason."""
        try:
            envelope = decode_envelope(data, ACKNOWLEDGEMENT)
            if (envelope.sender_id, envelope.boot_id) != (self._sender_id, self._boot_id):
                raise WireError("boot", "acknowledgement for another sender or another start of this one")
            if envelope.sequence > self._sent_up_to:
                raise WireError("sequence", f"wanted at most {self._sent_up_to}, came {envelope.sequence}")
        except WireError as error:
            self.counts.refused[error.reason] += 1
            return
        stored, window = list[int](), self._in_window
        while window and (held := window[0][0])[0] <= envelope.sequence:
            window.popleft()
            self._octets -= len(held[3])
            stored.append(held[0])
        self._cursor = max(self._cursor - len(stored), 0)
        for lane in self._waiting:  # what an earlier process sent, and this one has not yet sent again
            while lane and lane.first <= envelope.sequence:
                sequence, octets = lane.pop()
                self._content.pop(sequence, None)
                self._octets -= octets
                stored.append(sequence)
        if stored:
            self._held -= len(stored)
            self.counts.acknowledged += len(stored)
            self._acknowledged = envelope.sequence
            self._timer_ns = now_ns
            self._backoff = 1
            if self._journal:
                self._journal.acknowledge(self._boot_id, envelope.sequence)
            if self._note:
                self._note("custody", stored)

    def go_back(self) -> None:
        """Send all in flight again: the connection is new, so what was on it may be gone."""
        self._cursor = 0
        self._backoff = 1

    def expire(self, now_ns: int) -> None:
        """Send all in flight again if no acknowledgement came in time."""
        if self.due_ns is not None and now_ns >= self.due_ns:
            self._cursor = 0
            self._backoff = min(2 * self._backoff, _LONGEST_BACKOFF)

    def _due(self) -> list[Kept]:
        """Packets of the message to send now: those to send again, or else those never sent, the oldest first."""
        if self._cursor < len(self._in_window):
            again = islice(self._in_window, self._cursor, self._cursor + self._limits.batch)
            packets = [held for held, _ in again]
        else:
            packets = self._never_sent(min(self._limits.window - len(self._in_window), self._limits.batch))
        octets = 0
        for count, held in enumerate(packets):
            octets += RECORD_OCTETS + len(held.packet)
            if count and octets > self._batch_octets:
                return packets[:count]
        return packets

    def _never_sent(self, room: int) -> list[Kept]:
        """Return up to so many packets that were never sent, the oldest first, read from the journal if need be."""
        # The first must be readable: one that is not is given up, and what follows says so.
        while lanes := [lane for lane in self._waiting if lane]:
            oldest = lanes[0] if len(lanes) == 1 else min(lanes, key=attrgetter("first"))
            if room <= 0 or self._packet(oldest.first) is not None:
                break
            self._give_up(oldest)
        if room <= 0 or not lanes:
            return []
        sequences = [lane.next(room) for lane in lanes]
        found: list[Kept] = []
        for sequence in sequences[0] if len(sequences) == 1 else islice(merge(*sequences), room):
            held = self._content.get(sequence) or self._packet(sequence)
            if held is None:
                break
            found.append(held)
        return found

    def _packet(self, sequence: int) -> Kept | None:
        """Return a packet that waits; None if the journal has lost it."""
        held = self._content.get(sequence)
        if held is None and self._journal:
            for kept in self._journal.load(self._boot_id, sequence):
                self._content.setdefault(kept.sequence, kept)
            held = self._content.get(sequence)
        return held

    def _give_up(self, lane: Lane) -> int:
        """Give up the oldest of a lane; return its sequence."""
        sequence, octets = lane.pop()
        self._content.pop(sequence, None)
        self._held -= 1
        self._octets -= octets
        self.counts.dropped += 1
        if self._journal:
            self._journal.give_up(sequence)
        if self._note:
            self._note("dropped", (sequence,))
        return sequence

    def _last_promised(self) -> int:
        """Sequence of the last packet ahead of the first that was never sent, of those sent or stored."""
        return self._in_window[-1][0].sequence if self._in_window else self._acknowledged
