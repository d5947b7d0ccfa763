"""Types of the compiled module; the docstrings stand in the source."""

import numpy as np
from numpy.typing import NDArray

def register_scratch_size(cols: int) -> int: ...
def estimate_shift(
    reference: NDArray[np.float32],
    frame: NDArray[np.float32],
    initial_row: float,
    initial_col: float,
    clip: float,
    step: int,
    scratch: NDArray[np.float32],
) -> tuple[float, float, float, float, float, int]: ...
