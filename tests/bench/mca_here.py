"""How far llvm-mca is off, measured on this machine: its cycles for the kernels' inner loops against those they take.

usage: python -m tests.bench.mca_here [OUT.json]

No board is attached, so the error of the method is measured where it can be: the same row functions, taken out by the
same means and compiled for this machine (AVX2, as its kernels are), the same tool with its model of this processor;
beside them the cycles that the kernels take for a pixel. These are the difference of two sizes of frame that both lie
in the second cache, so that calls and checks cancel, the shortest of many calls, times the clock; the clock is that of
a chain of additions, each of which waits for the one before and takes one cycle. What is measured holds more than the
loop that is modelled (ends of rows, what leads into a row): that is part of the method's error for a board, too.
"""

import ctypes
import json
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.mca import FLAGS, ITERATIONS, LOOPS, Loop, innermost_loops, mca, standalone
from tests.kernels.table import KERNELS

COLS, FEW_ROWS, MANY_ROWS = 256, 16, 48
CALLS = 3000
_ADDITIONS = 64_000
_BRANCH = r"j\w+ (\.L\w+)$"
_CHAIN = """
long chain(long n) {
    long x = 0;
    while (n--) asm volatile(".rept 64\\n add $1, %0\\n .endr" : "+r"(x));
    return x;
}
"""
ONE_TILE = np.array([[[0.3, -0.6]]], np.float32)
MODELLED: dict[str, tuple[tuple[str, str, float], ...]] = {
    # kernel: its loops (module, function, elements a pixel), those of tests.bench.mca.LOOPS
    "calibrate": (("calibrate", "calibrate_row", 1),),
    "convert": (("calibrate", "convert_row", 1),),
    "temporal_difference": (("difference", "difference_row", 1),),
    "double_difference": (("difference", "double_row", 1),),
    "temporal_median": (("median", "median_row", 1),),
    "white_top_hat": (
        ("tophat", "least_down", 1 / 2), ("tophat", "most_down", 1 / 2), ("tophat", "least_along", 1),
        ("tophat", "height_along", 1),
    ),
    "update_background": (("background", "update_settled", 1),),
    "shift": (("shift", "blend_four", 2),),
    "shift_bilinear": (("shift", "blend_two", 2),),
    "matched_filter": (("suppress", "blend_seven", 2),),
    "hold_back": (("hold", "hold_row", 1),),
    "subtract_background": (("moving", "blend_four", 2), ("moving", "subtract_alike", 1)),
    "renew_background": (("renew", "blend_two", 2), ("renew", "renew_alike", 1)),
}  # fmt: skip


