"""Detection statistics: shares and rates with confidence intervals, the curve of theory, and how far off it a chain is.

Frames of one pass are not independent: a target that stands before an edge stands there for a while, and an edge that
makes false plots makes them frame after frame. Units are independent. So an interval is the exact one of as many
independent trials as the spread between units allows: the counts are divided by the *design effect*, the variance
between units over the variance that independent trials would have, and widened for the few units that it was
estimated from (Korn and Graubard 1998, Survey Methodology 24, 193).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from lookdown.hil.campaign.plan import Counts

Float = NDArray[np.float64]

CONFIDENCE = 0.95
_TAIL = 0.5 * (1.0 - CONFIDENCE)


@dataclass(frozen=True)
class Estimate:
    """Measured values with the ends of their confidence intervals, of one shape; nan where nothing was measured."""

    value: Float
    low: Float
    high: Float


def binomial_interval(hits: ArrayLike, chances: ArrayLike) -> tuple[Float, Float]:
    """Exact interval of a share (Clopper and Pearson 1934); counts need not be whole.

    Parameters
    ----------
    hits, chances : array_like of float, of one shape
        Trials that succeeded, and all; 0 of 0 gives 0 to 1.

    Examples
    --------
    >>> low, high = binomial_interval(0, 10)
    >>> round(float(low), 3), round(float(high), 3)
    (0.0, 0.308)
    """
    k, n = np.asarray(hits, np.float64), np.asarray(chances, np.float64)
    missed = n - k
    low = np.where(k > 0.0, stats.beta.ppf(_TAIL, np.maximum(k, 1e-300), missed + 1.0), 0.0)
    high = np.where(missed > 0.0, stats.beta.ppf(1.0 - _TAIL, k + 1.0, np.maximum(missed, 1e-300)), 1.0)
    return np.asarray(low, np.float64), np.asarray(high, np.float64)


def poisson_interval(events: ArrayLike) -> tuple[Float, Float]:
    """Exact interval of the expected number of events (Garwood 1936, Biometrika 28, 437); counts need not be whole.

    Examples
    --------
    >>> low, high = poisson_interval(0)
    >>> round(float(low), 3), round(float(high), 3)
    (0.0, 3.689)
    """
    n = np.asarray(events, np.float64)
    low = np.where(n > 0.0, stats.gamma.ppf(_TAIL, np.maximum(n, 1e-300)), 0.0)
    return np.asarray(low, np.float64), np.asarray(stats.gamma.ppf(1.0 - _TAIL, n + 1.0), np.float64)


def detection_probability(units: Sequence[Counts]) -> Estimate:
    """Estimate the share of targets found, with intervals, shape (levels, thresholds)."""
    hits = np.array([unit.hits for unit in units], np.float64)
    chances = np.array([unit.chances for unit in units], np.float64)[..., None]
    k = hits.sum(axis=0)
    n = np.broadcast_to(chances.sum(axis=0), k.shape)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = k / n
        # Variance of a ratio of sums, by linearisation, over that of a binomial share.
        effect = _spread(hits - share * chances) / (n * share * (1.0 - share))
        effect[(k == 0.0) | (k == n)] = np.nan
        # All or none found says nothing of the spread: that of the other levels at this threshold is taken.
        typical = [np.median(column[np.isfinite(column)]) if np.isfinite(column).any() else 1.0 for column in effect.T]
        scale = _scale(np.where(np.isfinite(effect), effect, typical), (chances > 0).sum(axis=0))
    low, high = binomial_interval(k / scale, n / scale)
    return Estimate(share, low, high)


def false_probability(units: Sequence[Counts]) -> Estimate:
    """Estimate the false plots per pixel of open ground and frame, with intervals, shape (thresholds,)."""
    false = np.array([unit.false for unit in units], np.float64)
    pixels = np.array([unit.pixels for unit in units], np.float64)[:, None]
    k, n = false.sum(axis=0), float(pixels.sum())
    effect = np.ones(k.shape)
    for t, events in enumerate(k):
        # None at all says nothing of the spread: that of the threshold below is taken.
        effect[t] = _spread(false[:, t] - events / n * pixels[:, 0]) / events if events else effect[max(t - 1, 0)]
    scale = _scale(effect, np.full(k.shape, len(units)))
    low, high = poisson_interval(k / scale)
    return Estimate(k / n, low * scale / n, high * scale / n)


def _spread(errors: Float) -> Float:
    """Variance of a sum over units, from the errors of each, shape (units, ...)."""
    n = len(errors)
    return np.asarray(n / (n - 1) * (errors**2).sum(axis=0) if n > 1 else np.zeros(errors.shape[1:]), np.float64)


def _scale(effect: Float, n_units: NDArray[np.int64]) -> Float:
    """By how much counts are divided: the design effect, never below 1, and what it is uncertain by.

    One unit tells nothing of the spread: its counts are taken as independent.
    """
    t = stats.t.ppf(1.0 - _TAIL, np.maximum(n_units - 1, 1)) / stats.norm.ppf(1.0 - _TAIL)
    return np.where((n_units > 1) & (effect > 1.0), effect * t**2, 1.0)


def white_noise_pd(snr: ArrayLike, pfa: ArrayLike) -> Float:
    """Probability to find a point in white Gaussian noise with a matched filter: ``Q(Q^-1(Pfa) - SNR)``.

    The best that a test of one sample can do that knows the point's place, shape and polarity (Kay 1998, "Fundamentals
    of Statistical Signal Processing: Detection Theory", eq. 4.14).

    Examples
    --------
    >>> round(float(white_noise_pd(6.04, 1e-6)), 2)
    0.9
    """
    return np.asarray(stats.norm.sf(stats.norm.isf(np.asarray(pfa, np.float64)) - np.asarray(snr)), np.float64)


def white_noise_snr(pd: float, pfa: float) -> float:
    """SNR that theory needs for a probability of detection: the inverse of `white_noise_pd` [1]."""
    return float(stats.norm.isf(pfa) - stats.norm.isf(pd))


def needed_snr(snr: ArrayLike, pd: Float, pfa: Float, wanted_pd: float, wanted_pfa: float) -> float | None:
    """SNR at which a measured chain reaches a probability of detection at a rate of false plots.

    Interpolates between thresholds along ``Q^-1(Pfa)`` and between levels along SNR, both of ``Q^-1(Pd)``, in which
    white noise makes straight lines; extrapolates neither.

    Parameters
    ----------
    snr : array_like of float, shape (levels,)
        Levels, rising [1].
    pd : ndarray of float64, shape (levels, thresholds)
        Share found [1].
    pfa : ndarray of float64, shape (thresholds,)
        False plots per pixel and frame.
    wanted_pd, wanted_pfa : float
        Where on the curves.

    Returns
    -------
    float or None
        SNR [1]; None if the campaign does not reach so far.
    """
    levels = np.asarray(snr, np.float64)
    known = pfa > 0.0
    if not known.any() or not pfa[known].min() <= wanted_pfa <= pfa[known].max():
        return None
    depth = stats.norm.isf(pfa[known])
    score = stats.norm.ppf(np.clip(pd[:, known], 1e-4, 1.0 - 1e-4))
    order = np.argsort(depth)
    at = np.array([np.interp(stats.norm.isf(wanted_pfa), depth[order], row[order]) for row in score])
    good = np.isfinite(at)
    at, levels = at[good], levels[good]
    wanted = float(stats.norm.ppf(wanted_pd))
    below = np.flatnonzero(at < wanted)
    if not below.size or below[-1] + 1 >= at.size:
        return None
    k = int(below[-1])  # from the next level on it stays above
    return float(levels[k] + (wanted - at[k]) / (at[k + 1] - at[k]) * (levels[k + 1] - levels[k]))
