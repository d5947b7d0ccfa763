"""Types of the compiled module; the docstrings stand in the source."""

import numpy as np
from numpy.typing import NDArray

def temporal_difference(
    frame: NDArray[np.float32], previous: NDArray[np.float32], out: NDArray[np.float32]
) -> None: ...
def double_difference(
    before: NDArray[np.float32], frame: NDArray[np.float32], behind: NDArray[np.float32], out: NDArray[np.float32]
) -> None: ...
