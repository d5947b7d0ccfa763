import numpy as np
from numpy.typing import NDArray

def sampled_quantile(frame: NDArray[np.float32], step: int, share: float, scratch: NDArray[np.float32]) -> float: ...
