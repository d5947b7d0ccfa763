from typing import Any

import numpy as np
from numpy.typing import NDArray

def find_thick(
    plots: NDArray[Any], flashes: NDArray[np.float32], side: int, limit: float, thick: NDArray[np.uint8]
) -> None: ...
def count_flashes(
    plots: NDArray[Any], found: NDArray[np.uint8], snr: float, side: int, flashes: NDArray[np.float32]
) -> None: ...
