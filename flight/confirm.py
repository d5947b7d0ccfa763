"""Confirmation: which plots of a frame stand for something that was there before, and looks like light.

Five things look like a target in one frame and are none:

- a pixel that optics cannot make: its filtered spot is narrower than that of a point of light (`Confirmation.lone`);
- ground that came into view a moment ago, whose background is a frame or two (`Confirmation.young`);
- the edge of ground that is brighter than the detector can tell (`Confirmation.clipped`);
- a particle's hit, a flash of sunlit sea: there in one frame alone, without a partner in the two frames before, or the
  three where flashes come thick (`Confirmation.confirmed`, `lookdown.kernels.partners`);
- what a mover left in its own background (`lookdown.flight.trails`).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.flight.registration import Location
from lookdown.kernels.flashes import count_flashes, find_thick
from lookdown.kernels.judge import aim_plots, find_clipped, find_lone, find_young
from lookdown.kernels.partners import find_partners

Image = NDArray[np.float32]

PARTNER_SHARE = 0.4
"""Part of a plot's SNR that its partners must have: at SNR 5 noise takes it from one target of 300."""

TOGETHER = 3.0
"""Parts of that SNR that both partners must have together: noise seldom shows much in two frames."""

THREE = 5.5
"""Parts of that SNR that three partners must have together where flashes come thick."""

FLASH_SNR = 5.0
"""SNR from which on a plot without partners counts as a flash."""

FLASHES = 0.5
"""Flashes a frame in the nine blocks about a place from which on they come thick: a hundred times what noise
makes."""

FLASH_BLOCK_PX, FLASH_MEMORY_FRAMES = 32, 30.0
"""Side of a block, and frames over which counts fade to 1/e [px, frames]."""

TOGETHER_AT_START = 1.5
"""The same while backgrounds settle and SNR grows from frame to frame."""

YOUNG_FRAMES = 3
"""Frames of a place, the present one included, up to which it is young."""

SETTLED_FRAMES = 9
"""Frames after a new start through which all ground is young, or was started anew, and none is singled out."""

NARROW_SIGMAS = 3.0
"""Sigmas by which a spot must be narrower than that of a point of light to be a pixel's."""

NARROW_SHARE = 0.25
"""How far from a pixel's spot towards that of light a spot may be and still be a pixel's: sensors whose true spot is
narrower than stated must not lose their targets."""

CLIPPED_SHARE = 0.9
"""Part of a saturated pixel's value that the background has at least where the ground itself is saturated."""

CLIPPED_REACH_PX = 3
"""How far beside such ground its clipped edge can make a spot [px]."""

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


