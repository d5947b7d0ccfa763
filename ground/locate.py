"""Where pairs of lines of sight of two satellites cross: positions with covariance, from which tracks start.

Two lines ``o_a + s u_a`` and ``o_b + t u_b`` are nearest to each other at ranges ``s`` and ``t``; the miss between
them, over its sigma, must pass a chi-square gate of one degree of freedom. The frames of two satellites are not
simultaneous and light takes unequal times, so a mover of unknown speed adds to the miss what it covers in between. What
passes is solved as one least-squares problem for position and velocity, with a broad prior on the velocity
(Gauss-Newton from the crossing point)::

    P = (sum_j H_j' R_j^-1 H_j + diag(0, 1 / sigma_v^2))^-1        C_j = -P H_j' R_j^-1 s_j

where ``R_j`` holds the centroid's and the common variance and ``C_j`` is the covariance with the common error of ``j``.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from lookdown.geo.earth import SPEED_OF_LIGHT_M_S, height_m
from lookdown.ground.measure import Look, common_sigma, hidden_by_earth, predict_sights
from lookdown.ground.parameters import Parameters
from lookdown.wire.messages import Float

_MIN_CROSSING = np.sin(np.radians(2.0)) ** 2  # lines closer to parallel place a target nowhere
_PAIRS_PER_PLOT = 2  # a plot may cross several lines; the best two may each start a track


@dataclass(frozen=True, slots=True, eq=False)
class Crossings:
    """Positions where lines of sight cross, best first.

    Attributes
    ----------
    plot_a, plot_b : ndarray of int64, shape (k,)
        Indices of the plots in the two reports.
    state : ndarray of float64, shape (k, 6)
        Position [m] and velocity [m/s] at the time of report a, ECEF.
    covariance : ndarray of float64, shape (k, 6, 6)
        Covariance of ``state``.
    cross_a, cross_b : ndarray of float64, shape (k, 6, 2)
        Covariance of ``state`` with the common error of either sensor, in units of its sigma.
    miss : ndarray of float64, shape (k,)
        Squared miss over its variance [1].
    """

    plot_a: NDArray[np.int64]
    plot_b: NDArray[np.int64]
    state: Float
    covariance: Float
    cross_a: Float
    cross_b: Float
    miss: Float


def locate(
    look_a: Look,
    look_b: Look,
    parameters: Parameters,
    plots_a: NDArray[np.int64] | None = None,
    plots_b: NDArray[np.int64] | None = None,
) -> Crossings:
    """Cross the lines of sight of two reports of different satellites.

    Parameters
    ----------
    look_a, look_b : Look
        Reports; positions hold at the time of the first.
    parameters : Parameters
        Gate, heights, speeds.
    plots_a, plots_b : ndarray of int64, optional
        Plots to use, all if not given.

    Returns
    -------
    Crossings
        Pairs that cross in the air, in view of both; at most two a plot.
    """
    use_a = np.arange(len(look_a.tangent)) if plots_a is None else plots_a
    use_b = np.arange(len(look_b.tangent)) if plots_b is None else plots_b
    pair_a, pair_b, middle, miss = _crossing_lines(look_a, look_b, use_a, use_b, parameters)
    if not len(miss):
        none = np.empty((0, 6, 2))
        return Crossings(pair_a, pair_b, np.empty((0, 6)), np.empty((0, 6, 6)), none, none, miss)
    height = height_m(middle)
    inside = (height > parameters.min_height_m) & (height < parameters.max_height_m)
    inside &= ~hidden_by_earth(look_a.origin_m, middle - look_a.origin_m)
    inside &= ~hidden_by_earth(look_b.origin_m, middle - look_b.origin_m)
    order = np.flatnonzero(inside)
    order = order[np.argsort(miss[order], kind="stable")]
    order = order[_first_uses(pair_a[order]) & _first_uses(pair_b[order])]
    pair_a, pair_b = pair_a[order], pair_b[order]
    state, covariance, cross_a, cross_b = _solve(look_a, look_b, pair_a, pair_b, middle[order], parameters)
    return Crossings(pair_a, pair_b, state, covariance, cross_a, cross_b, miss[order])


def _crossing_lines(
    look_a: Look,
    look_b: Look,
    use_a: NDArray[np.int64],
    use_b: NDArray[np.int64],
    parameters: Parameters,
) -> tuple[NDArray[np.int64], NDArray[np.int64], Float, Float]:
    """Plot pairs whose lines pass the gate on their miss; the point between them and the squared miss over variance."""
    along_a, along_b = look_a.direction[use_a], look_b.direction[use_b]
    base = look_a.origin_m - look_b.origin_m
    cosine = along_a @ along_b.T
    base_a, base_b = (along_a @ base)[:, None], (along_b @ base)[None, :]
    sine2 = np.maximum(1.0 - cosine * cosine, 1e-12)
    range_a = (cosine * base_b - base_a) / sine2
    range_b = (base_b - cosine * base_a) / sine2
    # The miss is the base's part along u_a x u_b, and (u_a x u_b) . base = u_a' B u_b with the cross matrix of base.
    x, y, z = base
    miss_m = along_a @ np.array([[0.0, z, -y], [-z, 0.0, x], [y, -x, 0.0]]) @ along_b.T / np.sqrt(sine2)
    variance = _across_variance(look_a, use_a)[:, None] * range_a**2
    variance = variance + _across_variance(look_b, use_b)[None, :] * range_b**2
    variance += look_a.report.state.position_sigma_m**2 + look_b.report.state.position_sigma_m**2
    apart_s = (look_a.report.time_ns - look_b.report.time_ns) * 1e-9 - (range_a - range_b) / SPEED_OF_LIGHT_M_S
    variance += (parameters.initial_speed_sigma_m_s * apart_s) ** 2
    miss = miss_m**2 / np.maximum(variance, 1e-12)
    passed = (miss < chdtri(1, 1.0 - parameters.gate_probability)) & (range_a > 0.0) & (range_b > 0.0)
    row, col = np.nonzero(passed & (sine2 > _MIN_CROSSING))
    on_a = look_a.origin_m + range_a[row, col, None] * along_a[row]
    on_b = look_b.origin_m + range_b[row, col, None] * along_b[col]
    return use_a[row].astype(np.int64), use_b[col].astype(np.int64), 0.5 * (on_a + on_b), miss[row, col]


def _across_variance(look: Look, use: NDArray[np.int64]) -> Float:
    centroid = look.variance[use].max(axis=1, initial=0.0)
    return np.asarray(centroid + look.report.state.pointing_sigma_rad**2, np.float64)


def _first_uses(plot: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which entries are among the first `_PAIRS_PER_PLOT` of their plot."""
    order = np.argsort(plot, kind="stable")
    start = np.searchsorted(plot[order], plot[order], side="left")
    first = np.empty(len(plot), np.bool_)
    first[order] = np.arange(len(plot)) - start < _PAIRS_PER_PLOT
    return first


