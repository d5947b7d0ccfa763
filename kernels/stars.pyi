from typing import Any

import numpy as np
from numpy.typing import NDArray

STAR_DTYPE: np.dtype[Any]

def mark_stars(
    plots: NDArray[Any],
    lens: NDArray[np.float64],
    axes_m: NDArray[np.float64],
    position_m: NDArray[np.float64],
    attitude: NDArray[np.float64],
    earth_angle_rad: float,
    time_ns: int,
    frame: int,
    reach_rad: float,
    least_seen: int,
    least_frames: int,
    least_ns: int,
    patience: int,
    most_seen: int,
    flag: int,
    stars: NDArray[Any],
) -> int: ...
def mark_still(
    plots: NDArray[Any],
    lens: NDArray[np.float64],
    axes_m: NDArray[np.float64],
    position_m: NDArray[np.float64],
    attitude: NDArray[np.float64],
    earth_angle_rad: float,
    before: NDArray[np.float32],
    before_attitude: NDArray[np.float64],
    before_angle_rad: float,
    older: NDArray[np.float32],
    older_attitude: NDArray[np.float64],
    older_angle_rad: float,
    reach_px: float,
    share: float,
    together: float,
    flag: int,
) -> None: ...
