"""Calibration of the score's tail: the same threshold means the same false-plot rate on any scene.

The score of a scene without targets would be Gaussian if its noise were; it never quite is. Two quantiles of ``|z|``,
over this frame and those before, say how heavy its tail is. With ``q1``, ``q2`` those of probabilities p1 > p2
and ``g1``, ``g2`` the same quantiles of a Gaussian (both sides),

    snr = g2 (|z| / q2)^b,    b = ln(g2 / g1) / ln(q2 / q1)

is exact for a Gaussian score of any scale, and extrapolates a stretched exponential (Weibull) tail, the usual model of
clutter, to rarer levels. Targets hardly move the quantiles as long as they cover less than half of p2 of the pixels.
"""

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from lookdown.kernels.tail import tail_histogram

P_OUTER = 1e-3
"""Probability of the outer quantile in a frame large enough for it."""

FEWEST_BEYOND = 40
"""Pixels of a frame beyond the outer quantile, at least: a target or two must not make them up."""

MOST_OUTER = 0.02
"""Largest probability of the outer quantile, for the smallest frames."""

INNER_OVER_OUTER = 10.0

MEMORY_FRAMES = 30.0
"""Frames over which the histogram fades to 1/e."""

MOST_SAMPLES = 1 << 16
"""Pixels of a frame that are counted, about."""

BINS_PER_UNIT = 50
N_BINS = 2000

LEAST_POWER, MOST_POWER = 0.3, 1.1
"""Range of b: beyond it the quantiles come from something other than a tail."""


class TailCalibration:
    """Turns scores of one kind into calibrated SNR.

    Parameters
    ----------
    rows, cols : int
        Size of the frames [px].
    """

    def __init__(self, rows: int, cols: int) -> None:
        self._p_outer = min(max(P_OUTER, FEWEST_BEYOND / (rows * cols)), MOST_OUTER)
        self._p_inner = INNER_OVER_OUTER * self._p_outer
        self._gauss_outer = -NormalDist().inv_cdf(0.5 * self._p_outer)
        self._gauss_inner = -NormalDist().inv_cdf(0.5 * self._p_inner)
        self._step = min(64, max(1, round((rows * cols / MOST_SAMPLES) ** 0.5)))
        self._counts = np.zeros(N_BINS, np.int32)
        self._history = np.zeros(N_BINS, np.float64)
        self.quantile = self._gauss_outer
        self.power = 1.0

    def observe(self, z: NDArray[np.float32]) -> None:
        """Let the scores of a frame count; unknown ones are 0."""
        tail_histogram(z, self._step, BINS_PER_UNIT, self._counts)
        self._history *= 1.0 - 1.0 / MEMORY_FRAMES
        self._history += self._counts
        total = self._history.sum()
        if total * self._p_outer < 1.0:
            return
        beyond = np.cumsum(self._history[::-1])[::-1]
        inner, outer = self._level(beyond, total * self._p_inner), self._level(beyond, total * self._p_outer)
        self.quantile = outer
        ratio = max(outer / inner, 1.001)
        self.power = float(
            np.clip(np.log(self._gauss_outer / self._gauss_inner) / np.log(ratio), LEAST_POWER, MOST_POWER)
        )

    @staticmethod
    def _level(beyond: NDArray[np.float64], count: float) -> float:
        """Level that ``count`` scores exceed, linear within a bin."""
        k = int(np.searchsorted(-beyond, -count, side="right")) - 1
        following = beyond[k + 1] if k + 1 < len(beyond) else 0.0
        part = (beyond[k] - count) / max(beyond[k] - following, 1e-12)
        return float((k + part) / BINS_PER_UNIT)

    def snr_of_score(self, z: NDArray[np.float32]) -> NDArray[np.float32]:
        """Calibrated SNR of scores."""
        return np.asarray(self._gauss_outer * (np.abs(z) / self.quantile) ** self.power, np.float32)

    def score_of_snr(self, snr: float) -> float:
        """Score that has this SNR."""
        return float(self.quantile * (snr / self._gauss_outer) ** (1.0 / self.power))