class Confirmation:
    """Calibrated SNR of the last three frames, and who has partners there.

    Parameters
    ----------
    rows, cols : int
        Size of the frames [px].
    capacity : int
        Most plots of a frame.
    ratios : tuple of float
        What `spot_ratios` gives.

    Attributes
    ----------
    snr : ndarray of float32, shape (rows, cols)
        Map of the present frame, for the chain to fill.
    frames : int
        Frames since the background was new.
    """

    def __init__(self, rows: int, cols: int, capacity: int, ratios: tuple[float, float]) -> None:
        self.snr, self._before, self._older, self._oldest = (np.zeros((rows, cols), np.float32) for _ in range(4))
        self._lone, self._young, self._found, self._clipped, self._strict = (
            np.zeros(capacity, np.uint8) for _ in range(5)
        )
        self._places, self._least = np.zeros((capacity, 6), np.int32), np.zeros(capacity, np.float32)
        pixel, self._light = ratios
        self._widest = pixel + NARROW_SHARE * (self._light - pixel)
        self._shift = (0.0, 0.0)  # where the middle of the frame before lay in the one before it
        self._older_shift = (0.0, 0.0)
        blocks = -(-rows // FLASH_BLOCK_PX), -(-cols // FLASH_BLOCK_PX)
        self._flashes = np.zeros(blocks, np.float32)
        self.frames = 0

    def start(self) -> None:
        """Begin a frame: the maps move on by one."""
        self._oldest, self._older, self._before, self.snr = self._older, self._before, self.snr, self._oldest

    def lone(self, plots: NDArray[Any], filtered: Image) -> NDArray[np.uint8]:
        """Tell which plots are single pixels.

        Parameters
        ----------
        plots : ndarray of PLOT_DTYPE, shape (n,)
            Plots of a frame.
        filtered : ndarray of float32, shape (rows, cols)
            Residual after the matched filter.

        Returns
        -------
        ndarray of uint8, shape (n,)
            1 where the neighbours have about as little of the peak as about a pixel, and less than noise leaves of
            light. At the border nothing can be told. A view that holds until the next call.
        """
        lone = self._lone[: len(plots)]
        find_lone(plots, filtered, self._widest, self._light, NARROW_SIGMAS * RING_SIGMA, lone)
        return lone

    def young(
        self, plots: NDArray[Any], age: NDArray[np.uint8], field: Image, step: tuple[int, int]
    ) -> NDArray[np.uint8]:
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
        ndarray of uint8, shape (n,)
            1 where there is no background, or a young one. A view that holds until the next call.
        """
        young = self._young[: len(plots)]
        find_young(plots, age, field, *step, YOUNG_FRAMES, young)
        return young

    def clipped(
        self,
        plots: NDArray[Any],
        raw: NDArray[np.uint16],
        saturation_dn: int,
        frame: Image,
        mean: Image,
        found: Location,
    ) -> NDArray[np.uint8]:
        """Tell which plots lie beside ground that saturates the detector: its edge moves by steps of a pixel.

        Parameters
        ----------
        plots : ndarray of PLOT_DTYPE, shape (n,)
            Plots of a frame.
        raw : ndarray of uint16, shape (rows, cols)
            Raw samples [DN].
        saturation_dn : int
            Sample from which on a pixel is saturated [DN].
        frame, mean : ndarray of float32, shape (rows, cols)
            Clean frame, and the background on its grid [frame unit].
        found : Location
            Where the background went.

        Returns
        -------
        ndarray of uint8, shape (n,)
            1 where it is. A view that holds until the next call.
        """
        clipped = self._clipped[: len(plots)]
        find_clipped(
            plots, raw, saturation_dn, frame, mean, found.field, *found.step, CLIPPED_SHARE, CLIPPED_REACH_PX, clipped
        )
        return clipped

    def confirmed(self, plots: NDArray[Any], shift: tuple[float, float], reach_px: int) -> NDArray[np.uint8]:
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
        ndarray of uint8, shape (n,)
            1 for those that do; for all as long as there is no frame before. A view that holds until the next call.
        """
        n = len(plots)
        found = self._found[:n]
        if self.frames > 0 and n:
            places, least, strict = self._places[:n], self._least[:n], self._strict[:n]
            aim_plots(plots, *shift, *self._shift, *self._older_shift, PARTNER_SHARE, places, least)
            find_thick(plots, self._flashes, FLASH_BLOCK_PX, FLASHES * FLASH_MEMORY_FRAMES, strict)
            older = self._older if self.frames > 1 else None
            oldest = self._oldest if self.frames > 2 else None
            settled = self.frames > SETTLED_FRAMES + 2  # both frames before, too
            together = TOGETHER if settled else TOGETHER_AT_START
            find_partners(self._before, older, oldest, places, least, strict, together, THREE, reach_px, found)
            count_flashes(plots, found, FLASH_SNR, FLASH_BLOCK_PX, self._flashes)
        else:
            found.fill(1)
        return found

    def end(self, shift: tuple[float, float], new: bool) -> None:
        """End a frame that was registered with this shift, or that has no background (``new``)."""
        self._older_shift, self._shift = self._shift, shift
        self._flashes *= np.float32(1.0 - 1.0 / FLASH_MEMORY_FRAMES)
        self.frames = 1 if new else self.frames + 1
