from typing import Any

import numpy as np
from numpy.typing import NDArray

def retract_flashes(
    plots: NDArray[Any],
    flashed: NDArray[np.uint8],
    reach: int,
    oldest: int,
    field: NDArray[np.float32],
    row_step: int,
    col_step: int,
    mean: NDArray[np.float32],
    noise: NDArray[np.float32],
    age: NDArray[np.uint8],
    new_mean: NDArray[np.float32],
    new_noise: NDArray[np.float32],
    new_age: NDArray[np.uint8],
) -> None: ...
