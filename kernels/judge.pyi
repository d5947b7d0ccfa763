from typing import Any

import numpy as np
from numpy.typing import NDArray

Plots = NDArray[Any]
Marks = NDArray[np.uint8]

def find_lone(
    plots: Plots,
    residual: NDArray[np.float32],
    filtered: NDArray[np.float32],
    narrow: float,
    light: float,
    noise: float,
    lone: Marks,
) -> None: ...
def find_young(
    plots: Plots,
    age: NDArray[np.uint8],
    field: NDArray[np.float32],
    row_step: int,
    col_step: int,
    youngest: int,
    young: Marks,
) -> None: ...
def find_clipped(
    plots: Plots,
    raw: NDArray[np.uint16],
    saturation: int,
    frame: NDArray[np.float32],
    mean: NDArray[np.float32],
    field: NDArray[np.float32],
    row_step: int,
    col_step: int,
    share: float,
    reach: int,
    clipped: Marks,
) -> None: ...
def aim_plots(
    plots: Plots,
    row_shift: float,
    col_shift: float,
    older_row_shift: float,
    older_col_shift: float,
    oldest_row_shift: float,
    oldest_col_shift: float,
    share: float,
    places: NDArray[np.int32],
    least: NDArray[np.float32],
) -> None: ...
def keep_plots(plots: Plots, kept: Marks) -> int: ...
