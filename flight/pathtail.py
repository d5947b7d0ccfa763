"""Calibration of summed scores: how often noise makes a path this strong, and the SNR that says so.

The sum F(x, v) over all places and velocities is a smooth Gaussian field in four dimensions. Its maxima above a level
u, per pixel, are counted by the expected Euler characteristic (Adler and Taylor 2007, Random Fields and Geometry, th.
12.4.1; Worsley et al. 1996, Human Brain Mapping 4, 58), here for both polarities:

    density(u) = 2 a [ b^2 V^2 r4(u) + 2 b V r3(u) + r2(u) ]
    a = 1 / (2 sigma^2)   curvature of the filtered spot [1/px^2]      b^2 = a (n^2 - 1) / 12      V = 2 max velocity
    r2 = u g,  r3 = (u^2 - 1) g,  r4 = (u^3 - 3 u) g,  with g = exp(-u^2 / 2) / (2 pi)^(k/2),  k = 3, 4, 5

Without any free number it counts the plots of white noise to within a fifth from 5.8 sigma on, at 16 frames and +-2
pixels. A plot's ``snr`` is the level that a single pixel exceeds as often as density(u), on both sides, so that it has
the same false-alarm meaning as that of a single frame.

Clutter and noise that hangs together in time make larger sums: the level that paths exceed at a known density scales
them down to those of white noise, never up. One scale is all: over recorded Earth the tail has the shape of that noise,
and the rarer levels that would tell of another shape are those of real targets (with 63 of them in a frame a shape
fitted at 4e-5 per pixel took SNR 2.5 from Pd 1 to .17; the scale takes .4 dB with 63 and nothing with 20).
"""

from math import pi
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

CALIBRATED = 3e-4
"""Density of paths at which their level is read [1/px]: 98 in a frame of 640 x 512."""

APART = 0.5
"""Part of the maxima that noise has there which are found as paths of their own: .41 to .55 for 8 to 32 frames."""

MEMORY_WINDOWS = 16.0
"""Windows over which the histogram fades to 1/e."""

FEWEST = 12.0
"""Paths beyond the level for it to be believed."""

BINS_PER_UNIT = 50
LEVELS = np.arange(3.5, 30.0, 1.0 / BINS_PER_UNIT)


def log_density(
    u: NDArray[np.float64], n_frames: int, max_velocity_px: float, psf_sigma_px: float
) -> NDArray[np.float64]:
    """Logarithm of the false plots per pixel and window that white noise makes above a level, formula as above."""
    a = 0.5 / psf_sigma_px**2
    b = np.sqrt(a * (n_frames**2 - 1) / 12)
    width = 2.0 * max_velocity_px
    terms = (
        b**2 * width**2 * (u**3 - 3 * u) / (2 * pi) ** 2.5
        + 2 * b * width * (u**2 - 1) / (2 * pi) ** 2
        + u / (2 * pi) ** 1.5
    )
    return np.asarray(np.log(2 * a * terms) - 0.5 * u**2)


class PathTail:
    """Turns sums along paths into calibrated SNR.

    Parameters
    ----------
    n_pixels : int
        Pixels of a frame.
    n_frames : int
        Frames of a window.
    max_velocity_px : float
        Largest velocity along an axis [px/frame].
    psf_sigma_px : float
        One sigma of the point-spread function [px].
    """

    def __init__(self, n_pixels: int, n_frames: int, max_velocity_px: float, psf_sigma_px: float) -> None:
        self._n_pixels = n_pixels
        logs = log_density(LEVELS, n_frames, max_velocity_px, psf_sigma_px)
        # Rare enough to be a probability; below that the table has no meaning and its end stands.
        gauss = NormalDist()
        self._snr = np.array([-gauss.inv_cdf(min(0.5 * np.exp(max(log, -690.0)), 0.4)) for log in logs])
        self._white_level = float(np.interp(-np.log(CALIBRATED / APART), -logs, LEVELS))
        self._counts = np.zeros(len(LEVELS))
        self._pixels = 0.0
        self.scale = 1.0

    def observe(self, scores: NDArray[np.float32]) -> None:
        """Let the sums of all distinct paths of a window count, whatever they are."""
        fade = 1.0 - 1.0 / MEMORY_WINDOWS
        bins = np.clip((scores - LEVELS[0]) * BINS_PER_UNIT, 0, len(LEVELS) - 1).astype(int)
        self._counts = fade * self._counts + np.bincount(bins, minlength=len(LEVELS))
        self._pixels = fade * self._pixels + self._n_pixels
        beyond = np.cumsum(self._counts[::-1])[::-1]
        wanted = CALIBRATED * self._pixels
        if FEWEST <= wanted <= beyond[0]:
            level = float(np.interp(-wanted, -beyond, LEVELS))
            self.scale = max(1.0, level / self._white_level)
        else:
            self.scale = 1.0

    def snr_of_score(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Calibrated SNR of sums."""
        return np.asarray(np.interp(scores / self.scale, LEVELS, self._snr), np.float32)
