import numpy as np
from numpy.typing import NDArray

def foresee(
    state: NDArray[np.float64],
    origin: NDArray[np.float64],
    axes: NDArray[np.float64],
    half_axes: NDArray[np.float64],
    speed: float,
    tangent: NDArray[np.float64],
    jacobian: NDArray[np.float64],
    distance: NDArray[np.float64],
    visible: NDArray[np.uint8],
) -> None: ...
def spread_about(
    jacobian: NDArray[np.float64],
    covariance: NDArray[np.float64],
    cross: NDArray[np.float64],
    own: int,
    shared: NDArray[np.float64],
    common: NDArray[np.float64],
    spread: NDArray[np.float64],
) -> None: ...
def heights_over(
    position: NDArray[np.float64], semi_major: float, flattening: float, height: NDArray[np.float64]
) -> None: ...
