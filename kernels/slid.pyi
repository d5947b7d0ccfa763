from typing import Any

import numpy as np
from numpy.typing import NDArray

def find_slid(
    plots: NDArray[Any],
    frame: NDArray[np.float32],
    residual: NDArray[np.float32],
    row: float,
    col: float,
    reach: int,
    share: float,
    slid: NDArray[np.uint8],
) -> None: ...
