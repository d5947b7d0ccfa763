"""The inner loops of the kernels reckon in NEON once they are compiled for the board's processors."""

from collections.abc import Callable
from typing import NoReturn

import pytest

from tests.bench.mca import CORES, LOOPS, Loop, bytes_moved, compiler, innermost_loops, is_vector, main_loop

LISTING = """\
__pyx_f_8lookdown_7kernels_4hold_hold_row:
\tcbz\tx0, .L9
.L3:
\tmov\tx4, 0
.L4:
\tldr\tq0, [x1, x4]
\tfadd\tv0.4s, v0.4s, v1.4s
\tstr\tq0, [x2, x4]
\tstr\tq3, [sp, 32]
\tadd\tx4, x4, 16
\tcmp\tx4, x3
\tbne\t.L4
\tsubs\tx0, x0, 1
\tbne\t.L3
.L9:
\tret
\t.size\t__pyx_f_8lookdown_7kernels_4hold_hold_row, .-x
"""


def test_the_innermost_loop_is_cut_out_of_a_listing() -> None:
    (loop,) = innermost_loops(LISTING, "hold_row")
    assert (loop[0], loop[-1], len(loop)) == ("ldr q0, [x1, x4]", "bne .L4", 7)
    assert is_vector(loop)
    assert not is_vector(["ldr q0, [x1]", "fadd s0, s0, s1"])
    with pytest.raises(LookupError, match="no_row: no such function"):
        innermost_loops(LISTING, "no_row")


@pytest.mark.parametrize(
    ("instruction", "stored"),
    [
        ("str q0, [x1], 16", 16), ("stp q0, q1, [x1, 32]", 32), ("st2 {v0.4s - v1.4s}, [x1]", 32), ("strb w3, [x1]", 1),
        ("str s1, [x0, x2, lsl 2]", 4), ("str d1, [x0]", 8), ("stur q4, [x0, -8]", 16), ("str q0, [sp, 16]", 0),
        ("ldr q0, [x1]", 0), ("st1 {v0.s}[1], [x1]", 4), ("subs x0, x0, 1", 0),
    ],
)  # fmt: skip
def test_bytes_of_an_instruction(instruction: str, stored: int) -> None:
    assert bytes_moved(instruction, "stores") == stored


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: f"{loop.stage}-{loop.function}")
def test_inner_loops_are_in_neon(loop: Loop, core: str, need: Callable[[str], NoReturn]) -> None:
    if compiler() is None:
        need("looking at code for aarch64 needs its compiler: sudo apt install gcc-aarch64-linux-gnu")
    body, elements = main_loop(loop, core)
    assert is_vector(body) or not loop.vector, "\n".join(body)
    assert elements >= 1
    assert elements == round(elements), f"{elements} elements a turn: wrong bytes per element in LOOPS"
