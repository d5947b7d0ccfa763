"""Types of the compiled module; the docstrings stand in the source."""

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]

MOST_REACH_PX: int

def score_scratch_size(cols: int, taps: int, window: int) -> int: ...
def score_and_renew(
    frame: Image,
    mean: Image,
    noise: Image,
    age: NDArray[np.uint8],
    field: NDArray[np.float32],
    blur: float,
    variance_floor: float,
    taps: NDArray[np.float32],
    edge: NDArray[np.float32],
    window: int,
    guard: int,
    hold_limit: float,
    strong_limit: float,
    row_step: int,
    col_step: int,
    age_limit: int,
    first_row: int,
    last_row: int,
    scratch: NDArray[np.float32],
    residual: Image,
    predicted: Image | None,
    filtered: Image,
    z: Image,
    strong: NDArray[np.uint8],
    new_mean: Image,
    new_noise: Image,
    new_age: NDArray[np.uint8],
) -> None: ...
