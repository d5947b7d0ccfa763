"""Types of the compiled module; the docstrings stand in the source."""

import numpy as np
from numpy.typing import NDArray

def cfar_scratch_size(cols: int, window: int, guard: int) -> int: ...
def ca_cfar(
    frame: NDArray[np.float32],
    window: int,
    guard: int,
    design: float,
    sigma_floor: float,
    scratch: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None: ...
