import numpy as np
from numpy.typing import NDArray

SHOWN: int
TURNED: int
ENDS: int
BELIEVED: int
TOLD: int
ALONE: int
READY: int

def decide_lives(
    time: int,
    state: NDArray[np.float64],
    covariance: NDArray[np.float64],
    score: NDArray[np.float64],
    born: NDArray[np.int64],
    looks: NDArray[np.uint32],
    last_hit: NDArray[np.int64],
    hits: NDArray[np.int64],
    moved: NDArray[np.uint8],
    plot_of: NDArray[np.int64],
    worth: NDArray[np.int64],
    patience: NDArray[np.int64],
    whole: NDArray[np.int64],
    bounds: NDArray[np.float64],
    semi_major: float,
    flattening: float,
    status: NDArray[np.uint8],
    single: NDArray[np.uint8],
    best: NDArray[np.int64],
    numbers: NDArray[np.float64],
    counts: NDArray[np.int64],
    verdict: NDArray[np.uint8],
) -> int: ...
