import numpy as np
from numpy.typing import NDArray

def partners_scratch_size(rows: int, capacity: int) -> int: ...
def find_partners(
    before: NDArray[np.float32],
    older: NDArray[np.float32] | None,
    oldest: NDArray[np.float32] | None,
    places: NDArray[np.int32],
    least: NDArray[np.float32],
    strict: NDArray[np.uint8],
    together: float,
    three: float,
    reach: int,
    scratch: NDArray[np.int32],
    found: NDArray[np.uint8],
) -> None: ...
