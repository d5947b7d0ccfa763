from typing import Any

import numpy as np
from numpy.typing import NDArray

def forgive_peaks(
    plots: NDArray[Any],
    confirmed: NDArray[np.uint8],
    own_px: float,
    side: int,
    gauss: float,
    quantile: NDArray[np.float32],
    power: NDArray[np.float32],
    least: float,
    per_e: float,
    taken: NDArray[np.uint8],
    counts: NDArray[np.float32],
) -> None: ...
def forgive_pixels(
    z: NDArray[np.float32],
    plots: NDArray[Any],
    confirmed: NDArray[np.uint8],
    half: int,
    step: int,
    per_unit: float,
    history: NDArray[np.float64],
) -> None: ...
