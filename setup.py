"""Build of the namespace ``lookdown``: folders at the root become its subpackages, ``.pyx`` files its kernels.

Each room (a folder such as ``kernels/``) is the subpackage of that name. Cython and mypy look packages up by
folder, so ``build/ns/lookdown/<room>`` links to the room; without the links, ``cimport`` between files fails.

Build variables: ``LOOKDOWN_MARCH`` adds ``-march=...`` (x86-64) or ``-mcpu=...`` (aarch64); the default is portable.
``LOOKDOWN_SANITIZE`` builds for ``deploy/sanitize``: with checks of memory and of undefined behaviour, one path.
``LOOKDOWN_BOARD`` builds what flies: the rooms of a board alone, against the stable interface of Python 3.11, so that
one wheel serves every later version (``deploy/board``).
``LOOKDOWN_UNCOMPILED`` installs names and commands alone: ``make`` compiles in place afterwards, once and not twice.
"""

import os
import sysconfig
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup

BOARD = "LOOKDOWN_BOARD" in os.environ
BOARD_ROOMS = ("kernels", "wire", "geo", "flight")
ROOMS = BOARD_ROOMS if BOARD else (*BOARD_ROOMS, "ground", "hil")
COMMANDS = {"flight": "flight", "ground": "ground", "hil": "hil", "wire": "wire", "relay": "wire.relay"}
STABLE_PYTHON = "0x030B0000"
ROOT = Path(__file__).resolve().parent

# -O2 does not vectorise these loops (3 to 4 times slower); unrolling gives up to a fifth where a loop streams;
# contraction off keeps aarch64 and x86-64 equal.
COMPILE_ARGS = ["-O3", "-funroll-loops", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off"]
SANITIZE = "-fsanitize=address,undefined,float-cast-overflow"
SANITIZE_ARGS = [
    *("-O1", "-g1", "-fno-omit-frame-pointer", "-ffp-contract=off", "-fno-sanitize-recover=all"),
    *(SANITIZE, "-DLOOKDOWN_ONE_PATH"),
]
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "freethreading_compatible": False,
    "embedsignature": True,
}


def link_namespace() -> Path:
    """Make ``build/ns/lookdown/<room>`` point at each room and return ``build/ns``."""
    namespace = ROOT / "build" / "ns" / "lookdown"
    namespace.mkdir(parents=True, exist_ok=True)
    for room in ROOMS:
        link = namespace / room
        if not link.is_symlink():
            link.symlink_to(Path("..") / ".." / ".." / room)
    return namespace.parent


def packages() -> dict[str, str]:
    """Subpackage name to folder, for each room and each folder with an ``__init__.py`` below it."""
    found = {}
    for room in ROOMS:
        for init in sorted((ROOT / room).rglob("__init__.py")):
            folder = init.parent.relative_to(ROOT)
            found["lookdown." + ".".join(folder.parts)] = str(folder)
    return found


def extensions() -> list[Extension]:
    """One extension module per ``.pyx`` file of the rooms."""
    sanitize = "LOOKDOWN_SANITIZE" in os.environ
    args = list(SANITIZE_ARGS if sanitize else COMPILE_ARGS)
    target = os.environ.get("LOOKDOWN_MARCH")
    if target:
        args.append(("-mcpu=" if sysconfig.get_platform().endswith("aarch64") else "-march=") + target)
    return [
        Extension(
            "lookdown." + ".".join(source.relative_to(ROOT).with_suffix("").parts),
            [str(source.relative_to(ROOT))],
            include_dirs=[numpy.get_include()],
            define_macros=[
                ("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION"),
                *([("Py_LIMITED_API", STABLE_PYTHON)] if BOARD else []),
            ],
            py_limited_api=BOARD,
            extra_compile_args=args,
            extra_link_args=[SANITIZE] if sanitize else [],
        )
        for room in ROOMS
        for source in sorted((ROOT / room).rglob("*.pyx"))
    ]


setup(
    options={
        "build_ext": {"parallel": os.cpu_count() or 1},
        "bdist_wheel": {"py_limited_api": "cp311"} if BOARD else {},
    },
    entry_points={
        "console_scripts": [
            f"lookdown-{name} = lookdown.{module}.__main__:main"
            for name, module in COMMANDS.items()
            if module.partition(".")[0] in ROOMS
        ]
    },
    packages=list(packages()),
    package_dir=packages(),
    package_data={name: ["py.typed", "*.pyx", "*.pxd", "*.pyi", "*.html", "*.csv", "*.toml"] for name in packages()},
    ext_modules=cythonize(
        [] if "LOOKDOWN_UNCOMPILED" in os.environ else extensions(),
        include_path=[str(link_namespace())],
        build_dir="build/cython",
        compiler_directives=DIRECTIVES,
    ),
)
