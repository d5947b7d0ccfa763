import numpy as np
from numpy.typing import NDArray

def count_peaks(
    z: NDArray[np.float32],
    side: int,
    least: float,
    per_e: float,
    keep: float,
    first_row: int,
    last_row: int,
    counts: NDArray[np.float32],
) -> None: ...
def sum_peaks(counts: NDArray[np.float32], sums: NDArray[np.float64]) -> None: ...
def peak_levels(
    counts: NDArray[np.float32],
    prior: NDArray[np.float64],
    least: float,
    per_e: float,
    inner: NDArray[np.float32],
    outer: NDArray[np.float32],
    inner_level: NDArray[np.float32],
    outer_level: NDArray[np.float32],
) -> None: ...
