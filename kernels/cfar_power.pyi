"""Types of the compiled module; the docstrings stand in the source."""

import numpy as np
from numpy.typing import NDArray

Sides = tuple[int, int]

def power_scratch_size(cols: int, window: Sides, guard: Sides) -> int: ...
def cell_average(
    power: NDArray[np.float32],
    window: Sides,
    guard: Sides,
    factors: NDArray[np.float32],
    scratch: NDArray[np.float32],
    hits: NDArray[np.uint8],
) -> None: ...
def greatest_of(
    power: NDArray[np.float32],
    window: Sides,
    guard: Sides,
    factors: NDArray[np.float32],
    scratch: NDArray[np.float32],
    hits: NDArray[np.uint8],
) -> None: ...
def smallest_of(
    power: NDArray[np.float32],
    window: Sides,
    guard: Sides,
    factors: NDArray[np.float32],
    scratch: NDArray[np.float32],
    hits: NDArray[np.uint8],
) -> None: ...
