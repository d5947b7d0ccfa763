"""Types of the compiled module; the docstrings stand in the source."""

import numpy as np
from numpy.typing import NDArray

def moving_scratch_size(cols: int) -> int: ...
def subtract_background(
    frame: NDArray[np.float32],
    mean: NDArray[np.float32],
    noise: NDArray[np.float32],
    age: NDArray[np.uint8],
    field: NDArray[np.float32],
    blur: float,
    variance_floor: float,
    scratch: NDArray[np.float32],
    residual: NDArray[np.float32],
    predicted: NDArray[np.float32],
) -> None: ...
