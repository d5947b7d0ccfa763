from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST_TANGENT: float
LARGEST_SIGMA: float
SMALLEST_SIGMA: float
LARGEST_SNR: float
LARGEST_AMPLITUDE: float
KNOWN_FLAGS: int
OCTETS_PER_PLOT: int

def usable(plots: NDArray[Any]) -> NDArray[np.bool_]: ...
def pack_plots(plots: NDArray[Any]) -> bytes: ...
def unpack_plots(octets: bytes, out: NDArray[Any]) -> None: ...
