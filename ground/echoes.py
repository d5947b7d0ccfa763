"""What a radar measures of a target: azimuth, range, range rate, and elevation where the antenna has one.

The echo that a radar receives at ``t`` left the target at ``t - R / c``, and the Earth has turned since: with
``tau = R / c`` it came from ``q = z - tau Omega x z``, ``z = p - tau v``. In sensor axes ``s = A' (q - o)``, along the
array +x, boresight +z::

    a = asin(s_x / R)    R = |s|    dR/dt = u . (v - v_o)    e = atan2(s_y, s_z)

The errors of a plot are those of its fit, which go together, and those of the radar's pointing and place, which all
plots of a report share: they shift azimuths and ranges alike (`EchoLook.shared`).

A plot without elevation lies on a circle: the cut of its range with its cone of azimuth. Where a surface of known
height cuts the circle it becomes a place (`places_of`), with ``P = J^-1 N J^-T`` from the slopes ``J`` of azimuth,
range and height (or elevation).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lookdown.geo.earth import ROTATION_RATE_RAD_S, SPEED_OF_LIGHT_M_S, ecef_to_geodetic, upward
from lookdown.geo.rotation import to_matrix
from lookdown.ground.measure import hidden_by_earth
from lookdown.wire.messages import Float, RadarReport

Bool = NDArray[np.bool_]

AZIMUTH, RANGE, RATE, ELEVATION = range(4)
"""Order of the numbers of a plot."""

UNUSED = 1e12
"""Variance of a number that a plot does not have: it weighs nothing."""

_NEWTON_STEPS = 8
_LEAST_VOLUME = 1e-3  # of the slopes' directions: below, a place is not told
_FARTHEST_RAD = 0.6  # off the boresight in elevation, for a place on the ground


@dataclass(frozen=True, slots=True, eq=False)
class EchoLook:
    """A radar report made ready for arithmetic.

    Attributes
    ----------
    report : RadarReport
        The report.
    axes : ndarray of float64, shape (3, 3)
        Sensor axes in ECEF, as columns.
    origin_m, velocity_m_s : ndarray of float64, shape (3,)
        Sensor, ECEF [m], [m/s].
    measured : ndarray of float64, shape (k, 4)
        Azimuth [rad], range [m], range rate [m/s], elevation [rad].
    noise : ndarray of float64, shape (k, 4, 4)
        Their covariance; `UNUSED` where there is no elevation.
    shared : ndarray of float64, shape (2,)
        One sigma of the shared errors of azimuth [rad] and range [m].
    """

    report: RadarReport
    axes: Float
    origin_m: Float
    velocity_m_s: Float
    measured: Float
    noise: Float
    shared: Float

    @classmethod
    def of(cls, report: RadarReport) -> "EchoLook":
        """Make a report ready."""
        echoes, state = report.echoes, report.state
        names = "azimuth_rad", "range_m", "range_rate_m_s", "elevation_rad"
        measured = np.stack([echoes[name] for name in names], axis=1).astype(np.float64)
        sigma = np.stack([echoes[f"sigma_{name}"] for name in names], axis=1).astype(np.float64)
        noise = sigma[:, :, None] * sigma[:, None, :] * np.eye(4)
        for a, b, name in ((0, 1, "range_azimuth"), (0, 2, "rate_azimuth"), (1, 2, "range_rate")):
            noise[:, a, b] = noise[:, b, a] = echoes[f"correlation_{name}"] * sigma[:, a] * sigma[:, b]
        noise[sigma[:, ELEVATION] <= 0.0, ELEVATION, ELEVATION] = UNUSED
        # Elevation has the pointing's error too, as noise of its own.
        noise[:, ELEVATION, ELEVATION] += state.pointing_sigma_rad**2
        middle_m = report.first_range_m + 0.5 * report.range_span_m
        shared = np.array([np.hypot(state.pointing_sigma_rad, state.position_sigma_m / max(middle_m, 1.0)), 0.0])
        shared[1] = state.position_sigma_m
        origin, velocity = (np.asarray(v, np.float64) for v in (state.position_m, state.velocity_m_s))
        return cls(report, to_matrix(state.attitude), origin, velocity, measured, noise, shared)

    def rates_against_ground(self) -> Float:
        """Range rates less those of standing points in the plots' directions, folded, shape (k,) [m/s]."""
        azimuth, elevation = self.measured[:, AZIMUTH], self.measured[:, ELEVATION]
        along = directions(azimuth, elevation) @ (self.axes.T @ self.velocity_m_s)
        return folded(self.measured[:, RATE] + along, self.report.rate_fold_m_s)


