"""The link without sockets: outbox and inbox over a channel that loses, repeats, reorders and is cut."""

import random
import struct
from collections import deque
from pathlib import Path

import google_crc32c
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdown.wire.clock import SteppedClock
from lookdown.wire.envelope import ACKNOWLEDGEMENT, DATA, MAX_ENVELOPE_OCTETS, Delivery, Envelope, decode_envelope
from lookdown.wire.errors import WireError
from lookdown.wire.inbox import UNKNOWN, Inbox
from lookdown.wire.outbox import LinkLimits, Outbox
from lookdown.wire.packet import MAX_PACKET_OCTETS
from lookdown.wire.spool import Kept, Spool

SMALL = LinkLimits(window=4, batch=1, capacity=10, resend_after_s=1.0)


def send_all(outbox: Outbox, now_ns: int = 0) -> list[bytes]:
    """Everything that the outbox would send now."""
    messages = []
    while (message := outbox.next()) is not None:
        messages.append(message)
        outbox.sent(now_ns)
    return messages


def take(inbox: Inbox, messages: list[bytes]) -> list[bytes]:
    """Packets that the inbox takes."""
    return [delivery.packet for message in messages for delivery in inbox.accept(message, 0)]


def acknowledge(inbox: Inbox, outbox: Outbox) -> None:
    inbox.commit()
    for _, message in inbox.acknowledgements():
        outbox.acknowledge(message, 0)


def number(n: int) -> bytes:
    return b"%d" % n


def test_in_order_once_and_nothing_in_flight_afterwards() -> None:
    outbox, inbox = Outbox(7, 99, SMALL), Inbox({7})
    for n in range(10):
        assert outbox.offer(number(n), origin_ns=n)
    got = []
    while outbox.held:
        messages = send_all(outbox)
        assert len(messages) <= SMALL.window
        got += take(inbox, messages)
        acknowledge(inbox, outbox)
    assert got == [number(n) for n in range(10)]
    assert outbox.due_ns is None
    assert (outbox.counts.sent, outbox.counts.acknowledged, outbox.counts.resent) == (10, 10, 0)
    assert (inbox.counts[7].received, inbox.counts[7].lost) == (10, 0)


def test_a_delivery_says_whence_and_when() -> None:
    outbox, inbox = Outbox(7, 99, SMALL), Inbox()
    outbox.offer(b"x", origin_ns=5)
    assert inbox.accept(send_all(outbox)[0], 8, b"peer") == [Delivery(7, 5, 8, b"x", 99, 1)]
    assert inbox.acknowledgements() == []  # not before commit
    inbox.commit()
    [(peer, message)] = inbox.acknowledgements()
    assert peer == b"peer"
    assert decode_envelope(message, ACKNOWLEDGEMENT) == Envelope(ACKNOWLEDGEMENT, 7, 99, 1)
    assert inbox.acknowledgements() == []


def test_a_lost_acknowledgement_is_given_again_for_a_repeat() -> None:
    outbox, inbox = Outbox(7, 99, SMALL), Inbox()
    outbox.offer(b"x")
    take(inbox, send_all(outbox, now_ns=0))
    inbox.commit()
    inbox.acknowledgements()  # lost on the way
    outbox.expire(outbox.due_ns - 1)
    assert send_all(outbox) == []
    outbox.expire(outbox.due_ns)
    assert take(inbox, send_all(outbox)) == []
    assert inbox.counts[7].repeated == 1
    acknowledge(inbox, outbox)
    assert outbox.held == 0
    assert outbox.counts.resent == 1


def test_the_wait_doubles_up_to_eightfold_and_starts_anew_with_progress() -> None:
    outbox, inbox = Outbox(7, 99, SMALL), Inbox()
    outbox.offer(b"x")
    outbox.offer(b"y")
    waits, now_ns = [], 0
    for _ in range(6):
        messages = send_all(outbox, now_ns)
        waits.append((outbox.due_ns - now_ns) / 1e9)
        now_ns = outbox.due_ns
        outbox.expire(now_ns)
    assert waits == [1, 2, 4, 8, 8, 8]
    send_all(outbox, now_ns)
    take(inbox, messages[:1])
    inbox.commit()
    for _, message in inbox.acknowledgements():
        outbox.acknowledge(message, now_ns)
    assert outbox.due_ns == now_ns + 1_000_000_000


