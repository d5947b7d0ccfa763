"""Gathers what `lookdown-hil budget` reckons with: hil/cycles.toml, from llvm-mca, callgrind and the ledger of bytes.

usage: python -m tests.bench.cycles build/mca.json      (after `make mca`; needs valgrind; takes two minutes)

Cycles of the inner loops are llvm-mca's. What is not an inner loop is counted on this machine: instructions of the
kernels without one, and of Python and libraries around, from two runs of the chain under callgrind that differ in the
number of frames alone. Bytes of memory come from docs/numbers.md (the ledger of `make bench`).
"""

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import tomli_w

from tests.bench.mca import BOARDS, CHAIN, LOOPS, ROOT
from tests.bench.mca import mca as mca_tool
from tests.bench.mca_here import report as here

FILE = ROOT / "hil" / "cycles.toml"
POINTING = {"calibrate", "despike", "register", "filter", "whiten", "extract", "pointing"}
"""Stages of the chain on a view with pointing: subtract and renew have loops of their own there."""
N_FIRST, N_SECOND, PIXELS = 8, 28, 128 * 160
HEAD = """\
# What `lookdown-hil budget` reckons with; written by python -m tests.bench.cycles, not by hand.
"""


def _steps(count: int) -> None:
    """Step a chain through so many frames; run under callgrind."""
    from lookdown.flight.chain import Chain
    from lookdown.flight.config import ChainParameters
    from tests.board.results import sequence

    frames = sequence()
    chain = Chain(ChainParameters(), *frames.shape[1:], 16383)
    for k in range(count):
        chain.step(frames[k % len(frames)])


def by_object(path: Path) -> Counter[str]:
    """Instructions of each object file, from the output of callgrind; what it calls is not counted to it."""
    names: dict[str, str] = {}
    cost: Counter[str] = Counter()
    current, inclusive = "", False
    for line in path.read_text().splitlines():
        if found := re.match(r"(c?)ob=\((\d+)\)(?: (.*))?", line):
            if found[3]:
                names[found[2]] = found[3]
            if not found[1]:
                current = found[2]
        elif line.startswith("calls="):
            inclusive = True
        elif re.match(r"[\d+*-]", line):
            values = line.split()
            if not inclusive and len(values) > 1:
                cost[current] += int(values[1])
            inclusive = False
    return Counter({names.get(key, key): value for key, value in cost.items()})


def counted() -> tuple[float, float]:
    """Instructions a pixel of kernels without an inner loop, and a frame of all that is no kernel."""
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        for count in (N_FIRST, N_SECOND):
            out = Path(scratch) / str(count)
            code = f"from tests.bench.cycles import _steps; _steps({count})"
            command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", sys.executable, "-c", code]
            subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
            found.append(by_object(out))
    frames = N_SECOND - N_FIRST
    difference = {name: (found[1][name] - found[0][name]) / frames for name in found[1]}
    with_loop = {loop.module for loop in LOOPS if loop.stage in CHAIN}
    kernels = {Path(name).name.split(".")[0]: value for name, value in difference.items() if "/kernels/" in name}
    alone = sum(value for module, value in kernels.items() if module not in with_loop)
    return alone / PIXELS, sum(difference.values()) - sum(kernels.values())


def main() -> None:
    """Write the file."""
    model = json.loads(Path(sys.argv[1]).read_text())
    ledger = (ROOT / "docs" / "numbers.md").read_text()
    moved = re.search(r"triad in the same run, ([\d.]+) bytes take", ledger)
    assert moved, "docs/numbers.md has no ledger; run make bench"
    per_pixel, per_frame = counted()

    def cycles(core: str, stages: set[str]) -> float:
        return sum(row["cores"][core]["cycles"] * row["per_pixel"] for row in model["loops"] if row["stage"] in stages)

    values = {
        "source": f"llvm-mca {model['llvm']}, {model['compiler']}; callgrind; ledger of make bench",
        "bytes_per_pixel": float(moved[1]),
        "outside_instructions_per_pixel": round(per_pixel, 1),
        "outside_instructions_per_frame": round(per_frame),
        "loop_error": {name: value for name, value in here(mca_tool()).items() if name != "kernels"},
        "core": [
            {
                "name": core,
                "board": board,
                "clock_hz": clock,
                "loop_cycles_per_pixel": round(cycles(core, set(CHAIN)), 1),
                "loop_cycles_per_pixel_with_pointing": round(cycles(core, POINTING), 1),
            }
            for core, (board, clock) in BOARDS.items()
        ],
    }
    FILE.write_text(HEAD + tomli_w.dumps(values))
    print(FILE.read_text())


if __name__ == "__main__":
    main()
