"""Confirmation: which plots of a frame stand for something that was there before, and looks like light.

Five things look like a target in one frame and are none:

- a pixel that optics cannot make: its spot is narrower than that of a point of light (`Confirmation.lone`);
- ground that came into view a moment ago, whose background is a frame or two (`Confirmation.young`);
- the edge of ground that is brighter than the detector can tell (`Confirmation.clipped`);
- a particle's hit, a flash of sunlit sea: there in one frame alone, without a partner in the two frames before, or the
  three where flashes come thick (`Confirmation.confirmed`, `lookdown.kernels.partners`);
- what a mover left in its own background (`lookdown.flight.trails`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.flight.psf import PointSpread
from lookdown.flight.registration import Location
from lookdown.kernels.flashes import count_flashes, find_thick
from lookdown.kernels.judge import aim_plots, find_clipped, find_lone, find_young
from lookdown.kernels.partners import find_partners, partners_scratch_size

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

STRONG_FLASH_SNR = 8.0
"""SNR from which on a flash is kept out of the background (`Background.retract`); fainter ones do little there."""

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

NARROW_SHARE = 0.75
"""How far from a spot of light towards a pixel's a spot must be to be one: sensors whose true spot is narrower than
stated must not lose their targets. A spread of two thirds of what is stated has .4 at most."""

CLIPPED_SHARE = 0.9
"""Part of a saturated pixel's value that the background has at least where the ground itself is saturated."""

CLIPPED_REACH_PX = 3
"""How far beside such ground its clipped edge can make a spot [px]."""


@dataclass(frozen=True, slots=True)
class Narrowness:
    """What a spot has in its brightest pixel before the matched filter, over what it has there after it.

    Attributes
    ----------
    light, pixel : float
        Of a point of light in the middle of a pixel, and of a single pixel [1].
    noise : float
        One sigma of the former in white noise at a SNR of 1, given the filtered value [1].
    """

    light: float
    pixel: float
    noise: float


def narrowness(spread: PointSpread) -> Narrowness:
    """Return what tells a single pixel from a point of light.

    With h the filter and E the sum of its squares, light has ``h(0) / E`` and a pixel ``1 / h(0)``. The sample less
    what the filtered value predicts of it has the variance ``sigma^2 (1 - h(0)^2 / E)``, the filtered value
    ``sigma^2 E``.

    Examples
    --------
    >>> from lookdown.flight.psf import point_spread
    >>> spot = narrowness(point_spread(0.9))
    >>> round(spot.light, 2), round(spot.pixel, 2), round(spot.noise, 2)
    (2.0, 5.08, 2.48)
    """
    middle = float(spread.taps[spread.taps.size // 2]) ** 2
    gain = spread.white_gain
    return Narrowness(middle * gain, 1.0 / middle, float(np.sqrt(gain * (1.0 - middle**2 * gain))))


class Confirmation:
    """Calibrated SNR of the last three frames, and who has partners there.

    Parameters
    ----------
    rows, cols : int
        Size of the frames [px].
    capacity : int
        Most plots of a frame.
    spread : PointSpread
        Optics and detector.

    Attributes
    ----------
    snr : ndarray of float32, shape (rows, cols)
        Map of the present frame, for the chain to fill.
    frames : int
        Frames since the background was new.
    """

    def __init__(self, rows: int, cols: int, capacity: int, spread: PointSpread) -> None:
        self.snr, self._before, self._older, self._oldest = (np.zeros((rows, cols), np.float32) for _ in range(4))
        self._lone, self._young, self._found, self._clipped, self._strict = (
            np.zeros(capacity, np.uint8) for _ in range(5)
        )
        self._places, self._least = np.zeros((capacity, 6), np.int32), np.zeros(capacity, np.float32)
        self._words = np.zeros(partners_scratch_size(rows, capacity), np.int32)
        self._spot = spot = narrowness(spread)
        self._narrow = spot.light + NARROW_SHARE * (spot.pixel - spot.light)
        self._shift = (0.0, 0.0)  # where the middle of the frame before lay in the one before it
        self._older_shift = (0.0, 0.0)
        blocks = -(-rows // FLASH_BLOCK_PX), -(-cols // FLASH_BLOCK_PX)
        self._flashes = np.zeros(blocks, np.float32)
        self.frames = 0

    def start(self) -> None:
        """Begin a frame: the maps move on by one."""
        self._oldest, self._older, self._before, self.snr = self._older, self._before, self.snr, self._oldest

    def past(self) -> tuple[Image | None, Image | None]:
        """Return the maps of the frame before and of the one before it; None where the background was new since."""
        return self._before if self.frames > 0 else None, self._older if self.frames > 1 else None

    def lone(self, plots: NDArray[Any], residual: Image, filtered: Image) -> NDArray[np.uint8]:
        """Tell which plots are single pixels.

        Parameters
        ----------
        plots : ndarray of PLOT_DTYPE, shape (n,)
            Plots of a frame.
        residual, filtered : ndarray of float32, shape (rows, cols)
            Residual before and after the matched filter.

        Returns
        -------
        ndarray of uint8, shape (n,)
            1 where one pixel holds about as much as a pixel of its own does, and more than noise lets it hold of
            light. At the border nothing can be told. A view that holds until the next call.
        """
        lone = self._lone[: len(plots)]
        find_lone(plots, residual, filtered, self._narrow, self._spot.light, NARROW_SIGMAS * self._spot.noise, lone)
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
            older = self.past()[1]
            oldest = self._oldest if self.frames > 2 else None
            settled = self.frames > SETTLED_FRAMES + 2  # both frames before, too
            together = TOGETHER if settled else TOGETHER_AT_START
            find_partners(
                self._before, older, oldest, places, least, strict, together, THREE, reach_px, self._words, found
            )
            count_flashes(plots, found, FLASH_SNR, FLASH_BLOCK_PX, self._flashes)
        else:
            found.fill(1)
            self._strict[:n] = 0
        return found

    def flashed(self, plots: NDArray[Any], confirmed: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Tell which plots are strong flashes, there in one frame alone.

        Parameters
        ----------
        plots : ndarray of PLOT_DTYPE, shape (n,)
            Plots of the frame that was confirmed last.
        confirmed : ndarray of uint8, shape (n,)
            What `confirmed` said of them.

        Returns
        -------
        ndarray of uint8, shape (n,)
            1 for strong plots without partners. Where flashes come thick they are what is seen there, and none is.
        """
        flashed = plots["snr"] >= STRONG_FLASH_SNR
        flashed &= confirmed == 0
        flashed &= self._strict[: len(plots)] == 0
        return flashed.view(np.uint8)

    def end(self, shift: tuple[float, float], new: bool) -> None:
        """End a frame that was registered with this shift, or that has no background (``new``)."""
        self._older_shift, self._shift = self._shift, shift
        self._flashes *= np.float32(1.0 - 1.0 / FLASH_MEMORY_FRAMES)
        self.frames = 1 if new else self.frames + 1
