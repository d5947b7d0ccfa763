"""Sealed messages and node keys: opened once, by the right node alone; everything else is a reason."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from lookdown.wire import sealed as sealed_module
from lookdown.wire.errors import ConfigError, WireError
from lookdown.wire.keys import EPOCHS_KEPT, Card, Keyring, NodeKeys, enrol, next_start, parse_card, revoke
from lookdown.wire.sealed import SEALED_OCTETS, STARTS_REMEMBERED, WINDOW, Opener, Sealer

GROUND, BOARD, STRANGER = NodeKeys.make(1, 0), NodeKeys.make(7, 0), NodeKeys.make(7, 0)
RING = Keyring([BOARD.card])


def reason(opener: Opener, message: bytes, header: bytes = b"") -> str:
    with pytest.raises(WireError) as caught:
        opener.open(message, header)
    return caught.value.reason


def test_opened_once_with_its_header() -> None:
    sealer, opener = Sealer(BOARD, GROUND.card, 1), Opener(GROUND, RING)
    message = sealer.seal(b"plots", b"to 1, priority 2")
    assert len(message) == len(b"plots") + SEALED_OCTETS
    assert b"plots" not in message
    assert reason(opener, message, b"to 1, priority 3") == "forged"
    opened = opener.open(message, b"to 1, priority 2")
    assert (opened.payload, opened.sender_id, opened.counter) == (b"plots", 7, 1)
    assert reason(opener, message, b"to 1, priority 2") == "replay"


def test_every_flipped_bit_and_every_truncation_is_refused_and_changes_nothing() -> None:
    message, opener = Sealer(BOARD, GROUND.card, 1).seal(b"plots", b"h"), Opener(GROUND, RING)
    known = {"start", "early", "forged", "version", "recipient", "node", "epoch", "truncated"}
    for bit in range(8 * len(message)):
        flipped = bytearray(message)
        flipped[bit // 8] ^= 1 << bit % 8
        assert reason(opener, bytes(flipped), b"h") in known
    for octets in range(len(message)):
        assert reason(opener, message[:octets], b"h") in {"truncated", "forged"}
    assert opener.state() == b""
    assert opener.open(message, b"h").payload == b"plots"


def test_a_stranger_a_revoked_node_and_another_recipient_are_refused() -> None:
    message = Sealer(BOARD, GROUND.card, 1).seal(b"plots")
    assert reason(Opener(GROUND, RING), Sealer(STRANGER, GROUND.card, 1).seal(b"plots")) == "forged"
    assert reason(Opener(GROUND, Keyring([])), message) == "node"
    assert reason(Opener(BOARD, RING), message) == "recipient"
    opener = Opener(GROUND, RING)
    opener.renew(GROUND, Keyring([]))
    assert reason(opener, message) == "node"


def test_out_of_order_within_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed_module, "WINDOW", 64)
    monkeypatch.setattr(sealed_module, "_MASK", (1 << 64) - 1)
    draw = random.Random(1)
    sealer, opener = Sealer(BOARD, GROUND.card, 1), Opener(GROUND, RING)
    messages = [sealer.seal(b"%d" % n) for n in range(500)]
    order = sorted(range(500), key=lambda n: n + draw.uniform(0, 30))
    assert [opener.open(messages[n]).payload for n in order] == [b"%d" % n for n in order]
    reasons = {reason(opener, message) for message in messages}
    assert reasons == {"replay", "window"}
    assert reason(opener, messages[499 - 64]) == "window"
    assert reason(opener, messages[499 - 63]) == "replay"


def test_what_was_opened_stays_opened_after_a_restart() -> None:
    sealer, opener = Sealer(BOARD, GROUND.card, 1), Opener(GROUND, RING)
    messages = [sealer.seal(b"%d" % n) for n in range(20)]
    for n in (0, 5, 3, 19):
        opener.open(messages[n])
    after = Opener(GROUND, RING, opener.state())
    for n, message in enumerate(messages):
        if n in (0, 5, 3, 19):
            assert reason(after, message) == "replay"
        else:
            assert after.open(message).payload == b"%d" % n
    with pytest.raises(ValueError, match="state"):
        Opener(GROUND, RING, b"xx")


def test_starts_too_old_to_be_remembered_are_refused() -> None:
    opener = Opener(GROUND, RING)
    sealers = [Sealer(BOARD, GROUND.card, n) for n in range(1, STARTS_REMEMBERED + 3)]
    first = [sealer.seal(b"first") for sealer in sealers]
    for message in first:
        opener.open(message)
    for opener_after in (opener, Opener(GROUND, RING, opener.state())):
        assert [reason(opener_after, message) for message in first[:3]] == ["start", "start", "replay"]


def test_the_first_of_a_full_window_may_come_last() -> None:
    sealer, opener = Sealer(BOARD, GROUND.card, 1), Opener(GROUND, RING)
    early = sealer.seal(b"early")
    for _ in range(WINDOW - 2):
        late = sealer.seal(b"")
    opener.open(late)
    assert opener.open(early).payload == b"early"


def test_rotation_opens_what_was_sealed_before_and_after() -> None:
    before = Sealer(BOARD, GROUND.card, 1).seal(b"before")
    board, ground = BOARD.rotated(1), GROUND.rotated(1)
    opener = Opener(ground, Keyring([board.card]))
    assert opener.open(Sealer(board, GROUND.card, 2).seal(b"between")).payload == b"between"
    assert opener.open(Sealer(board, ground.card, 2).seal(b"after")).payload == b"after"
    assert opener.open(before).payload == b"before"
    for n in range(EPOCHS_KEPT):
        board = board.rotated(n)
    opener = Opener(ground, Keyring([board.card]))
    assert reason(opener, before) == "epoch"
    assert len(board.seal_secrets) == len(board.curve_secrets) == len(board.card.epochs) == EPOCHS_KEPT


def test_a_card_is_believed_only_as_its_identity_signed_it() -> None:
    card = BOARD.rotated(1).card
    assert parse_card(card.encode(), "here") == card
    other = STRANGER.card.epochs
    for wrong in (
        (*card.epochs[:1], replace(card.epochs[1], seal_key=other[0].seal_key)),
        (*card.epochs[:1], replace(card.epochs[1], number=3)),
        (other[0], card.epochs[1]),
        (card.epochs[1], card.epochs[0]),
        (),
    ):
        with pytest.raises(ValueError, match=r"epoch"):
            Card(card.node_id, card.identity, wrong)
    for text in ("", "{}", "[]", card.encode().replace(card.identity.hex(), STRANGER.card.identity.hex())):
        with pytest.raises(ConfigError, match="here: no card"):
            parse_card(text, "here")


def test_keys_on_disk_are_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    keys = BOARD.rotated(5)
    keys.save(folder)
    path = folder / "node.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert "PrivateKey" not in repr(keys)
    again = NodeKeys.load(folder)
    assert again.card == keys.card
    assert again.curve_pair == keys.curve_pair
    assert Opener(GROUND, Keyring([keys.card])).open(Sealer(again, GROUND.card, 1).seal(b"x")).payload == b"x"
    for mode in (0o640, 0o604, 0o620):
        path.chmod(mode)
        with pytest.raises(ConfigError, match="alone may read"):
            NodeKeys.load(folder)
    path.chmod(0o600)
    path.write_text("{}")
    with pytest.raises(ConfigError, match="damaged"):
        NodeKeys.load(folder)
    with pytest.raises(ConfigError, match="lookdown-wire keys make"):
        NodeKeys.load(tmp_path)


def test_enrolled_renewed_revoked(tmp_path: Path) -> None:
    newer = BOARD.rotated(1)
    assert enrol(tmp_path, BOARD.card) == "enrolled"
    assert enrol(tmp_path, newer.card) == "renewed"
    assert enrol(tmp_path, newer.card) == "unchanged"
    with pytest.raises(ConfigError, match="old one"):
        enrol(tmp_path, BOARD.card)
    with pytest.raises(ConfigError, match="revoke"):
        enrol(tmp_path, STRANGER.card)
    ring = Keyring.load(tmp_path)
    assert {ring.node_of(key) for key in newer.card.curve_keys} == {7}
    assert ring.node_of(STRANGER.card.newest.curve_key) is None
    newest = newer.rotated(2)
    assert enrol(tmp_path, newest.card) == "renewed"
    assert Keyring.load(tmp_path).node_of(BOARD.card.newest.curve_key) is None  # two epochs connect
    assert revoke(tmp_path, 7) == newest.card
    assert Keyring.load(tmp_path).cards == ()
    with pytest.raises(ConfigError, match="was revoked"):
        enrol(tmp_path, newest.rotated(3).card)
    with pytest.raises(ConfigError, match="not enrolled"):
        revoke(tmp_path, 7)
    assert enrol(tmp_path, STRANGER.card) == "enrolled"


def test_starts_are_counted_on_disk(tmp_path: Path) -> None:
    assert [next_start(tmp_path) for _ in range(3)] == [1, 2, 3]
    (tmp_path / "starts").write_text("three")
    with pytest.raises(ConfigError, match="starts"):
        next_start(tmp_path)
