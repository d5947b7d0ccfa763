"""Types of the compiled module; the docstrings stand in the source."""

import numpy as np
from numpy.typing import NDArray

def add_gaussian(
    image: NDArray[np.float32],
    rows: NDArray[np.float64],
    cols: NDArray[np.float64],
    electrons: NDArray[np.float64],
    sigma_px: float,
) -> None: ...
def add_tabled(
    image: NDArray[np.float32],
    rows: NDArray[np.float64],
    cols: NDArray[np.float64],
    electrons: NDArray[np.float64],
    table: NDArray[np.float64],
    per_px: float,
) -> None: ...
