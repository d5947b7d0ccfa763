"""Packets that came over relays: in order whatever overtook what, each once, what is missing counted."""

import random
from pathlib import Path

import pytest

from lookdown.wire.clock import NS_PER_S, SteppedClock
from lookdown.wire.envelope import Delivery
from lookdown.wire.errors import WireError
from lookdown.wire.relay.bundle import Bundle
from lookdown.wire.relay.carried import Carried, decode_carried
from lookdown.wire.relay.inlet import RelayInlet
from lookdown.wire.relay.store import Store

BOARD, RELAY = 7, 8


class Way:
    """A relay's store, written as bundles arrive, and the inlet that reads it."""

    def __init__(self, folder: Path, resume: list[Delivery] | None = None) -> None:
        self.clock = SteppedClock()
        self.path = folder / "901.sqlite"
        self.store = Store(self.path, 901)
        self.inlet = RelayInlet(self.path, {BOARD}, self.clock, 5.0, resume=resume or ())

    def arrive(self, sequence: int, previous: int, boot_id: int = 5, source: int = BOARD) -> None:
        payload = Carried(previous, 11, b"%d" % sequence).encode()
        self.store.deliver(Bundle(source, boot_id, sequence, 901, 2, 1, NS_PER_S, b"sealed"), payload, 3)
        self.store.commit()

    def take(self) -> list[int]:
        return [int(delivery.packet) for delivery in self.inlet.service()]

    def close(self) -> None:
        self.inlet.close()
        self.store.close()


def test_packets_come_in_order_whatever_overtook_what(tmp_path: Path) -> None:
    way, got = Way(tmp_path), []
    numbers = [n for n in range(1, 301) if n % 7]  # each seventh was given up by the board
    previous = dict(zip(numbers, [0, *numbers], strict=False))
    draw = random.Random(3)
    shuffled = sorted(numbers, key=lambda n: n + draw.randrange(40))
    assert shuffled != numbers
    for n in shuffled:
        way.arrive(n, previous[n])
        got += way.take()
    assert got == numbers
    counts = way.inlet.stats[BOARD]
    assert (counts.received, counts.lost, counts.repeated) == (len(numbers), 300 // 7, 0)
    way.close()


def test_what_does_not_come_is_waited_for_and_then_counted(tmp_path: Path) -> None:
    way = Way(tmp_path)
    for n in (1, 3, 4, 6):
        way.arrive(n, n - 1)
    assert way.take() == [1]
    way.clock.advance(4.9)
    assert way.take() == []
    way.clock.advance(0.1)
    assert way.take() == [3, 4]
    way.clock.advance(4.9)
    assert way.take() == []
    way.arrive(2, 1)  # too late
    way.clock.advance(0.1)
    assert way.take() == [6]
    counts = way.inlet.stats[BOARD]
    assert (counts.received, counts.lost, counts.repeated) == (4, 2, 1)
    assert way.inlet.refusals.take() == [
        "1 packets of node 7 lost: before 3, did not come",
        "1 packets of node 7 lost: before 6, did not come",
    ]
    way.close()


def test_a_later_start_of_the_board_ends_the_earlier_one(tmp_path: Path) -> None:
    way = Way(tmp_path)
    for n, boot_id in ((1, 5), (3, 5), (1, 6), (2, 5), (2, 6)):
        way.arrive(n, n - 1, boot_id)
    assert way.take() == [1, 3, 1, 2]
    counts = way.inlet.stats[BOARD]
    assert (counts.received, counts.lost, counts.refused) == (4, 1, {"stale boot": 1})
    way.close()


def test_what_an_earlier_process_stored_is_not_taken_again(tmp_path: Path) -> None:
    way = Way(tmp_path)
    for n in (1, 2, 3):
        way.arrive(n, n - 1)
    way.arrive(9, 8, source=RELAY)  # what a relay says of itself is passed on as it is
    stored = way.inlet.service()
    assert [delivery.sequence for delivery in stored] == [1, 2, 3, 9]
    way.close()
    way = Way(tmp_path, resume=stored)
    way.arrive(4, 3)
    way.arrive(10, 9, source=RELAY)
    assert [(d.sender_id, d.sequence) for d in way.inlet.service()] == [(BOARD, 4), (RELAY, 10)]
    assert way.inlet.stats[BOARD].repeated == 3
    way.close()


def test_a_store_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    inlet = RelayInlet(tmp_path / "none", {BOARD}, SteppedClock(), 5.0)
    assert inlet.service() == []
    inlet.close()


def test_what_is_no_packet_of_the_link_is_refused(tmp_path: Path) -> None:
    for payload in (b"", b"LC", Carried(1, 2, b"").encode(), Carried(1, -2, b"x").encode()):
        with pytest.raises(WireError, match="wanted"):
            decode_carried(payload)
    assert decode_carried(Carried(3, 4, b"x").encode()) == (3, 4, b"x")
    way = Way(tmp_path)
    bundle = Bundle(BOARD, 5, 1, 901, 2, 1, NS_PER_S, b"sealed")
    way.store.deliver(bundle, b"LC", 3)
    way.store.commit()
    assert way.take() == []
    assert way.inlet.stats[BOARD].refused == {"carried": 1}
    assert "refused, carried" in way.inlet.refusals.take()[0]
    way.close()
