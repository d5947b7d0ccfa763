"""Every kernel takes the instructions per pixel that stand on file, within two per cent."""

from collections.abc import Callable
from typing import NoReturn

from tests.kernels.instructions import CASES, FILE, kept, measure, missing_tool, own_instructions
from tests.kernels.table import KERNELS, public_kernels

TOLERANCE = 0.02
"""The same build counts the same to 1e-3. What is left is for minor versions of the compiler and of the C library."""

LEAST_MOVE = 0.02
"""Instructions per pixel below which a move means nothing: `memcpy` takes other steps for other addresses."""

DUMP = """\
desc: Trigger: Client Request: shift, one tile

ob=/a/lookdown/kernels/shift.cpython-311-x86_64-linux-gnu.so
fn=__pyx_pw_8lookdown_7kernels_5shift_3shift
10 7
cob=/usr/lib/libm.so.6
cfn=floor
calls=2 0
11 40
cob=/usr/lib/libpython3.11.so.1.0
cfn=PyLong_FromLong
calls=1 0
12 900
cfn=__pyx_f_8lookdown_7kernels_5shift_blend_two.avx2
calls=1 0
13 5000
fn=__pyx_f_8lookdown_7kernels_5shift_blend_two.avx2
20 3000
21 2000
fn=__Pyx_GetItem
30 11
ob=/usr/lib/libpython3.11.so.1.0
fn=__pyx_f_not_ours
40 13
"""


def test_only_the_instructions_of_a_kernel_and_of_its_mathematics_count() -> None:
    name, count, functions = own_instructions(DUMP)
    assert name == "shift, one tile"
    assert count == 7 + 40 + 5000
    assert any(function.endswith(".avx2") for function in functions)


def test_every_kernel_is_in_the_table_and_has_a_count() -> None:
    assert set(KERNELS) == public_kernels()
    for machine, numbers in kept().items():
        assert set(numbers) == set(CASES), f"{machine}: counts of other kernels; run `make instructions`"


def test_no_kernel_takes_more_or_fewer_instructions_than_on_file(need: Callable[[str], NoReturn]) -> None:
    if lacks := missing_tool():
        need(f"counting instructions needs {lacks}")
    count = measure()
    on_file = kept().get(count.machine)
    if on_file is None:
        need(f"{FILE.name} has no counts for {count.machine}; add them: make instructions")
    moved = [
        f"{name}: {number:.3f} instructions a pixel, {100 * (number / on_file[name] - 1):+.1f} % against the file"
        for name, number in count.per_pixel.items()
        if abs(number - on_file[name]) > max(TOLERANCE * on_file[name], LEAST_MOVE)
    ]
    assert not moved, "\n".join([*moved, "if that is meant, write the new counts: make instructions"])
