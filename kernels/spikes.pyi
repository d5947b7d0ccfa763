"""Types of the compiled module; the docstrings stand in the source."""

import numpy as np
from numpy.typing import NDArray

def remove_spikes(
    frame: NDArray[np.float32], sigma: float, level: float, ratio: float, found: NDArray[np.int32]
) -> int: ...
