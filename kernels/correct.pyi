import numpy as np
from numpy.typing import NDArray

def correct(
    rows: NDArray[np.int64],
    jacobian: NDArray[np.float64],
    own: int,
    shared: NDArray[np.float64],
    given: bool,
    innovation: NDArray[np.float64],
    spread: NDArray[np.float64],
    state: NDArray[np.float64],
    covariance: NDArray[np.float64],
    cross: NDArray[np.float64],
) -> int: ...
