"""Types of the compiled module; the docstrings stand in the source."""

import numpy as np
from numpy.typing import NDArray

def filter_scratch_size(cols: int, taps: int) -> int: ...
def matched_filter(
    frame: NDArray[np.float32],
    row_taps: NDArray[np.float32],
    col_taps: NDArray[np.float32],
    scratch: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None: ...
def normalise_scratch_size(cols: int, window: int) -> int: ...
def local_normalise(
    frame: NDArray[np.float32], window: int, sigma_floor: float, scratch: NDArray[np.float32], out: NDArray[np.float32]
) -> None: ...
