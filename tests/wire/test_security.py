"""Who gets in: enrolled nodes alone, each as itself; everybody else is a counted refusal that both sides see."""

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zmq
from zmq.utils import z85

from lookdown.wire.clock import Clock, SteppedClock, SystemClock
from lookdown.wire.envelope import DATA, Envelope
from lookdown.wire.errors import ConfigError
from lookdown.wire.keys import NodeKeys, enrol, revoke
from lookdown.wire.link import UNKNOWN, Delivery, LinkLimits, LinkReceiver, LinkSender
from lookdown.wire.security import Gatekeeper, Security, SecurityConfig, security_of

Until = Callable[..., None]
CLOCK = SystemClock()
GROUND, BOARD = 1, 7


class House:
    """Folders of keys of a ground and a board that know each other."""

    def __init__(self, folder: Path) -> None:
        self.ground, self.board = folder / "ground", folder / "board"
        self.keys = {GROUND: NodeKeys.make(GROUND, 0), BOARD: NodeKeys.make(BOARD, 0)}
        self.keys[GROUND].save(self.ground)
        self.keys[BOARD].save(self.board)
        enrol(self.ground, self.keys[BOARD].card)
        enrol(self.board, self.keys[GROUND].card)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


class Link:
    """A secured sender and receiver in one thread."""

    def __init__(
        self,
        context: Any,
        house: House,
        clock: Clock = CLOCK,
        sender_id: int = BOARD,
        at: str = "tcp://127.0.0.1:*",
        **more: Any,
    ) -> None:
        self.got: list[Delivery] = []
        self.receiver = LinkReceiver(context, at, clock, security=Security(house.ground))
        self.receiver_endpoint = self.receiver.endpoint
        more.setdefault("security", Security(house.board))
        self.sender = LinkSender(context, self.receiver_endpoint, sender_id, clock, peer=GROUND, **more)

    def step(self) -> None:
        self.sender.service(2)
        self.got += self.receiver.service(2)
        self.receiver.commit()

    def refused(self) -> dict[str, int]:
        counts = self.receiver.stats.get(UNKNOWN)
        return dict(counts.refused) if counts else {}

    def close(self) -> None:
        self.sender.close()
        self.receiver.close()


def test_an_enrolled_node_is_heard(context: Any, house: House, until: Until) -> None:
    link = Link(context, house)
    for n in range(500):
        link.sender.offer(b"%d" % n)
    until(lambda: link.sender.idle, link.step)
    assert [delivery.packet for delivery in link.got] == [b"%d" % n for n in range(500)]
    assert (link.refused(), link.sender.refusals.count, link.sender.connections) == ({}, 0, 1)
    link.close()


class Refused:
    """What a client that may not connect meets: both sides say so, and nothing is heard."""

    def __init__(self, link: Link, until: Until) -> None:
        link.sender.offer(b"x")
        begun_ns = CLOCK.steady_ns()
        both = lambda: bool(link.refused()) and link.sender.refusals.count > 0  # noqa: E731
        until(both, link.step)
        self.seconds = (CLOCK.steady_ns() - begun_ns) / 1e9
        self.lines = link.receiver.refusals.take()
        self.sender_lines = link.sender.refusals.take()
        until(lambda: link.sender.refusals.count > 1, link.step)  # it goes on trying
        assert link.got == []
        assert not link.sender.idle
        assert link.sender.stats.refused["connection"] == link.sender.refusals.count
        self.counts = link.refused()


def stranger(house: House, folder: Path) -> Path:
    NodeKeys.make(BOARD, 0).save(folder)
    enrol(folder, house.keys[GROUND].card)
    return folder


def test_a_wrong_key_no_key_and_a_wrong_receiver_are_refused_and_both_sides_see_it(
    context: Any, house: House, tmp_path: Path, until: Until
) -> None:
    link = Link(context, house, security=Security(stranger(house, tmp_path / "stranger")))
    met = Refused(link, until)
    assert set(met.counts) == {"peer not enrolled"}
    assert "is not enrolled" in met.lines[0]
    assert "not enrolled" in met.sender_lines[0]
    assert met.seconds < 1.0  # of waiting for sockets on one machine: there is no timer in it
    link.close()

    link = Link(context, house, security=None)
    met = Refused(link, until)
    assert set(met.counts) == {"peer handshake"}
    assert "secured" in met.lines[0]
    assert "secured" in met.sender_lines[0]
    link.close()

    lost = tmp_path / "lost"  # a board that was told another ground
    house.keys[BOARD].save(lost)
    enrol(lost, NodeKeys.make(GROUND, 0).card)
    link = Link(context, house, security=Security(lost))
    met = Refused(link, until)
    assert set(met.counts) == {"peer handshake"}
    assert "another key" in met.lines[0]
    assert "another key" in met.sender_lines[0]
    link.close()


