"""The bundle for a board: what is in it, what its installer refuses, and the comparison between processors."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from deploy.board import bundle
from deploy.board.process import StepError, call
from tests.board.results import differences

ROOT = Path(__file__).resolve().parents[2]


def wheel(folder: Path, name: str, version: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            f"{name}-{version}.dist-info/METADATA", f"Name: {name}\nVersion: {version}\nLicense-Expression: MIT\n"
        )
    return path


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    built = wheel(tmp_path / "wheel", "lookdown", "0.1.0")
    wheel(tmp_path / "wheelhouse", "numpy", "2.4.6")
    key = bundle.signing_key(tmp_path)
    config = ROOT / "config" / "flight.toml"
    bundle.pack({"portable": built}, tmp_path / "wheelhouse", config, key, tmp_path, "lookdown-board-0.1.0")
    return tmp_path / "lookdown-board-0.1.0"


def installed(packed: Path, *arguments: str, machine: str = "aarch64") -> str:
    """What the installer says on a machine of that kind when it refuses."""
    tools = packed.parent / "tools"
    tools.mkdir(exist_ok=True)
    (tools / "uname").write_text(f"#!/bin/sh\necho {machine}\n")
    (tools / "uname").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    command = ["sh", str(packed / "install.sh"), "--no-service", "--prefix", str(packed.parent / "opt"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode
    assert not (packed.parent / "opt" / "current").exists()
    return done.stderr


def test_all_files_are_in_the_checksums_and_all_wheels_in_the_bill(packed: Path) -> None:
    summed = {line.split()[1] for line in (packed / "SHA256SUMS").read_text().splitlines()}
    present = {path.relative_to(packed).as_posix() for path in packed.rglob("*") if path.is_file()}
    assert present - summed == {"SHA256SUMS", "SHA256SUMS.sig", "signing-key.pub.pem"}
    bill = json.loads((packed / "sbom.cdx.json").read_text())
    assert {(part["name"], part["version"]) for part in bill["components"]} == {
        ("lookdown", "0.1.0"),
        ("numpy", "2.4.6"),
    }
    assert (packed.parent / "signing-key.pem").stat().st_mode & 0o077 == 0


def test_another_machine_is_refused(packed: Path) -> None:
    assert "for aarch64, this machine is x86_64" in installed(packed, machine="x86_64")


def test_a_damaged_wheel_is_refused_by_name(packed: Path) -> None:
    with next(packed.rglob("numpy*.whl")).open("ab") as file:
        file.write(b"\0")
    said = installed(packed)
    assert "wheelhouse/numpy" in said
    assert "damaged" in said


def test_a_forged_bundle_is_refused(packed: Path) -> None:
    mine = packed.parent / "mine.pem"
    shutil.copy(packed / "signing-key.pub.pem", mine)
    other = packed.parent / "other"
    other.mkdir()
    key = bundle.signing_key(other)
    sign = ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", str(key), "-in", str(packed / "SHA256SUMS")]
    call([*sign, "-out", str(packed / "SHA256SUMS.sig")], other / "sign.log")
    assert "signed by another" in installed(packed, "--key", str(mine))


def test_a_board_without_the_library_of_cpp_is_refused_before_anything_is_installed(packed: Path) -> None:
    tools = packed.parent / "tools"
    tools.mkdir()
    (tools / "python3").write_text(
        '#!/bin/sh\ncase $2 in *ctypes*) exit 1;; esac\nexec /usr/bin/env -i "$PYTHON" "$@"\n'
    )
    (tools / "python3").chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHON", sys.executable)
        assert "sudo apt install libstdc++6" in installed(packed)


def test_an_unknown_argument_is_refused(packed: Path) -> None:
    assert "unknown argument --fast" in installed(packed, "--fast")


def test_a_step_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(StepError, match=r"(?s)build failed with status 3 .*wrong flag"):
        call(["sh", "-c", "echo wrong flag; exit 3"], tmp_path / "build.log")
    with pytest.raises(StepError, match="no-such-tool is not installed"):
        call(["no-such-tool"], tmp_path / "build.log")


@pytest.mark.parametrize(
    ("other", "apart"),
    [
        (np.float32([1.0, 2.0, np.nan]), 0.0),
        (np.float32([1.0, 2.0 + 1e-6, np.nan]), 5e-7),
        (np.float32([1.0, 2.1, np.nan]), 0.06),
        (np.float32([1.0, 2.0, 3.0]), np.inf),
        (np.float64([1.0, 2.0, np.nan]), np.inf),
        (np.float32([1.0, 2.0]), np.inf),
    ],
)
def test_how_far_two_outputs_are_apart(other: np.ndarray, apart: float) -> None:
    (found,) = differences({"out": np.float32([1.0, 2.0, np.nan])}, {"out": other}).values()
    assert found == apart or 0.7 * apart < found < apart


def test_integers_are_equal_or_they_are_not() -> None:
    ours = {"plots": np.array([(1, 0.5)], [("n", "i4"), ("snr", "f4")])}
    theirs = {"plots": np.array([(2, 0.5)], [("n", "i4"), ("snr", "f4")])}
    assert differences(ours, theirs) == {"plots n": np.inf, "plots snr": 0.0}
    with pytest.raises(ValueError, match="only one side has: plots"):
        differences(ours, {})


STAND_INS = {
    "uname": "echo aarch64",
    "id": 'case $1 in -u) echo 0;; esac',
    "systemctl": 'echo "$*" >>"$0.calls"; [ "$1" != start ] || [ ! -e "$PREFIX/current/bad" ]',
    "journalctl": "echo the words of the service",
    # Makes the environment, in which everything else that the installer asks for goes well.
    "python3": """case "$*" in
