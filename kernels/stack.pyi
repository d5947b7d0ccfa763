import numpy as np
from numpy.typing import NDArray

def stack_scratch_size(n_cells: NDArray[np.int32], links: NDArray[np.int32]) -> int: ...
def stack_velocities(
    frames: NDArray[np.int16],
    order: NDArray[np.int32],
    at: NDArray[np.int32],
    n_cells: NDArray[np.int32],
    links: NDArray[np.int32],
    scratch: NDArray[np.int16],
    best: NDArray[np.int16],
) -> None: ...
def quantise(z: NDArray[np.float32], per_unit: float, most: int, out: NDArray[np.int16]) -> None: ...
