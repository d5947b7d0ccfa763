"""The emulated machine, with a stand-in for QEMU: what its console says decides, and an error names the last words."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.board import machine as machines
from deploy.board import trial
from deploy.board.dpkg import write_tables
from deploy.board.image import DONE, FAILED, Image, for_bundle
from deploy.board.machine import Machine
from deploy.board.process import StepError


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return Image(tmp_path / "disk.ext4", tmp_path / "vmlinuz", tmp_path / "id", tmp_path / "known_hosts", False, 3)


@pytest.fixture
def qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script that stands for QEMU; tests write what it says."""
    tools = tmp_path / "tools"
    tools.mkdir()
    script = tools / "qemu-system-aarch64"
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    return script


def says(script: Path, text: str) -> None:
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)


def machine(image: Image, tmp_path: Path) -> Machine:
    return Machine(image, 1, tmp_path / "console.log")


def test_a_machine_that_has_set_itself_up_is_marked_ready(image: Image, qemu: Path, tmp_path: Path) -> None:
    says(qemu, f"echo Setting up a; echo '{DONE}'")
    with machine(image, tmp_path) as one:
        one.set_up(lambda done, total: None)
    assert image.disk.with_suffix(".ready").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"echo dpkg: no; echo '{FAILED}: its packages'", rf"(?s)^{FAILED}: its packages; .*dpkg: no"),
        ("echo Kernel panic; exit 1", r"(?s)it stopped before its end; .*Kernel panic"),
    ],
)
def test_a_machine_that_could_not_set_itself_up_says_why(
    image: Image, qemu: Path, tmp_path: Path, text: str, said: str
) -> None:
    says(qemu, text)
    with machine(image, tmp_path) as one, pytest.raises(StepError, match=said):
        one.set_up(lambda done, total: None)
    assert not image.disk.with_suffix(".ready").exists()


def test_a_stage_that_does_not_come_is_named_with_the_last_words(
    image: Image, qemu: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machines, "_STAGES", (("Linux version", 30.0), ("login:", 0.0)))
    says(qemu, "echo Linux version 6.1; exec tail -f /dev/null")
    with machine(image, tmp_path) as one:
        one._start()
        with pytest.raises(StepError, match=r"(?s)has not said 'login:' in 0 s; .*Linux version 6.1"):
            one.wait_until_up()
    assert not one._running()


def test_a_machine_that_stops_on_its_way_is_named(image: Image, qemu: Path, tmp_path: Path) -> None:
    says(qemu, "echo Linux version 6.1; echo VFS: Cannot open root device")
    with machine(image, tmp_path) as one:
        one._start()
        with pytest.raises(StepError, match=r"(?s)stopped before it said .*Cannot open root"):
            one.wait_until_up()


def test_a_missing_bundle_says_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "BOARD", tmp_path)
    with pytest.raises(StepError, match=r"holds no bundle; make one with: make board"):
        trial.find_bundle(None)
    with pytest.raises(StepError, match="no such file"):
        trial.find_bundle(tmp_path / "none.tar.gz")
    for name, time_s in (("lookdown-board-0.1.0.tar.gz", 100), ("lookdown-board-0.2.0.tar.gz", 50)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time_s, time_s))
    assert trial.find_bundle(None).name == "lookdown-board-0.1.0.tar.gz"  # the one made last


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="needs dpkg-deb")
def test_packages_are_written_down_as_unpacked(tmp_path: Path) -> None:
    def package(name: str, more: str = "") -> Path:
        tree = tmp_path / name
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "usr/share").mkdir(parents=True)
        (tree / "usr/share" / name).write_text("x")
        head = f"Package: {name}\nVersion: 1\nArchitecture: arm64\nMaintainer: a <a@b>\nDescription: a\n b\n"
        (tree / "DEBIAN/control").write_text(head + more)
        (tree / "DEBIAN/postinst").write_text("#!/bin/sh\nexit 0\n")
        (tree / "DEBIAN/postinst").chmod(0o755)
        made = tmp_path / f"{name}.deb"
        subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tree, made], check=True, capture_output=True)
        return made

    root = tmp_path / "root"
    write_tables(root, [package("one"), package("two", "Multi-Arch: same\n")], tmp_path / "log")
    listed = subprocess.run(
        ["dpkg-query", f"--admindir={root}/var/lib/dpkg", "-W", "-f", "${Package} ${Architecture} ${Status}\n"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert listed == "one arm64 install ok unpacked\ntwo arm64 install ok unpacked\n"
    info = root / "var/lib/dpkg/info"
    assert (info / "one.postinst").stat().st_mode & 0o111
    assert (info / "two:arm64.list").read_text() == "/.\n/usr\n/usr/share\n/usr/share/two\n"


def test_a_machine_with_a_bundle_is_kept_until_bundle_or_disk_changes(image: Image, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.tar.gz"
    bundle.write_bytes(b"one")
    image.disk.write_bytes(b"set up")
    copy = for_bundle(image, bundle)
    assert (copy.ready, copy.disk.read_bytes()) == (False, b"set up")
    copy.disk.write_bytes(b"half installed")
    copy = for_bundle(image, bundle)  # it was interrupted
    assert (copy.ready, copy.disk.read_bytes()) == (False, b"set up")
    copy.disk.write_bytes(b"installed")
    copy.mark_ready()
    copy = for_bundle(image, bundle)
    assert (copy.ready, copy.disk.read_bytes()) == (True, b"installed")
    bundle.write_bytes(b"another")
    assert not for_bundle(image, bundle).ready
    for_bundle(image, bundle).mark_ready()
    assert for_bundle(image, bundle).ready
    os.utime(image.disk, ns=(1, 1))  # set up anew
    copy = for_bundle(image, bundle)
    assert (copy.ready, copy.disk.read_bytes()) == (False, b"set up")


STATES = (
    ["ActiveState=activating", "NRestarts=0"],
    ["ActiveState=active", "NRestarts=0", "User=lookdown", "StatusText=takes frames", "WatchdogUSec=10s",
     "ExecMainStartTimestampMonotonic=1000000", "ActiveEnterTimestampMonotonic=13000000"],
    ["ActiveState=failed", "NRestarts=3", "Result=watchdog"],
)  # fmt: skip


def test_a_service_is_waited_for_and_one_that_failed_is_told_with_its_journal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Told:
        def __init__(self, *states: list[str]) -> None:
            self.states = list(states)

        def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
            said = "its last words" if command[0] == "journalctl" else "\n".join(self.states.pop(0))
            return subprocess.CompletedProcess(command, 0, said, "")

    monkeypatch.setattr(trial.time, "sleep", lambda seconds: None)
    trial.check_service(Told(STATES[0], STATES[1]))  # type: ignore[arg-type]
    assert "is active as lookdown 12 s after its start" in capsys.readouterr().out
    with pytest.raises(StepError, match=r"(?s)is failed \(watchdog\); its journal:.*its last words"):
        trial.check_service(Told(STATES[0], STATES[2]))  # type: ignore[arg-type]
    # Active, but not yet started anew: it is waited for.
    again = [line.replace("NRestarts=0", "NRestarts=1") for line in STATES[1]]
    trial.check_service(Told(STATES[1], again), restarts=1)  # type: ignore[arg-type]
    assert "started anew 1 times" in capsys.readouterr().out
