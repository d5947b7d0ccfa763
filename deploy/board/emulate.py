"""The board's Python on this machine, by QEMU's user emulation.

Emulated time says nothing about a board; what is computed does. Every kernel on the arguments of the kernels' tests
and a chain over a sequence (`tests.board.results`) run here and there: integers must be equal, floats within a stated
part of their scale. Then the tests of the kernels and of flight run as they are.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.board.process import call
from deploy.board.sysroot import System, interpreter
from deploy.board.wheels import PLATFORMS, fetch

TEST_NEEDS = ("pytest>=8.3", "pytest-timeout>=2.3", "hypothesis>=6.112", "scipy>=1.14", "h5py>=3.11", "astropy>=6")
"""What the tests of kernels and flight import, besides what a board has."""

PROCESSORS = {"portable": "cortex-a53", "cortex-a72": "cortex-a72", "cortex-a76": "cortex-a76"}
"""The processor that each build is tried on; the portable one on the weakest."""

NOT_EMULATED = (
    *(f"--ignore=tests/kernels/{name}.py" for name in ("test_instructions", "test_neon", "test_room", "test_dispatch")),
    "--ignore=tests/flight/test_robust.py",  # minutes of statistics, no new code
)
"""Tests that count, compile, or look at sources: of this machine, not of the board."""


@dataclass(frozen=True)
class Emulated:
    """A build of lookdown on an emulated system.

    Attributes
    ----------
    name : str
        Build and version of Python.
    command : pathlib.Path
        Stands for the board's ``python``.
    """

    name: str
    command: Path


def install(target: str, wheel: Path, system: System, root: Path, wheelhouse: Path, folder: Path) -> Emulated:
    """Install a build and what its tests need beside the fetched root, and write the command that runs it.

    Parameters
    ----------
    target : str
        A key of `PROCESSORS`.
    wheel : pathlib.Path
        The build.
    system, root : System, pathlib.Path
        The system and its fetched root.
    wheelhouse : pathlib.Path
        Wheels of the dependencies.
    folder : pathlib.Path
        Where everything is laid.

    Raises
    ------
    StepError
        When a wheel is missing or does not fit.
    """
    name = f"{target}-{system.python}"
    tests = folder / "tests-wheelhouse"
    tag = f"cp{system.python.replace('.', '')}"
    (numpy,) = wheelhouse.glob(f"numpy-*-{tag}-{tag}-*.whl")
    pinned = f"numpy=={numpy.name.split('-')[1]}"
    fetch([*TEST_NEEDS, pinned], system.python, tests, folder / "log" / f"fetch-tests-{system.python}.log")
    place = folder / "site" / name
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--only-binary=:all:", "--upgrade"]
    # pip holds "requires Python" against the Python it runs in; fetch() has chosen for the board's.
    pip += ["--ignore-requires-python", "--no-warn-conflicts", f"--python-version={system.python}", f"--target={place}"]
    pip += [f"--find-links={wheelhouse}", f"--find-links={tests}", "--platform=linux_aarch64", *PLATFORMS]
    call([*pip, str(wheel), *(re.split("[>=<]", need)[0] for need in TEST_NEEDS)], folder / "log" / f"site-{name}.log")
    command = folder / f"python-{name}"
    (place / "sitecustomize.py").write_text(f"import sys\n\nsys.executable = {str(command)!r}\n")
    command.write_text(
        f"""#!/bin/sh
# Python {system.python} of an aarch64 board with lookdown ({target}), emulated.
export PYTHONPATH="{place}" PYTHONDONTWRITEBYTECODE=1
exec qemu-aarch64-static -cpu {PROCESSORS[target]} -L "{root}" "{interpreter(root, system)}" "$@"
"""
    )
    command.chmod(0o755)
    return Emulated(name, command)


def compare(emulated: Emulated, source: Path, folder: Path) -> str:
    """Run every kernel and a chain here and on the emulated board; what the comparison says.

    Raises
    ------
    StepError
        When a result differs.
    """
    results = ["-m", "tests.board.results"]
    given, ours = folder / "input.pickle", folder / "here.pickle"
    if not ours.exists():
        call([sys.executable, *results, "input", str(given)], folder / "log" / "input.log", cwd=source)
        call([sys.executable, *results, "run", str(given), str(ours)], folder / "log" / "here.log", cwd=source)
    theirs = folder / f"{emulated.name}.pickle"
    log = folder / "log" / f"results-{emulated.name}.log"
    call([str(emulated.command), *results, "run", str(given), str(theirs)], log, cwd=source)
    log = folder / "log" / f"compare-{emulated.name}.log"
    return call([sys.executable, *results, "compare", str(ours), str(theirs)], log, cwd=source).strip()


def test(emulated: Emulated, source: Path, folder: Path) -> str:
    """Run the tests of the kernels and of flight on the emulated board; pytest's last line.

    Raises
    ------
    StepError
        When a test fails.
    """
    pytest = ["-m", "pytest", "-q", "-m", "not proof", "-p", "no:cacheprovider", "--timeout=3600", *NOT_EMULATED]
    junit = folder / "log" / f"tests-{emulated.name}.xml"
    command = [str(emulated.command), *pytest, f"--junit-xml={junit}", "tests/kernels", "tests/flight"]
    return call(command, folder / "log" / f"tests-{emulated.name}.log", cwd=source).strip().splitlines()[-1]
