import numpy as np
from numpy.typing import NDArray

def ground_shift(
    tangents: NDArray[np.float64],
    centres: NDArray[np.float64],
    lens: NDArray[np.float64],
    axes_m: NDArray[np.float64],
    position_a_m: NDArray[np.float64],
    attitude_a: NDArray[np.float64],
    position_b_m: NDArray[np.float64],
    attitude_b: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None: ...
