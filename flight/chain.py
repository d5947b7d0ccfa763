"""The infrared chain: one frame in, its plots out; no socket, file or clock.

What moves against its background stands out twice: against what stood at that place before, and against the ring of
pixels about it. The chain follows the background (from the pointing, refined by the image), keeps its mean and its
noise on a grid that moves with it, subtracts it, filters with the point-spread function, and divides by the noise of
the place. A calibration of the tail then gives the score one meaning on all scenes: ``snr`` is the Gaussian sigma with
the same false-alarm probability.

    stage       what it does                                         kernels
    calibrate   gain, offset, bad pixels                             calibrate
    despike     pixels that optics cannot make                       sampled, spikes
    register    where the background went                            register
    score       frame less background, predicted noise; matched      score (moving, suppress,
                filter; sigmas over ring and memory; what stands     whiten, hold, renew
                out is held back, the frame enters the background    in one pass)
    extract     calibrated threshold, connected pixels, places        peaks, tail, tailmap, extract,
                                                                     rank, fit
    confirm     plots less spikes of one frame, lone pixels, trails  partners, judge, forgive,
                                                                     trails
    multi-frame paths through several frames, if it is enabled       stack, paths

A first frame, or the first after a jump of the camera, has no background: it is scored in space alone and its report
says so (`ReportFlag.WARM_UP`).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.flight.calibration import Calibration, Intake
from lookdown.flight.config import ChainParameters
from lookdown.flight.confirm import SETTLED_FRAMES, Confirmation, spot_ratios
from lookdown.flight.defects import DefectMap
from lookdown.flight.memory import forget_sliding, limit_memory
from lookdown.flight.multiframe import MultiFrame, Window, merged
from lookdown.flight.psf import edge_factors, psf_taps
from lookdown.flight.registration import Location, Registration
from lookdown.flight.regrid import lay_on_frame
from lookdown.flight.sliding import Sliding
from lookdown.flight.tail import TailCalibration
from lookdown.flight.trails import without_trails
from lookdown.kernels.calibrate import replace_bad
from lookdown.kernels.extract import PLOT_DTYPE, extract_plots, extract_scratch_size
from lookdown.kernels.fit import fit_plots
from lookdown.kernels.judge import keep_plots
from lookdown.kernels.renew import renew_background
from lookdown.kernels.restart import restart_young
from lookdown.kernels.sampled import sampled_median
from lookdown.kernels.score import score_and_renew, score_scratch_size
from lookdown.kernels.spikes import remove_spikes
from lookdown.kernels.suppress import matched_filter
from lookdown.kernels.trails import trails_scratch_size
from lookdown.kernels.whiten import whiten
from lookdown.wire.messages import ReportFlag, SensorState

Image = NDArray[np.float32]

REGISTRATION_BLUR_PX = 0.03
"""Error of registration that the predicted noise allows for, one sigma [px]."""

SPIKE_LEVEL = 6.0
"""Sigmas from which on a pixel without neighbours counts as a spike."""

SPIKE_SHARE = 0.35
"""Part of the point-spread function's second pixel that a spike's second neighbour must stay below."""

NOISE_SAMPLES = 1024
"""Pixels whose noise tells how large a spike must be, about."""

HOLD_SCORE = 7.0
"""Score up to which a residual enters the background as it is. At 3 a mover's trail in its background is half as deep,
but the dark place that it leaves where it stood at first lasts too long: the clips lose .17 of Pd at 1e-6."""

LEAST_SNR = 2.5
"""Calibrated SNR from which on the tail counts; below it the score is scaled alone, whatever the threshold."""

YOUNG_AT_START, YOUNG_LATER = 6, 2
"""Frames of a background, the present one included, up to which a strong score means that it is wrong: in the first
frames of all, and later, when a short memory alone keeps a place young (`lookdown.flight.memory`)."""

MOVING_PX = 0.1
"""Shift of the view from frame to frame from which on bad pixels tell themselves from targets by standing still."""

LEAST_PATH_SNR = 4.0
"""Smallest calibrated SNR of a path, whatever the threshold: below it noise makes more paths than can be refined."""

SETTLING_FRAMES = 8
"""Frames of a new background whose scores no path uses: a mover that stood in its first frame leaves a place of the
other polarity, which fades with the number of frames and would add up like a target that stands still."""

MOST_TRIED = 32
"""Plots of a frame that may be told apart into several, the strongest that one spot does not explain."""

QUANTUM_SIGMA = 0.5
"""Smallest sigma of the filtered residual that is believed, in steps of integer samples."""


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
        self.shape = (rows, cols)
        self.saturation_dn = saturation_dn
        shape = self.shape
        self._taps = psf_taps(parameters.psf_sigma_px)
        self._edge = edge_factors(self._taps)
        self._white_gain = float(1.0 / np.sum(self._taps.astype(np.float64) ** 2) ** 2)
        self._spike_ratio = SPIKE_SHARE * float(np.exp(-0.5 / parameters.psf_sigma_px**2))
        self._window = parameters.window_px
        self._guard = parameters.guard_px
        self._frame, self._residual, self._filtered = (np.zeros(shape, np.float32) for _ in range(3))
        self._predicted, self._variance, self._z = (np.zeros(shape, np.float32) for _ in range(3))
        self._mean, self._next_mean = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self._noise, self._next_noise = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self._age, self._next_age = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
        self._scratch = np.zeros(score_scratch_size(cols, self._taps.size, self._window), np.float32)
        self._noise_step = max(1, round((rows * cols / NOISE_SAMPLES) ** 0.5))
        self._sample = np.zeros(self._noise[:: self._noise_step, :: self._noise_step].size, np.float32)
        self._words = np.zeros(extract_scratch_size(cols, parameters.max_plots), np.int64)
        self._plots = np.zeros(parameters.max_plots, PLOT_DTYPE)
        self._trail_words = np.zeros(trails_scratch_size(parameters.max_plots), np.int32)
        self._spikes = np.zeros(4096, np.int32)
        self._intake = Intake(rows, cols, calibration)
        factory = np.zeros(0, np.int32) if calibration is None else calibration.bad_pixels
        self._defects = DefectMap(rows, cols, factory)
        self._registration = Registration(rows, cols, parameters.background_height_m, distortion)
        self._sliding = Sliding(rows, cols)
        self._space_tail = TailCalibration(rows, cols, parameters.psf_sigma_px)
        self._time_tail = TailCalibration(rows, cols, parameters.psf_sigma_px)
        self._confirmation = Confirmation(rows, cols, parameters.max_plots, spot_ratios(self._taps))
        self._floor = 0.0
        multi = parameters.multi_frame
        self._multi = MultiFrame(multi, rows, cols, parameters.psf_sigma_px) if multi.enabled else None
        self._settled_frames = 0
        self._settled = False

    def step(self, samples: NDArray[Any], state: SensorState | None = None) -> ChainResult:
        """Process one frame.

        Parameters
        ----------
        samples : ndarray of uint16, or of any other integer or float type, shape (rows, cols)
            Raw samples. Anything but uint16 is taken number for number as float32.
        state : SensorState, optional
            Where the sensor was and looked; with it the shift of the background is predicted.

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
        self._calibrate(samples)
        if self._settled and self._is_blank():
            # All pixels alike: a shutter, a saturated or a lost frame. It says nothing about the background.
            if self._multi:
                self._multi.skip()
            return ChainResult(self._plots[:0], ReportFlag.REGISTRATION_FAILED, 0, (0.0, 0.0))
        self._despike()
        flags = ReportFlag.NONE
        found = self._registration.locate(self._frame, self._mean, self._settled, state)
        if found.lost:
            self._settled = False
        if not self._settled:
            flags |= ReportFlag.WARM_UP
        elif not found.from_image:
            flags |= ReportFlag.REGISTRATION_FAILED
        if state is not None and self._registration.outgrown(found):
            lay_on_frame(found.field, self._mean, self._noise, self._age)
            found = self._registration.lay_anew(found, state)
        if self._settled:
            self._score(found)
            if state is not None:
                self._registration.follow_tiles(self._frame, self._residual, self._predicted, self._white_gain)
        else:
            self._score_in_space()
            self._confirmation.frames = 0
        n_found, n_written = self._extract()
        n_kept = self._confirm(n_written, found)
        if self._settled:
            young = YOUNG_AT_START if self._confirmation.frames <= SETTLED_FRAMES else YOUNG_LATER
            restart_young(self._z, found.field, *found.step, HOLD_SCORE, young, self._age)
        if state is not None:
            limit_memory(self._noise, self.parameters.background_frames, self._age)
        elif self._settled and (self._registration.layered or self._sliding.tiles.any()):
            self._forget_sliding()
        if n_found > n_written:
            flags |= ReportFlag.TRUNCATED
        self._settled = True
        result = ChainResult(self._plots[:n_kept], flags, n_found - n_written, found.shift)
        return self._over_frames(result) if self._multi else result

    def last_window(self) -> Window | None:
        """Look for paths through the last frames, now that no more come; None without the multi-frame stage."""
        window = self._multi.look(max(self.parameters.threshold, LEAST_PATH_SNR)) if self._multi else None
        return self._in_frame_units(window) if window else None

    def _over_frames(self, result: ChainResult) -> ChainResult:
        """Take a frame into the multi-frame stage and add the plots of a window that it ends."""
        assert self._multi is not None
        self._settled_frames = 0 if result.flags & ReportFlag.WARM_UP else self._settled_frames + 1
        snr = self._confirmation.snr if self._settled_frames > SETTLING_FRAMES else None
        window = self._multi.step(snr, result.shift, max(self.parameters.threshold, LEAST_PATH_SNR))
        if window is None:
            return result
        window = self._in_frame_units(window)
        plots, n_left_out = merged(result.plots, window.plots(0), self.parameters.max_plots)
        plots = plots[: without_trails(plots, self._trail_words)]
        flags = result.flags | (ReportFlag.TRUNCATED if n_left_out else ReportFlag.NONE)
        return ChainResult(plots, flags, result.n_left_out + n_left_out, result.shift, window)

    def _in_frame_units(self, window: Window) -> Window:
        """Turn amplitudes from sigmas into the unit of the frame, by the noise of the place in the newest frame."""
        place = np.rint(np.nan_to_num(window.places[-1])).astype(int).clip(0, np.array(self.shape) - 1).T
        sigma = np.sqrt(self._noise[tuple(place)] + self._floor)
        return replace(window, amplitude=window.amplitude * sigma)

    def _calibrate(self, samples: NDArray[Any]) -> None:
        self._intake.take(samples, self._frame)
        if not self._floor:
            self._floor = (QUANTUM_SIGMA * self._intake.quantum) ** 2
            self._registration.least_rms = self._intake.quantum
        replace_bad(self._frame, self._defects.indices, self._defects.neighbours)

    def _score(self, found: Location) -> None:
        """Score the frame against background, ring and memory, and let it enter the background."""
        score_and_renew(
            self._frame,
            self._mean,
            self._noise,
            self._age,
            found.field,
            REGISTRATION_BLUR_PX,
            self._floor,
            self._taps,
            self._edge,
            self._window,
            self._guard,
            HOLD_SCORE,
            found.step[0],
            found.step[1],
            self.parameters.background_frames,
            self._scratch,
            self._residual,
            self._predicted,
            self._filtered,
            self._z,
            self._next_mean,
            self._next_noise,
            self._next_age,
        )
        self._swap()

    def _forget_sliding(self) -> None:
        """Let the background forget sooner where a layer slides over it."""
        if self._sliding.find(self._frame, self._residual, self._predicted, self._white_gain):
            forget_sliding(self._noise, self.parameters.background_frames, self._sliding.tiles, self._age)

    def _score_in_space(self) -> None:
        """Score a frame without background: the residual is the frame itself, no noise is predicted. It starts one."""
        # A level near 0 keeps the sums of squares small.
        np.subtract(self._frame, np.float32(np.median(self._frame[:: 1 + self.shape[0] // 64])), self._residual)
        self._predicted.fill(0.0)
        self._age.fill(0)
        matched_filter(self._residual, self._taps, self._taps, self._scratch, self._filtered)
        whiten(
            self._filtered,
            self._predicted,
            self._window,
            self._guard,
            self._floor,
            self._scratch,
            self._variance,
            self._z,
        )
        renew_background(
            self._frame,
            self._residual,
            self._variance,
            self._mean,
            self._noise,
            self._age,
            np.zeros((1, 1, 2), np.float32),
            0,
            0,
            self.parameters.background_frames,
            self._scratch,
            self._next_mean,
            self._next_noise,
            self._next_age,
        )
        self._swap()

    def _is_blank(self) -> bool:
        """Whether all pixels are alike; two that differ are soon found."""
        frame, first = self._frame, self._frame[0, 0]
        some = min(self.shape)
        return all(frame[k, k] == first for k in range(some)) and bool((frame == first).all())

    def _despike(self) -> None:
        noise = sampled_median(self._noise, self._noise_step, self._sample) if self._settled else 0.0
        sigma = float(np.sqrt(self._white_gain * (noise + self._floor)))
        n = remove_spikes(self._frame, sigma, SPIKE_LEVEL, self._spike_ratio, self._spikes)
        self._defects.saw(self._spikes[: min(n, self._spikes.size)])

    def _extract(self) -> tuple[int, int]:
        """Calibrate the scores and cut the plots out of them."""
        tail = self._time_tail if self._settled else self._space_tail
        self._confirmation.start()
        tail.observe(self._z)
        tail.snr(self._z, min(LEAST_SNR, self.parameters.threshold), self._confirmation.snr)
        n_found, n_written = extract_plots(
            self._confirmation.snr,
            self._filtered,
            self.parameters.threshold,
            self._intake.raw,
            self.saturation_dn,
            self._defects.indices,
            self._words,
            self._plots,
        )
        if n_written == 0:
            return n_found, 0
        n_parted, n_written = self._fit(tail, self._plots[:n_written])
        return n_found + n_parted, n_written

    def _fit(self, tail: TailCalibration, plots: NDArray[Any]) -> tuple[int, int]:
        """Fit the places of plots and part those that are several; noise and light are those of the score."""
        threshold = tail.score(plots, self._z, self.parameters.threshold)
        n_parted, n_written = fit_plots(
            self._residual,
            self._filtered,
            self._z,
            threshold,
            self.parameters.psf_sigma_px,
            self._white_gain,
            MOST_TRIED,
            len(plots),
            self._words,
            self._plots,
        )
        tail.rank(self._plots[:n_written], self._words)
        return n_parted, n_written

    def _confirm(self, n_written: int, found: Location) -> int:
        """Leave the plots that stand for something; they move up. Return how many stay."""
        new = not self._settled
        confirmation = self._confirmation
        plots = self._plots[:n_written]
        if not new and not self.parameters.one_frame_plots:
            kept = confirmation.confirmed(plots, found.shift, self.parameters.reach_px)
            # In a view that stands still a sharp target and a bad pixel are the same thing.
            if np.hypot(*found.shift) > MOVING_PX:
                lone = confirmation.lone(plots, self._filtered)
                self._defects.accuse(plots, lone)
                kept &= lone ^ 1
            self._time_tail.forgive(self._z, plots, kept)
            if confirmation.frames > SETTLED_FRAMES:
                kept &= confirmation.young(plots, self._age, found.field, found.step) ^ 1
            n_kept = keep_plots(plots, kept)
            plots = self._plots[:n_kept]
        n_kept = without_trails(plots, self._trail_words)
        confirmation.end(found.shift, new)
        return n_kept

    def _swap(self) -> None:
        self._mean, self._next_mean = self._next_mean, self._mean
        self._noise, self._next_noise = self._next_noise, self._noise
        self._age, self._next_age = self._next_age, self._age
