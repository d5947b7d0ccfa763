"""A board of a lab: labgrid's own SSHDriver against a server of ssh on this machine."""

import sys
from pathlib import Path

import pytest
import yaml

from lookdown.hil.rig import RigError
from lookdown.hil.station.config import TargetConfig
from lookdown.hil.station.lab import Lab
from lookdown.hil.station.reach import AgentLink
from lookdown.hil.station.target import free_port
from tests.hil.station.conftest import Prepared

pytest.importorskip("labgrid", reason="needs labgrid: pip install 'lookdown[labgrid]'")


def lab_file(folder: Path, port: int, key: Path) -> Path:
    path = folder / "lab.yaml"
    service = {"address": "127.0.0.1", "username": "root", "port": port}
    drivers = {"SSHDriver": {"keyfile": str(key), "connection_timeout": 2.0}}
    path.write_text(
        yaml.safe_dump({"targets": {"bench": {"resources": {"NetworkService": service}, "drivers": drivers}}})
    )
    return path


def target(path: Path, **more: str) -> TargetConfig:
    values = {"place": "bench", "python": sys.executable, **more}
    return TargetConfig("labgrid", labgrid=str(path), **values)  # type: ignore[arg-type]


def test_a_board_of_a_lab_answers_and_is_reached_anew(sshd: tuple[int, int, Path], tmp_path: Path) -> None:
    port, _, key = sshd
    lab = Lab(target(lab_file(tmp_path, port, key)))
    try:
        for _ in range(2):  # the second as after a reboot: labgrid's connection is made anew
            reached = lab.reach()
            assert (reached.kind, reached.host) == ("ssh", "127.0.0.1")
            agent = AgentLink(reached)
            assert agent.machine["cores"] >= 1
            agent.close()
    finally:
        lab.close()


@pytest.mark.proof
def test_a_run_on_a_board_of_a_lab_passes(short: Prepared, sshd: tuple[int, int, Path], tmp_path: Path) -> None:
    port, _, key = sshd
    ran = short.live(tmp_path / "run", target(lab_file(tmp_path, port, key), folder=str(tmp_path / "board")), 4.0)
    assert ran.failure == ""
    assert len(ran.packets()) == len({(3, k) for k in range(50)} - ran.course.withheld)


def test_what_labgrid_cannot_bring_up_is_told_in_a_line(sshd: tuple[int, int, Path], tmp_path: Path) -> None:
    port, _, key = sshd
    with pytest.raises(RigError, match=r"none.yaml: no such file; wanted labgrid's configuration"):
        Lab(target(tmp_path / "none.yaml"))
    path = lab_file(tmp_path, port, key)
    with pytest.raises(RigError, match=r"lab.yaml: .*shelf"):
        Lab(target(path, place="shelf"))
    with pytest.raises(RigError, match=r"lab.yaml: labgrid brings the board up: .*Strategy"):
        Lab(target(path, state="shell")).reach()
    with pytest.raises(RigError, match=r"labgrid brings the board up: .*ssh"):
        Lab(target(lab_file(tmp_path, free_port(), key))).reach()
