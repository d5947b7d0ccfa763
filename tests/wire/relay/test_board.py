"""What a board hands to its relay: each packet once; what is lost, refused or held back there is told by events."""

from pathlib import Path
from typing import Any

import zmq

from lookdown.wire.clock import NS_PER_S, SteppedClock
from lookdown.wire.link import LinkSender
from lookdown.wire.messages import Event, EventKind
from lookdown.wire.outbox import LinkLimits
from lookdown.wire.packet import MAX_PACKET_OCTETS, decode
from lookdown.wire.relay.board import BoardConfig, BoardEnd
from lookdown.wire.relay.bundle import FULL, TAKEN, Bundle, decode_bundle
from lookdown.wire.relay.carried import Carried, decode_carried
from lookdown.wire.relay.told import Told
from lookdown.wire.sealed import SEALED_OCTETS

BOARD, GROUND = 7, 901


class Inlet:
    """A board, the end of its relay, and a relay that takes packets or does not."""

    def __init__(self, context: Any, folder: Path) -> None:
        self.clock, self.taken, self.room = SteppedClock(NS_PER_S), list[Bundle](), True
        endpoint = f"ipc://{folder}/board"
        self.end = BoardEnd(BoardConfig(endpoint, GROUND), BOARD, self.clock, None, self.give)
        limits = LinkLimits(window=4, batch=1, capacity=10)
        self.board = LinkSender(context, endpoint, BOARD, self.clock, limits=limits)
        self.told = Told(BOARD)
        self.counts: Any = self.end.news()
        self.endpoint = endpoint

    def give(self, bundle: Bundle, _: int) -> tuple[int, str]:
        if not self.room:
            return FULL, "the store is full of what matters as much"
        self.taken.append(bundle)
        return TAKEN, ""

    def turn(self) -> None:
        self.clock.advance(0.1)
        self.board.service(2)
        self.end.take(self.clock.now_ns())
        self.end.stored(True)
        self.counts.update(self.end.news())

    def events(self) -> list[Event]:
        found = []
        self.clock.advance(1.0)
        for what, total, packet in self.told.news(self.counts, self.clock.now_ns(), self.clock.steady_ns()):
            event = decode(packet)
            assert isinstance(event, Event)
            found.append(event)
            self.told.told(what, total)
        return found

    def close(self) -> None:
        self.board.close()
        self.end.close()


def test_what_a_relay_does_not_take_waits_and_what_is_lost_is_told_by_events_that_add_up(
    context: Any, tmp_path: Path
) -> None:
    inlet = Inlet(context, tmp_path)
    inlet.room = False
    offered = 40
    for n in range(offered):
        inlet.board.offer(b"%d" % n)
        inlet.turn()
    (held_back,) = inlet.events()
    assert (held_back.kind, held_back.count) == (EventKind.REFUSED, 1)
    assert "not taken" in held_back.text
    inlet.room = True
    for _ in range(400):
        inlet.turn()
        if inlet.board.idle:
            break
    numbers = [int(decode_carried(bundle.payload).packet) for bundle in inlet.taken]
    assert numbers == sorted(set(numbers))
    lost = offered - len(numbers)
    assert lost == inlet.board.stats.dropped > 0
    (given_up,) = inlet.events()
    assert (given_up.kind, given_up.count, given_up.value) == (EventKind.PACKETS_GIVEN_UP, lost, float(lost))
    assert f"relay {BOARD}: {lost} packets of the board given up" in given_up.text
    assert inlet.events() == []
    inlet.close()


def test_messages_that_are_none_are_told(context: Any, tmp_path: Path) -> None:
    inlet = Inlet(context, tmp_path)
    stranger = context.socket(zmq.DEALER)
    stranger.connect(inlet.endpoint)
    for _ in range(3):
        stranger.send(b"no message of the link")
    for _ in range(200):
        inlet.turn()
        if inlet.counts["board refused"] == 3:
            break
    (refused,) = inlet.events()
    assert (refused.kind, refused.count) == (EventKind.REFUSED, 3)
    assert inlet.taken == []
    stranger.close(linger=0)
    inlet.close()


def test_the_longest_packet_of_the_link_crosses_a_hop_carried_and_sealed() -> None:
    longest = Carried(6, NS_PER_S, bytes(MAX_PACKET_OCTETS)).encode()
    sealed = Bundle(BOARD, 1, 7, GROUND, 2, NS_PER_S, 2 * NS_PER_S, longest + bytes(SEALED_OCTETS))
    assert decode_bundle(sealed.encode()) == sealed
