import numpy as np
from numpy.typing import NDArray

def tile_normals(
    frame: NDArray[np.float32],
    residual: NDArray[np.float32],
    predicted: NDArray[np.float32],
    scale: float,
    clip: float,
    first_row: int,
    last_row: int,
    out: NDArray[np.float64],
) -> None: ...