def test_a_full_outbox_gives_up_the_oldest_of_the_lowest_priority_and_the_receiver_counts_it() -> None:
    outbox, inbox = Outbox(7, 99, SMALL), Inbox()
    for n in range(4):
        outbox.offer(number(n), priority=0)
    in_flight = send_all(outbox)  # the window: safe from being given up
    for n in range(4, 10):
        assert outbox.offer(number(n), priority=n % 2)
    assert outbox.offer(number(10), priority=1)  # 4 goes
    assert outbox.offer(number(11), priority=1)  # 6 goes
    assert outbox.offer(number(12), priority=0)  # 8 goes
    assert outbox.offer(number(13), priority=0)  # 12 goes
    assert outbox.offer(number(14), priority=3)  # 13 goes
    assert outbox.offer(number(15), priority=3)  # 5 goes: no priority 0 is left
    assert not outbox.offer(number(16), priority=0)  # goes itself
    got = take(inbox, in_flight)
    acknowledge(inbox, outbox)
    while outbox.held:
        got += take(inbox, send_all(outbox))
        acknowledge(inbox, outbox)
    assert got == [number(n) for n in (0, 1, 2, 3, 7, 9, 10, 11, 14, 15)]
    outbox.offer(b"end", priority=3)
    take(inbox, send_all(outbox))
    assert inbox.counts[7].lost == outbox.counts.dropped == 7
    assert inbox.counts[7].received + inbox.counts[7].lost == outbox.counts.offered


def test_octets_are_bounded_too() -> None:
    outbox = Outbox(7, 99, LinkLimits(window=2, batch=1, capacity=100, capacity_octets=MAX_PACKET_OCTETS))
    for _ in range(10):
        assert outbox.offer(bytes(20_000))
    assert outbox.held == 3
    assert outbox.counts.dropped == 7
    send_all(outbox)
    assert outbox.offer(bytes(MAX_PACKET_OCTETS)) is False  # the third goes, and it is still too much


def test_a_new_receiver_goes_on_where_the_acknowledgements_ended() -> None:
    outbox, old, new = Outbox(7, 99, SMALL), Inbox(), Inbox()
    for n in range(6):
        outbox.offer(number(n))
    assert take(old, send_all(outbox)) == [number(n) for n in range(4)]
    old.commit()
    [(_, message)] = old.acknowledgements()
    outbox.acknowledge(message, 0)
    assert take(old, send_all(outbox)) == [number(4), number(5)]  # taken, never stored
    outbox.offer(number(6))
    assert take(new, send_all(outbox)) == []
    assert new.counts[7].refused["gap"] == 1
    outbox.go_back()
    assert take(new, send_all(outbox)) == [number(4), number(5), number(6)]
    assert new.counts[7].lost == 0


def test_a_resumed_receiver_drops_what_its_predecessor_stored_but_did_not_acknowledge() -> None:
    outbox, old = Outbox(7, 99, SMALL), Inbox()
    for n in range(3):
        outbox.offer(number(n))
    stored = [delivery for message in send_all(outbox) for delivery in old.accept(message, 0)]
    new = Inbox()
    new.resume([Delivery(7, 0, 0, b"", boot_id=98, sequence=50), *filter(None, stored)])
    outbox.go_back()
    assert take(new, send_all(outbox)) == []
    assert new.counts[7].repeated == 3
    acknowledge(new, outbox)
    assert outbox.held == 0
    assert new.accept(Envelope(DATA, 7, 98, 51, packet=b"x").encode(), 0) == []
    assert new.counts[7].refused["stale boot"] == 1


