"""Instructions that each kernel takes for a pixel, counted by callgrind (valgrind) on a fixed frame.

usage: python -m tests.kernels.instructions      counts, prints, and writes instructions.toml beside this file

A count does not depend on load, clock or caches, so it shows a slow-down on any machine where a stop-watch is too
coarse. It depends on the compiler and on the instruction set, so the file has a table for each pair of them, such as
``["x86_64 gcc-12 avx2"]``. Counted are the instructions in the kernel's own object file and in the C mathematics and
memory functions that it calls; the checks of the arguments are not. Valgrind shows a processor
without AVX-512; the loader takes the AVX2 version of the row functions where the processor has AVX2.
"""

import ctypes
import importlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.kernels.table import KERNELS, ROOT

FILE = Path(__file__).with_name("instructions.toml")
ROWS, COLS = 256, 320
LIBRARY = re.compile(r"/lib(c|m|mvec)[.-][^/]*$")  # of C: mathematics and memory
HEAD = f"""\
# Instructions of each kernel per pixel of a {ROWS} x {COLS} frame, counted by callgrind; `make instructions` writes it.
# A table for each compiler and instruction set; test_instructions.py compares with the one that fits.
"""


def missing_tool() -> str | None:
    """Say what this machine lacks for counting, or None."""
    if shutil.which("valgrind") is None or not Path("/usr/include/valgrind/callgrind.h").is_file():
        return "valgrind: sudo apt install valgrind"
    if shutil.which(os.environ.get("CC", "cc")) is None:
        return "a C compiler: sudo apt install gcc libc6-dev"
    return None


def compiler_of(module: str) -> str:
    """Name and major version of the compiler that made an extension module, such as gcc-12; from its object file."""
    text = Path(importlib.import_module(module).__file__ or "").read_bytes()
    if found := re.search(rb"clang version (\d+)", text):
        return f"clang-{found[1].decode()}"
    if found := re.search(rb"GCC: \([^)]*\) (\d+)\.", text):
        return f"gcc-{found[1].decode()}"
    return "unknown"


ONE_TILE = np.array([[[0.3, -0.6]]], np.float32)
VARIANTS = {
    # Without pointing the whole frame has one displacement; with it every tile of 16 pixels has its own.
    "shift_field, one tile": ("shift_field", {"field": ONE_TILE}),
    "subtract_background, one tile": ("subtract_background", {"field": ONE_TILE}),
    "renew_background, one tile": ("renew_background", {"field": ONE_TILE}),
    "score_and_renew, one tile": ("score_and_renew", {"field": ONE_TILE}),
    "update_background, young": ("update_background", {"age": np.full((ROWS, COLS), 9, np.uint8)}),
}
CASES: dict[str, tuple[str, dict[str, Any]]] = {name: (name, {}) for name in KERNELS} | VARIANTS


@dataclass(frozen=True)
class Count:
    """Instructions per pixel of each kernel, and what they hold for."""

    machine: str  # such as "x86_64 gcc-12 avx2"
    per_pixel: dict[str, float]


def own_instructions(dump: str) -> tuple[str, int, set[str]]:
    """Return what one file of callgrind counts: its kernel, the kernel's instructions, the functions that ran."""
    name = re.search(r"^desc: Trigger: Client Request: (.+)$", dump, re.M)
    total, functions = 0, set()
    lines = iter(dump.splitlines())
    at_kernels = counts = callee_counts = False
    for line in lines:
        if line.startswith("ob="):
            at_kernels = "/kernels/" in line and "/kernels/checks." not in line
        elif line.startswith("fn="):
            # What else Cython generates works for the arguments, not on pixels.
            counts = at_kernels and line.startswith(("fn=__pyx_f_", "fn=__pyx_pf_", "fn=__pyx_pw_"))
            if counts:
                functions.add(line[3:])
        elif line.startswith("cob="):
            callee_counts = LIBRARY.search(line) is not None
        elif line.startswith("calls="):
            cost = next(lines)
            if counts and callee_counts:
                total += int(cost.split()[1])
            callee_counts = False
        elif counts and line[:1].isdigit():
            total += int(line.split()[1])
    return name[1] if name else "", total, functions


def measure() -> Count:
    """Count the instructions of every kernel; takes some seconds."""
    with tempfile.TemporaryDirectory() as folder:
        library = f"{folder}/callgrind.so"
        source = str(Path(__file__).with_name("callgrind.c"))
        subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o", library, source], check=True)
        subprocess.run(
            ["valgrind", "--tool=callgrind", "-q", "--instr-atstart=no", "--collect-atstart=no",
             "--compress-strings=no", "--compress-pos=no", f"--callgrind-out-file={folder}/out",
             sys.executable, "-m", "tests.kernels.instructions", library],
            check=True, cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": "0"},
        )  # fmt: skip
        found = [own_instructions(path.read_text()) for path in Path(folder).glob("out.*")]
    functions = set().union(*(names for _, _, names in found))
    variants = {suffix for name in functions for suffix in re.findall(r"\.(avx2|default)\b", name)}
    path = "avx2" if "avx2" in variants else "baseline" if variants or platform.machine() != "x86_64" else "one-path"
    per_pixel = {name: count / (ROWS * COLS) for name, count, _ in found if name}
    compilers = {compiler_of(kernel.call.__module__) for kernel in KERNELS.values()}
    return Count(
        f"{platform.machine()} {'+'.join(sorted(compilers))} {path}", {name: per_pixel[name] for name in CASES}
    )


def kept() -> dict[str, dict[str, float]]:
    """Return the counts on file, by machine."""
    return tomllib.loads(FILE.read_text()) if FILE.is_file() else {}


def keep(count: Count) -> None:
    """Write a count to the file, beside those for other machines."""
    tables = kept() | {count.machine: count.per_pixel}
    text = HEAD
    for machine, numbers in sorted(tables.items()):
        text += f'\n["{machine}"]\n' + "".join(f'"{name}" = {number:.5g}\n' for name, number in numbers.items())
    FILE.write_text(text)


def run_all(library: str) -> None:
    """Call every kernel twice and count the second call; runs under callgrind."""
    valgrind = ctypes.CDLL(library)
    valgrind.listen()
    for name, (kernel_name, changes) in CASES.items():
        kernel = KERNELS[kernel_name]
        for counted in (False, True):  # the first call finds its functions and touches its pages
            given = kernel.arguments(ROWS, COLS)
            arguments = list((given | {key: array.copy() for key, array in changes.items()}).values())
            if counted:
                valgrind.count()
            kernel.call(*arguments)
        valgrind.write_count(name.encode())


def main() -> None:
    """Count and write the file, or be the process that is counted."""
    if len(sys.argv) == 2:
        run_all(sys.argv[1])
        return
    if lacks := missing_tool():
        sys.exit(f"counting needs {lacks}")
    before = kept()
    count = measure()
    keep(count)
    print(f"instructions per pixel, {count.machine}")
    for name, number in count.per_pixel.items():
        old = before.get(count.machine, {}).get(name)
        print(f"  {name:30} {number:8.3f}" + (f"  {100 * (number / old - 1):+7.2f} %" if old else ""))


if __name__ == "__main__":
    main()
