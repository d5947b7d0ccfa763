"""Taylor weights against side lobes, over pulses and over the band of the pulse.

With A = acosh(10^(side lobes / 20)) / pi and nbar side lobes of about that height beside the main lobe (Taylor 1955,
IRE Trans. AP 3), the weight at x in (-1/2, 1/2) is ``1 + 2 sum_m F_m cos(2 pi m x)``.
"""

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]


def coefficients(side_lobes_db: float) -> Real:
    """Return F_1 to F_(nbar - 1), with the fewest for which side lobes do not rise outward."""
    a2 = (np.arccosh(10 ** (side_lobes_db / 20)) / np.pi) ** 2
    nbar = int(np.ceil(2 * a2 + 0.5))
    stretch = nbar**2 / (a2 + (nbar - 0.5) ** 2)
    orders = np.arange(1, nbar)
    above = np.prod(1 - np.divide.outer(orders**2, stretch * (a2 + (orders - 0.5) ** 2)), axis=1)
    below = [np.prod(1 - m**2 / orders[orders != m] ** 2) for m in orders]
    return np.asarray(above / (-2.0 * (-1.0) ** orders * below), np.float64)


def taylor(x: Real, side_lobes_db: float) -> Real:
    """Return the Taylor weight at places across the aperture, 1 in its middle; 0 dB is no weight.

    Parameters
    ----------
    x : ndarray of float64
        Place in units of the aperture's length; beyond +-1/2 that of the edge holds [1].
    side_lobes_db : float
        Height of the largest side lobe below the main lobe [dB].
    """
    if side_lobes_db == 0:
        return np.ones_like(x)
    parts = coefficients(side_lobes_db)
    waves = np.cos(2 * np.pi * np.multiply.outer(np.clip(x, -0.5, 0.5), np.arange(1, parts.size + 1)))
    return np.asarray((1 + 2 * waves @ parts) / (1 + 2 * parts.sum()), np.float64)


def pulse_weights(n: int, side_lobes_db: float) -> Real:
    """Return Taylor weights of n pulses, of unit energy: white noise keeps its power through the transform."""
    weights = taylor((np.arange(n) - (n - 1) / 2) / n, side_lobes_db)
    return np.asarray(weights / np.sqrt((weights**2).sum()), np.float64)
