from typing import Any

import numpy as np
from numpy.typing import NDArray

def trails_scratch_size(capacity: int) -> int: ...
def remove_trails(plots: NDArray[Any], reach_px: float, share: float, scratch: NDArray[np.int32]) -> int: ...
