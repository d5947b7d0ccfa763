"""The board's Python on this machine, by QEMU's user emulation.

Emulated time says nothing about a board; what is computed does. Every kernel on the arguments of the kernels' tests,
and the chains over frames and intervals, run here and there (`tests.board.results`): integers must be equal, floats
within a stated part of their scale. The tests of kernels and flight run as they are (`deploy.board.tested`).
"""

import hashlib
import re
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from deploy.board.process import call
from deploy.board.sysroot import System, interpreter
from deploy.board.wheels import PLATFORMS, fetch

TEST_NEEDS = ("pytest>=8.3", "pytest-timeout>=2.3", "hypothesis>=6.112", "scipy>=1.14", "h5py>=3.11", "astropy>=6")
"""What the tests of kernels and flight import, besides what a board has."""

PROCESSORS = {"portable": "cortex-a53", "cortex-a72": "cortex-a72", "cortex-a76": "cortex-a76"}
"""The processor that each build is tried on; the portable one on the weakest."""


@dataclass(frozen=True)
class Emulated:
    """A build of lookdown on an emulated system.

    Attributes
    ----------
    name : str
        Build and version of Python.
    command : pathlib.Path
        Stands for the board's ``python``.
    build : str
        Digest of what was built, without the times of it.
    """

    name: str
    command: Path
    build: str


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
export PYTHONPATH="{place}" PYTHONPYCACHEPREFIX="{folder / "pycache"}" PYTHONDONTWRITEBYTECODE=
exec qemu-aarch64-static -cpu {PROCESSORS[target]} -L "{root}" "{interpreter(root, system)}" "$@"
"""
    )
    command.chmod(0o755)
    with zipfile.ZipFile(wheel) as archive:
        (record,) = (one for one in archive.namelist() if one.endswith(".dist-info/RECORD"))
        build = hashlib.sha256(archive.read(record)).hexdigest()
    return Emulated(name, command, build)


def reckon_here(source: Path, folder: Path) -> None:
    """Make the input of the comparison, and what this machine makes of it.

    Raises
    ------
    StepError
        When it cannot be made.
    """
    results = [sys.executable, "-m", "tests.board.results"]
    given, ours = folder / "input.pickle", folder / "here.pickle"
    call([*results, "input", str(given)], folder / "log" / "input.log", cwd=source)
    call([*results, "run", str(given), str(ours)], folder / "log" / "here.log", cwd=source)


def compare(emulated: Emulated, source: Path, folder: Path) -> str:
    """Run every kernel and the chains on the emulated board; what the comparison with `reckon_here` says.

    Raises
    ------
    StepError
        When a result differs.
    """
    results = ["-m", "tests.board.results"]
    given, ours = folder / "input.pickle", folder / "here.pickle"
    theirs = folder / f"{emulated.name}.pickle"
    log = folder / "log" / f"results-{emulated.name}.log"
    call([str(emulated.command), *results, "run", str(given), str(theirs)], log, cwd=source)
    log = folder / "log" / f"compare-{emulated.name}.log"
    return call([sys.executable, *results, "compare", str(ours), str(theirs)], log, cwd=source).strip()
