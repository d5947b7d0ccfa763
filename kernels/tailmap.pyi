import numpy as np
from numpy.typing import NDArray

def map_scores(
    z: NDArray[np.float32],
    side: int,
    level: NDArray[np.float32],
    power: NDArray[np.float32],
    least: float,
    out: NDArray[np.float32],
) -> None: ...
