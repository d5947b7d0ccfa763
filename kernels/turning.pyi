import numpy as np
from numpy.typing import NDArray

def turning(
    position: NDArray[np.float64],
    velocity: NDArray[np.float64],
    origin: NDArray[np.float64],
    own_velocity: NDArray[np.float64],
    rotation: float,
    rate: NDArray[np.float64],
    square: NDArray[np.float64],
) -> None: ...
