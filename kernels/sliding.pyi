import numpy as np
from numpy.typing import NDArray

def tile_squares(
    residual: NDArray[np.float32],
    predicted: NDArray[np.float32],
    scale: float,
    clip: float,
    out: NDArray[np.float64],
) -> None: ...
def find_sliding(
    normals: NDArray[np.float64],
    squares: NDArray[np.float64],
    prior_px: float,
    chi2: float,
    share: float,
    around: int,
    own: int,
    layer_share: float,
    alone: NDArray[np.uint8],
    tiles: NDArray[np.uint8],
) -> int: ...
