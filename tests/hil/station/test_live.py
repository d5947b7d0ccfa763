"""Runs in real time: the same plots as on a stepped clock, and a board that goes away."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import zmq

from lookdown.hil.faults.reactions import Judge
from lookdown.hil.rig import RigError
from lookdown.hil.station.config import TargetConfig
from lookdown.hil.station.reach import AgentLink
from lookdown.hil.station.target import LiveBoard, free_port
from tests.hil.station.conftest import Prepared, Ran, Silent


def failed(ran: Ran) -> list[str]:
    scenario = ran.course.scenario
    judge = Judge(ran.course, ran.watch, scenario.sensor.camera, ran.run.sent, ran.run.untested, len(ran.run.incidents))
    wrong = [f"{r.note.fault.kind} {r.verdict}: {r.seen}" for r in judge.reactions() if r.verdict != "pass"]
    return wrong + [str(one) for one in judge.accounts() if one.verdict != "pass"]


@pytest.fixture(scope="module")
def same(short: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The short run on a stepped clock."""
    return short.stepped(tmp_path_factory.mktemp("stepped") / "short")


def test_a_process_gives_the_same_plots_as_a_stepped_clock(short: Prepared, same: Ran, tmp_path: Path) -> None:
    ran = short.live(tmp_path / "live", TargetConfig(), 4.0)
    assert ran.failure == ""
    assert failed(ran) == []
    assert ran.packets() == same.packets()
    assert ran.run.boards[3].vitals.cpu_s > 0.1
    assert 20 < ran.run.boards[3].vitals.memory_mb < 1000
    assert ran.run.boards[3].vitals.clock_error_s < 0.05
    assert (ran.folder / "logs" / "flight-3.log").is_file()


def test_a_process_that_dies_ends_the_run_with_its_last_words(short: Prepared, tmp_path: Path) -> None:
    def kill() -> None:
        (agent,) = [b.agent for b in run_of.boards.values()]
        agent.ask("signal", name="SIGKILL")

    from lookdown.hil.station import live

    made: list[live.LiveRun] = []
    original = live.LiveRun.__init__

    def remember(self: live.LiveRun, *arguments: object, **named: object) -> None:
        original(self, *arguments, **named)  # type: ignore[arg-type]
        made.append(self)

    class Last:
        @property
        def boards(self) -> dict[int, live.LiveBoard]:
            return made[-1].boards

    run_of = Last()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live.LiveRun, "__init__", remember)
        ran = short.live(tmp_path / "dies", TargetConfig(), 4.0, Silent({10: kill}))
    assert "flight-3 on process ended with status -9, which it should not have" in ran.failure
    assert 10 <= ran.run.sent < 50
    assert any("not tested: the run ended" in line for line in failed(ran))


def target(sshd: tuple[int, int, Path], folder: Path, **more: object) -> TargetConfig:
    port, _, key = sshd
    options = ("-p", str(port), "-i", str(key), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null")
    return TargetConfig("ssh", host="127.0.0.1", ssh_options=options, python=sys.executable, folder=str(folder), **more)  # type: ignore[arg-type]


def test_a_board_over_ssh_gives_the_same_plots(
    short: Prepared, same: Ran, sshd: tuple[int, int, Path], tmp_path: Path
) -> None:
    ran = short.live(tmp_path / "ssh", target(sshd, tmp_path / "board"), 4.0)
    assert ran.failure == ""
    assert failed(ran) == []
    assert ran.packets() == same.packets()
    assert ran.run.machine["cores"] >= 1


def test_a_board_that_goes_away_is_waited_for_and_what_it_missed_is_not_tested(
    short: Prepared, sshd: tuple[int, int, Path], tmp_path: Path
) -> None:
    def cut() -> None:
        # The session's processes end: to the station it is a board that lost its supply.
        said = subprocess.run(["ps", "-o", "pid=", "--ppid", str(sshd[1])], capture_output=True, text=True, check=False)
        for pid in said.stdout.split():
            os.kill(int(pid), 9)

    progress = Silent({20: cut})
    ran = short.live(tmp_path / "away", target(sshd, tmp_path / "board"), 4.0, progress)
    assert ran.failure == ""
    assert any("went away at frame" in step for step in progress.steps)
    (incident,) = ran.run.incidents
    assert "came back after" in incident
    # What came after it was tested as ever; the sums were not.
    found = {r.note.fault.kind: r.verdict for r in Judge(
        ran.course, ran.watch, ran.course.scenario.sensor.camera, ran.run.sent, ran.run.untested, 1
    ).reactions()}  # fmt: skip
    assert (found["torn"], found["killed"], found["link-down"]) == ("pass", "pass", "pass")
    assert not [came for came in ran.watch.reports.values() if len(came) > 1]
    last = [k for i, k in ran.watch.reports]
    assert max(last) == ran.course.scenario.n_frames - 1


def test_a_board_that_cannot_be_reached_is_named_with_what_ssh_said(tmp_path: Path) -> None:
    nobody = TargetConfig("ssh", host="nobody@127.0.0.1", ssh_options=("-p", str(free_port())))
    with pytest.raises(RigError, match=r"nobody@127.0.0.1: cannot be reached \(.*refused.*\); check host"):
        AgentLink(nobody)


def test_a_target_without_lookdown_is_named_with_what_it_said(short: Prepared, tmp_path: Path) -> None:
    for python, said in (("/usr/bin/false", "no word"), ("/none/python", "No such file"), (sys.executable, "")):
        target = TargetConfig(python=python)
        board = LiveBoard(3, target, tmp_path, 1, zmq.Context.instance(), 0.1, settable=False)
        try:
            if not said:
                assert board.reach()["machine"]
                continue
            with pytest.raises(
                RigError, match=rf"{python} has no lookdown that runs there .*{said}.*install the bundle"
            ):
                board.reach()
        finally:
            board.close()


@pytest.mark.proof
def test_every_fault_gives_the_same_plots_in_real_time(everything: Prepared, stepped: Ran, tmp_path: Path) -> None:
    ran = everything.live(tmp_path / "live", TargetConfig(), 4.0)
    assert ran.failure == ""
    assert failed(ran) == []
    assert ran.packets() == stepped.packets()
