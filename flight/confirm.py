"""Confirmation: which plots of a frame stand for something that was there before, and looks like light.

Four things look like a target in one frame and are none:

- a pixel that optics cannot make: its filtered spot is narrower than that of a point of light (`lone_pixels`);
- ground that came into view a moment ago, whose background is a frame or two (`young_ground`);
- a particle's hit, a flash of sunlit sea: there in one frame alone, without a partner in the two frames before
  (`Confirmation`, `lookdown.kernels.partners`);
- what a mover left in its own background (`lookdown.flight.trails`).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.kernels.partners import find_partners

Image = NDArray[np.float32]

PARTNER_SHARE = 0.4
"""Part of a plot's SNR that its partners must have: at SNR 5 noise takes it from one target of 300."""

YOUNG_FRAMES = 3
"""Frames of a place, the present one included, up to which it is young."""

SETTLED_FRAMES = 9
"""Frames after a new start through which all ground is young, or was started anew, and none is singled out."""

NARROW_SIGMAS = 3.0
"""Sigmas by which a spot must be narrower than that of a point of light to be a pixel's."""

NARROW_SHARE = 0.25
"""How far from a pixel's spot towards that of light a spot may be and still be a pixel's: sensors whose true spot is
narrower than stated must not lose their targets."""

RING_SIGMA = 0.4
"""Sigma of the mean of the four neighbours of a pixel of filtered noise, that pixel given [sigma of the noise]."""


def spot_ratios(taps: Image) -> tuple[float, float]:
    """Return what the nearest neighbours have of the peak, after the matched filter: for a pixel, for a point of light.

    Examples
    --------
    >>> from lookdown.flight.psf import psf_taps
    >>> [round(ratio, 2) for ratio in spot_ratios(psf_taps(0.9))]
    [0.54, 0.73]
    """
    wide = np.convolve(taps.astype(np.float64), taps.astype(np.float64))
    middle = wide.size // 2
    return float(taps[taps.size // 2 + 1] / taps[taps.size // 2]), float(wide[middle + 1] / wide[middle])


def lone_pixels(plots: NDArray[Any], filtered: Image, ratios: tuple[float, float]) -> NDArray[np.bool_]:
    """Tell which plots are single pixels.

    Parameters
    ----------
    plots : ndarray of PLOT_DTYPE, shape (n,)
        Plots of a frame.
    filtered : ndarray of float32, shape (rows, cols)
        Residual after the matched filter.
    ratios : tuple of float
        What `spot_ratios` gives.

    Returns
    -------
    ndarray of bool, shape (n,)
        True where the neighbours have about as little of the peak as about a pixel, and less than noise leaves of
        light. At the border nothing can be told.
    """
    rows, cols = filtered.shape
    row, col = np.rint(plots["row"]).astype(np.intp), np.rint(plots["col"]).astype(np.intp)
    known = (row > 0) & (row < rows - 1) & (col > 0) & (col < cols - 1)
    row, col = np.where(known, row, 0), np.where(known, col, 0)
    peak = filtered[row, col]
    around = filtered[row - 1, col] + filtered[np.minimum(row + 1, rows - 1), col]
    around = around + filtered[row, col - 1] + filtered[row, np.minimum(col + 1, cols - 1)]
    pixel, light = ratios
    limit = np.minimum(
        pixel + NARROW_SHARE * (light - pixel), light - NARROW_SIGMAS * RING_SIGMA / np.maximum(plots["snr"], 1e-6)
    )
    return np.asarray(known & (0.25 * around * np.sign(peak) < limit * np.abs(peak)))


def young_ground(plots: NDArray[Any], age: NDArray[np.uint8], field: Image, step: tuple[int, int]) -> NDArray[np.bool_]:
    """Tell which plots lie on ground that only just came into view.

    Parameters
    ----------
    plots : ndarray of PLOT_DTYPE, shape (n,)
        Plots of a frame.
    age : ndarray of uint8, shape (rows, cols)
        Frames that each place of the background holds, the present one included.
    field : ndarray of float32, shape (n, m, 2)
        Displacement from the frame to the background before its grid moved, per tile [px].
    step : tuple of int
        How far the grid has moved since [px].

    Returns
    -------
    ndarray of bool, shape (n,)
        True where there is no background, or a young one.
    """
    rows, cols = age.shape
    tile = -(-rows // field.shape[0]), -(-cols // field.shape[1])
    row = np.clip(np.rint(plots["row"]).astype(np.intp), 0, rows - 1)
    col = np.clip(np.rint(plots["col"]).astype(np.intp), 0, cols - 1)
    moved = np.rint(field[row // tile[0], col // tile[1]]).astype(np.intp) - step
    row, col = row + moved[:, 0], col + moved[:, 1]
    inside = (row >= 0) & (row < rows) & (col >= 0) & (col < cols)
    return np.asarray(~inside | (age[np.where(inside, row, 0), np.where(inside, col, 0)] <= YOUNG_FRAMES))


class Confirmation:
    """Calibrated SNR of the last three frames, and who has partners there.

    Parameters
    ----------
    rows, cols : int
        Size of the frames [px].

    Attributes
    ----------
    snr : ndarray of float32, shape (rows, cols)
        Map of the present frame, for the chain to fill.
    frames : int
        Frames since the background was new.
    """

    def __init__(self, rows: int, cols: int) -> None:
        self.snr, self._before, self._older = (np.zeros((rows, cols), np.float32) for _ in range(3))
        self._shift = (0.0, 0.0)  # where the middle of the frame before lay in the one before it
        self.frames = 0

    def start(self) -> None:
        """Begin a frame: the maps move on by one."""
        self._older, self._before, self.snr = self._before, self.snr, self._older

    def confirmed(self, plots: NDArray[Any], shift: tuple[float, float], reach_px: int) -> NDArray[np.bool_]:
        """Tell which plots have partners in the frames before.

        Parameters
        ----------
        plots : ndarray of PLOT_DTYPE, shape (n,)
            Plots of the present frame.
        shift : tuple of float
            Where the middle of the frame lies in the frame before (row, col) [px].
        reach_px : int
            How far a target may move against the background in a frame [px].

        Returns
        -------
        ndarray of bool, shape (n,)
            True for those that do; for all as long as there is no frame before.
        """
        found = np.ones(len(plots), np.uint8)
        if self.frames > 0 and len(plots):
            place = np.stack((plots["row"], plots["col"]), 1).astype(np.float64) + shift
            places = np.rint(np.concatenate((place, place + self._shift), 1)).astype(np.int32)
            least = np.copysign(np.float32(PARTNER_SHARE) * plots["snr"], plots["amplitude"]).astype(np.float32)
            older = self._older if self.frames > 1 else None
            find_partners(self._before, older, places, least, reach_px, found)
        return found.astype(bool)

    def end(self, shift: tuple[float, float], new: bool) -> None:
        """End a frame that was registered with this shift, or that has no background (``new``)."""
        self._shift = shift
        self.frames = 1 if new else self.frames + 1