def test_a_secured_sender_does_not_talk_to_a_receiver_without_keys(context: Any, house: House, until: Until) -> None:
    receiver = LinkReceiver(context, "tcp://127.0.0.1:*", CLOCK)
    sender = LinkSender(context, receiver.endpoint, BOARD, CLOCK, security=Security(house.board), peer=GROUND)
    sender.offer(b"secret")
    until(lambda: sender.refusals.count > 1, lambda: (sender.service(2), receiver.service(2)))
    assert sender.stats.sent == 0
    assert receiver.stats[UNKNOWN].refused["peer handshake"] >= 1
    sender.close()
    receiver.close()


def test_a_refused_board_is_heard_as_soon_as_it_is_enrolled(
    context: Any, house: House, tmp_path: Path, until: Until
) -> None:
    revoke(house.ground, BOARD)
    newcomer = stranger(house, tmp_path / "newcomer")
    link = Link(context, house, security=Security(newcomer))
    Refused(link, until)
    enrol(house.ground, NodeKeys.load(newcomer).card)
    until(lambda: link.sender.idle, link.step)
    assert [delivery.packet for delivery in link.got] == [b"x"]
    link.close()


STEP_S = 0.004  # what a step of a link waits at most


def within_a_second(clock: SteppedClock, link: Link, until: Until, done: Callable[[], bool]) -> None:
    """Wait for something in steps of the clock; it must come about within a second of it."""

    def step() -> None:
        clock.advance(STEP_S)
        link.step()

    until(done, step, steps=round(1.0 / STEP_S))


@pytest.mark.parametrize("idle", [True, False])
def test_a_revoked_node_is_cut_within_a_second_and_both_sides_see_it(
    context: Any, house: House, until: Until, idle: bool
) -> None:
    clock = SteppedClock()
    link = Link(context, house, clock, limits=LinkLimits(window=4, resend_after_s=0.1))
    link.sender.offer(b"before")
    until(lambda: link.sender.idle, link.step)
    revoke(house.ground, BOARD)
    if not idle:
        link.sender.offer(b"after")
    both = lambda: link.sender.refusals.count > 0 and link.refused().get("connection revoked") == 1  # noqa: E731
    within_a_second(clock, link, until, both)
    assert "connection of node 7 cut" in link.receiver.refusals.take()[0]
    assert "not enrolled" in link.sender.refusals.take()[0]
    link.sender.offer(b"later")
    until(lambda: link.sender.refusals.count > 3, lambda: (clock.advance(0.1), link.step()))
    assert b"later" not in [delivery.packet for delivery in link.got]
    assert not link.sender.idle
    link.close()


def test_what_a_revoked_node_sent_before_its_connection_was_cut_is_not_heard(
    context: Any, house: House, until: Until
) -> None:
    link = Link(context, house, limits=LinkLimits(window=4))
    link.sender.offer(b"before")
    until(lambda: link.sender.idle, link.step)
    link.sender.offer(b"after")
    link.sender.service(0)
    assert link.receiver._socket.poll(2000)
    revoke(house.ground, BOARD)
    link.receiver._security.refresh()
    link.receiver._standing.review()
    until(lambda: "revoked" in link.refused(), link.step)
    assert [delivery.packet for delivery in link.got] == [b"before"]
    link.close()


def test_a_board_that_revokes_its_ground_cuts_the_connection_and_speaks_to_it_no_more(
    context: Any, endpoint: str, house: House, until: Until
) -> None:
    clock = SteppedClock()
    link = Link(context, house, clock, at=endpoint)
    link.sender.offer(b"before")
    until(lambda: link.sender.idle, link.step)
    revoke(house.board, GROUND)
    within_a_second(clock, link, until, lambda: link.sender.refusals.count > 0)
    assert "node 1 was revoked" in link.sender.refusals.take()[0]
    assert link.sender.stats.refused["connection"] == 1
    link.sender.offer(b"after")
    for _ in range(50):
        clock.advance(0.1)
        link.step()
    assert (link.sender.held, link.sender.connections) == (1, 1)
    fresh = NodeKeys.make(GROUND, 0)  # a ground with new keys in its place
    fresh.save(house.ground)
    enrol(house.board, fresh.card)
    link.receiver.close()
    link.receiver = LinkReceiver(context, link.receiver_endpoint, clock, security=Security(house.ground))
    until(lambda: link.sender.idle, lambda: (clock.advance(0.1), link.step()))
    assert [delivery.packet for delivery in link.got] == [b"before", b"after"]
    link.close()