*venv*) for new; do :; done; mkdir -p "$new/bin"
  for name in python lookdown-flight; do printf '#!/bin/sh\\n' >"$new/bin/$name"; chmod +x "$new/bin/$name"; done
  [ -z "$BAD" ] || touch "$new/bad" ;;
*version_info*print* | *print*) echo 311 ;;
esac""",
}  # fmt: skip


@pytest.mark.parametrize("before", [True, False])
def test_a_version_that_does_not_start_gives_way_to_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    """The installer as it is, but for its folder of settings; systemd and Python are stand-ins."""
    here, tools, prefix = tmp_path / "here", tmp_path / "tools", tmp_path / "opt"
    for folder in (here, tools, tmp_path / "etc/systemd/system"):
        folder.mkdir(parents=True)
    for name in bundle.SHIPPED:
        text = (ROOT / "deploy/board" / name).read_text()
        (here / name).write_text(text.replace("/etc/", f"{tmp_path}/etc/").replace("=/etc", f"={tmp_path}/etc"))
    for name, text in STAND_INS.items():
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)
    monkeypatch.setattr(bundle, "_HERE", here)
    built = {build: wheel(tmp_path / build, "lookdown", "0.1.0") for build in ("portable", "cortex-a72", "cortex-a76")}
    wheelhouse = tmp_path / "wheelhouse"
    wheel(wheelhouse, "pip", "26")
    wheel(wheelhouse, "numpy", "2.4.6").rename(wheelhouse / "numpy-2.4.6-cp311-cp311-linux_aarch64.whl")
    bundle.pack(built, wheelhouse, ROOT / "config/flight.toml", bundle.signing_key(tmp_path), tmp_path, "bundle")

    def install(bad: str) -> subprocess.CompletedProcess[str]:
        given = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "PREFIX": str(prefix), "BAD": bad}
        command = ["sh", str(tmp_path / "bundle/install.sh"), "--prefix", str(prefix)]
        return subprocess.run(command, capture_output=True, text=True, env=given, check=False)

    if before:
        done = install("")
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "etc/lookdown/flight.toml.sha256").is_file()
    done = install("bad")
    assert done.returncode == 1
    assert "the words of the service" in done.stderr
    assert (prefix / "current" / "bad").exists() != before
    if before:
        assert "the version before runs again" in done.stderr
        assert (prefix / "failed" / "bad").exists()
        assert (tools / "systemctl.calls").read_text().splitlines()[-1] == "start lookdown-flight.service"
    else:
        assert "nothing was installed before" in done.stderr
