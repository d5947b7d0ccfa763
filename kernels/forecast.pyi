import numpy as np
from numpy.typing import NDArray

def forecast(
    model: int,
    dt: float,
    density: float,
    turn_density: float,
    turn_sigma: float,
    drag_density: float,
    scaling: tuple[float, float, float],
    state: NDArray[np.float64],
    covariance: NDArray[np.float64],
) -> int: ...
