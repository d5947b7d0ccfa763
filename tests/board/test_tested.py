"""Tests on emulated boards, with a stand-in for the board: parts that passed are kept, those that fail are named."""

from pathlib import Path

import pytest

from deploy.board import tested
from deploy.board.emulate import Emulated
from deploy.board.process import StepError

ROOT = Path(__file__).resolve().parents[2]

STAND_IN = """#!/bin/sh
for word; do case $word in --junit-xml=*) out=${word#*=} ;; *broken*) broken=1 ;; esac; done
echo x >>"$0.calls"
bad=; [ -z "$broken" ] || bad='<failure message="no"/>'
echo "<testsuites><testsuite><testcase name='one'>$bad</testcase><testcase name='two'><skipped/></testcase>" \\
    "</testsuite></testsuites>" >"$out"
[ -z "$broken" ] || { echo two are not three; exit 1; }
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for folder in tested.FOLDERS:
        (tmp_path / "source" / folder).mkdir(parents=True)
        for k in range(tested._PARTS):
            (tmp_path / "source" / folder / f"test_{k}.py").write_text("#" * k)
    return tmp_path / "source"


@pytest.fixture
def board(tmp_path: Path) -> Emulated:
    command = tmp_path / "python"
    command.write_text(STAND_IN)
    command.chmod(0o755)
    return Emulated("portable-3.11", command, "digest")


def calls(board: Emulated) -> int:
    return len(board.command.with_name("python.calls").read_text().split())


def test_a_part_that_passed_is_kept_until_the_build_or_a_test_changes(
    source: Path, board: Emulated, tmp_path: Path
) -> None:
    n = tested._PARTS
    wanted = [f"portable-3.11: {n} passed, 0 failed, {n} skipped"]
    assert tested.test([board], source, tmp_path) == wanted
    assert tested.test([board], source, tmp_path) == wanted
    assert calls(board) == n
    (source / "tests/kernels/test_0.py").write_text("x = 1\n")
    tested.test([board], source, tmp_path)
    assert calls(board) == 2 * n
    tested.test([Emulated(board.name, board.command, "another")], source, tmp_path)
    assert calls(board) == 3 * n


def test_a_part_that_fails_is_named_and_the_others_are_kept(source: Path, board: Emulated, tmp_path: Path) -> None:
    broken = source / "tests/flight/test_broken.py"
    broken.write_text("")
    with pytest.raises(StepError, match=rf"(?s)1 of {tested._PARTS} parts failed.*two are not three"):
        tested.test([board], source, tmp_path)
    assert calls(board) == tested._PARTS
    with pytest.raises(StepError):
        tested.test([board], source, tmp_path)
    assert calls(board) == tested._PARTS + 1
    assert tested.counts([tmp_path / "log" / "tests-portable-3.11.xml"])["failed"] == 0  # of the parts that passed


def test_what_is_left_out_is_there_and_nothing_that_runs_needs_the_simulator() -> None:
    run = tested.files_of_tests(ROOT)
    assert len(run) > 50
    assert not set(run) & tested.NOT_EMULATED.keys()
    for name in tested.NOT_EMULATED:
        file, _, test = name.partition("::")
        assert f"def {test}" in (ROOT / file).read_text(), name
    assert not [name for name in run if "lookdown.hil" in (ROOT / name).read_text()]
    dealt = [name for part in tested.parts([Emulated("a", Path("a"), "a")], ROOT) for name in part.files]
    assert sorted(dealt) == sorted(run)


def test_an_emulated_part_has_a_patience(tmp_path: Path) -> None:
    from deploy.board.process import call

    with pytest.raises(StepError, match=r"(?s)^slow takes longer than 0.2 s .*began"):
        call(["sh", "-c", "echo began; exec sleep 60"], tmp_path / "slow.log", patience_s=0.2)
