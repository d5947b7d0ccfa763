"""Types of the compiled module; the docstrings stand in the source."""

import numpy as np
from numpy.typing import NDArray

def calibrate(
    samples: NDArray[np.uint16], gain: NDArray[np.float32], offset: NDArray[np.float32], out: NDArray[np.float32]
) -> None: ...
def convert(samples: NDArray[np.uint16], out: NDArray[np.float32]) -> None: ...
def replace_bad(frame: NDArray[np.float32], bad: NDArray[np.int32]) -> None: ...