def test_another_node_stays_connected_when_one_is_revoked(context: Any, house: House, tmp_path: Path) -> None:
    other = tmp_path / "other"
    NodeKeys.make(8, 0).save(other)
    enrol(other, house.keys[GROUND].card)
    enrol(house.ground, NodeKeys.load(other).card)
    clock = SteppedClock()
    link = Link(context, house, clock)
    second = LinkSender(context, link.receiver_endpoint, 8, clock, security=Security(other), peer=GROUND)

    def step() -> None:
        clock.advance(STEP_S)
        second.service(1)
        link.step()

    link.sender.offer(b"7")
    second.offer(b"8")
    while not (link.sender.idle and second.idle):
        step()
    revoke(house.ground, BOARD)
    while not link.sender.refusals.count:
        step()
    second.offer(b"8 again")
    while not second.idle:
        step()
    assert (second.connections, second.refusals.count) == (1, 0)
    second.close()
    link.close()


def test_a_node_speaks_for_itself_alone(context: Any, house: House, until: Until) -> None:
    link = Link(context, house, sender_id=8)
    link.sender.offer(b"I am another")
    until(lambda: "identity" in link.refused(), link.step)
    assert link.got == []
    link.close()


@pytest.mark.parametrize("rotations", [2, pytest.param(40, marks=pytest.mark.proof)])
def test_keys_are_rotated_on_both_sides_under_traffic_without_loss(
    context: Any, endpoint: str, house: House, until: Until, rotations: int
) -> None:
    """Rotations of each side in turn; in half of them the other side learns the card only afterwards."""
    got: list[Delivery] = []
    limits = LinkLimits(window=16, resend_after_s=0.2)
    security = Security(house.ground)
    receiver = LinkReceiver(context, endpoint, CLOCK, security=security)
    sender = LinkSender(context, endpoint, BOARD, CLOCK, security=Security(house.board), peer=GROUND, limits=limits)
    offered = 0

    def step() -> None:
        sender.service(1)
        got.extend(receiver.service(1))
        receiver.commit()

    def flow() -> None:
        nonlocal offered
        for _ in range(50):
            sender.offer(b"%d" % offered)
            offered += 1
        for _ in range(5):
            step()

    for turn in range(rotations):
        flow()
        board = NodeKeys.load(house.board).rotated(turn)
        ground = NodeKeys.load(house.ground).rotated(turn)
        if turn % 2:  # the receiver knows the new card before the board uses it
            enrol(house.ground, board.card)
            board.save(house.board)
            enrol(house.board, ground.card)
            ground.save(house.ground)
        else:
            ground.save(house.ground)
            enrol(house.board, ground.card)
            board.save(house.board)
            enrol(house.ground, board.card)
        flow()
        receiver.close()  # a server's key is that of its start
        receiver = LinkReceiver(context, endpoint, CLOCK, resume=got, security=Security(house.ground))
        flow()
        until(lambda: sender.idle, step, steps=20_000)
    assert [int(delivery.packet) for delivery in got] == list(range(offered))
    assert (receiver.stats[BOARD].lost, sender.stats.dropped) == (0, 0)
    sender.close()
    receiver.close()


class Flipper:
    """A way between two TCP ends that flips one bit of each piece after the first few hundred octets."""

    def __init__(self, port: int) -> None:
        self._port, self._ends = port, list[socket.socket]()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        self.flipped, self.flip = 0, False
        self._threads = [threading.Thread(target=self._listen)]
        self._threads[0].start()

    def _listen(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._port))
            self._ends += [near, far]
            for source, sink, damage in ((near, far, True), (far, near, False)):
                thread = threading.Thread(target=self._carry, args=(source, sink, damage))
                self._threads.append(thread)
                thread.start()

    def _carry(self, source: socket.socket, sink: socket.socket, damage: bool) -> None:
        try:
            while data := bytearray(source.recv(65536)):
                if damage and self.flip:
                    data[-5] ^= 1
                    self.flipped += 1
                    self.flip = False
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in self._ends:
            end.close()


