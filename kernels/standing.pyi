import numpy as np
from numpy.typing import NDArray

def rule_out_standing(
    rows: NDArray[np.int64],
    plots: NDArray[np.int64],
    sensor: int,
    origin: NDArray[np.float64],
    direction: NDArray[np.float64],
    variance: NDArray[np.float64],
    anchor: NDArray[np.float64],
    pointing: float,
    position: float,
    least: float,
    sigmas: float,
    away: NDArray[np.float64],
    moved: NDArray[np.uint8],
) -> int: ...
