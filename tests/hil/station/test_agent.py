"""The agent's service of systemd, with a stand-in for systemctl: what it is told, and what is made of its answers."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lookdown.hil.station import agent
from lookdown.hil.station.config import load_rig
from lookdown.hil.station.result import judge_budgets, times_of

SYSTEMCTL = """#!{python}
import pathlib, signal, subprocess, sys
place = pathlib.Path(__file__).parent
with open(place / "told", "a") as told:
    told.write(" ".join(sys.argv[1:]) + "\\n")
pid = place / "pid"
if sys.argv[1] == "restart" and (place / "rules" / "flight.service.d" / "lookdown-rig.conf").exists():
    none = subprocess.DEVNULL
    one = subprocess.Popen(["sleep", "600"], stdin=none, stdout=none, stderr=none)
    pid.write_text(str(one.pid))
elif "User" in sys.argv:
    print((place / "user").read_text())
elif sys.argv[1] == "show":
    print((place / "show").read_text().format(pid=pid.read_text()))
"""
RUNS = "MainPID={pid}\nActiveState=active\nExecMainCode=0\nExecMainStatus=0"
STARTS = "MainPID=0\nActiveState=inactive\nExecMainCode=0\nExecMainStatus=0\nJob=12"
KILLED = "MainPID=0\nActiveState=failed\nExecMainCode=2\nExecMainStatus=9"
REFUSED = "MainPID=0\nActiveState=failed\nExecMainCode=1\nExecMainStatus=2"


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "systemctl").write_text(SYSTEMCTL.format(python=sys.executable))
    (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(agent, "RULES", tmp_path / "rules")
    (tmp_path / "show").write_text(RUNS)
    return tmp_path


def test_a_service_is_started_with_the_command_of_the_run_and_put_back(systemd: Path) -> None:
    one = agent.Agent("")
    one.do_start(["/opt/python", "-m", "x y"], f"{systemd}/run/out", f"{systemd}/run/log", "flight")
    rules = systemd / "rules" / "flight.service.d" / "lookdown-rig.conf"
    assert rules.read_text().splitlines() == [
        "[Service]", "ExecStart=", "ExecStart=/opt/python -m 'x y'", "Restart=no",
        f"StandardOutput=append:{systemd}/run/out", f"StandardError=append:{systemd}/run/log",
        f"ReadWritePaths={systemd}/run",
    ]  # fmt: skip
    assert one.do_status()["status"] is None
    pid = int((systemd / "pid").read_text())
    assert one._process.pid == pid
    (systemd / "show").write_text(KILLED)
    assert one.do_signal("SIGKILL")["status"] == -9
    assert one.do_status()["status"] == -9
    one.do_start(["/opt/python", "-m", "x y"], f"{systemd}/run/out", f"{systemd}/run/log", "flight")  # after a fault
    one.end()
    assert not rules.exists()
    told = [line for line in (systemd / "told").read_text().splitlines() if not line.startswith("show")]
    start = ["reset-failed flight", "restart --no-block flight"]
    assert told[:6] == ["stop flight", "daemon-reload", *start, *start]
    assert told[-2:] == ["daemon-reload", "restart --no-block flight"]


@pytest.mark.parametrize(("shown", "status"), [(STARTS, None), (REFUSED, 2), (KILLED, -9)])
def test_how_a_service_ended_is_told_as_of_a_child(systemd: Path, shown: str, status: int | None) -> None:
    one = agent.Service("flight", ["x"], f"{systemd}/out", f"{systemd}/log")
    os.kill(int((systemd / "pid").read_text()), signal.SIGKILL)
    (systemd / "show").write_text(shown)
    assert one.ended() == (status, None)


def test_a_service_without_a_user_of_its_own_is_refused(systemd: Path) -> None:
    (systemd / "user").write_text("")
    with pytest.raises(ValueError, match="wanted the service flight with a user of its own"):
        agent.Agent("").do_room(str(systemd / "run"), "flight")


def test_a_child_is_killed_and_its_status_told(tmp_path: Path) -> None:
    one = agent.Agent("")
    one.do_start(["sleep", "600"], str(tmp_path / "out"), str(tmp_path / "log"))
    assert one.do_status()["status"] is None
    assert one.do_signal("SIGKILL")["status"] == -9
    one.end()


def test_an_emulated_machine_is_known_by_its_model() -> None:
    assert times_of("ssh", {"model": "linux,dummy-virt"}) == "emulated"
    assert times_of("ssh", {"model": "Raspberry Pi 4 Model B Rev 1.5"}) == "ssh"
    rig, budgets = load_rig(Path(__file__).parents[3] / "config" / "rig" / "machine.toml")
    assert rig.target.service == "lookdown-flight"
    # None of the budgets says anything about a board there, whatever was measured.
    figures = {"board": {"clock_error_ms": 5.0, "plot_latency_ms": {"p99": 1e4}, "cpu_share": 100.0}}
    verdicts = {one.requirement.metric: one.verdict for one in judge_budgets(budgets, figures, "emulated")}
    assert set(verdicts.values()) == {"not tested"}
    assert {one.verdict for one in judge_budgets(budgets, figures, "ssh")} == {"fail", "not tested"}


def test_systemd_takes_the_rules_of_a_run(systemd: Path) -> None:
    """What is laid beside the unit is read by systemd itself, where there is one."""
    agent.Service("flight", ["/bin/true"], f"{systemd}/out", f"{systemd}/log")
    os.kill(int((systemd / "pid").read_text()), signal.SIGKILL)
    rules = (systemd / "rules" / "flight.service.d" / "lookdown-rig.conf").read_text()
    unit = systemd / "flight.service"
    unit.write_text(rules.replace("ExecStart=\n", ""))
    tool = "/usr/bin/systemd-analyze"
    if not os.path.exists(tool):
        pytest.skip("needs systemd-analyze: sudo apt install systemd")
    done = subprocess.run([tool, "verify", str(unit)], capture_output=True, text=True, check=False)
    assert "flight.service" not in done.stderr, done.stderr
