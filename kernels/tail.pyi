"""Types of the compiled module; the docstrings stand in the source."""

import numpy as np
from numpy.typing import NDArray

def tail_histogram(z: NDArray[np.float32], step: int, per_unit: float, counts: NDArray[np.int32]) -> None: ...
def tail_levels(
    counts: NDArray[np.int32], keep: float, outer: float, ratio: float, history: NDArray[np.float64]
) -> tuple[float, float]: ...
