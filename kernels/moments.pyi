import numpy as np
from numpy.typing import NDArray

def match_moments(
    start: NDArray[np.int64],
    which: NDArray[np.int64],
    weight: NDArray[np.float64],
    states: NDArray[np.float64],
    covariances: NDArray[np.float64],
    state: NDArray[np.float64],
    covariance: NDArray[np.float64],
) -> None: ...