@cache
def _assembly(module: str) -> str:
    done = subprocess.run(
        ["gcc", "-S", "-w", *FLAGS, "-mavx2", "-x", "c", "-", "-o", "-"], input=standalone(module), capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    return done.stdout


def bytes_stored(instruction: str) -> int:
    """Bytes that an instruction of x86-64 in AT&T's notation stores."""
    name, _, operands = instruction.partition(" ")
    if not operands.endswith(")") or not re.match(r"v?mov|vextract|vpextr", name):
        return 0
    if operands.endswith("(%rsp)"):  # a register laid aside on the stack
        return 0
    if found := re.search(r"%([xy])mm\d+, [^,]*\(", operands):
        whole = {"x": 16, "y": 32}[found[1]]
        return {"ss": 4, "sd": 8, "d": 4, "q": 8}.get(re.sub(r"^v?mov", "", name), 16 if "extract" in name else whole)
    return {"b": 1, "w": 2, "l": 4, "q": 8}.get(name[-1], 0)


def main_loop(loop: Loop) -> tuple[list[str], float]:
    """Return the loop in which a row function spends its time here, and the elements of one turn."""
    loops = innermost_loops(_assembly(loop.module), loop.function, _BRANCH)
    sized = [(sum(map(bytes_stored, body)) / loop.bytes, body) for body in loops]
    elements, body = max(sized, key=lambda pair: pair[0])
    return body, elements


def modelled(loop: Loop, tool: str) -> float:
    """Return llvm-mca's cycles for an element of a loop on this processor."""
    body, elements = main_loop(loop)
    done = subprocess.run(
        [tool, f"-iterations={ITERATIONS}", "-instruction-info=0", "-resource-pressure=0"],
        input="\n".join(body), capture_output=True, text=True, check=True,
    )  # fmt: skip
    cycles = re.search(r"^Total Cycles: +(\d+)", done.stdout, re.M)
    assert cycles, done.stdout
    return int(cycles[1]) / ITERATIONS / elements


def clock_hz() -> float:
    """Return the clock of this processor [Hz]: additions a second of a chain, the most of many tries."""
    with tempfile.TemporaryDirectory() as folder:
        library = f"{folder}/chain.so"
        subprocess.run(
            ["gcc", "-O2", "-shared", "-fPIC", "-x", "c", "-", "-o", library], input=_CHAIN.encode(), check=True
        )
        chain = ctypes.CDLL(library).chain
        chain(1)
        best_ns = min(_timed(chain, (_ADDITIONS // 64,)) for _ in range(200))
    return 1e9 * _ADDITIONS / best_ns


def _timed(call: Any, arguments: Any) -> int:
    began = time.perf_counter_ns()
    call(*arguments)
    return time.perf_counter_ns() - began


def measured_ns(name: str) -> float:
    """Return the time that a kernel takes for a pixel of a frame that lies in the second cache [ns]."""
    kernel = KERNELS[name]
    calls = []
    for rows in (FEW_ROWS, MANY_ROWS):
        given = kernel.arguments(rows, COLS)
        if "field" in given:
            given["field"] = ONE_TILE.copy()
        calls.append(list(given.values()))
    best = [2**62, 2**62]
    for _ in range(CALLS):  # by turns, so that both see the same machine
        for i, arguments in enumerate(calls):
            best[i] = min(best[i], _timed(kernel.call, arguments))
    return (best[1] - best[0]) / ((MANY_ROWS - FEW_ROWS) * COLS)


@dataclass(frozen=True)
class Error:
    """A kernel's cycles for a pixel by the model and as measured here."""

    kernel: str
    model: float
    measured: float

    @property
    def ratio(self) -> float:
        """Measured over model."""
        return self.measured / self.model


def errors(tool: str) -> list[Error]:
    """Return model and measurement of all kernels that the model covers."""
    loops = {(loop.module, loop.function): loop for loop in LOOPS}
    hz = clock_hz()
    found = []
    for kernel, parts in MODELLED.items():
        model = sum(share * modelled(loops[module, function], tool) for module, function, share in parts)
        found.append(Error(kernel, model, 1e-9 * hz * measured_ns(kernel)))
    return found


def lacks() -> str | None:
    """Say what this machine lacks for the comparison, or None."""
    if platform.machine() != "x86_64":
        return "an x86-64 machine: on a board, lookdown-hil rig measures the thing itself"
    if "avx2" not in Path("/proc/cpuinfo").read_text():
        return "a processor with AVX2"
    return None if shutil.which("gcc") else "gcc: sudo apt install gcc"


def report(tool: str) -> dict[str, Any]:
    """Return the comparison as build/mca.json holds it: median and extremes of measured over model, and each kernel."""
    found = errors(tool)
    says = subprocess.run([tool, "--version"], capture_output=True, text=True, check=True).stdout
    host = re.search(r"Host CPU: (\S+)", says)
    ratios = sorted(one.ratio for one in found)
    return {
        "processor": host[1] if host else "",
        "median": statistics.median(ratios),
        "least": ratios[0],
        "most": ratios[-1],
        "kernels": [{**vars(one), "ratio": one.ratio} for one in found],
    }


def main() -> None:
    """Print the comparison, and write it if a file is named."""
    tool = mca()
    missing = "llvm-mca of LLVM 17 or later: sudo apt install llvm-19" if tool is None else lacks()
    if tool is None or missing:
        sys.exit(f"the comparison needs {missing}")
    found = report(tool)
    for row in found["kernels"]:
        print(
            f"{row['kernel']:22} model {row['model']:6.3f}  measured {row['measured']:6.3f}  ratio {row['ratio']:5.2f}"
        )
    print(f"{found['processor']}: median {found['median']:.2f}, {found['least']:.2f} to {found['most']:.2f}")
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
