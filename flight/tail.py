"""Calibration of the score's tail, place by place: the same threshold means the same false-plot rate on any scene.

The score of a scene without targets would be Gaussian if its noise were; it never quite is, and cloud, glitter or the
limb make it worse in their part of the frame alone. So the tail is read about each block of ``SIDE_PX``, from the
peaks of ``|z|`` in the 3 x 3 blocks about it, over this frame and those before. Two levels tell how heavy it is. With
``q1``, ``q2`` those that peaks exceed as often as filtered noise exceeds ``g1``, ``g2``,

    snr = g2 (|z| / q2)^b,    b = ln(g2 / g1) / ln(q2 / q1)

is exact for Gaussian noise of any scale and extrapolates a stretched exponential (Weibull) tail, the usual model of
clutter, to rarer levels. Sparse, strong clutter is too rare about one block to show in its peaks. The pixels of the
whole frame see it (`FrameTail`), and a block's power ``b`` is held to that of the frame by ``FRAME_SHARE``.

Peaks, not pixels, because a target is one peak however large it is; and the strongest confirmed plot about a block is
taken out again (`TailCalibration.forgive`), so that targets do not lift the threshold about them.
"""

from math import erfc
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.kernels.peaks import count_peaks, peak_levels
from lookdown.kernels.tail import tail_histogram
from lookdown.kernels.tailmap import map_scores

Image = NDArray[np.float32]

SIDE_PX = 32
"""Side of a block [px]."""

LEVELS = 2.3, 3.0
"""Sizes of Gaussian noise at whose rarity the two levels are read [sigma]: one peak in 90 pixels, one in 800."""

FEWEST_BEYOND = 6.0
"""Peaks of a frame beyond the outer level, at least: small frames read nearer levels."""

PRIOR_PX = 4000.0
"""Pixels of the whole frame that are added to those about a block, so that a first frame has a tail."""

MEMORY_FRAMES = 30.0
"""Frames over which counts fade to 1/e."""

LEAST_SCALE = 0.85
"""Part of its predicted sigma below which a score's scale is not believed: where nothing happens most of the time,
quiet says nothing about the rest."""

LEAST_POWER, MOST_POWER = 0.3, 1.1
"""Range of b: beyond it the levels come from something other than a tail."""

FRAME_SHARE = 1.0
"""By how much of the way a block's power is held to that of the frame, 0 to 1, where the frame's tail is heavier."""

FORGIVEN_FROM = 4.0
"""SNR from which on a confirmed plot is taken for a target and its peak is taken out."""

OWN_PX = 12.0
"""Plots this near to a target are parts of it [px]."""

SPOT_PX = 4
"""Half the side of the square that a dropped plot takes of the frame's pixels [px]."""

BINS_PER_E = 18.0
N_BINS = 90

P_OUTER, INNER_OVER_OUTER = 1e-3, 10.0
"""Probability of the outer quantile of a frame's pixels, and that of the inner one over it."""

FEWEST_PIXELS, MOST_OUTER = 40, 0.02
"""Pixels of a frame beyond the outer quantile, at least, and its largest probability, for the smallest frames."""

MOST_SAMPLES = 1 << 16
"""Pixels of a frame that are counted, about."""

PIXEL_BINS_PER_UNIT, PIXEL_BINS = 50, 2000

NOISE_DRAWS = 2000
"""Draws of noise about a pixel from which the rarity of peaks is computed."""


