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

from lookdown.flight.bands import Bands
from lookdown.kernels.forgive import forgive_peaks, forgive_pixels
from lookdown.kernels.peaks import count_peaks, peak_levels, sum_peaks
from lookdown.kernels.rank import rank_plots, score_plots
from lookdown.kernels.tail import tail_histogram, tail_levels
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
        self.power = 1.0

    def observe(self, z: Image) -> None:
        """Let the scores of a frame count; unknown ones are 0."""
        tail_histogram(z, self._step, PIXEL_BINS_PER_UNIT, self._counts)
        keep = 1.0 - 1.0 / MEMORY_FRAMES
        outer, inner = tail_levels(self._counts, keep, self._p_outer, INNER_OVER_OUTER, self._history)
        if outer > 0.0:
            ratio = max(outer / inner, 1.001)
            self.power = min(max(float(self._gauss / np.log(ratio)), LEAST_POWER), MOST_POWER)

    def leave_out(self, z: Image, plots: NDArray[Any], confirmed: NDArray[np.uint8]) -> None:
        """Take the pixels about plots out again that are known to be no clutter that stays.

        Parameters
        ----------
        z : ndarray of float32, shape (rows, cols)
            Scores that were observed last.
        plots : ndarray of PLOT_DTYPE, shape (n,)
            Plots of that frame.
        confirmed : ndarray of uint8, shape (m,)
            0 for those of the first m plots that are meant.
        """
        forgive_pixels(z, plots, confirmed, SPOT_PX, self._step, PIXEL_BINS_PER_UNIT, self._history)


class TailCalibration:
    """Turns scores of one kind into calibrated SNR, block by block.

    Parameters
    ----------
    rows, cols : int
        Size of the frames [px].
    psf_sigma_px : float
        One sigma of the matched filter [px].
    bands : Bands, optional
        Threads that share the frame; this one alone if it is left out.

    Attributes
    ----------
    quantile, power : ndarray of float32, shape (ceil(rows / SIDE_PX), ceil(cols / SIDE_PX))
        Score whose SNR is ``gauss`` and power b of each block.
    gauss : float
        SNR at the quantile.
    """

    def __init__(self, rows: int, cols: int, psf_sigma_px: float = 0.9, bands: Bands | None = None) -> None:
        self._bands = bands or Bands()
        self._parts = self._bands.split(rows, SIDE_PX)
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
        self._taken = np.zeros(shape, np.uint8)
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

        def count_band(_: int, first: int, last: int) -> None:
            count_peaks(z, SIDE_PX, self._least, BINS_PER_E, keep, first, last, self._counts)

        self._bands.run(count_band, self._parts)
        self._frames = keep * self._frames + 1.0
        sum_peaks(self._counts, self._prior)
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
        np.maximum(self.power, np.float32(LEAST_POWER), out=self.power)
        np.minimum(self.power, np.float32(MOST_POWER), out=self.power)
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

        def map_band(_: int, first: int, last: int) -> None:
            blocks = slice(first // SIDE_PX, -(-last // SIDE_PX))
            map_scores(z[first:last], SIDE_PX, self._level[blocks], self.power[blocks], least, out[first:last])

        self._bands.run(map_band, self._parts)

    def score(self, plots: NDArray[Any], z: Image, snr: float) -> float:
        """Give plots the scores of their peaks; return the least that has an SNR, not below the ``least`` of `snr`."""
        return score_plots(plots, z, SIDE_PX, self._level, self.power, snr / self._mapped_from)

    def rank(self, plots: NDArray[Any], scratch: NDArray[np.int64]) -> None:
        """Turn the scores of plots into SNR, as `snr` maps them, and order them, strongest first."""
        rank_plots(plots, SIDE_PX, self._level, self.power, self._mapped_from, scratch)

    def forgive(
        self, z: Image, plots: NDArray[Any], confirmed: NDArray[np.uint8], stays: NDArray[np.uint8] | None = None
    ) -> None:
        """Take out again what is no clutter that stays: targets from the blocks, what was there once from the frame.

        Of confirmed plots the strongest about each block is a target, with the plots about it its parts.

        Parameters
        ----------
        z : ndarray of float32, shape (rows, cols)
            Scores that were observed last.
        plots : ndarray of PLOT_DTYPE, shape (n,)
            Plots of that frame, strongest first.
        confirmed : ndarray of uint8, shape (n,)
            Not 0 for those that had partners in the frames before.
        stays : ndarray of uint8, shape (n,), optional
            Not 0 for those whose pixels stay in the frame's tail; ``confirmed`` if it is left out.
        """
        n_strong = np.count_nonzero(plots["snr"] >= FORGIVEN_FROM)
        strong = confirmed[:n_strong]
        self._frame.leave_out(z, plots, strong if stays is None else stays[:n_strong])
        forgive_peaks(
            plots,
            strong,
            OWN_PX,
            SIDE_PX,
            self.gauss,
            self.quantile,
            self.power,
            self._least,
            BINS_PER_E,
            self._taken,
            self._counts,
        )


def nominal_rate(snr: float) -> float:
    """Return the false pixels per pixel and frame that a calibrated SNR stands for: both sides of a Gaussian.

    Examples
    --------
    >>> f"{nominal_rate(5.0):.2g}"
    '5.7e-07'
    """
    return erfc(snr / np.sqrt(2.0))
