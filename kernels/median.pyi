"""Types of the compiled module; the docstrings stand in the source."""

import numpy as np
from numpy.typing import NDArray

def temporal_median(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    third: NDArray[np.float32],
    fourth: NDArray[np.float32],
    fifth: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None: ...
