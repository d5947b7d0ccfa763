import numpy as np
from numpy.typing import NDArray

def restart_young(
    z: NDArray[np.float32],
    strong: NDArray[np.uint8],
    field: NDArray[np.float32],
    row_step: int,
    col_step: int,
    limit: float,
    oldest: int,
    age: NDArray[np.uint8],
) -> None: ...
