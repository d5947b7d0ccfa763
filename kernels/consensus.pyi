import numpy as np
from numpy.typing import NDArray

def agree_on_shift(normals: NDArray[np.float64], spread: float) -> tuple[float, float, float, int]: ...
