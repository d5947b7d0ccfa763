"""The point-spread function as the chain filters with it, and what replicated edges do to filtered noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Taps = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class PointSpread:
    """A Gaussian point-spread function and what its matched filter does to noise.

    Attributes
    ----------
    sigma_px : float
        One sigma, optics and detector together [px].
    taps : ndarray of float32, shape (n,)
        Filter along one axis, as `psf_taps` gives it.
    edge : ndarray of float32, shape (n // 2,)
        Sigma of filtered noise at the border, as `edge_factors` gives it.
    white_gain : float
        Variance of white noise over that after the filter [1].
    """

    sigma_px: float
    taps: Taps
    edge: Taps
    white_gain: float


def point_spread(sigma_px: float) -> PointSpread:
    """Return the point-spread function of that sigma.

    Examples
    --------
    >>> round(point_spread(0.9).white_gain, 2)
    10.16
    """
    taps = psf_taps(sigma_px)
    gain = float(1.0 / np.sum(taps.astype(np.float64) ** 2) ** 2)
    return PointSpread(sigma_px, taps, edge_factors(taps), gain)


def psf_taps(sigma_px: float) -> Taps:
    """Taps of a Gaussian point-spread function along one axis, summing to 1, to three sigmas.

    Examples
    --------
    >>> psf_taps(0.9).size
    7
    """
    half = max(1, int(np.ceil(3.0 * sigma_px)))
    taps = np.exp(-0.5 * (np.arange(-half, half + 1) / sigma_px) ** 2)
    return np.asarray(taps / taps.sum(), np.float32)


def edge_factors(taps: Taps) -> Taps:
    """Sigma of white noise after the filter, from the border inwards, over its value inside.

    Replicated edges count the border pixel more than once, so filtered noise is stronger there.
    """
    half = taps.size // 2
    weights = [np.append(taps[: half - k + 1].sum(), taps[half - k + 1 :]) for k in range(half)]
    return np.asarray([np.sqrt((w**2).sum() / (taps**2).sum()) for w in weights], np.float32)
