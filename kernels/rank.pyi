from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]

def score_plots(plots: NDArray[Any], z: Image, side: int, level: Image, power: Image, ratio: float) -> float: ...
def rank_plots(
    plots: NDArray[Any], side: int, level: Image, power: Image, least: float, scratch: NDArray[np.int64]
) -> None: ...
