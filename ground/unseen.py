r"""What it tells that a radar did not see a mover: it is slow, or was missed.

A mover of speed v along the line of sight is seen with a chance that falls to nothing about the least speed c of the
radar; so its absence from a report that looked at it weighs its speeds by the chance of that,

.. math:: 1 - P_D(v), \quad P_D(v) = P (\Phi((v - c) / s) + \Phi((-v - c) / s)),

as information of its own (Koch and Klemm 2001, IEE Proc. Radar 148; Koch 2004, "negative" information). The moments of
a Gaussian so weighed are closed forms; place and the other speeds follow by their covariance with v. Report after
report they would shrink to a speed of 0: a Gaussian has tails beyond c each time, the truth has not. So no variance
falls below that of "slower than c", ``c^2 / 3``, by it: one that crawls is as possible as one that stands.
"""

import numpy as np
from scipy.special import ndtr

from lookdown.wire.messages import Float

SOFTNESS = 0.2
"""s over c: how gently the chance to be seen falls off."""


def slowed(mean: Float, variance: Float, least: float, detection: float) -> tuple[Float, Float]:
    """Mean and variance of speeds along the line of sight, given that they were not seen.

    Parameters
    ----------
    mean, variance : ndarray of float64, shape (n,)
        As known before [m/s], [m^2/s^2].
    least : float
        Least speed at which the radar sees [m/s].
    detection : float
        Its chance to see a fast one, below 1.

    Returns
    -------
    mean, variance : ndarray of float64, shape (n,)
        As known after.

    Examples
    --------
    >>> mean, variance = slowed(np.array([12.0]), np.array([9.0]), 10.0, 0.9)
    >>> bool(10.0 < mean[0] < 11.0)
    True
    """
    total = np.sqrt(variance + (SOFTNESS * least) ** 2)
    share, first, second = np.ones_like(mean), np.zeros_like(mean), variance.copy()
    for sign in (1.0, -1.0):
        z = (sign * mean - least) / total
        chance = detection * ndtr(z)
        density = detection * np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
        share = share - chance
        first = first - sign * variance / total * density
        second = second - (variance * chance - (variance / total) ** 2 * z * density)
    shift = first / share
    after = np.maximum(second / share - shift**2, np.minimum(variance, least**2 / 3.0))
    return np.asarray(mean + shift, np.float64), np.asarray(after, np.float64)
