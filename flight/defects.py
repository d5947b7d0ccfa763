"""Pixels that go bad in flight: named by the spikes they show, replaced from then on, forgiven when they stay calm."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.kernels.calibrate import judge_neighbours
from lookdown.kernels.charge import charge_pixels, review_charge

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
    rows, cols : int
        Size of the focal plane [px].
    factory : ndarray of int32, shape (n,)
        Flat indices that are always bad.

    Attributes
    ----------
    indices : ndarray of int32, shape (m,)
        Flat indices to replace now, increasing; holds until the next review.
    neighbours : ndarray of uint8, shape (m,)
        Which neighbours of them are good, as `lookdown.kernels.calibrate.judge_neighbours` says.
    """

    def __init__(self, rows: int, cols: int, factory: NDArray[np.int32]) -> None:
        self._charge = np.zeros((rows, cols), np.uint8)
        self._factory = np.unique(factory).astype(np.int32)
        self._listed = np.zeros(rows * cols, np.int32)
        self._neighbours = np.zeros(rows * cols, np.uint8)
        self._frames = 0
        self._replace(self._factory)

    def accuse(self, plots: NDArray[Any], lone: NDArray[np.uint8]) -> None:
        """Charge the pixels of plots that look like a single pixel.

        Parameters
        ----------
        plots : ndarray of PLOT_DTYPE, shape (n,)
            Plots of a frame.
        lone : ndarray of uint8, shape (n,)
            Not 0 for those that look like a pixel, within the frame. Those whose pixel was not charged before become
            0: light of a sharp target moves on, a bad pixel stays.
        """
        if not lone.any():
            return
        for k in np.flatnonzero(lone):
            at = round(float(plots["row"][k])), round(float(plots["col"][k]))
            lone[k] = self._charge[at] > 0
            self._charge[at] = min(int(self._charge[at]) + 1, MOST_CHARGED)

    def saw(self, spikes: NDArray[np.int32]) -> None:
        """Take note of the spikes of one frame.

        Parameters
        ----------
        spikes : ndarray of int32, shape (n,)
            Flat indices, each once.
        """
        charge_pixels(spikes, MOST_CHARGED, self._charge)
        self._frames += 1
        if self._frames % REVIEW_FRAMES == 0:
            self._replace(self._listed[: review_charge(self._factory, NAMED_FROM, self._charge, self._listed)])

    def _replace(self, indices: NDArray[np.int32]) -> None:
        self.indices, self.neighbours = indices, self._neighbours[: len(indices)]
        judge_neighbours(indices, *self._charge.shape, self.neighbours)
