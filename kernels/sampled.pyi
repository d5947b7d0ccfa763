import numpy as np
from numpy.typing import NDArray

def sampled_median(frame: NDArray[np.float32], step: int, scratch: NDArray[np.float32]) -> float: ...
