r"""Extended Kalman filter over many tracks at once, with a common pointing error per sensor that is considered.

Motion: a mover keeps its speed, its climb and its great circle over the turning Earth,

.. math:: \dot p = v, \quad \dot v = \omega \times v + w, \quad \omega = p \times v / |p|^2,

with white acceleration ``w`` of spectral density ``q``. In a straight line a glider at 6 km/s would leave its level
by 5.6 m/s^2, which process noise would have to swallow; flight in the air follows the Earth by lift. The covariance
moves with the Jacobian of straight motion: the turn ``|omega| dt`` is below 1e-3 rad per second.

Measurement: ``z = h(x) + s b + n``, where ``b`` (two axes, unit variance, first-order Gauss-Markov with time constant
``tau``) is the sensor's common error in units of its sigma ``s`` and ``n`` the centroid's noise. As in the filter of
Schmidt (1966), ``b`` is not estimated, but the covariance between it and each track is carried, so that a hundred plots
of a satellite do not seem to average its pointing error away::

    S = H P H' + s H C + s C' H' + s^2 I + R        K = (P H' + s C) S^-1
    P <- P - K S K'                                 C_j <- C_j - K (H C_j + [j = sensor] s I)

``C_j`` is the 6 x 2 covariance between the state and the error of sensor ``j``.
"""

import numpy as np

from lookdown.ground.measure import PredictedSights
from lookdown.kernels.advance import advance
from lookdown.kernels.correct import correct
from lookdown.kernels.foresee import spread_about
from lookdown.wire.messages import Float

_ALL = np.eye(2)  # nothing of a common error is known


def move(state: Float, dt_s: float) -> Float:
    """Move states along their great circles.

    Parameters
    ----------
    state : ndarray of float64, shape (n, 6)
        Position [m] and velocity [m/s], ECEF.
    dt_s : float
        How far ahead [s].

    Returns
    -------
    ndarray of float64, shape (n, 6)
        States after ``dt_s``; second order in ``omega dt``.
    """
    moved = np.array(state, np.float64)
    advance(dt_s, 0.0, 1.0, True, moved, np.zeros((len(moved), 6, 6)), np.zeros((len(moved), 6, 0)))
    return moved


def process_noise(dt_s: float, density_m2_s3: float) -> Float:
    """Covariance of white acceleration over ``dt_s``, shape (6, 6) (Bar-Shalom, Li, Kirubarajan 2001, eq. 6.2.2-12)."""
    third, half = dt_s**3 / 3.0, dt_s**2 / 2.0
    return np.asarray(np.kron(np.array([[third, half], [half, dt_s]]) * density_m2_s3, np.eye(3)), np.float64)


def predict(
    state: Float, covariance: Float, cross: Float, dt_s: float, density_m2_s3: float, correlation_s: float
) -> tuple[Float, Float, Float]:
    """Predict tracks ``dt_s`` ahead.

    Parameters
    ----------
    state : ndarray of float64, shape (n, 6)
        Position [m] and velocity [m/s].
    covariance : ndarray of float64, shape (n, 6, 6)
        Covariance of ``state``.
    cross : ndarray of float64, shape (n, 6, 2 m)
        Covariance of ``state`` with the common errors of m sensors, in units of their sigma.
    dt_s : float
        How far ahead, 0 or more [s].
    density_m2_s3 : float
        Spectral density of the acceleration, each axis [m^2/s^3].
    correlation_s : float
        Time constant of the common errors [s].

    Returns
    -------
    state, covariance, cross
        After ``dt_s``, same shapes.
    """
    state, covariance, cross = (np.array(part, np.float64) for part in (state, covariance, cross))
    advance(dt_s, density_m2_s3, float(np.exp(-dt_s / correlation_s)), True, state, covariance, cross)
    return state, covariance, cross


def innovation_covariance(
    covariance: Float,
    cross: Float,
    predicted: PredictedSights,
    sensor: int,
    common_sigma: Float,
    common: Float | None = None,
) -> Float:
    """Covariance of predicted tangents about measured ones, without the centroid's noise, shape (n, 2, 2).

    Parameters
    ----------
    covariance, cross : ndarray of float64, shapes (n, 6, 6) and (n, 6, 2 m)
        Of the tracks.
    predicted : PredictedSights
        Predicted measurements of the same tracks.
    sensor : int
        Index of the sensor among the m.
    common_sigma : ndarray of float64, shape (n,)
        One sigma of the sensor's common error [rad].
    common : ndarray of float64, shape (2, 2), optional
        What is left of that error, in units of its sigma; the unit matrix if not given.
    """
    spread = np.empty((len(covariance), 2, 2))
    left = _ALL if common is None else np.ascontiguousarray(common)
    spread_about(predicted.jacobian, covariance, cross, 2 * sensor, common_sigma, left, spread)
    return spread


def update(
    state: Float,
    covariance: Float,
    cross: Float,
    predicted: PredictedSights,
    sensor: int,
    common_sigma: Float,
    innovation: Float,
    spread: Float,
) -> tuple[Float, Float, Float]:
    """Update each track with its own plot.

    Parameters
    ----------
    state, covariance, cross : ndarray of float64
        As in `predict`.
    predicted : PredictedSights
        Predicted measurements of these tracks.
    sensor : int
        Index of the sensor among the m.
    common_sigma : ndarray of float64, shape (n,)
        One sigma of the sensor's common error [rad].
    innovation : ndarray of float64, shape (n, 2)
        Measured less predicted tangents [1].
    spread : ndarray of float64, shape (n, 2, 2)
        Covariance of ``innovation``, the centroid's noise included.

    Returns
    -------
    state, covariance, cross
        After the update, same shapes.
    """
    state, covariance, cross = (np.array(part, np.float64) for part in (state, covariance, cross))
    everyone = np.arange(len(state))
    correct(everyone, predicted.jacobian, 2 * sensor, common_sigma, False, innovation, spread, state, covariance, cross)
    return state, covariance, cross
