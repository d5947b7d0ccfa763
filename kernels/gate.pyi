import numpy as np
from numpy.typing import NDArray

def gate_plots(
    places: NDArray[np.float64],
    spreads: NDArray[np.float64],
    use: NDArray[np.uint8],
    plots: NDArray[np.float64],
    noises: NDArray[np.float64],
    gate: float,
    base: float,
    cells: NDArray[np.int64],
    heads: NDArray[np.int64],
    start: NDArray[np.int64],
    plot: NDArray[np.int64],
    ratio: NDArray[np.float64],
) -> int: ...
