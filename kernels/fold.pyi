import numpy as np
from numpy.typing import NDArray

def fold(
    matrix: NDArray[np.float64],
    sign: float,
    left: NDArray[np.float64],
    covariance: NDArray[np.float64],
    product: NDArray[np.float64],
) -> None: ...
