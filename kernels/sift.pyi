from typing import Final

import numpy as np
from numpy.typing import NDArray

IN_AIR: Final[int]
NO_COVARIANCE: Final[int]
IN_SPACE: Final[int]
NOT_FINITE: Final[int]

def sift_sights(
    words: NDArray[np.float32],
    axes: NDArray[np.float64],
    start: NDArray[np.float64],
    half_axes: NDArray[np.float64],
    verdict: NDArray[np.uint8],
) -> None: ...
