"""Wheels for the board: lookdown cross-compiled for aarch64, and those of its dependencies.

The compiler is Debian's; Python's headers and build variables come from the fetched root, so that the wheel is built
as the board itself would build it. A folder that does not exist stands for the place of Python's library: extension
modules are not linked to it.
"""

import re
import shutil
import sys
import tomllib
import zipfile
from pathlib import Path

from deploy.board.process import StepError, call
from deploy.board.sysroot import System

TARGETS = {"portable": None, "cortex-a72": "cortex-a72", "cortex-a76": "cortex-a76"}
"""Builds, and the processor that the compiler works for: any of aarch64, Raspberry Pi 4, Raspberry Pi 5."""

COMPILER = "aarch64-linux-gnu-gcc"
_GLIBC = 36  # of the older system, bookworm
PLATFORMS = tuple(f"--platform=manylinux_2_{minor}_aarch64" for minor in range(_GLIBC, 16, -1))
"""What pip is told of the board: wheels for its C library or an older one."""

_VECTOR = re.compile(r"\bf(add|sub|mul|div|mla|mls|max|min|cmg[te]|abs)\w*\s+v\d+\.4s")
_SYSCONFIG = "_sysconfigdata__aarch64-linux-gnu"


def _build_variables(root: Path, system: System, folder: Path) -> None:
    """Write the root's build variables of Python to ``folder``, with headers where the root has them."""
    library = root / "usr/lib" / f"python{system.python}"
    (source,) = library.glob(f"{_SYSCONFIG}.py")
    text = source.read_text()
    headers = root / "usr/include" / f"python{system.python}"
    for name, value in (("INCLUDEPY", headers), ("CONFINCLUDEPY", headers), ("LIBDIR", folder / "none")):
        text = re.sub(rf"('{name}': )'[^']*'", lambda found, value=value: f"{found[1]}{str(value)!r}", text)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / source.name).write_text(text)


def build(target: str, root: Path, system: System, source: Path, folder: Path) -> Path:
    """Cross-compile lookdown's rooms of the board.

    Parameters
    ----------
    target : str
        A key of `TARGETS`.
    root : pathlib.Path
        Fetched root of ``system``.
    system : System
        The oldest system that the wheel is for.
    source : pathlib.Path
        The checkout.
    folder : pathlib.Path
        Where everything is built; the wheel lies in ``folder/wheel/TARGET``.

    Returns
    -------
    pathlib.Path
        The wheel.

    Raises
    ------
    StepError
        When the compiler fails or leaves no wheel.
    """
    _build_variables(root, system, folder / "python")
    wheels = folder / "wheel" / target
    shutil.rmtree(wheels, ignore_errors=True)
    base = folder / "compiled" / target
    shutil.rmtree(base / "wheel", ignore_errors=True)
    headers = root / "usr/include"
    processor = TARGETS[target]
    environment = {
        "LOOKDOWN_BOARD": "1",
        "_PYTHON_HOST_PLATFORM": "linux-aarch64",
        "_PYTHON_SYSCONFIGDATA_NAME": _SYSCONFIG,
        "PYTHONPATH": str(folder / "python"),
        "CC": COMPILER,
        "LDSHARED": f"{COMPILER} -shared",
        "CFLAGS": f"-DNDEBUG -fno-strict-overflow -isystem {headers} -isystem {headers}/aarch64-linux-gnu",
        **({"LOOKDOWN_MARCH": processor} if processor else {}),
    }
    steps = ["setup.py", "-q", "build", "--build-base", str(base), "bdist_wheel", "--dist-dir", str(wheels)]
    steps += ["--plat-name", "linux_aarch64", "--bdist-dir", str(base / "wheel")]
    base.mkdir(parents=True, exist_ok=True)
    log = folder / "log" / f"build-{target}.log"
    call([sys.executable, *steps], log, environment, source)
    built = sorted(wheels.glob("*.whl"))
    if len(built) != 1:
        raise StepError(f"wanted one wheel of {target} in {wheels}, found {len(built)}; see {log}")
    return built[0]


def requirements(source: Path) -> list[str]:
    """List what a board needs besides lookdown: the core dependencies of ``pyproject.toml``."""
    with (source / "pyproject.toml").open("rb") as file:
        return list(tomllib.load(file)["project"]["dependencies"])


def fetch(wanted: list[str], python: str, folder: Path, log: Path) -> None:
    """Fetch wheels for aarch64 and a version of Python, with all that they need, into ``folder``.

    Raises
    ------
    StepError
        When no wheel fits.
    """
    command = [sys.executable, "-m", "pip", "download", "-q", "--only-binary=:all:", f"--python-version={python}"]
    folder.mkdir(parents=True, exist_ok=True)
    call([*command, *PLATFORMS, "-d", str(folder), *wanted], log)


def without_vectors(wheel: Path, modules: set[str], folder: Path) -> list[str]:
    """Which of the kernels' modules have no NEON arithmetic on vectors of floats in their object code.

    Parameters
    ----------
    wheel : pathlib.Path
    modules : set of str
        Kernels whose inner loops must be vectors.
    folder : pathlib.Path
        Where objects are laid to be looked at.
    """
    scalar = []
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            module = Path(name).name.split(".")[0]
            if not name.startswith("lookdown/kernels/") or not name.endswith(".so") or module not in modules:
                continue
            place = Path(archive.extract(name, folder))
            code = call(["aarch64-linux-gnu-objdump", "-d", "--no-show-raw-insn", str(place)], folder / "objdump.log")
            if not _VECTOR.search(code):
                scalar.append(module)
    return sorted(scalar)
