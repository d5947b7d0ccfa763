"""Trails: what a mover leaves in its own background is no plot of its own.

A mover that took part in the mean of a place leaves it too bright once it has gone, or too dark if it is dark:
behind it runs a trail of the other polarity, weaker than itself, a few pixels long. On the ground such plots would
follow the mover like a wingman.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

TRAIL_PX = 5.0
"""How far behind a mover its trail is looked for [px]."""

TRAIL_SHARE = 0.7
"""Part of the mover's SNR that its trail stays below."""


def without_trails(plots: NDArray[Any]) -> int:
    """Take trails out, in place.

    Parameters
    ----------
    plots : ndarray of PLOT_DTYPE, shape (n,)
        Plots of a frame, strongest first; those that stay move up and keep their order.

    Returns
    -------
    int
        How many stay.

    Examples
    --------
    >>> from lookdown.kernels.extract import PLOT_DTYPE
    >>> plots = np.zeros(3, PLOT_DTYPE)
    >>> plots["col"], plots["snr"], plots["amplitude"] = [50, 46, 90], [9, 5, 5], [40, -25, -20]
    >>> without_trails(plots), plots["col"][:2].tolist()
    (2, [50.0, 90.0])
    """
    dark = plots["amplitude"] < 0
    if dark.all() or not dark.any():
        return len(plots)
    row, col, snr = plots["row"], plots["col"], plots["snr"]
    apart = (row[:, None] - row) ** 2 + (col[:, None] - col) ** 2
    behind = (dark[:, None] != dark) & (apart <= TRAIL_PX**2) & (snr[:, None] < TRAIL_SHARE * snr)
    kept = ~behind.any(axis=1)
    n = int(np.count_nonzero(kept))
    plots[:n] = plots[kept]
    return n
