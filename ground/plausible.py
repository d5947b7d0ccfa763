"""What of a report can be: a satellite's state, and plots that are finite, have a covariance and are in the air."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.geo.earth import SEMI_MAJOR_AXIS_M, SEMI_MINOR_AXIS_M, height_m
from lookdown.geo.rotation import to_matrix
from lookdown.ground.parameters import Parameters
from lookdown.wire.errors import WireError
from lookdown.wire.messages import SIGHT_DTYPE, Float, PlotReport, RadarReport

_REALS = [name for name in SIGHT_DTYPE.names or () if SIGHT_DTYPE[name].kind == "f"]
_X, _Y, _SIGMA_X, _SIGMA_Y, _CORRELATION = map(_REALS.index, ("x", "y", "sigma_x", "sigma_y", "correlation"))


def check_state(report: PlotReport | RadarReport, parameters: Parameters) -> None:
    """Raise WireError unless the sensor's state can be that of a satellite which looks at something.

    Parameters
    ----------
    report : PlotReport or RadarReport
        Any decoded report.
    parameters : Parameters
        Limits of the altitude.
    """
    state = report.state
    what = f"frame {report.frame_id} of sensor {report.sensor_id}"
    sigmas = np.array([state.position_sigma_m, state.pointing_sigma_rad, state.ifov_rad])
    numbers = np.concatenate([state.position_m, state.velocity_m_s, state.attitude, sigmas])
    if numbers.shape != (13,) or not np.isfinite(numbers).all():
        raise WireError("not_finite", f"{what}: state wanted 13 finite numbers, got {numbers.tolist()}")
    norm = float(np.linalg.norm(state.attitude))
    if abs(norm - 1.0) > 1e-3:
        raise WireError("attitude", f"{what}: wanted a unit quaternion, got length {norm:.6g}")
    if (sigmas[:2] < 0.0).any() or sigmas[2] <= 0.0 or sigmas[0] > 1e5 or (sigmas[1:] > 0.1).any():
        raise WireError("sigma", f"{what}: wanted small sigmas and an ifov above 0, got {sigmas.tolist()}")
    altitude_m = float(height_m(state.position_m))
    if not parameters.min_altitude_m <= altitude_m <= parameters.max_altitude_m:
        raise WireError("altitude", f"{what}: wanted a satellite's altitude, got {altitude_m / 1e3:.1f} km")


def spoilt_covariances(sights: NDArray[Any]) -> NDArray[np.bool_]:
    """Which plots (SIGHT_DTYPE) have no covariance: sigmas of 0 or less, a correlation of 1 or more, or not finite."""
    reals = _reals(sights)[:, [_SIGMA_X, _SIGMA_Y, _CORRELATION]]
    with np.errstate(invalid="ignore"):
        good = (reals[:, 0] > 0.0) & (reals[:, 1] > 0.0) & (np.abs(reals[:, 2]) < 1.0)
    return np.asarray(~good | np.isinf(reals).any(axis=1), np.bool_)


def usable_sights(report: PlotReport, max_height_m: float) -> NDArray[np.bool_]:
    """Which plots are finite and look into the air, shape (n,)."""
    return split_sights(report, max_height_m)[0]


def split_sights(report: PlotReport, max_height_m: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which plots look into the air, and which past it into space, shapes (n,); one that is not finite does neither.

    The air is the shell up to ``max_height_m``; a line of sight meets it if its point nearest to the Earth's centre,
    on axes scaled so that the shell is a unit sphere, lies inside and ahead.
    """
    reals = _reals(report.sights)
    usable = np.isfinite(reals[:, :_CORRELATION]).all(axis=1)
    tangent = reals[:, [_X, _Y]].astype(np.float64)
    usable &= (np.abs(tangent) < 10.0).all(axis=1)
    tangent[~usable] = 0.0
    turned = to_matrix(report.state.attitude)
    directions = tangent @ turned[:, :2].T + turned[:, 2]
    axes = np.array([SEMI_MAJOR_AXIS_M, SEMI_MAJOR_AXIS_M, SEMI_MINOR_AXIS_M]) + max_height_m
    start, step = report.state.position_m / axes, directions / axes
    along = -(step @ start) / np.einsum("ni,ni->n", step, step)
    nearest = start + along[:, None] * step
    meets = (along > 0.0) & (np.einsum("ni,ni->n", nearest, nearest) <= 1.0)
    return np.asarray(usable & meets, np.bool_), np.asarray(usable & ~meets, np.bool_)


def spoilt_echoes(echoes: NDArray[Any]) -> NDArray[np.bool_]:
    """Which radar plots have no covariance: sigmas of 0, or correlations that go together in no way; shape (n,)."""
    sigmas = np.stack([echoes[f"sigma_{name}"] for name in ("range_m", "range_rate_m_s", "azimuth_rad")])
    a, b, c = (
        echoes[f"correlation_{name}"].astype(np.float64) for name in ("range_rate", "range_azimuth", "rate_azimuth")
    )
    with np.errstate(invalid="ignore"):
        good = np.isfinite(sigmas).all(axis=0) & (sigmas > 0.0).all(axis=0)
        good &= np.isfinite(echoes["sigma_elevation_rad"]) & (echoes["sigma_elevation_rad"] >= 0.0)
        # Sylvester: minors of the correlation matrix.
        good &= (np.abs(a) < 1.0) & (1.0 + 2.0 * a * b * c - a * a - b * b - c * c > 1e-6)
    return np.asarray(~good, np.bool_)


def usable_echoes(echoes: NDArray[Any], position_m: Float, parameters: Parameters) -> NDArray[np.bool_]:
    """Which radar plots are finite and at a range at which there is air, shape (n,)."""
    usable = np.ones(len(echoes), np.bool_)
    for name in ("range_m", "range_rate_m_s", "azimuth_rad", "elevation_rad", "snr"):
        usable &= np.isfinite(echoes[name])
    radius_m = float(np.linalg.norm(position_m))
    top_m = SEMI_MAJOR_AXIS_M + parameters.max_height_m
    bottom_m = SEMI_MINOR_AXIS_M + parameters.min_height_m
    # Farther than over the limb to the top of the air there is nothing but space.
    farthest_m = np.sqrt(max(radius_m**2 - bottom_m**2, 0.0)) + np.sqrt(top_m**2 - bottom_m**2)
    with np.errstate(invalid="ignore"):
        usable &= (echoes["range_m"] > max(radius_m - top_m, 0.0)) & (echoes["range_m"] < farthest_m)
        usable &= np.abs(echoes["azimuth_rad"]) < np.pi / 2
    return usable


def _reals(sights: NDArray[Any]) -> NDArray[np.float32]:
    """Real numbers of plots, which stand first, as one table without a copy, shape (n, 7)."""
    words = np.ascontiguousarray(sights).view("<f4").reshape(len(sights), SIGHT_DTYPE.itemsize // 4)
    return words[:, : len(_REALS)]
