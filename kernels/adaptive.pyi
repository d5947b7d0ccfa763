"""Types of the compiled module; the docstrings stand in the source."""

import numpy as np
from numpy.typing import NDArray

def adaptive_scratch_size(channels: int, ranges: int, bins: int, block: int) -> int: ...
def adaptive_filter(
    spectrum: NDArray[np.complex64],
    steering: NDArray[np.complex64],
    loading: float,
    block: int,
    excluded: NDArray[np.int64],
    wanted: NDArray[np.uint8],
    scratch: NDArray[np.float32],
    power: NDArray[np.float32],
) -> int: ...
