"""Types of the compiled module; the docstrings stand in the source."""

import numpy as np
from numpy.typing import NDArray

def whiten_scratch_size(cols: int, window: int) -> int: ...
def whiten(
    filtered: NDArray[np.float32],
    predicted: NDArray[np.float32],
    window: int,
    guard: int,
    variance_floor: float,
    scratch: NDArray[np.float32],
    variance: NDArray[np.float32],
    z: NDArray[np.float32],
) -> None: ...