def test_a_restarted_sender_starts_anew_and_its_old_self_is_refused() -> None:
    inbox = Inbox()
    first, second = Outbox(7, 1, SMALL), Outbox(7, 2, SMALL)
    first.offer(b"a")
    first.offer(b"late")
    second.offer(b"b")
    a, late = send_all(first)
    assert take(inbox, [a, *send_all(second), late]) == [b"a", b"b"]
    assert inbox.counts[7].refused == {"stale boot": 1}
    assert inbox.counts[7].lost == 0


DATA_MESSAGE = Envelope(DATA, 7, 1, 3, 1, 2, 5, b"packet").encode()


def test_a_journal_that_lost_its_last_writes_blocks_nothing(tmp_path: Path) -> None:
    """The supply fails: the receiver has stored more of a start than the torn journal knows of."""
    first = Outbox(7, 1)
    inbox = Inbox()
    for n in range(6):
        first.offer(b"packet %d" % n)
    while (message := first.next()) is not None:
        first.sent(0)
        inbox.accept(message, 0)
    inbox.commit()
    spool = Spool(tmp_path / "spool", 7, 1)
    for n in range(3):
        spool.add(n + 1, 0, 0, b"packet %d" % n)
    spool.close()
    spool = Spool(tmp_path / "spool", 7, 2)
    (left,) = spool.left
    torn = Outbox(7, left.boot_id, journal=spool, held=left.lanes, acknowledged=left.acknowledged)
    message = torn.next()
    assert message is not None
    torn.sent(0)
    assert inbox.accept(message, 0) == []
    ((_, acknowledgement),) = inbox.acknowledgements()
    torn.acknowledge(acknowledgement, 0)
    assert (torn.held, torn.counts.refused) == (0, {})
    spool.close()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "truncated"),
        (DATA_MESSAGE[:51], "truncated"),
        (b"GET / HTTP/1.1" + bytes(60), "magic"),
        (DATA_MESSAGE[:-1], "crc"),
        (bytes(MAX_ENVELOPE_OCTETS + 1), "oversize"),
        (Envelope(ACKNOWLEDGEMENT, 7, 1, 3).encode(), "kind"),
        (Envelope(DATA, 0, 1, 3, packet=b"x").encode(), "field"),
        (Envelope(DATA, 7, 0, 3, packet=b"x").encode(), "field"),
        (Envelope(DATA, 7, 1, 3).encode(), "field"),
        (Envelope(DATA, 7, 1, 3, after=3, packet=b"x").encode(), "field"),
        (Envelope(DATA, 7, 1, 3, acknowledged=4, packet=b"x").encode(), "field"),
        (Envelope(DATA, 7, 1, 3, origin_ns=-1, packet=b"x").encode(), "field"),
        (Envelope(DATA, 8, 1, 3, packet=b"x").encode(), "sender"),
    ],
)
def test_bad_messages_are_counted_by_reason_and_change_nothing(data: bytes, reason: str) -> None:
    inbox = Inbox({7})
    assert inbox.accept(data, 0) == []
    assert inbox.counts[UNKNOWN].refused == {reason: 1}
    assert set(inbox.counts) == {UNKNOWN}


def test_another_version_is_refused_by_name() -> None:
    message = Envelope(DATA, 7, 1, 3, packet=b"x").encode()
    other = message[:2] + b"\x02" + message[3:-4]
    with pytest.raises(WireError, match="wanted link version 1, came 2"):
        decode_envelope(other + struct.pack(">I", google_crc32c.value(other)), DATA)


