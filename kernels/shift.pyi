"""Types of the compiled module; the docstrings stand in the source."""

import numpy as np
from numpy.typing import NDArray

def shift_scratch_size(cols: int) -> int: ...
def shift(
    source: NDArray[np.float32],
    row_shift: float,
    col_shift: float,
    scratch: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None: ...
def shift_bilinear(
    source: NDArray[np.float32],
    row_shift: float,
    col_shift: float,
    scratch: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None: ...
def shift_field(
    source: NDArray[np.float32],
    field: NDArray[np.float32],
    first_row: int,
    last_row: int,
    scratch: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None: ...
def shift_age(age: NDArray[np.uint8], row_shift: float, col_shift: float, out: NDArray[np.uint8]) -> None: ...
