import numpy as np
from numpy.typing import NDArray

def learn(
    rows: NDArray[np.int64],
    sure: NDArray[np.uint8],
    jacobian: NDArray[np.float64],
    own: int,
    shared: NDArray[np.float64],
    innovation: NDArray[np.float64],
    noise: NDArray[np.float64],
    covariance: NDArray[np.float64],
    cross: NDArray[np.float64],
    scratch: NDArray[np.float64],
    spread: NDArray[np.float64],
    information: NDArray[np.float64],
    pull: NDArray[np.float64],
) -> int: ...
