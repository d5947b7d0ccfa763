"""The keys command from the first keys to a revoked node."""

from pathlib import Path

import pytest

from lookdown.wire.__main__ import main
from lookdown.wire.keys import Keyring, NodeKeys


def run(*words: object) -> int:
    return main(["keys", *map(str, words)])


def test_made_enrolled_rotated_revoked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board, ground = tmp_path / "board", tmp_path / "ground"
    assert run("make", board, "--node", 7) == 0
    assert run("make", ground, "--node", 100) == 0
    assert [path.stat().st_mode & 0o777 for path in (board, board / "node.key")] == [0o700, 0o600]
    card = board / "node.card"
    assert run("enrol", ground, card) == 0
    assert run("enrol", ground, card) == 0
    assert run("rotate", board) == 0
    assert run("enrol", ground, card) == 0
    capsys.readouterr()
    assert run("list", ground) == 0
    own, other = capsys.readouterr().out.splitlines()
    assert own.startswith("this node 100, identity ")
    fingerprint = NodeKeys.load(board).card.fingerprint
    assert f"node 7, identity {fingerprint}, epoch 2 of 20" in other
    assert run("revoke", ground, "--node", 7) == 0
    assert Keyring.load(ground).cards == ()
    capsys.readouterr()
    assert run("list", ground) == 0
    assert f"revoked: 7-{fingerprint}" in capsys.readouterr().out


def test_what_cannot_be_done_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board, other = tmp_path / "board", tmp_path / "other"
    for folder in (board, other):
        assert run("make", folder, "--node", 7) == 0
    (tmp_path / "no.card").write_text("hello")
    capsys.readouterr()
    for words, text in (
        (("make", board, "--node", 7), "holds keys already"),
        (("make", tmp_path / "new", "--node", 70_000), "--node: wanted 1 to 65535, came 70000"),
        (("enrol", board, other / "node.card"), "the number of this node"),
        (("enrol", board, tmp_path / "no.card"), "no card of a node"),
        (("enrol", board, tmp_path / "absent.card"), "no such file"),
        (("revoke", board, "--node", 9), "not enrolled"),
        (("rotate", tmp_path / "nowhere"), "lookdown-wire keys make"),
    ):
        assert run(*words) == 2
        captured = capsys.readouterr()
        assert text in captured.err, words
        assert captured.err.startswith("lookdown-wire: ")
    (board / "node.key").chmod(0o644)
    assert run("list", board) == 2
    assert "chmod 600" in capsys.readouterr().err
