"""From scores to plots: calibrated threshold, connected pixels, fitted places, and what stands for something."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.flight.background import Background
from lookdown.flight.bands import Bands
from lookdown.flight.cleaning import Cleaning
from lookdown.flight.config import ChainParameters
from lookdown.flight.confirm import SETTLED_FRAMES, Confirmation
from lookdown.flight.psf import PointSpread
from lookdown.flight.registration import Location
from lookdown.flight.stars import Stars
from lookdown.flight.tail import TailCalibration
from lookdown.flight.trails import without_trails
from lookdown.kernels.extract import PLOT_DTYPE, extract_plots, extract_scratch_size
from lookdown.kernels.fit import fit_plots
from lookdown.kernels.judge import keep_plots
from lookdown.kernels.trails import trails_scratch_size
from lookdown.wire.messages import PlotFlag

Image = NDArray[np.float32]

LEAST_SNR = 2.5
"""Calibrated SNR from which on the tail counts; below it the score is scaled alone, whatever the threshold."""

MOVING_PX = 0.1
"""Shift of the view from frame to frame from which on bad pixels tell themselves from targets by standing still."""

MOST_TRIED = 32
"""Plots of a frame that may be told apart into several, the strongest that one spot does not explain."""


MOST_FITTED = 128
"""Plots of a frame whose place is fitted, the strongest. Weaker ones keep the place of a closed form, within 1.15 of
the Cramer-Rao bound where noise makes them so many (`lookdown.kernels.extract`): fits would cost more than all else."""


class Extraction:
    """Third part of the chain: from scores to plots.

    Parameters
    ----------
    parameters : ChainParameters
        How the chain is set.
    rows, cols : int
        Size of the frames [px].
    spread : PointSpread
        Optics and detector.
    bands : Bands
        Threads that share the frame.
    saturation_dn : int
        Sample from which on a pixel is saturated; 65536: none is [DN].
    """

    def __init__(
        self, parameters: ChainParameters, rows: int, cols: int, spread: PointSpread, bands: Bands, saturation_dn: int
    ) -> None:
        self._parameters, self._spread, self._saturation_dn = parameters, spread, saturation_dn
        self._words = np.zeros(extract_scratch_size(cols, parameters.max_plots), np.int64)
        self._plots = np.zeros(parameters.max_plots, PLOT_DTYPE)
        self._trail_words = np.zeros(trails_scratch_size(parameters.max_plots), np.int32)
        self._space_tail = TailCalibration(rows, cols, spread.sigma_px, bands)
        self._time_tail = TailCalibration(rows, cols, spread.sigma_px, bands)
        self._confirmation = Confirmation(rows, cols, parameters.max_plots, spread)

    @property
    def snr(self) -> Image:
        """Calibrated SNR of the last frame with its sign [1]."""
        return self._confirmation.snr

    def find(
        self, cleaning: Cleaning, background: Background, found: Location, stars: Stars
    ) -> tuple[NDArray[Any], int]:
        """Find the plots of a frame that was scored.

        Parameters
        ----------
        cleaning, background : Cleaning, Background
            What came of the frame. Bad pixels that show themselves are named to ``cleaning``.
        found : Location
            Where the background went.
        stars : Stars
            What is known of stars; learns from the plots of the frame.

        Returns
        -------
        plots : ndarray of PLOT_DTYPE, shape (n,)
            Plots, strongest first; a view that holds until the next frame.
        n_left_out : int
            Plots beyond the capacity.
        """
        new = background.frames == 1
        tail = self._space_tail if new else self._time_tail
        n_found, n_written = self._extract(tail, cleaning, background)
        plots = self._plots[:n_written]
        stars.mark(plots)
        stars.mark_still(plots, *self._confirmation.past())
        if not new and not self._parameters.one_frame_plots:
            plots = self._confirm(plots, cleaning, background, found)
        plots = stars.kept(self.without_trails(plots))
        self._confirmation.end(found.shift, new)
        stars.end()
        return plots, n_found - n_written

    def without_trails(self, plots: NDArray[Any]) -> NDArray[Any]:
        """Take trails of stronger plots out, in place; return those that stay."""
        return plots[: without_trails(plots, self._trail_words)]

    def _extract(self, tail: TailCalibration, cleaning: Cleaning, background: Background) -> tuple[int, int]:
        """Calibrate the scores and cut the plots out of them; return how many there were and how many fit."""
        threshold = self._parameters.threshold
        self._confirmation.start()
        tail.observe(background.z)
        tail.snr(background.z, min(LEAST_SNR, threshold), self.snr)
        n_found, n_written = extract_plots(
            self.snr,
            background.filtered,
            threshold,
            cleaning.raw,
            self._saturation_dn,
            cleaning.defects.indices,
            self._words,
            self._plots,
        )
        if n_written == 0:
            return n_found, 0
        n_parted, n_written = self._fit(tail, background, n_written)
        return n_found + n_parted, n_written

    def _fit(self, tail: TailCalibration, background: Background, n_plots: int) -> tuple[int, int]:
        """Fit the places of plots and part those that are several; noise and light are those of the score."""
        threshold = tail.score(self._plots[:n_plots], background.z, self._parameters.threshold)
        n_parted, n_written = fit_plots(
            background.residual,
            background.filtered,
            background.z,
            threshold,
            self._spread.sigma_px,
            self._spread.white_gain,
            MOST_TRIED,
            MOST_FITTED,
            n_plots,
            self._words,
            self._plots,
        )
        tail.rank(self._plots[:n_written], self._words)
        return n_parted, n_written

    def _confirm(
        self, plots: NDArray[Any], cleaning: Cleaning, background: Background, found: Location
    ) -> NDArray[Any]:
        """Leave the plots that stand for something; they move up."""
        confirmation = self._confirmation
        kept = confirmation.confirmed(plots, found.shift, self._parameters.reach_px)
        if confirmation.frames > SETTLED_FRAMES:
            # Before that a flash may be a mover that leaves its place in the first frame.
            background.retract(plots, confirmation.flashed(plots, kept), found)
        kept &= background.slid(plots, cleaning.frame) ^ 1
        # In a view that stands still a sharp target and a bad pixel are the same thing.
        if np.hypot(*found.shift) > MOVING_PX:
            lone = confirmation.lone(plots, background.residual, background.filtered)
            cleaning.defects.accuse(plots, lone)
            kept &= lone ^ 1
        if cleaning.raw is not None and confirmation.frames > SETTLED_FRAMES:
            kept &= 1 ^ confirmation.clipped(
                plots, cleaning.raw, self._saturation_dn, cleaning.frame, background.mean, found
            )
        # Stars are no clutter that stays where the ground is.
        self._time_tail.forgive(background.z, plots, kept, kept & (plots["flags"] & PlotFlag.STAR == 0))
        if confirmation.frames > SETTLED_FRAMES:
            kept &= confirmation.young(plots, background.age, found.field, found.step) ^ 1
        return plots[: keep_plots(plots, kept)]
