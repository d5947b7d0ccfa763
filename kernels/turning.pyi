import numpy as np
from numpy.typing import NDArray

def turning(
    records: NDArray[np.uint8],
    places: NDArray[np.int64],
    origin: NDArray[np.float64],
    own_velocity: NDArray[np.float64],
    rotation: float,
    inflation: float,
    floor: float,
    rows: NDArray[np.int64],
    column: int,
    rates: NDArray[np.float64],
    sigmas: NDArray[np.float64],
    square: NDArray[np.float64],
) -> None: ...
