import numpy as np
from numpy.typing import NDArray

def find_close(
    state: NDArray[np.float64],
    variance: NDArray[np.float64],
    status: NDArray[np.uint8],
    hits: NDArray[np.int64],
    least_hits: int,
    reach: float,
    merge2: float,
    order: NDArray[np.int64],
    pairs: NDArray[np.int64],
) -> int: ...
