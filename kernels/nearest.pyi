import numpy as np
from numpy.typing import NDArray

def share_out(
    start: NDArray[np.int64],
    plot: NDArray[np.int64],
    ratio: NDArray[np.float64],
    missed: float,
    rows: NDArray[np.int64],
    sharers: NDArray[np.int64],
    reals: NDArray[np.float64],
    marks: NDArray[np.uint8],
    whole: NDArray[np.int64],
    taken: NDArray[np.uint8],
    plot_of: NDArray[np.int64],
    won: NDArray[np.float64],
) -> None: ...
