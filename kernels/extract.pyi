"""Types of the compiled module; the docstrings stand in the source."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

PLOT_DTYPE: np.dtype[np.void]
DARK: int
EDGE: int
SATURATED: int
NEAR_BAD_PIXEL: int
MERGED: int
EXTENDED: int
UNFITTED: int

def extract_scratch_size(cols: int, capacity: int) -> int: ...
def extract_plots(
    z: NDArray[np.float32],
    residual: NDArray[np.float32],
    threshold: float,
    samples: NDArray[np.uint16] | None,
    saturation: int,
    bad: NDArray[np.int32],
    scratch: NDArray[np.int64],
    plots_out: NDArray[Any],
) -> tuple[int, int]: ...