def test_every_flipped_bit_of_a_message_is_refused() -> None:
    inbox = Inbox()
    for bit in range(8 * len(DATA_MESSAGE)):
        flipped = bytearray(DATA_MESSAGE)
        flipped[bit // 8] ^= 1 << bit % 8
        assert inbox.accept(bytes(flipped), 0) == []
    assert set(inbox.counts[UNKNOWN].refused) == {"magic", "crc"}
    assert len(inbox.accept(DATA_MESSAGE, 0)) == 1


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (Envelope(ACKNOWLEDGEMENT, 8, 99, 1), "boot"),
        (Envelope(ACKNOWLEDGEMENT, 7, 98, 1), "boot"),
        (Envelope(ACKNOWLEDGEMENT, 7, 99, 2), "sequence"),
        (Envelope(DATA, 7, 99, 1, packet=b"x"), "kind"),
        (Envelope(ACKNOWLEDGEMENT, 7, 99, 1, after=1), "field"),
    ],
)
def test_bad_acknowledgements_are_counted_and_release_nothing(message: Envelope, reason: str) -> None:
    outbox = Outbox(7, 99, SMALL)
    outbox.offer(b"x")
    outbox.offer(b"never sent")
    outbox.next()
    outbox.sent(0)
    outbox.acknowledge(message.encode(), 0)
    assert outbox.counts.refused == {reason: 1}
    assert outbox.held == 2
    outbox.acknowledge(Envelope(ACKNOWLEDGEMENT, 7, 99, 1).encode(), 0)
    assert outbox.held == 1


@pytest.mark.parametrize("origin_ns", [-1, -(2**70), 2**63, 2**63 - 1])
def test_an_origin_that_no_clock_has_is_sent_as_unknown(origin_ns: int) -> None:
    outbox, inbox = Outbox(7, 99, SMALL), Inbox()
    outbox.offer(b"x", origin_ns=origin_ns)
    (delivery,) = inbox.accept(send_all(outbox)[0], 0)
    assert delivery.origin_ns == (origin_ns if origin_ns == 2**63 - 1 else 0)


def test_misuse_is_named() -> None:
    outbox = Outbox(7, 99)
    for packet, priority, message in ((b"", 0, "came 0"), (bytes(MAX_PACKET_OCTETS + 1), 0, "65543"), (b"x", 4, "3")):
        with pytest.raises(ValueError, match=message):
            outbox.offer(packet, priority)
    for limits in ({"window": 0}, {"window": 5, "capacity": 5}, {"capacity_octets": 1}, {"resend_after_s": 0}):
        with pytest.raises(ValueError, match="wanted"):
            LinkLimits(**limits)


class Channel:
    """A way that loses, repeats, reorders and damages, as its seed wants, and may be cut."""

    def __init__(self, rng: random.Random, badness: float) -> None:
        self._rng, self.badness, self._way = rng, badness, deque[bytes]()

    def put(self, message: bytes) -> None:
        draw = self._rng.random() / self.badness if self.badness else 9.0
        if draw < 0.3:
            return
        if draw < 0.5:
            self._way.append(message)
        if draw < 0.7:
            self._way.insert(self._rng.randrange(len(self._way) + 1), message)
            return
        if draw < 0.8:
            message = message[:-1] + bytes([message[-1] ^ 1])
        self._way.append(message)

    def take(self) -> list[bytes]:
        count = self._rng.randrange(len(self._way) + 1) if self.badness else len(self._way)
        return [self._way.popleft() for _ in range(count)]

    def cut(self) -> None:
        self._way.clear()


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.05, 1.0), st.booleans())
def test_each_packet_comes_once_in_order_or_is_counted_as_lost(seed: int, badness: float, restarts: bool) -> None:
    rng = random.Random(seed)
    clock = SteppedClock()
    limits = LinkLimits(
        window=rng.randrange(1, 6), batch=rng.randrange(1, 7), capacity=rng.randrange(8, 20), resend_after_s=1.0
    )
    outbox, inbox = Outbox(7, 99, limits), Inbox({7})
    there, back = Channel(rng, badness), Channel(rng, badness)
    stored: list[Delivery] = []
    pending: list[Delivery] = []
    offered = 0

    def round_trip() -> None:
        nonlocal pending
        for message in send_all(outbox, clock.steady_ns()):
            there.put(message)
        for message in there.take():
            pending += inbox.accept(message, 0)
        if rng.random() < 0.7:
            stored.extend(pending)
            pending = []
            inbox.commit()
        for _, message in inbox.acknowledgements():
            back.put(message)
        for message in back.take():
            outbox.acknowledge(message, clock.steady_ns())
        clock.advance(rng.random())
        outbox.expire(clock.steady_ns())

    for _ in range(60):
        for _ in range(rng.randrange(3)):
            offered += 1
            outbox.offer(number(offered), priority=rng.randrange(4))
        round_trip()
        if rng.random() < 0.05:  # a new connection: all on the way is gone
            there.cut()
            back.cut()
            outbox.go_back()
        if restarts and rng.random() < 0.05:  # the receiver dies with what it has not stored
            pending = []
            inbox = Inbox({7})
            inbox.resume(stored)
            there.cut()
            outbox.go_back()
    offered += 1
    outbox.offer(number(offered), priority=3)
    there.badness = back.badness = 0.0
    for _ in range(400):
        if not outbox.held:
            break
        round_trip()
    assert outbox.held == 0
    numbers = [int(delivery.packet) for delivery in stored]
    assert numbers == sorted(set(numbers))
    lost = offered - len(numbers)
    assert lost == outbox.counts.dropped
    assert numbers[-1] == offered
    if not restarts:
        assert inbox.counts[7].lost == lost
        assert inbox.counts[7].received == len(numbers)
    assert outbox.counts.offered == outbox.counts.acknowledged + outbox.counts.dropped


