"""Types of the compiled module; the docstrings stand in the source."""

import numpy as np
from numpy.typing import NDArray

def charge_pixels(pixels: NDArray[np.int32], most: int, charge: NDArray[np.uint8]) -> None: ...
def review_charge(
    always: NDArray[np.int32], least: int, charge: NDArray[np.uint8], listed: NDArray[np.int32]
) -> int: ...
