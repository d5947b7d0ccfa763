import numpy as np
from numpy.typing import NDArray

def tell_tracks(
    rows: NDArray[np.int64],
    time: int,
    sensor_id: int,
    recent: int,
    track_id: NDArray[np.int64],
    state: NDArray[np.float64],
    covariance: NDArray[np.float64],
    status: NDArray[np.uint8],
    score: NDArray[np.float64],
    hits: NDArray[np.int64],
    misses: NDArray[np.int64],
    single: NDArray[np.uint8],
    last_hit: NDArray[np.int64],
    places: NDArray[np.int64],
    records: NDArray[np.uint8],
) -> None: ...