def peak_density(levels: NDArray[np.float64], psf_sigma_px: float) -> NDArray[np.float64]:
    """Return how many peaks a pixel of white noise has beyond levels after its matched filter, of both polarities.

    Parameters
    ----------
    levels : ndarray of float64, shape (n,)
        Levels, increasing, from 0 on [sigma].
    psf_sigma_px : float
        One sigma of the Gaussian filter [px].

    Returns
    -------
    ndarray of float64, shape (n,)
        ``2 int_u phi(x) P(no neighbour above x | x) dx``; the probability by Monte Carlo over the eight neighbours,
        whose correlation with each other is ``exp(-distance^2 / (4 sigma^2))``, from a fixed seed.

    Examples
    --------
    >>> peak_density(np.array([3.0, 4.0]), 0.9).round(5).tolist()
    [0.00168, 5e-05]
    """
    places = np.array([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j])
    with_centre = np.exp(-(places**2).sum(1) / (4.0 * psf_sigma_px**2))
    apart = ((places[:, None] - places) ** 2).sum(-1)
    covariance = np.exp(-apart / (4.0 * psf_sigma_px**2)) - np.outer(with_centre, with_centre)
    values, vectors = np.linalg.eigh(covariance)
    # The symmetric root: neighbours share eigenvalues, whose vectors each library picks as it likes.
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    noise = np.random.default_rng(0).standard_normal((NOISE_DRAWS, 8)) @ root
    coarse = np.arange(0.0, 6.01, 0.25)
    alone = np.array([np.mean((noise + with_centre * x < x).all(1)) for x in coarse])
    step = 0.01
    fine = np.arange(0.0, 12.0, step)
    density = np.sqrt(2.0 / np.pi) * np.exp(-0.5 * fine**2) * np.interp(fine, coarse, alone)
    beyond = np.cumsum(density[::-1])[::-1] * step
    return np.asarray(np.exp(np.interp(levels, fine, np.log(np.maximum(beyond, 1e-300)))))


