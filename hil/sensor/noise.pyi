"""Types of the compiled module; the docstrings stand in the source."""

import numpy as np
from numpy.typing import NDArray

def frame_key(*numbers: int) -> tuple[int, int]: ...
def fill_normal(out: NDArray[np.float32], key: tuple[int, int]) -> None: ...
def expose(
    electrons: NDArray[np.float32],
    gain_dn: NDArray[np.float32],
    offset_dn: NDArray[np.float32],
    out: NDArray[np.uint16],
    key: tuple[int, int],
    *,
    noise_floor_e2: float,
    noise_scale: float,
    loss_per_e: float,
    largest_dn: float,
    gain_rate_dn_s: NDArray[np.float32] | None = None,
    offset_rate_dn_s: NDArray[np.float32] | None = None,
    t_s: float = 0.0,
) -> None: ...