class LossyJournal:
    """A journal that has lost some packets: a disk that went bad."""

    def __init__(self, lost: set[int]) -> None:
        self.packets: dict[int, Kept] = {}
        self.lost = lost
        self.given_up: list[int] = []

    def add(self, sequence: int, priority: int, origin_ns: int, packet: bytes) -> None:
        self.packets[sequence] = Kept(sequence, priority, origin_ns, packet)

    def give_up(self, sequence: int) -> None:
        self.given_up.append(sequence)

    def acknowledge(self, boot_id: int, sequence: int) -> None:
        pass

    def load(self, boot_id: int, sequence: int) -> list[Kept]:
        return [kept for n, kept in self.packets.items() if n >= sequence and n not in self.lost][:5]


def test_what_the_journal_lost_is_given_up_and_the_receiver_counts_it() -> None:
    lost = {7, 11, 12, 40}
    journal = LossyJournal(lost)
    outbox, inbox = Outbox(7, 5, LinkLimits(window=4, batch=3), journal=journal), Inbox()
    for n in range(1, 41):
        outbox.offer(b"%d" % n, n % 3)
        outbox.journalled(n > 3)  # the first could not be written: they are in memory alone
    got = []
    while (message := outbox.next()) is not None:
        outbox.sent(0)
        got += inbox.accept(message, 0)
        inbox.commit()
        for _, answer in inbox.acknowledgements():
            outbox.acknowledge(answer, 0)
    assert [int(d.packet) for d in got] == [n for n in range(1, 41) if n not in lost]
    assert (outbox.counts.dropped, sorted(journal.given_up), outbox.held) == (4, sorted(lost), 0)
    assert inbox.counts[7].lost == 3  # what comes after the last shows a gap


def test_what_a_journal_holds_is_not_in_memory() -> None:
    outbox = Outbox(7, 5, LinkLimits(window=4, batch=3), journal=LossyJournal(set()))
    for n in range(1, 1001):
        outbox.offer(b"%d" % n)
        outbox.journalled(True)
        assert len(outbox._content) <= 5
    while outbox.next() is not None:
        outbox.sent(0)
        outbox.acknowledge(Envelope(ACKNOWLEDGEMENT, 7, 5, outbox.counts.sent).encode(), 0)
        assert len(outbox._content) <= 10
    assert (outbox.counts.acknowledged, outbox.held, outbox.octets) == (1000, 0, 0)
