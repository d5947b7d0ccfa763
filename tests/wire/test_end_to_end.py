"""Packets sealed from sender to receiver: read by nobody between, opened once, in their place, through restarts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lookdown.wire.clock import SteppedClock, SystemClock
from lookdown.wire.end_to_end import PacketOpener, PacketSealer
from lookdown.wire.envelope import DATA, Delivery, Envelope, decode_envelope
from lookdown.wire.errors import ConfigError, WireError
from lookdown.wire.keys import NodeKeys, enrol, revoke
from lookdown.wire.link import LinkReceiver, LinkSender
from lookdown.wire.outbox import Outbox
from lookdown.wire.sealed import SEALED_OCTETS
from lookdown.wire.security import Security, SecurityConfig, security_of
from lookdown.wire.spool import Spool

Until = Callable[..., None]
GROUND, BOARD = 100, 7


class House:
    """Folders of keys of a ground and a board that know each other."""

    def __init__(self, folder: Path) -> None:
        self.ground, self.board = folder / "ground", folder / "board"
        for own, node in ((self.ground, GROUND), (self.board, BOARD)):
            NodeKeys.make(node, 0).save(own)
        enrol(self.ground, NodeKeys.load(self.board).card)
        enrol(self.board, NodeKeys.load(self.ground).card)

    def sealer(self) -> PacketSealer:
        return PacketSealer(Security(self.board), GROUND)

    def opener(self) -> PacketOpener:
        return PacketOpener(Security(self.ground))


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def packet_of(sealer: PacketSealer, sequence: int, packet: bytes = b"plots", boot_id: int = 5) -> Delivery:
    return Delivery(BOARD, 11, 0, sealer.seal(BOARD, boot_id, sequence, 11, packet), boot_id, sequence)


def test_a_packet_opens_once_and_in_its_own_place_alone(house: House) -> None:
    sealer, opener = house.sealer(), house.opener()
    sealed = packet_of(sealer, 1)
    assert b"plots" not in sealed.packet
    assert len(sealed.packet) == len(b"plots") + SEALED_OCTETS
    for moved in ({"sequence": 2}, {"boot_id": 6}, {"origin_ns": 12}, {"sender_id": 8}):
        with pytest.raises(WireError) as caught:
            opener.open(sealed._replace(**moved))
        assert caught.value.reason == "seal forged"
    assert opener.open(sealed).packet == b"plots"
    with pytest.raises(WireError, match="came before") as caught:
        opener.open(sealed)
    assert caught.value.reason == "seal replay"


def test_every_flipped_bit_is_refused(house: House) -> None:
    sealer, opener = house.sealer(), house.opener()
    sealed = packet_of(sealer, 1)
    for bit in range(8 * len(sealed.packet)):
        damaged = bytearray(sealed.packet)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(WireError):
            opener.open(sealed._replace(packet=bytes(damaged)))
    assert opener.open(sealed).packet == b"plots"


def test_what_was_stored_is_not_opened_again_by_a_later_start_and_what_was_not_stored_is(house: House) -> None:
    sealer, opener = house.sealer(), house.opener()
    stored, lost = packet_of(sealer, 1), packet_of(sealer, 2)
    opener.open(stored)
    opener.stored(0, at_once=True)
    opener.open(lost)  # the process dies before it is stored
    later = house.opener()
    with pytest.raises(WireError, match="came before"):
        later.open(stored)
    assert later.open(lost).packet == b"plots"


def test_what_was_opened_is_written_once_a_second(house: House) -> None:
    sealer, opener, path = house.sealer(), house.opener(), house.ground / "opened"
    opener.open(packet_of(sealer, 1))
    opener.stored(10)
    first = path.read_bytes()
    opener.open(packet_of(sealer, 2))
    opener.stored(10 + 10**9 - 1)
    assert path.read_bytes() == first
    opener.stored(10 + 10**9)
    assert path.read_bytes() != first
    path.write_bytes(first[:-1])
    with pytest.raises(ConfigError, match="opened"):
        house.opener()


def test_epochs_are_renewed_while_packets_are_under_way(house: House) -> None:
    sending, taking = Security(house.board), Security(house.ground)
    sealer, opener = PacketSealer(sending, GROUND), PacketOpener(taking)
    before = packet_of(sealer, 1)
    board, ground = NodeKeys.load(house.board).rotated(1), NodeKeys.load(house.ground).rotated(1)
    for keys, own, other in ((board, house.board, house.ground), (ground, house.ground, house.board)):
        keys.save(own)
        enrol(other, keys.card)
    assert sending.refresh()
    assert taking.refresh()
    after = packet_of(sealer, 2)
    assert before.packet[6:10] == bytes([0, 1, 0, 1])  # epochs of both
    assert after.packet[6:10] == bytes([0, 2, 0, 2])
    assert [opener.open(sealed).packet for sealed in (after, before)] == [b"plots"] * 2
    revoke(house.ground, BOARD)
    assert taking.refresh()
    with pytest.raises(WireError) as caught:
        opener.open(packet_of(sealer, 3))
    assert caught.value.reason == "seal node"


def test_a_recipient_that_is_not_enrolled_and_tables_that_do_not_fit_are_refused(house: House) -> None:
    with pytest.raises(ConfigError, match="node 9, to which packets are sealed, is not enrolled"):
        PacketSealer(Security(house.board), 9)
    with pytest.raises(ConfigError, match=r"security\.keys"):
        security_of(SecurityConfig(seal_for=GROUND))
    with pytest.raises(ConfigError, match=r"security\.keys"):
        security_of(SecurityConfig(sealed=True))
    with pytest.raises(ConfigError, match=r"security\.sealed"):
        security_of(SecurityConfig(house.board, peer=GROUND, sealed=True), connects=True)
    with pytest.raises(ConfigError, match=r"security\.seal_for"):
        security_of(SecurityConfig(house.ground, seal_for=BOARD))


def test_the_longest_packet_leaves_room_for_its_seal(house: House) -> None:
    outbox = Outbox(BOARD, 5, seal=house.sealer().seal)
    with pytest.raises(ValueError, match="wanted 1 to 65496 octets"):
        outbox.offer(bytes(65497))
    assert outbox.offer(bytes(65496))
    message = outbox.next()
    assert message
    assert len(decode_envelope(message, DATA).packet) == 65542


def test_sealed_packets_cross_the_link_through_restarts_of_both_ends_once_and_in_order(
    context: Any, endpoint: str, house: House, tmp_path: Path
) -> None:
    """The receiver's process falls after it stored and before it acknowledged, the sender's with a full spool."""
    clock, got, offered = SystemClock(), list[Delivery](), 0
    for start in range(1, 6):
        taking, sending = Security(house.ground), Security(house.board)
        receiver = LinkReceiver(context, endpoint, clock, resume=got, security=taking, opener=PacketOpener(taking))
        sender = LinkSender(
            context, endpoint, BOARD, clock, spool=Spool(tmp_path / "spool", BOARD, start), security=sending,
            peer=GROUND, sealer=PacketSealer(sending, GROUND),
        )  # fmt: skip
        for _ in range(300):
            assert sender.offer(b"%d" % offered)
            offered += 1
        for turn in range(2000 if start == 5 else 3):
            sender.service(2)
            fresh = receiver.service(2)
            got.extend(fresh)
            if start % 2 or start == 4:
                receiver.commit()
            if start == 5 and turn and sender.idle:
                break
        assert sender.idle or start < 5
        refused = {name: n for counts in receiver.stats.values() for name, n in counts.refused.items()}
        assert not {name for name in refused if name.startswith("seal")}
        sender.close()
        receiver.close()
    assert [int(delivery.packet) for delivery in got] == list(range(offered))


def test_what_is_not_sealed_is_refused_by_reason_told_and_acknowledged(
    context: Any, endpoint: str, house: House, until: Until
) -> None:
    security = Security(house.ground)
    receiver = LinkReceiver(context, endpoint, SystemClock(), opener=PacketOpener(security))
    sender = LinkSender(context, endpoint, BOARD, SteppedClock())
    sender.offer(b"plain" * 20)
    sealer = house.sealer()
    sender.offer(sealer.seal(BOARD, 1, 77, 0, b"of another place"))
    got: list[Delivery] = []
    until(lambda: sender.idle, lambda: (sender.service(2), got.extend(receiver.service(2)), receiver.commit()))
    assert got == []
    counts = receiver.stats[BOARD]
    assert (counts.received, counts.lost) == (0, 0)
    assert counts.refused == {"seal version": 1, "seal forged": 1}
    lines = receiver.refusals.take()
    assert len(lines) == 2
    assert "packet 1 of node 7 refused, seal version" in lines[0]
    sender.close()
    receiver.close()


def test_no_octet_of_a_packet_is_readable_in_a_message_or_a_spool(house: House, tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", BOARD, 5)
    outbox = Outbox(BOARD, 5, journal=spool, seal=house.sealer().seal)
    outbox.offer(b"where the sensor looks")
    message = outbox.next()
    assert message
    assert b"sensor" not in message
    assert isinstance(decode_envelope(message, DATA), Envelope)
    spool.close()
    assert b"sensor" not in (tmp_path / "spool").read_bytes()
