"""Where a sensor should see a target: tangent coordinates, their Jacobian, and the noise of a line of sight.

The light that a sensor gathers at ``t`` left the target at ``t - R / c``, when it was at ``p - v R / c``. In sensor
axes ``s = A' (p - v R / c - o)`` the tangents are ``x = s0 / s2`` and ``y = s1 / s2``, so with ``tau = R / c``::

    dh/dp = 1 / s2 [1 0 -x; 0 1 -y] A'        dh/dv = -tau dh/dp

(the dependence of ``tau`` on the state is of order ``v / c`` and left out). The error of a plot is the sum of two: the
centroid's, independent from plot to plot, and the pointing's (with the satellite's position over the range), which is
common to the plots of a frame and changes slowly. They are kept apart, because only the first averages out.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.geo.earth import SEMI_MAJOR_AXIS_M, SEMI_MINOR_AXIS_M, SPEED_OF_LIGHT_M_S
from lookdown.geo.rotation import to_matrix
from lookdown.kernels.foresee import foresee
from lookdown.wire.messages import SIGHT_DTYPE, Float, PlotReport, SensorState

# Shrunk by 20 km so that a target low over the limb, on a surface that is not the ellipsoid, stays visible.
_HIDES_M = np.array([SEMI_MAJOR_AXIS_M, SEMI_MAJOR_AXIS_M, SEMI_MINOR_AXIS_M]) - 20e3


@dataclass(frozen=True, eq=False)
class Look:
    """A report made ready for arithmetic: every later step needs some of these.

    Attributes
    ----------
    report : PlotReport
        The report.
    axes : ndarray of float64, shape (3, 3)
        Sensor axes in ECEF, as columns.
    origin_m : ndarray of float64, shape (3,)
        Sensor position, ECEF [m].
    tangent : ndarray of float64, shape (k, 2)
        Measured (x, y) of the plots [1].
    variance : ndarray of float64, shape (k, 2)
        Variance of (x, y) from the centroid alone, never below the floor [1].
    """

    report: PlotReport
    axes: Float
    origin_m: Float
    tangent: Float
    variance: Float

    @classmethod
    def of(cls, report: PlotReport, centroid_floor_px: float) -> "Look":
        """Make a report ready; no centroid is believed better than the floor [px]."""
        sights, state = report.sights, report.state
        axes = to_matrix(state.attitude)
        numbers = words_of(sights)[:, :4].astype(np.float64)
        tangent = numbers[:, :2].copy()
        variance = np.maximum(numbers[:, 2:], centroid_floor_px * state.ifov_rad) ** 2
        return cls(report, axes, np.asarray(state.position_m, np.float64), tangent, variance)

    @cached_property
    def direction(self) -> Float:
        """Unit lines of sight of the plots, ECEF, shape (k, 3); reckoned where they are asked for."""
        direction = self.tangent @ self.axes[:, :2].T + self.axes[:, 2]
        direction /= np.sqrt(np.einsum("ni,ni->n", direction, direction))[:, None]
        return direction

    @cached_property
    def noise(self) -> Float:
        """Covariance of (x, y) of the plots from the centroid alone, shape (k, 2, 2)."""
        return np.asarray(self.variance[:, :, None] * _NO_CORRELATION, np.float64)


_NO_CORRELATION = np.eye(2)


def words_of(sights: NDArray[Any]) -> NDArray[np.float32]:
    """Return plots (SIGHT_DTYPE) as rows of eight words, without a copy: x, y, their sigmas and so on; shape (n, 8)."""
    return np.ascontiguousarray(sights).view("<f4").reshape(len(sights), SIGHT_DTYPE.itemsize // 4)


@dataclass(frozen=True, slots=True, eq=False)
class PredictedSights:
    """Predicted measurements of n targets by one sensor.

    Attributes
    ----------
    tangent : ndarray of float64, shape (n, 2)
        Predicted (x, y) [1].
    jacobian : ndarray of float64, shape (n, 2, 6)
        Derivative of ``tangent`` by (position, velocity) [1/m, s/m].
    range_m : ndarray of float64, shape (n,)
        Distance from the sensor [m].
    visible : ndarray of bool, shape (n,)
        In front of the sensor and not behind the Earth.
    """

    tangent: Float
    jacobian: Float
    range_m: Float
    visible: NDArray[np.bool_]


def predict_sights(state: Float, look: Look) -> PredictedSights:
    """Predict what a sensor measures of targets.

    Parameters
    ----------
    state : ndarray of float64, shape (n, 6)
        Position [m] and velocity [m/s] at the time of the report, ECEF.
    look : Look
        Where the sensor is and where it looks.

    Returns
    -------
    PredictedSights
        Tangents, Jacobian, range and visibility of each target.
    """
    n = len(state)
    tangent, jacobian, range_m = np.empty((n, 2)), np.empty((n, 2, 6)), np.empty(n)
    visible = np.empty(n, np.bool_)
    foresee(
        np.ascontiguousarray(state, np.float64),
        look.origin_m,
        look.axes,
        _HIDES_M,
        SPEED_OF_LIGHT_M_S,
        tangent,
        jacobian,
        range_m,
        visible.view(np.uint8),
    )
    return PredictedSights(tangent, jacobian, range_m, visible)


def hidden_by_earth(sensor_position_m: Float, offset_m: Float) -> NDArray[np.bool_]:
    """Whether the Earth stands between a sensor and the ends of ``offset_m``, shape (n, 3), from it; shape (n,)."""
    start, step = sensor_position_m / _HIDES_M, offset_m / _HIDES_M
    length = np.maximum(np.einsum("ni,ni->n", step, step), 1e-30)
    along = np.clip(-(step @ start) / length, 0.0, 1.0)
    nearest = start + along[:, None] * step
    return np.asarray(np.einsum("ni,ni->n", nearest, nearest) < 1.0, np.bool_)


def common_sigma(sensor: SensorState, range_m: Float) -> Float:
    """One sigma of the error common to a frame: pointing, and the satellite's position over the range [rad]."""
    return np.asarray(np.hypot(sensor.pointing_sigma_rad, sensor.position_sigma_m / range_m), np.float64)