class FrameTail:
    """How heavy the tail of a frame's pixels is: the power b of all of them together.

    Parameters
    ----------
    rows, cols : int
        Size of the frames [px].
    """

    def __init__(self, rows: int, cols: int) -> None:
        self._p_outer = min(max(P_OUTER, FEWEST_PIXELS / (rows * cols)), MOST_OUTER)
        p_inner = INNER_OVER_OUTER * self._p_outer
        outer, inner = (-NormalDist().inv_cdf(0.5 * p) for p in (self._p_outer, p_inner))
        self._gauss = np.log(outer / inner)
        self._step = min(64, max(1, round((rows * cols / MOST_SAMPLES) ** 0.5)))
        self._counts = np.zeros(PIXEL_BINS, np.int32)
        self._history = np.zeros(PIXEL_BINS, np.float64)
        self._beyond = np.zeros(PIXEL_BINS, np.float64)
        self.power = 1.0

    def observe(self, z: Image) -> None:
        """Let the scores of a frame count; unknown ones are 0."""
        tail_histogram(z, self._step, PIXEL_BINS_PER_UNIT, self._counts)
        self._history *= 1.0 - 1.0 / MEMORY_FRAMES
        self._history += self._counts
        np.cumsum(self._history[::-1], out=self._beyond[::-1])
        total = self._beyond[0] * self._p_outer
        if total < 1.0:
            return
        ratio = max(self._level(total) / self._level(INNER_OVER_OUTER * total), 1.001)
        self.power = float(np.clip(self._gauss / np.log(ratio), LEAST_POWER, MOST_POWER))

    def leave_out(self, z: Image, plots: NDArray[Any]) -> None:
        """Take the pixels about plots out again that are known to be no clutter that stays.

        Parameters
        ----------
        z : ndarray of float32, shape (rows, cols)
            Scores that were observed last.
        plots : ndarray of PLOT_DTYPE, shape (n,)
            The plots.
        """
        step = self._step
        for plot in plots:
            row, col = round(float(plot["row"])), round(float(plot["col"]))
            first = max(-(-(row - SPOT_PX) // step), 0)
            for k in range(first, (min(row + SPOT_PX, z.shape[0] - 1)) // step + 1):
                begin = k % step
                left = max(-(-(col - SPOT_PX - begin) // step), 0) * step + begin
                size = np.abs(z[k * step, left : col + SPOT_PX + 1 : step]) * PIXEL_BINS_PER_UNIT
                bins = np.minimum(size[size > 0], PIXEL_BINS - 1).astype(np.intp)
                np.subtract.at(self._history, bins, 1.0)
        np.maximum(self._history, 0.0, out=self._history)

    def _level(self, count: float) -> float:
        """Level that ``count`` scores exceed, linear within a bin."""
        k = int(np.count_nonzero(self._beyond >= count)) - 1
        following = self._beyond[k + 1] if k + 1 < PIXEL_BINS else 0.0
        part = (self._beyond[k] - count) / max(self._beyond[k] - following, 1e-12)
        return float(k + part)


class TailCalibration:
    """Turns scores of one kind into calibrated SNR, block by block.

    Parameters
    ----------
    rows, cols : int
        Size of the frames [px].
    psf_sigma_px : float
        One sigma of the matched filter [px].

    Attributes
    ----------
    quantile, power : ndarray of float32, shape (ceil(rows / SIDE_PX), ceil(cols / SIDE_PX))
        Score whose SNR is ``gauss`` and power b of each block.
    gauss : float
        SNR at the quantile.
    """

    def __init__(self, rows: int, cols: int, psf_sigma_px: float = 0.9) -> None:
        shape = -(-rows // SIDE_PX), -(-cols // SIDE_PX)
        sigmas = np.arange(0.0, 5.0, 0.02)
        density = peak_density(sigmas, psf_sigma_px)
        nominal = np.interp(LEVELS, sigmas, density)
        outer = min(max(nominal[1], FEWEST_BEYOND / (rows * cols)), float(np.interp(1.5, sigmas, density)))
        inner = min(outer * nominal[0] / nominal[1], float(np.interp(0.7, sigmas, density)))
        self._inner_gauss, self.gauss = (float(np.interp(-p, -density, sigmas)) for p in (inner, outer))
        self._log_gauss = np.float32(np.log(self.gauss / self._inner_gauss))
        self._frame = FrameTail(rows, cols)
        self._counts = np.zeros((*shape, N_BINS), np.float32)
        self._prior = np.zeros(N_BINS)
        heights, widths = (
            np.minimum(SIDE_PX, n - SIDE_PX * np.arange(k)) for n, k in zip((rows, cols), shape, strict=True)
        )
        around = [
            np.convolve(sizes, np.ones(3), "same") if len(sizes) > 2 else np.full(len(sizes), sizes.sum())
            for sizes in (heights, widths)
        ]
        self._area = np.outer(*around).astype(np.float32)
        self._share_of_frame = PRIOR_PX / (rows * cols)
        self._p_inner, self._p_outer = np.float32(inner), np.float32(outer)
        self._frames = 0.0
        self._want_inner, self._want_outer, self._inner, self._level = (np.zeros(shape, np.float32) for _ in range(4))
        self._least = 0.8 * LEAST_SCALE * self._inner_gauss
        self.quantile = np.full(shape, self.gauss, np.float32)
        self.power = np.ones(shape, np.float32)
        self._mapped_from = LEVELS[1]

    def observe(self, z: Image) -> None:
        """Let the scores of a frame count; unknown ones are 0."""
        keep = 1.0 - 1.0 / MEMORY_FRAMES
        self._frame.observe(z)
        count_peaks(z, SIDE_PX, self._least, BINS_PER_E, keep, self._counts)
        self._frames = keep * self._frames + 1.0
        self._counts.sum(axis=(0, 1), dtype=np.float64, out=self._prior)
        self._prior *= self._share_of_frame / self._frames
        for want, p in ((self._want_inner, self._p_inner), (self._want_outer, self._p_outer)):
            np.multiply(self._area, np.float32(self._frames), out=want)
            want += np.float32(PRIOR_PX)
            want *= p
        peak_levels(
            self._counts,
            self._prior,
            self._least,
            BINS_PER_E,
            self._want_inner,
            self._want_outer,
            self._inner,
            self.quantile,
        )
        np.maximum(self._inner, np.float32(LEAST_SCALE * self._inner_gauss), out=self._inner)
        np.maximum(self.quantile, np.float32(LEAST_SCALE * self.gauss), out=self.quantile)
        np.divide(self.quantile, self._inner, out=self.power)
        np.maximum(self.power, np.float32(1.001), out=self.power)
        np.log(self.power, out=self.power)
        np.divide(self._log_gauss, self.power, out=self.power)
        np.clip(self.power, LEAST_POWER, MOST_POWER, out=self.power)
        # b^(1 - share) B^share where the frame's power B is the smaller.
        np.divide(np.float32(self._frame.power), self.power, out=self._level)
        np.minimum(self._level, np.float32(1.0), out=self._level)
        # A target is much of the few pixels of the first frames.
        np.power(self._level, np.float32(FRAME_SHARE * self._frames / MEMORY_FRAMES), out=self._level)
        self.power *= self._level

    def snr(self, z: Image, least: float, out: Image) -> None:
        """Turn the scores of a frame into calibrated SNR with their sign; below ``least`` on a straight line.

        Parameters
        ----------
        z : ndarray of float32, shape (rows, cols)
            Score.
        least : float
            SNR from which on the tail counts.
        out : ndarray of float32, shape (rows, cols)
            Calibrated SNR.
        """
        np.divide(np.float32(1.0), self.power, out=self._level)
        np.power(np.float32(least / self.gauss), self._level, out=self._level)
        self._level *= self.quantile
        self._mapped_from = least
        map_scores(z, SIDE_PX, self._level, self.power, least, out)

    def score_of(self, plots: NDArray[Any], snr: float) -> NDArray[np.float32]:
        """Return the scores that have an SNR, not below the ``least`` of `snr`, at the peaks of plots."""
        level, power = self._at(plots)
        return np.asarray(level * (np.float32(snr / self._mapped_from)) ** (1 / power))

    def snr_of(self, plots: NDArray[Any], score: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the SNR of scores at the peaks of plots, as `snr` maps them."""
        level, power = self._at(plots)
        share = score / level
        return np.asarray(np.float32(self._mapped_from) * np.where(share > 1, np.maximum(share, 1) ** power, share))

    def _at(self, plots: NDArray[Any]) -> tuple[Image, Image]:
        """Level and power of the blocks that plots peak in."""
        block = plots["peak_row"] // SIDE_PX, plots["peak_col"] // SIDE_PX
        return self._level[block], self.power[block]

    def forgive(self, z: Image, plots: NDArray[Any], confirmed: NDArray[np.bool_]) -> None:
        """Take out again what is no clutter that stays: targets from the blocks, what was there once from the frame.

        Of confirmed plots the strongest about each block is a target, with the plots about it its parts.

        Parameters
        ----------
        z : ndarray of float32, shape (rows, cols)
            Scores that were observed last.
        plots : ndarray of PLOT_DTYPE, shape (n,)
            Plots of that frame, strongest first.
        confirmed : ndarray of bool, shape (n,)
            Those that had partners in the frames before.
        """
        strong = int(np.count_nonzero(plots["snr"] >= FORGIVEN_FROM))
        self._frame.leave_out(z, plots[:strong][~confirmed[:strong]])
        blocks = np.array(self.power.shape) - 1
        place = np.stack((plots["row"], plots["col"]), 1)
        at = np.minimum(np.maximum(place, 0) // SIDE_PX, blocks).astype(np.intp)
        taken = np.zeros((0, 2), np.intp)
        for k in np.flatnonzero(confirmed[:strong]):
            if (np.abs(taken - at[k]).max(axis=1, initial=0) <= 1).any():
                continue
            taken = np.concatenate((taken, at[k : k + 1]))
            for own in np.flatnonzero(((place - place[k]) ** 2).sum(1) <= OWN_PX**2):
                self._take_out(at[own], float(plots["snr"][own]))

    def _take_out(self, block: NDArray[np.intp], snr: float) -> None:
        """Take one peak of this SNR out of a block."""
        i, j = int(block[0]), int(block[1])
        size = float(self.quantile[i, j]) * (snr / self.gauss) ** (1.0 / float(self.power[i, j]))
        if size > self._least:
            k = min(int(np.log(size / self._least) * BINS_PER_E + 1e-3), N_BINS - 1)
            self._counts[i, j, k] = max(self._counts[i, j, k] - 1.0, 0.0)


def nominal_rate(snr: float) -> float:
    """Return the false pixels per pixel and frame that a calibrated SNR stands for: both sides of a Gaussian.

    Examples
    --------
    >>> f"{nominal_rate(5.0):.2g}"
    '5.7e-07'
    """
    return erfc(snr / np.sqrt(2.0))
