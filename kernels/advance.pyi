import numpy as np
from numpy.typing import NDArray

def advance(
    dt: float,
    density: float,
    fade: float,
    circle: bool,
    state: NDArray[np.float64],
    covariance: NDArray[np.float64],
    cross: NDArray[np.float64],
) -> None: ...
