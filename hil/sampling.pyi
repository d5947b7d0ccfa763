"""Types of the compiled module; the docstrings stand in the source."""

import numpy as np
from numpy.typing import NDArray

from lookdown.hil.scene.fields import Texture

TILE_ROWS: int
TILE_COLS: int
N_FIELDS: int

def spread(
    nodes: NDArray[np.float64], down: NDArray[np.float64], across: NDArray[np.float64], corners: NDArray[np.float32]
) -> None: ...
def sample(
    corners: NDArray[np.float32],
    ground: Texture,
    sea: Texture | None,
    cloud: Texture | None,
    out: NDArray[np.float32],
    weight: float = 1.0,
    add: bool = False,
) -> None: ...
