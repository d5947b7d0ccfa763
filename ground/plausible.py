"""What of a report can be: a satellite's state, and plots that are finite, have a covariance and are in the air."""

from math import hypot, isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.geo.earth import SEMI_MAJOR_AXIS_M, SEMI_MINOR_AXIS_M, height_m
from lookdown.geo.rotation import to_matrix
from lookdown.ground.measure import words_of
from lookdown.ground.parameters import Parameters
from lookdown.kernels.sift import sift_sights
from lookdown.wire.errors import WireError
from lookdown.wire.messages import Float, PlotReport, RadarReport

_AXES_M = np.array([SEMI_MAJOR_AXIS_M, SEMI_MAJOR_AXIS_M, SEMI_MINOR_AXIS_M])


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
    sigmas = [float(state.position_sigma_m), float(state.pointing_sigma_rad), float(state.ifov_rad)]
    attitude = np.asarray(state.attitude, np.float64).tolist()
    numbers = [*np.ravel(state.position_m).tolist(), *np.ravel(state.velocity_m_s).tolist(), *attitude, *sigmas]
    if len(numbers) != 13 or not all(map(isfinite, numbers)):
        raise WireError("not_finite", f"{what}: state wanted 13 finite numbers, got {numbers}")
    norm = hypot(*attitude)
    if abs(norm - 1.0) > 1e-3:
        raise WireError("attitude", f"{what}: wanted a unit quaternion, got length {norm:.6g}")
    position_m, pointing_rad, ifov_rad = sigmas
    if not 0.0 <= position_m <= 1e5 or not 0.0 <= pointing_rad <= 0.1 or not 0.0 < ifov_rad <= 0.1:
        raise WireError("sigma", f"{what}: wanted small sigmas and an ifov above 0, got {sigmas}")
    altitude_m = float(height_m(state.position_m))
    if not parameters.min_altitude_m <= altitude_m <= parameters.max_altitude_m:
        raise WireError("altitude", f"{what}: wanted a satellite's altitude, got {altitude_m / 1e3:.1f} km")


def judge_sights(report: PlotReport, max_height_m: float) -> NDArray[np.uint8]:
    """Which plots of a focal plane can be used, and what is wrong with the others.

    Parameters
    ----------
    report : PlotReport
        A report whose state has been checked.
    max_height_m : float
        Height up to which there is air [m].

    Returns
    -------
    ndarray of uint8, shape (n,)
        Verdicts of `kernels.sift`: ``IN_AIR`` for those that can be used.
    """
    axes_m = _AXES_M + max_height_m
    verdict = np.empty(len(report.sights), np.uint8)
    turned = to_matrix(report.state.attitude)
    sift_sights(words_of(report.sights), turned, report.state.position_m / axes_m, axes_m, verdict)
    return verdict


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
