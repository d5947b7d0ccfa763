"""Types of the compiled module; the docstrings stand in the source."""

import numpy as np
from numpy.typing import NDArray

def score_scratch_size(cols: int, taps: int, window: int) -> int: ...
def score_background(
    frame: NDArray[np.float32],
    mean: NDArray[np.float32],
    noise: NDArray[np.float32],
    age: NDArray[np.uint8],
    field: NDArray[np.float32],
    blur: float,
    variance_floor: float,
    taps: NDArray[np.float32],
    edge: NDArray[np.float32],
    window: int,
    guard: int,
    scratch: NDArray[np.float32],
    residual: NDArray[np.float32],
    predicted: NDArray[np.float32],
    filtered: NDArray[np.float32],
    variance: NDArray[np.float32],
    z: NDArray[np.float32],
) -> None: ...
