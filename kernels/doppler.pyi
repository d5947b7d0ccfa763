"""Types of the compiled module; the docstrings stand in the source."""

import numpy as np
from numpy.typing import NDArray

def doppler_scratch_size(dopplers: int) -> int: ...
def doppler_turns(dopplers: int) -> NDArray[np.float32]: ...
def require_doppler(dopplers: int) -> int: ...
def doppler(
    cpi: NDArray[np.complex64],
    order: int,
    window: NDArray[np.float32],
    turns: NDArray[np.float32],
    scratch: NDArray[np.float32],
    spectrum: NDArray[np.complex64] | None,
    power: NDArray[np.float32] | None,
) -> None: ...
