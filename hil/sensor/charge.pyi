"""Types of the compiled module; the docstrings stand in the source."""

import numpy as np
from numpy.typing import NDArray

def trap(
    electrons: NDArray[np.float32], held: NDArray[np.float32], keep: float, share: float, well_e: float
) -> None: ...
def diffuse(electrons: NDArray[np.float32], share: float) -> None: ...
