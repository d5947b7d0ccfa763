import numpy as np
from numpy.typing import NDArray

def weigh_pairs(
    start: NDArray[np.int64],
    plot: NDArray[np.int64],
    gain: NDArray[np.float64],
    rows: NDArray[np.int64],
    tolerance: float,
    most: int,
    weights: NDArray[np.float64],
    messages: NDArray[np.float64],
    top: NDArray[np.float64],
    rest: NDArray[np.float64],
    who: NDArray[np.int64],
    weight: NDArray[np.float64],
) -> int: ...
