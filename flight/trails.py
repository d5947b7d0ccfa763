"""Trails: what a mover leaves in its own background is no plot of its own.

A mover that took part in the mean of a place leaves it too bright once it has gone, or too dark if it is dark:
behind it runs a trail of the other polarity, weaker than itself, a few pixels long. On the ground such plots would
follow the mover like a wingman.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.kernels.trails import remove_trails, trails_scratch_size

TRAIL_PX = 5.0
"""How far behind a mover its trail is looked for [px]."""

TRAIL_SHARE = 0.7
"""Part of the mover's SNR that its trail stays below."""


def without_trails(plots: NDArray[Any], scratch: NDArray[np.int32] | None = None) -> int:
    """Take trails out, in place.

    Parameters
    ----------
    plots : ndarray of PLOT_DTYPE, shape (n,)
        Plots of a frame, strongest first; those that stay move up and keep their order.
    scratch : ndarray of int32, optional
        At least `lookdown.kernels.trails.trails_scratch_size` elements; made anew if it is left out.

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
    if scratch is None:
        scratch = np.zeros(trails_scratch_size(len(plots)), np.int32)
    return remove_trails(plots, TRAIL_PX, TRAIL_SHARE, scratch)
