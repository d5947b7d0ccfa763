"""The point-spread function as the chain filters with it, and what replicated edges do to filtered noise."""

import numpy as np
from numpy.typing import NDArray

Taps = NDArray[np.float32]


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
