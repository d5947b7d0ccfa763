"""Types of the compiled module; the docstrings stand in the source."""

import numpy as np
from numpy.typing import NDArray

Sides = tuple[int, int]

def ordered_scratch_size(cols: int, window: Sides) -> int: ...
def ordered_statistic(
    power: NDArray[np.float32],
    window: Sides,
    guard: Sides,
    multipliers: NDArray[np.float32],
    ranks: NDArray[np.int32],
    scratch: NDArray[np.float32],
    hits: NDArray[np.uint8],
) -> None: ...
