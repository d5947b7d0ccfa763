import numpy as np
from numpy.typing import NDArray

def tally_looks(
    plot_of: NDArray[np.int64],
    ratio: NDArray[np.float64],
    missed: NDArray[np.uint8],
    live: NDArray[np.uint8],
    log_missed: float,
    most: float,
    sensor: int,
    time: int,
    hits: NDArray[np.int64],
    misses: NDArray[np.int64],
    looks: NDArray[np.uint32],
    score: NDArray[np.float64],
    sensor_hits: NDArray[np.int64],
    last_hit: NDArray[np.int64],
) -> None: ...
