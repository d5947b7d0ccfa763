"""Types of the compiled module; the docstrings stand in the source."""

import numpy as np
from numpy.typing import NDArray

def renew_background(
    frame: NDArray[np.float32],
    residual: NDArray[np.float32],
    variance: NDArray[np.float32],
    mean: NDArray[np.float32],
    noise: NDArray[np.float32],
    age: NDArray[np.uint8],
    field: NDArray[np.float32],
    row_step: int,
    col_step: int,
    age_limit: int,
    scratch: NDArray[np.float32],
    new_mean: NDArray[np.float32],
    new_noise: NDArray[np.float32],
    new_age: NDArray[np.uint8],
) -> None: ...
