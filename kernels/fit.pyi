"""Types of the compiled module; the docstrings stand in the source."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

def fit_scratch_size(capacity: int) -> int: ...
def fit_plots(
    residual: NDArray[np.float32],
    filtered: NDArray[np.float32],
    z: NDArray[np.float32],
    threshold: float,
    psf_sigma_px: float,
    white_gain: float,
    most_tried: int,
    most_fitted: int,
    n_plots: int,
    scratch: NDArray[np.int64],
    plots: NDArray[Any],
) -> tuple[int, int]: ...