def test_a_flipped_bit_on_the_way_ends_the_connection_and_yields_nothing(
    context: Any, house: House, until: Until
) -> None:
    got: list[Delivery] = []
    receiver = LinkReceiver(context, "tcp://127.0.0.1:*", CLOCK, security=Security(house.ground))
    way = Flipper(int(receiver.endpoint.rsplit(":", 1)[1]))
    limits = LinkLimits(window=4, resend_after_s=0.2)
    sender = LinkSender(context, way.endpoint, BOARD, CLOCK, security=Security(house.board), peer=GROUND, limits=limits)

    def step() -> None:
        sender.service(2)
        got.extend(receiver.service(2))
        receiver.commit()

    for n in range(3):
        way.flip = n == 1
        sender.offer(b"%d" % n)
        until(lambda: sender.idle, step)
    assert way.flipped == 1
    assert [delivery.packet for delivery in got] == [b"0", b"1", b"2"]
    assert receiver.stats[UNKNOWN].refused == {"peer handshake": 1}
    assert "were changed" in receiver.refusals.take()[0]
    assert sender.connections == 2
    sender.close()
    receiver.close()
    way.close()


def test_a_message_that_is_sent_again_by_an_enrolled_node_is_taken_once(
    context: Any, house: House, until: Until
) -> None:
    """CURVE lets nobody else send a recorded message again: nonces and keys are those of a connection."""
    receiver = LinkReceiver(context, "tcp://127.0.0.1:*", CLOCK, security=Security(house.ground))
    client = context.socket(zmq.DEALER)
    client.linger = 0
    Security(house.board).secure_client(client, GROUND)
    client.connect(receiver.endpoint)
    got: list[Delivery] = []
    for _ in range(3):
        client.send(Envelope(DATA, BOARD, 99, 1, packet=b"once").encode())
    until(
        lambda: BOARD in receiver.stats and receiver.stats[BOARD].repeated == 2,
        lambda: (got.extend(receiver.service(5)), receiver.commit()),
    )
    assert [delivery.packet for delivery in got] == [b"once"]
    client.close()
    receiver.close()


def test_a_context_has_one_gatekeeper_and_bad_questions_are_answered_no(context: Any, house: House) -> None:
    gate = Gatekeeper(context, Security(house.ground))
    with pytest.raises(ConfigError, match="one gatekeeper"):
        Gatekeeper(context, Security(house.ground))
    asker = context.socket(zmq.REQ)
    asker.connect("inproc://zeromq.zap.01")
    key = house.keys[BOARD].card.newest.curve_key
    questions = {
        (b"1.0", b"5", b"lookdown", b"::1", b"", b"CURVE", key): b"200",
        (b"1.0", b"5", b"lookdown", b"::1", b"", b"CURVE", key[:-1]): b"400",
        (b"1.0", b"5", b"lookdown", b"::1", b"", b"NULL"): b"400",
        (b"1.0", b"5", b"elsewhere", b"::1", b"", b"CURVE", key): b"400",
        (b"1.0",): b"400",
    }
    for question, code in questions.items():
        asker.send_multipart(question)
        assert gate.socket.poll(2000)
        gate.service()
        answer = asker.recv_multipart()
        assert (len(answer), answer[2]) == (6, code)
    asker.close()
    gate.close()


def test_a_damaged_card_found_while_running_costs_its_node_alone(house: House) -> None:
    security = Security(house.ground)
    enrol(house.ground, NodeKeys.make(9, 0).card)
    (house.ground / "enrolled" / "7.card").unlink()
    (house.ground / "enrolled" / "7.card").write_text("{}")
    assert security.refresh()
    assert [card.node_id for card in security.ring.cards] == [9]
    assert not security.refresh()
    with pytest.raises(ConfigError, match="enrol the node again"):
        Security(house.ground)
    (house.ground / "node.key").chmod(0o644)
    with pytest.raises(ConfigError, match="alone may read"):
        Security(house.ground)


def test_what_a_configuration_asks_for(house: House, context: Any) -> None:
    assert security_of(SecurityConfig()) is None
    assert security_of(SecurityConfig(house.ground)) is not None
    with pytest.raises(ConfigError, match="peer"):
        security_of(SecurityConfig(house.board), connects=True)
    security = security_of(SecurityConfig(house.board, peer=3), connects=True)
    with pytest.raises(ConfigError, match=r"node 3.*not enrolled"):
        LinkSender(context, "tcp://127.0.0.1:1", BOARD, CLOCK, security=security, peer=3)
    assert len(z85.encode(house.keys[BOARD].card.newest.curve_key)) == 40