def folded(value: Float, fold: float) -> Float:
    """Bring values to within half a fold of 0; as they are if there is no fold."""
    return np.asarray((value + 0.5 * fold) % fold - 0.5 * fold if fold else value, np.float64)


def directions(azimuth_rad: Float, elevation_rad: Float) -> Float:
    """Return unit lines of sight in sensor axes, shape (..., 3)."""
    flat = np.cos(azimuth_rad)
    return np.stack([np.sin(azimuth_rad), flat * np.sin(elevation_rad), flat * np.cos(elevation_rad)], axis=-1)


@dataclass(frozen=True, slots=True, eq=False)
class PredictedEchoes:
    """Predicted measurements of n targets.

    Attributes
    ----------
    measured : ndarray of float64, shape (n, 4)
        As in `EchoLook`.
    jacobian : ndarray of float64, shape (n, 4, 6)
        Derivative by position and velocity.
    visible : ndarray of bool, shape (n,)
        In front of the antenna and not behind the Earth.
    against_ground_m_s : ndarray of float64, shape (n,)
        Range rate by the target's own motion over the ground.
    """

    measured: Float
    jacobian: Float
    visible: Bool
    against_ground_m_s: Float


def predict_echoes(state: Float, look: EchoLook) -> PredictedEchoes:
    """Predict what a radar measures of targets.

    Parameters
    ----------
    state : ndarray of float64, shape (n, 6)
        Position [m] and velocity [m/s] at the time of the report, ECEF.
    look : EchoLook
        Where the radar is.

    Returns
    -------
    PredictedEchoes
        Measurements with slopes.
    """
    position, velocity = state[:, :3], state[:, 3:]
    tau = np.linalg.norm(position - look.origin_m, axis=1) / SPEED_OF_LIGHT_M_S
    place = position - tau[:, None] * velocity
    turn = ROTATION_RATE_RAD_S * tau
    back = place - turn[:, None] * np.stack([-place[:, 1], place[:, 0], np.zeros(len(place))], axis=1)
    away = back - look.origin_m
    distance = np.maximum(np.linalg.norm(away, axis=1), 1.0)
    unit = away / distance[:, None]
    local = unit @ look.axes
    sine = np.clip(local[:, 0], -1.0, 1.0)
    cosine = np.sqrt(np.maximum(1.0 - sine * sine, 1e-12))
    relative = velocity - look.velocity_m_s
    rate = np.einsum("ni,ni->n", unit, relative)
    measured = np.stack([np.arcsin(sine), distance, rate, np.arctan2(local[:, 1], local[:, 2])], axis=1)
    slopes = np.empty((len(state), 4, 3))
    slopes[:, AZIMUTH] = (look.axes[:, 0] - sine[:, None] * unit) / (distance * cosine)[:, None]
    slopes[:, RANGE] = unit
    slopes[:, RATE] = (relative - rate[:, None] * unit) / distance[:, None]
    across = local[:, 2, None] * look.axes[:, 1] - local[:, 1, None] * look.axes[:, 2]
    slopes[:, ELEVATION] = across / (distance * cosine**2)[:, None]
    jacobian = np.concatenate([slopes, -tau[:, None, None] * slopes], axis=2)
    jacobian[:, RATE, 3:] += unit
    visible = (local[:, 2] > 0.0) & ~hidden_by_earth(look.origin_m, away)
    return PredictedEchoes(measured, jacobian, visible, np.einsum("ni,ni->n", unit, velocity))


def innovations(look: EchoLook, plots: NDArray[np.int64], predicted: Float) -> Float:
    """Measured less predicted numbers of pairs, rates folded, shape (c, 4)."""
    away = look.measured[plots] - predicted
    away[:, RATE] = folded(away[:, RATE], look.report.rate_fold_m_s)
    away[look.noise[plots, ELEVATION, ELEVATION] >= UNUSED, ELEVATION] = 0.0
    return away


def in_sector(look: EchoLook, predicted: PredictedEchoes) -> Bool:
    """Which targets the radar looked at: within its sector, its ranges and before the Earth, shape (n,)."""
    report, measured = look.report, predicted.measured
    inside = (measured[:, AZIMUTH] > report.azimuth_low_rad) & (measured[:, AZIMUTH] < report.azimuth_high_rad)
    inside &= (measured[:, RANGE] > report.first_range_m) & (
        measured[:, RANGE] < report.first_range_m + report.range_span_m
    )
    return np.asarray(inside & predicted.visible, np.bool_)


