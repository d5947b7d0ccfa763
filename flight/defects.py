"""Pixels that go bad in flight: named by the spikes they show, replaced from then on, forgiven when they stay calm."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

NAMED_FROM = 3
"""Spikes within the memory that make a pixel bad."""

REVIEW_FRAMES = 16
"""Frames between two reviews; at each the number of spikes a pixel is charged with falls by one."""

MOST_CHARGED = 60
"""Largest charge: a pixel is forgiven after at most this many calm reviews."""


class DefectMap:
    """Bad pixels of a focal plane, from the factory and from flight.

    Parameters
    ----------
    n_pixels : int
        Pixels of the focal plane.
    factory : ndarray of int32, shape (n,)
        Flat indices that are always bad.

    Attributes
    ----------
    indices : ndarray of int32, shape (m,)
        Flat indices to replace now, increasing.
    """

    def __init__(self, n_pixels: int, factory: NDArray[np.int32]) -> None:
        self._charge = np.zeros(n_pixels, np.uint8)
        self._factory = np.unique(factory).astype(np.int32)
        self._frames = 0
        self.indices = self._factory

    def accuse(self, plots: NDArray[Any], shape: tuple[int, int]) -> None:
        """Charge the pixels of plots that are no light.

        Parameters
        ----------
        plots : ndarray of PLOT_DTYPE, shape (n,)
            Plots on single pixels.
        shape : tuple of int
            Rows and columns of the frame [px].
        """
        for plot in plots:
            at = round(float(plot["row"])) * shape[1] + round(float(plot["col"]))
            self._charge[at] = min(self._charge[at] + 1, MOST_CHARGED)

    def saw(self, spikes: NDArray[np.int32]) -> None:
        """Take note of the spikes of one frame.

        Parameters
        ----------
        spikes : ndarray of int32, shape (n,)
            Flat indices, each once.
        """
        self._charge[spikes] = np.minimum(self._charge[spikes] + 1, MOST_CHARGED)
        self._frames += 1
        if self._frames % REVIEW_FRAMES:
            return
        found = np.flatnonzero(self._charge >= NAMED_FROM).astype(np.int32)
        self.indices = np.union1d(self._factory, found)
        np.subtract(self._charge, 1, out=self._charge, where=self._charge > 0)
