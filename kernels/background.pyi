"""Types of the compiled module; the docstrings stand in the source."""

import numpy as np
from numpy.typing import NDArray

def update_background(
    frame: NDArray[np.float32],
    age_limit: int,
    clip: float,
    variance_floor: float,
    mean: NDArray[np.float32],
    variance: NDArray[np.float32],
    age: NDArray[np.uint8],
    residual: NDArray[np.float32],
    z: NDArray[np.float32],
) -> None: ...