def places_of(
    look: EchoLook, plots: NDArray[np.int64], height_m: Float, sigma_m: float, rise: Float | None = None
) -> tuple[Float, Float, Float]:
    """Places of plots: by their elevation, else where their circles pass a height.

    Parameters
    ----------
    look : EchoLook
        The report.
    plots : ndarray of int64, shape (c,)
        Which plots.
    height_m : ndarray of float64, shape (c,)
        Height over the ellipsoid, for plots without elevation [m].
    sigma_m : float
        One sigma of that height [m].
    rise : ndarray of float64, shape (c, 3), optional
        Derivative by the place of the height over ground that slopes; straight up by default [1].

    Returns
    -------
    position_m, covariance : ndarray of float64, shapes (c, 3) and (c, 3, 3)
        Where the echoes left, ECEF, and its covariance, shared errors included; nan where a circle does not pass it.
    shift : ndarray of float64, shape (c, 3, 2)
        Covariance of truth less estimate with the shared errors, in units of their sigmas.
    """
    measured, noise = look.measured[plots], look.noise[plots].copy()
    without = noise[:, ELEVATION, ELEVATION] >= UNUSED
    elevation = np.where(without, 0.0, measured[:, ELEVATION])
    for _ in range(_NEWTON_STEPS):
        place, down = _place(look, measured, elevation)
        off = ecef_to_geodetic(place)[2] - height_m
        slope = np.einsum("ni,ni->n", down, upward(place))
        step = off / np.where(np.abs(slope) > 1.0, slope, np.nan)
        elevation = np.where(without, elevation - np.clip(step, -0.1, 0.1), elevation)
    place, _ = _place(look, measured, elevation)
    lost = without & ~((np.abs(elevation) < _FARTHEST_RAD) & (np.abs(ecef_to_geodetic(place)[2] - height_m) < 1.0))
    state = np.concatenate([place, np.zeros_like(place)], axis=1)
    with np.errstate(invalid="ignore"):
        slopes = predict_echoes(state, look).jacobian[:, [AZIMUTH, RANGE, ELEVATION], :3].copy()
    slopes[without, 2] = (upward(place) if rise is None else rise)[without]
    errors = noise[:, [AZIMUTH, RANGE, ELEVATION]][:, :, [AZIMUTH, RANGE, ELEVATION]]
    errors[without, 2, 2] = sigma_m**2
    errors[:, [0, 1], [0, 1]] += look.shared**2
    rows = np.nan_to_num(slopes) / np.maximum(np.linalg.norm(np.nan_to_num(slopes), axis=2, keepdims=True), 1e-30)
    lost |= ~(np.isfinite(slopes).all(axis=(1, 2)) & (np.abs(np.linalg.det(rows)) > _LEAST_VOLUME))
    inverse = np.linalg.inv(np.where(lost[:, None, None], np.eye(3), slopes))
    covariance = inverse @ errors @ inverse.transpose(0, 2, 1)
    # A circle bends away from its tangent: t along it is t^2 / 2 R off, of mean square 3 sigma^4 / 4 R^2.
    bend = 0.75 * (np.trace(covariance, axis1=1, axis2=2) / np.maximum(measured[:, RANGE], 1.0)) ** 2
    along = np.nan_to_num(slopes[:, 1])
    covariance += bend[:, None, None] * along[:, :, None] * along[:, None, :]
    place[lost], covariance[lost] = np.nan, np.nan
    return place, covariance, -inverse[:, :, :2] * look.shared


def _place(look: EchoLook, measured: Float, elevation: Float) -> tuple[Float, Float]:
    """Places at given elevations, with the Earth's turn, and their derivative by elevation."""
    azimuth, distance = measured[:, AZIMUTH], measured[:, RANGE]
    place = look.origin_m + distance[:, None] * (directions(azimuth, elevation) @ look.axes.T)
    turn = (ROTATION_RATE_RAD_S / SPEED_OF_LIGHT_M_S * distance)[:, None]
    place = place + turn * np.stack([-place[:, 1], place[:, 0], np.zeros(len(place))], axis=1)
    flat = np.stack([np.zeros(len(place)), np.cos(elevation), -np.sin(elevation)], axis=1)
    return place, (distance * np.cos(azimuth))[:, None] * (flat @ look.axes.T)
