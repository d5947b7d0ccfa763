"""Types of the compiled module; the docstrings stand in the source."""

import numpy as np
from numpy.typing import NDArray

def dpca(
    cpi: NDArray[np.complex64], lead: int, trail: int, shift: int, gain: complex, out: NDArray[np.complex64]
) -> None: ...
