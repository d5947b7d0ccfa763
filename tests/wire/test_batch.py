"""Several packets in one message: bounded, taken from the middle on, refused when they are none."""

import pytest

from lookdown.wire.batch import MAX_RECORDS_OCTETS, RECORD_OCTETS, entries, pack_records
from lookdown.wire.envelope import BATCH, DATA, MAX_ENVELOPE_OCTETS, Envelope, decode_envelope
from lookdown.wire.errors import WireError
from lookdown.wire.inbox import UNKNOWN, Inbox
from lookdown.wire.outbox import LinkLimits, Outbox
from lookdown.wire.packet import MAX_PACKET_OCTETS


def messages_of(outbox: Outbox) -> list[bytes]:
    messages = []
    while (message := outbox.next()) is not None:
        messages.append(message)
        outbox.sent(0)
    return messages


def test_a_message_holds_as_many_packets_as_it_may() -> None:
    outbox, inbox = Outbox(7, 99, LinkLimits(window=100, batch=30)), Inbox()
    for n in range(250):
        outbox.offer(b"%d" % n, n % 4, n)
    messages = messages_of(outbox)
    assert [len(entries(decode_envelope(message, DATA))) for message in messages] == [30, 30, 30, 10]
    got = [delivery for message in messages for delivery in inbox.accept(message, 5)]
    assert [(d.packet, d.origin_ns, d.sequence) for d in got] == [(b"%d" % n, n, n + 1) for n in range(100)]
    inbox.commit()
    acknowledgements = inbox.acknowledgements()
    assert len(acknowledgements) == 1  # one for all
    outbox.acknowledge(acknowledgements[0][1], 0)
    assert (outbox.held, outbox.counts.acknowledged) == (150, 100)


@pytest.mark.parametrize("octets", [1, 20_000, 65_000, MAX_PACKET_OCTETS - RECORD_OCTETS, MAX_PACKET_OCTETS])
def test_no_batch_is_longer_than_the_longest_packet(octets: int) -> None:
    outbox, inbox = Outbox(7, 99, LinkLimits(window=10, batch=10)), Inbox()
    packets = [bytes([n + 1]) * octets for n in range(10)]
    for packet in packets:
        outbox.offer(packet)
    messages = messages_of(outbox)
    assert max(map(len, messages)) <= MAX_ENVELOPE_OCTETS
    assert [d.packet for message in messages for d in inbox.accept(message, 0)] == packets


def test_a_message_of_a_paced_link_fits_into_its_burst() -> None:
    outbox = Outbox(7, 99, LinkLimits(bits_per_s=80_000.0))  # a burst of 1000 octets
    for _ in range(20):
        outbox.offer(bytes(200))
    assert max(map(len, messages_of(outbox))) < 1100


def test_what_was_given_up_within_a_batch_is_counted_and_what_came_before_is_a_repeat() -> None:
    outbox, inbox = Outbox(7, 99, LinkLimits(window=4, batch=4, capacity=5)), Inbox()
    for n in range(8):
        outbox.offer(b"%d" % n, priority=n % 2)
    (message,) = messages_of(outbox)
    assert [d.packet for d in inbox.accept(message, 0)] == [b"1", b"3", b"5", b"6"]
    assert inbox.counts[7].lost == 3
    outbox.go_back()
    (again,) = messages_of(outbox)
    assert inbox.accept(again, 0) == []
    assert inbox.counts[7].repeated == 4
    fresh = Inbox()  # one that took the first two from elsewhere
    fresh.resume(d for d in Inbox().accept(message, 0)[:2])
    assert [d.packet for d in fresh.accept(again, 0)] == [b"5", b"6"]
    assert fresh.counts[7].repeated == 2


RECORDS = pack_records(1, [(2, 0, 5, b"ab"), (4, 0, 6, b"c")])


@pytest.mark.parametrize(
    ("records", "last"),
    [
        (RECORDS, 3),
        (RECORDS, 5),
        (RECORDS[:-1], 4),
        (RECORDS[:RECORD_OCTETS], 2),
        (RECORDS + b"x", 4),
        (pack_records(1, [(2, 0, 5, b"ab"), (2, 0, 6, b"c")]), 2),
        (pack_records(1, [(2, 0, -1, b"ab")]), 2),
        (pack_records(1, [(2, 0, 0, b"")]), 2),
    ],
)
def test_records_that_are_none_are_refused_whole(records: bytes, last: int) -> None:
    inbox = Inbox()
    assert inbox.accept(Envelope(BATCH, 7, 99, last, 1, 1, 0, records).encode(), 0) == []
    assert inbox.counts == {UNKNOWN: inbox.counts[UNKNOWN]}
    assert inbox.counts[UNKNOWN].refused == {"field": 1}
    assert len(inbox.accept(Envelope(BATCH, 7, 99, 4, 1, 1, 0, RECORDS).encode(), 0)) == 2


def test_a_batch_has_no_origin_of_its_own() -> None:
    with pytest.raises(WireError, match="field"):
        decode_envelope(Envelope(BATCH, 7, 99, 4, 1, 1, 8, RECORDS).encode(), DATA)
    assert len(RECORDS) <= MAX_RECORDS_OCTETS
