import numpy as np
from numpy.typing import NDArray

def revise(
    kind: int,
    frame: NDArray[np.float64],
    delay: float,
    spin: float,
    rows: NDArray[np.int64],
    scaling: tuple[float, float, float],
    measured: NDArray[np.float64],
    noise: NDArray[np.float64],
    state: NDArray[np.float64],
    covariance: NDArray[np.float64],
    likelihood: NDArray[np.float64],
) -> int: ...