def _solve(
    look_a: Look,
    look_b: Look,
    pair_a: NDArray[np.int64],
    pair_b: NDArray[np.int64],
    middle: Float,
    parameters: Parameters,
) -> tuple[Float, Float, Float, Float]:
    start = np.concatenate([middle, np.zeros_like(middle)], axis=1)
    information = np.zeros((len(start), 6, 6))
    information[:, [3, 4, 5], [3, 4, 5]] = parameters.initial_speed_sigma_m_s**-2
    pull = np.zeros((len(start), 6))
    shared = []
    for look, plot in ((look_a, pair_a), (look_b, pair_b)):
        predicted = predict_sights(start, look)
        jacobian = predicted.jacobian.copy()
        jacobian[:, :, 3:] += (look.report.time_ns - look_a.report.time_ns) * 1e-9 * jacobian[:, :, :3]
        sigma = common_sigma(look.report.state, predicted.range_m)[:, None]
        variance = look.variance[plot] + sigma**2
        weighted = jacobian.transpose(0, 2, 1) / variance[:, None, :]
        information += weighted @ jacobian
        pull += np.einsum("nij,nj->ni", weighted, look.tangent[plot] - predicted.tangent)
        shared.append(weighted * sigma[:, :, None])
    covariance = np.linalg.inv(information)
    covariance = 0.5 * (covariance + covariance.transpose(0, 2, 1))
    state = start + np.einsum("nij,nj->ni", covariance, pull)
    return state, covariance, -(covariance @ shared[0]), -(covariance @ shared[1])
