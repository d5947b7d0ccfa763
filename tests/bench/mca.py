"""Cycles per pixel of the kernels' inner loops on the board's processors, by llvm-mca; a model, not a measurement.

usage: python -m tests.bench.mca OUT.json

The row functions are taken out of the C that Cython wrote, compiled for Cortex-A72 (Raspberry Pi 4) and Cortex-A76
(Pi 5) with the flags of the build, and the loop that a function spends its time in is given to llvm-mca. It reckons
with the core alone: data in the first cache, branches foretold, no memory bandwidth. LLVM has no model of the
Cortex-A76 of its own (it takes that of the Cortex-A57); the Neoverse N1, the same core for servers, stands in for it.
"""

import json
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FLAGS = ("-O3", "-funroll-loops", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off")  # those of setup.py
CORES = {"cortex-a72": "cortex-a72", "cortex-a76": "neoverse-n1"}
"""Core that the compiler works for, and llvm-mca's model of it."""

BOARDS = {"cortex-a72": ("Raspberry Pi 4", 1.8e9), "cortex-a76": ("Raspberry Pi 5", 2.4e9)}
"""Name and clock [Hz] of the board with the core."""

PIXELS = 512 * 640
ITERATIONS = 200
REGISTRATION_STEPS = 1.5
"""Least-squares steps to a registered frame, as they usually are: two on a quarter of the rows, one on all, which
are 128 of 512."""


@dataclass(frozen=True)
class Loop:
    """An inner loop of a stage.

    Attributes
    ----------
    stage, module, function : str
        Where it stands.
    moved : str
        What tells how many elements one turn of the loop handles: bytes that it stores or loads for one element.
    bytes : int
        That number of bytes.
    per_pixel : float
        Elements that it handles for each pixel of a frame of 512 x 640; two pixels are one where it takes two rows.
    vector : bool
        Whether the loop must use NEON; a running sum cannot.
    """

    stage: str
    module: str
    function: str
    moved: str
    bytes: int
    per_pixel: float
    vector: bool = True


REGISTER = 128 / 512 * REGISTRATION_STEPS
BLOCKS = 1 / 4  # of 2 x 2 pixels
LOOPS = (
    Loop("calibrate", "calibrate", "calibrate_row", "stores", 4, 1),
    Loop("despike", "spikes", "screen", "loads", 20, 1),
    Loop("register", "register", "blend_four", "stores", 4, 2 * REGISTER),
    Loop("register", "register", "accumulate_row", "stores", 48, REGISTER),
    Loop("subtract", "moving", "blend_four", "stores", 4, 2),
    Loop("subtract", "moving", "subtract_alike", "stores", 8, 1),
    Loop("filter", "suppress", "blend_seven", "stores", 4, 1),
    Loop("filter", "suppress", "blend_seven_twice", "stores", 8, 1 / 2),
    Loop("whiten", "whiten", "block_row", "stores", 8, BLOCKS),
    Loop("whiten", "whiten", "add_rows", "stores", 4, 4 * BLOCKS),
    Loop("whiten", "whiten", "gather_two", "stores", 8, 2 * BLOCKS),
    Loop("whiten", "whiten", "sums_of_two", "stores", 4, 2 * BLOCKS),
    Loop("whiten", "whiten", "sums_of_five", "stores", 4, 2 * BLOCKS),
    Loop("whiten", "whiten", "ring_row", "stores", 8, BLOCKS),
    Loop("whiten", "whiten", "double_row", "stores", 8, 2 * BLOCKS),
    Loop("whiten", "whiten", "whiten_row", "stores", 4, 1),
    Loop("extract", "tail", "find_bins", "stores", 4, 1 / 4),
    Loop("extract", "extract", "seek_hit", "loads", 4, 1),
    Loop("renew", "renew", "blend_two", "stores", 4, 2),
    Loop("renew", "renew", "renew_alike", "stores", 8, 1),
    Loop("pointing", "shift", "blend_four", "stores", 4, 2),
    Loop("pointing", "moving", "blend_four_each", "stores", 4, 2),
    Loop("pointing", "moving", "subtract_row", "stores", 8, 1),
    Loop("pointing", "renew", "blend_two_each", "stores", 4, 2),
    Loop("pointing", "renew", "renew_row", "stores", 9, 1),
    Loop("pointing", "local_shift", "add_segment", "loads", 40, 1),
    Loop("other", "hold", "hold_row", "stores", 4, 1),
    Loop("other", "calibrate", "convert_row", "stores", 4, 1),
    Loop("other", "difference", "difference_row", "stores", 4, 1),
    Loop("other", "difference", "double_row", "stores", 4, 1),
    Loop("other", "median", "median_row", "stores", 4, 1),
    Loop("other", "tophat", "least_down", "stores", 8, 1 / 2),
    Loop("other", "tophat", "most_down", "stores", 8, 1 / 2),
    Loop("other", "tophat", "least_along", "stores", 4, 1),
    Loop("other", "tophat", "height_along", "stores", 4, 1),
    Loop("other", "background", "update_settled", "stores", 16, 1),
    Loop("other", "shift", "blend_two", "stores", 4, 2),
    Loop("other", "suppress", "normalise_row", "stores", 4, 1),
    Loop("other", "cfar", "score_row", "stores", 4, 1),
)
CHAIN = ("calibrate", "despike", "register", "subtract", "filter", "whiten", "extract", "renew")

PREAMBLE = """\
#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#define CYTHON_INLINE inline
typedef ptrdiff_t Py_ssize_t;
"""


def compiler() -> str | None:
    """Name of a GCC that compiles for aarch64, or None."""
    name = "gcc" if platform.machine() == "aarch64" else "aarch64-linux-gnu-gcc"
    return name if shutil.which(name) else None


def mca() -> str | None:
    """Name of an llvm-mca with a model of the Neoverse N1 (LLVM 17 and later), or None."""
    for name in ("llvm-mca", *(f"llvm-mca-{version}" for version in range(30, 16, -1))):
        if path := shutil.which(name):
            says = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
            found = re.search(r"version (\d+)", says)
            if found and int(found[1]) >= 17:
                return path
    return None


def taken_out(module: str) -> str:
    """Return the C of a module's functions on rows, with the types that they need, without what Cython puts around."""
    path = ROOT / "build" / "cython" / "kernels" / f"{module}.c"
    text = path.read_text()
    types = sorted(set(re.findall(r"^ *(typedef [^;{}]* lookdown_\w+;)$", text, re.M)))
    enums = re.findall(r"^enum +\{[^}]*\};$", text, re.M)
    # Functions that touch Python, memoryviews or structs stay out; so the rest needs nothing of Cython.
    functions = [
        body
        for body in re.findall(r"^static [^\n;]*?__pyx_f_\w+\([^\n;]*\) \{\n.*?^\}$", text, re.M | re.S)
        if not re.search(r"Py(?!_ssize_t)\w|__Pyx_|__pyx_t_\d*lookdown|struct |__pyx_v_8lookdown|goto ", body)
    ]
    return "\n".join([PREAMBLE, *types, *enums, *(re.sub(r"/\*.*?\*/", "", body, flags=re.S) for body in functions)])


def standalone(module: str) -> str:
    """Return the C of a module's row functions, each a function of its own.

    What is inlined into them in the build may be inlined here.
    """
    clones = "LOOKDOWN_(?:CLONES|WIDE)"
    return re.sub(rf"^static (?:CYTHON_INLINE {clones}|{clones}|(?!CYTHON_INLINE))",
                  "__attribute__((noipa)) ", taken_out(module), flags=re.M)  # fmt: skip


@cache
def assembly(module: str, core: str) -> str:
    """Return the assembly of a module's row functions."""
    gcc = compiler()
    assert gcc is not None
    done = subprocess.run(
        [gcc, "-S", "-w", *FLAGS, f"-mcpu={core}", "-x", "c", "-", "-o", "-"],
        input=standalone(module), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{module}: the row functions do not compile alone:\n{done.stderr}")
    return done.stdout


@dataclass(frozen=True)
class Figures:
    """What is known of a loop on a core: instructions of one turn, its elements, cycles for each element."""

    instructions: int
    elements: float
    cycles: float
    vector: bool


REGISTER_BYTES = {"q": 16, "d": 8, "s": 4, "h": 2, "b": 1, "x": 8, "w": 4}


def bytes_moved(instruction: str, kind: str) -> int:
    """Bytes that an instruction stores or loads."""
    name, _, operands = instruction.partition(" ")
    if name[:2] != {"stores": "st", "loads": "ld"}[kind]:
        return 0
    registers, _, address = operands.partition("[")
    if address.startswith("sp"):  # a register laid aside on the stack
        return 0
    if listed := re.findall(r"v\d+\.(\d+)([bhsd])", registers):
        return sum(int(lanes) * REGISTER_BYTES[size] for lanes, size in listed)
    if lanes := re.findall(r"v\d+\.([bhsd])\}?\[", operands):  # one lane
        return len(lanes) * REGISTER_BYTES[lanes[0]]
    if single := re.search(r"(?:r|t)(?:u)?(?:s)?([bh])$", name):  # strb, ldrh and such
        return {"b": 1, "h": 2}[single[1]]
    return sum(REGISTER_BYTES[register[0]] for register in re.findall(r"\b[qdshbxw]\d+\b", registers))


BRANCH = r"(?:b\.?\w*|cbn?z|tbn?z) .*?(\.L\w+)$"
"""A branch of aarch64 and the label that it goes to."""


def innermost_loops(text: str, function: str, branch_to: str = BRANCH) -> list[list[str]]:
    """Return the instructions of each innermost loop of a function: from a label to the branch back to it."""
    found = re.search(rf"^__pyx_f_\w*?\d{re.escape(function)}:\n(.*?)^\t\.size", "\n" + text, re.M | re.S)
    found = found or re.search(rf"^__pyx_f_\w*_{re.escape(function)}:\n(.*?)^\t\.size", text, re.M | re.S)
    if found is None:
        raise LookupError(f"{function}: no such function in the kernel; adapt LOOPS in tests/bench/mca.py")
    labels: dict[str, int] = {}
    lines: list[str] = []
    loops: list[tuple[int, int]] = []
    for line in found[1].splitlines():
        if label := re.match(r"(\.L\w+):", line):
            labels[label[1]] = len(lines)
        elif line.startswith("\t") and not line.startswith("\t."):
            lines.append(" ".join(line.split()))
            branch = re.match(branch_to, lines[-1])
            if branch and branch[1] in labels:
                loops.append((labels[branch[1]], len(lines)))
    inner = [a for a in loops if not any(b != a and a[0] <= b[0] and b[1] <= a[1] for b in loops)]
    return [lines[first:end] for first, end in inner]


def is_vector(loop: list[str]) -> bool:
    """Whether a loop reckons in NEON: arithmetic on registers of several lanes."""
    return any(re.search(r"\bv\d+\.(?:2d|4s|8h|16b)", line) and line[:2] not in ("ld", "st") for line in loop)


def main_loop(loop: Loop, core: str) -> tuple[list[str], float]:
    """Return the loop in which a row function spends its time, and the elements of one turn: the widest in NEON."""
    loops = innermost_loops(assembly(loop.module, core), loop.function)
    sized = [(sum(bytes_moved(line, loop.moved) for line in body) / loop.bytes, body) for body in loops]
    if not sized:
        raise LookupError(f"{loop.function}: no loop found for {core}")
    elements, body = max(sized, key=lambda pair: (is_vector(pair[1]), pair[0]))
    return body, elements


def figures(loop: Loop, core: str, tool: str) -> Figures:
    """Ask llvm-mca about a loop."""
    body, elements = main_loop(loop, core)
    done = subprocess.run(
        [tool, "-march=aarch64", f"-mcpu={CORES[core]}", f"-iterations={ITERATIONS}", "-instruction-info=0",
         "-resource-pressure=0"],
        input="\n".join(body), capture_output=True, text=True, check=True,
    )  # fmt: skip
    cycles = re.search(r"^Total Cycles: +(\d+)", done.stdout, re.M)
    assert cycles, done.stdout
    return Figures(len(body), elements, int(cycles[1]) / ITERATIONS / elements, is_vector(body))


def report(tool: str) -> dict[str, Any]:
    """Return the figures of all loops, and of the chain, as build/mca.json holds them."""
    rows = []
    for loop in LOOPS:
        found = {core: figures(loop, core, tool) for core in CORES}
        scalar = [core for core, figure in found.items() if loop.vector and not figure.vector]
        rows.append(
            asdict(loop) | {"cores": {core: asdict(figure) for core, figure in found.items()}, "scalar": scalar}
        )
    chain = {
        core: sum(row["cores"][core]["cycles"] * row["per_pixel"] for row in rows if row["stage"] in CHAIN)
        for core in CORES
    }
    says = subprocess.run([tool, "--version"], capture_output=True, text=True, check=True).stdout
    gcc = subprocess.run([compiler() or "", "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"LLVM version (\S+)", says)
    return {
        "llvm": version[1] if version else "",
        "compiler": gcc.splitlines()[0],
        "loops": rows,
        "chain_cycles_per_pixel": chain,
    }


def main() -> None:
    """Write the figures."""
    if compiler() is None:
        sys.exit("lookdown needs a compiler for aarch64: sudo apt install gcc-aarch64-linux-gnu")
    tool = mca()
    if tool is None:
        sys.exit("lookdown needs llvm-mca of LLVM 17 or later: sudo apt install llvm-19")
    found = report(tool)
    Path(sys.argv[1]).write_text(json.dumps(found, indent=1) + "\n")
    for row in found["loops"]:
        cycles = "  ".join(f"{core} {row['cores'][core]['cycles']:6.2f}" for core in CORES)
        print(f"{row['stage']:10} {row['function']:16} {cycles}{'  not in NEON' if row['scalar'] else ''}")
    for core, cycles in found["chain_cycles_per_pixel"].items():
        board, clock = BOARDS[core]
        print(f"chain: {cycles:.0f} cycles a pixel, {1e3 * cycles * PIXELS / clock:.1f} ms at 512x640 ({board}), model")


if __name__ == "__main__":
    main()
