"""What a machine lacks is named in one line, with the package that brings it."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lookdown.kernels import extract
from lookdown.wire.messages import PlotFlag

CHECK = Path(__file__).resolve().parents[1] / "deploy" / "check-tools"


def check(python: str, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(CHECK), python, *more],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def test_a_machine_with_everything_passes_in_silence() -> None:
    done = check(sys.executable)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("python", "environment", "names"),
    [
        ("no-such-python", {}, "python3 python3-venv python3-dev"),
        (sys.executable, {"CC": "no-such-compiler"}, "gcc"),
    ],
)
def test_what_lacks_is_named_with_its_package(python: str, environment: dict[str, str], names: str) -> None:
    done = check(python, **environment)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "apt install" in done.stderr
    assert names in done.stderr


@pytest.mark.parametrize(("purpose", "names"), [("count", "valgrind"), ("board", "gcc-aarch64-linux-gnu")])
def test_what_more_is_needed_for_a_purpose_is_named(purpose: str, names: str, tmp_path: Path) -> None:
    if purpose == "board" and platform.machine() == "aarch64":
        names = "llvm"
    for tool in ("cc", "as", "ld", "uname", "sed"):
        (tmp_path / tool).symlink_to(shutil.which(tool) or "")
    done = check(sys.executable, purpose, PATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert names in done.stderr


def test_the_flags_of_a_plot_mean_the_same_in_kernel_and_on_the_wire() -> None:
    for flag in (PlotFlag.DARK, PlotFlag.EDGE, PlotFlag.SATURATED, PlotFlag.NEAR_BAD_PIXEL):
        assert getattr(extract, flag.name or "") == flag
