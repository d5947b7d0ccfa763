from typing import Any

import numpy as np
from numpy.typing import NDArray

PATH_DTYPE: np.dtype[np.void]

def refine_paths(
    frames: NDArray[np.int16],
    order: NDArray[np.int32],
    at: NDArray[np.int32],
    paths: NDArray[np.int32],
    velocities: NDArray[np.float64],
    unit: float,
    limit: float,
    beyond: float,
    correlation: float,
    places: NDArray[np.int32],
    own: float,
    uneven: float,
    even_mean: float,
    left_out: NDArray[np.uint32],
    work: NDArray[Any],
    out: NDArray[Any],
) -> int: ...
