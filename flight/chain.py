"""The infrared chain: one frame in, its plots out; no socket, file or clock.

What moves against its background stands out twice: against what stood at that place before, and against the ring of
pixels about it. The chain follows the background (from the pointing, refined by the image), keeps its mean and its
noise on a grid that moves with it, subtracts it, filters with the point-spread function, and divides by the noise of
the place. A calibration of the tail then gives the score one meaning on all scenes: ``snr`` is the Gaussian sigma with
the same false-alarm probability.

    part          stage       what it does                                         kernels
    cleaning.py   calibrate   gain, offset, bad pixels                             calibrate
                  despike     pixels that optics cannot make                       sampled, spikes
    background.py register    where the background went                            register
                  score       frame less background, predicted noise; matched      score (moving,
                              filter; sigmas over ring and memory; what stands     suppress, whiten, hold,
                              out is held back, the frame enters the background    renew in one pass)
    extraction.py extract     calibrated threshold, connected pixels, places       peaks, tail, tailmap,
                                                                                   extract, rank, fit
                  confirm     plots less spikes of one frame, lone pixels, trails  partners, judge,
                                                                                   forgive, trails
    stars.py      stars       what stands still above the limb, with pointing      stars
    multiframe.py multi-frame paths through several frames, if it is enabled       stack, paths

A first frame, or the first after a jump of the camera, has no background: it is scored in space alone and its report
says so (`ReportFlag.WARM_UP`).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.flight.background import Background
from lookdown.flight.bands import Bands
from lookdown.flight.calibration import Calibration
from lookdown.flight.cleaning import Cleaning
from lookdown.flight.config import ChainParameters
from lookdown.flight.extraction import Extraction
from lookdown.flight.multiframe import MultiFrame, Window, merged
from lookdown.flight.psf import point_spread
from lookdown.flight.stars import Stars
from lookdown.kernels.extract import PLOT_DTYPE
from lookdown.wire.messages import PlotFlag, ReportFlag, SensorState

LEAST_PATH_SNR = 4.0
"""Smallest calibrated SNR of a path, whatever the threshold: below it noise makes more paths than can be refined."""

SETTLING_FRAMES = 8
"""Frames of a new background whose scores no path uses: a mover that stood in its first frame leaves a place of the
other polarity, which fades with the number of frames and would add up like a target that stands still."""


@dataclass(frozen=True, slots=True, eq=False)
class ChainResult:
    """What one step gives.

    Attributes
    ----------
    plots : ndarray of PLOT_DTYPE, shape (n,)
        Plots, strongest first, without the trails of stronger ones (`lookdown.flight.trails`); a view that holds until
        the next step.
    flags : ReportFlag
        What is particular about this frame.
    n_left_out : int
        Plots beyond `ChainParameters.max_plots`.
    shift : tuple of float
        Where the middle of the frame lies in the frame before (row, col) [px]; (0, 0) without a background.
    window : Window or None
        What the multi-frame stage found, if this frame ends a window; its plots of this frame are among ``plots``.
    """

    plots: NDArray[Any]
    flags: ReportFlag
    n_left_out: int
    shift: tuple[float, float]
    window: Window | None = None


class Chain:
    """The chain of one focal plane, with all its buffers.

    Parameters
    ----------
    parameters : ChainParameters
        How it is set.
    rows, cols : int
        Size of the frames [px].
    saturation_dn : int
        Sample from which on a pixel is saturated; 65536: none is [DN].
    calibration : Calibration, optional
        Factory calibration.
    distortion : tuple of float
        Radial distortion k1, k2 of the lens [1].

    Raises
    ------
    ValueError
        If there is no pixel, a sample cannot saturate there, or a calibration is none of such frames.

    Examples
    --------
    >>> chain = Chain(ChainParameters(), 64, 64)
    >>> noise = np.random.default_rng(1).normal(1000, 3, (64, 64))
    >>> chain.step(np.rint(noise).astype(np.uint16)).flags
    <ReportFlag.WARM_UP: 1>
    """

    def __init__(
        self,
        parameters: ChainParameters,
        rows: int,
        cols: int,
        saturation_dn: int = 65536,
        calibration: Calibration | None = None,
        distortion: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        if rows < 1 or cols < 1:
            raise ValueError(f"rows, cols: wanted at least 1 pixel each, got {rows} x {cols}; give the frame's size")
        if not 1 <= saturation_dn <= 65536:
            raise ValueError(f"saturation_dn: wanted 1 to 65536, got {saturation_dn}; 65536 means that none saturates")
        self.parameters = parameters
        spread = point_spread(parameters.psf_sigma_px)
        bands = Bands(parameters.threads)
        self._cleaning = Cleaning(rows, cols, spread, calibration, bands)
        self._background = Background(parameters, rows, cols, spread, bands, distortion)
        self._extraction = Extraction(parameters, rows, cols, spread, bands, saturation_dn)
        self._stars = Stars(rows, cols, parameters.stars == "report", distortion)
        multi = parameters.multi_frame
        self._multi = MultiFrame(multi, rows, cols, spread.sigma_px) if multi.enabled else None

    def step(self, samples: NDArray[Any], state: SensorState | None = None, time_ns: int | None = None) -> ChainResult:
        """Process one frame.

        Parameters
        ----------
        samples : ndarray of uint16, or of any other integer or float type, shape (rows, cols)
            Raw samples. Anything but uint16 is taken number for number as float32.
        state : SensorState, optional
            Where the sensor was and looked; with it the shift of the background is predicted.
        time_ns : int, optional
            Time of the frame, TAI [ns]; with it and ``state`` stars are told (`lookdown.flight.stars`).

        Returns
        -------
        ChainResult
            Plots and what is particular about them.

        Raises
        ------
        ValueError
            If the frame has another shape, is no array of numbers, or holds a value that is not finite. The chain
            is as before.
        """
        cleaning, background = self._cleaning, self._background
        cleaning.take(samples)
        self._stars.start(state, time_ns)
        if background.frames and cleaning.is_blank():
            # All pixels alike: a shutter, a saturated or a lost frame. It says nothing about the background.
            if self._multi:
                self._multi.skip()
            return ChainResult(np.zeros(0, PLOT_DTYPE), ReportFlag.REGISTRATION_FAILED, 0, (0.0, 0.0))
        cleaning.despike(background.usual_noise())
        pointed = state is not None
        found = background.locate(cleaning.frame, cleaning.quantum, state)
        background.score(cleaning.frame, found, cleaning.variance_floor, pointed)
        plots, n_left_out = self._extraction.find(cleaning, background, found, self._stars)
        background.revise(cleaning.frame, found, pointed)
        flags = ReportFlag.NONE
        if background.frames == 1:
            flags |= ReportFlag.WARM_UP
        elif not found.from_image:
            flags |= ReportFlag.REGISTRATION_FAILED
        if n_left_out:
            flags |= ReportFlag.TRUNCATED
        result = ChainResult(plots, flags, n_left_out, found.shift)
        return self._over_frames(result) if self._multi else result

    def last_window(self) -> Window | None:
        """Look for paths through the last frames, now that no more come; None without the multi-frame stage."""
        window = self._multi.look(max(self.parameters.threshold, LEAST_PATH_SNR)) if self._multi else None
        return self._without_stars(self._in_frame_units(window)) if window else None

    def _over_frames(self, result: ChainResult) -> ChainResult:
        """Take a frame into the multi-frame stage and add the plots of a window that it ends."""
        assert self._multi is not None
        snr = self._extraction.snr if self._background.frames > SETTLING_FRAMES + 1 else None
        window = self._multi.step(snr, result.shift, max(self.parameters.threshold, LEAST_PATH_SNR))
        if window is None:
            return result
        window = self._without_stars(self._in_frame_units(window))
        plots, n_left_out = merged(result.plots, window.plots(0), self.parameters.max_plots)
        self._stars.mark(plots)
        plots = self._stars.kept(self._extraction.without_trails(plots))
        flags = result.flags | (ReportFlag.TRUNCATED if n_left_out else ReportFlag.NONE)
        return ChainResult(plots, flags, result.n_left_out + n_left_out, result.shift, window)

    def _without_stars(self, window: Window) -> Window:
        """Leave out the paths that end at a star in the newest frame, unless stars are to be reported."""
        if not self._stars.drops:
            return window
        plots = window.plots(0)
        self._stars.mark(plots)
        stays = np.ones(len(window.paths), bool)
        stays[np.isfinite(window.places[-1, :, 0])] = plots["flags"] & PlotFlag.STAR == 0
        return window.of(stays)

    def _in_frame_units(self, window: Window) -> Window:
        """Turn amplitudes from sigmas into the unit of the frame, by the noise of the place in the newest frame."""
        noise = self._background.noise
        place = np.rint(np.nan_to_num(window.places[-1])).astype(int).clip(0, np.array(noise.shape) - 1).T
        sigma = np.sqrt(noise[tuple(place)] + self._cleaning.variance_floor)
        return replace(window, amplitude=window.amplitude * sigma)
