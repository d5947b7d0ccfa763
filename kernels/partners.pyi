import numpy as np
from numpy.typing import NDArray

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
    found: NDArray[np.uint8],
) -> None: ...
