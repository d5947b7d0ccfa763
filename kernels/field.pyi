import numpy as np
from numpy.typing import NDArray

def sum_field(
    base: NDArray[np.float64],
    local: NDArray[np.float64],
    row_step: float,
    col_step: float,
    out: NDArray[np.float64],
) -> tuple[float, float, float, float]: ...
def place_field(
    base: NDArray[np.float64], row: float, col: float, out: NDArray[np.float32]
) -> tuple[float, float, float]: ...
def learn_field(normals: NDArray[np.float64], prior_px: float, local: NDArray[np.float64]) -> None: ...
def learn_affine(normals: NDArray[np.float64], prior_px: float, local: NDArray[np.float64]) -> None: ...
