import numpy as np
from numpy.typing import NDArray

def map_hits(
    power: NDArray[np.float32], mean: NDArray[np.float32], multiplier: float, hits: NDArray[np.uint8]
) -> None: ...
def renew_map(power: NDArray[np.float32], most: float, share: float, mean: NDArray[np.float32]) -> None: ...
