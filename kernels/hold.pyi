import numpy as np
from numpy.typing import NDArray

def hold_back(z: NDArray[np.float32], limit: float, residual: NDArray[np.float32]) -> None: ...
