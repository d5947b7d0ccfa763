import numpy as np
from numpy.typing import NDArray

def survey(
    state: NDArray[np.float64],
    covariance: NDArray[np.float64],
    last_hit: NDArray[np.int64],
    hits: NDArray[np.int64],
    moved: NDArray[np.uint8],
    worth: NDArray[np.int64],
    since: NDArray[np.int64],
    enough: int,
    semi_major: float,
    flattening: float,
    numbers: NDArray[np.float64],
    newest: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> None: ...
