"""Which echo feeds which track, and what it tells: gates in azimuth and range, likelihoods with rate and elevation.

Pairs are found where azimuth and range agree (`associate.gate_pairs`); their likelihood ratio is then that of all
numbers of the plot, and a pair outside the chi-square gate of all is none. A range rate counts only where its fold is
wide against what is known of the target's: else every rate would agree with some whole number of folds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from lookdown.ground.associate import Int, Pairs, assign, gate_pairs
from lookdown.ground.echoes import (
    AZIMUTH,
    ELEVATION,
    RATE,
    UNUSED,
    EchoLook,
    PredictedEchoes,
    innovations,
)
from lookdown.wire.messages import Float

FOLD_SIGMAS = 6.0
"""Of a range rate about its prediction, within its fold, or it does not count."""
_WIDEST_RATE_M_S = 16_000.0  # band of possible range rates, where there is no fold
_LOG_2PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True, slots=True, eq=False)
class Fed:
    """Which plots feed which tracks.

    Attributes
    ----------
    plot_of : ndarray of int64, shape (n,)
        Plot of each track, -1 for none.
    ratio : ndarray of float64, shape (n,)
        Its log-likelihood ratio.
    """

    plot_of: Int
    ratio: Float


def spread_of(covariance: Float, jacobian: Float, look: EchoLook, cross: Float | None = None) -> NDArray[np.float64]:
    """Covariance of predicted numbers about noiseless ones, shared errors included, shape (n, 4, 4).

    ``cross``, shape (n, s, 2), is the covariance of the states with the shared errors, in units of their sigmas.
    """
    spread = jacobian @ covariance @ jacobian.transpose(0, 2, 1)
    spread[:, [0, 1], [0, 1]] += look.shared**2
    if cross is not None:
        with_shared = np.zeros_like(spread)
        with_shared[:, :, :2] = (jacobian @ cross) * look.shared
        spread += with_shared + with_shared.transpose(0, 2, 1)
    return np.asarray(spread, np.float64)


def noise_about(look: EchoLook, plots: NDArray[np.int64], spread: Float) -> Float:
    """Noise of plots about predictions of some spread; a range rate that may be of another fold weighs nothing."""
    noise = look.noise[plots].copy()
    fold = look.report.rate_fold_m_s
    if fold:
        open_ = FOLD_SIGMAS * np.sqrt(spread[:, RATE, RATE] + noise[:, RATE, RATE]) > fold
        noise[open_, RATE, :2], noise[open_, :2, RATE], noise[open_, RATE, RATE] = 0.0, 0.0, UNUSED
    return noise


def feed(
    look: EchoLook,
    predicted: PredictedEchoes,
    spread: Float,
    live: NDArray[np.bool_],
    gate_probability: float,
    probability_of_detection: float,
    false_plots: float,
) -> Fed:
    """Give plots to tracks.

    Parameters
    ----------
    look : EchoLook
        The report.
    predicted : PredictedEchoes
        Of the tracks.
    spread : ndarray of float64, shape (n, 4, 4)
        From `spread_of`.
    live : ndarray of bool, shape (n,)
        Tracks that choose first.
    gate_probability, probability_of_detection, false_plots : float
        Chance that a target's plot lies in its gate; that there is one; false plots a report.

    Returns
    -------
    Fed
        Plots of tracks.
    """
    report = look.report
    middle_m = report.first_range_m + 0.5 * report.range_span_m
    scale = np.array([middle_m, 1.0])
    log_density = log_density_of(look, probability_of_detection, false_plots)
    log_missed = float(np.log1p(-probability_of_detection))
    pairs = gate_pairs(
        predicted.measured[:, :2] * scale,
        np.ascontiguousarray(spread[:, :2, :2] * scale * scale[:, None]),
        predicted.visible,
        look.measured[:, :2] * scale,
        np.ascontiguousarray(look.noise[:, :2, :2] * scale * scale[:, None]),
        float(chdtri(2, 1.0 - gate_probability)),
        log_density + float(np.log(middle_m)),
    )
    pairs = _refined(pairs, look, predicted, spread, gate_probability, log_density)
    return Fed(*assign(pairs, live, log_missed, tentative_share=True))


def log_density_of(look: EchoLook, probability_of_detection: float, false_plots: float) -> float:
    """Logarithm of the chance of a plot over the density of false ones in azimuth and range [1/(rad m)]."""
    report = look.report
    middle_m = report.first_range_m + 0.5 * report.range_span_m
    area = max((report.azimuth_high_rad - report.azimuth_low_rad) * middle_m, 1.0) * max(report.range_span_m, 1.0)
    return float(np.log(probability_of_detection * area / max(false_plots, 1e-3) / middle_m))


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Pairs judged by all numbers of their plots.

    Attributes
    ----------
    inside : ndarray of bool, shape (c,)
        Within the gate.
    ratio : ndarray of float64, shape (c,)
        Log-likelihood ratio.
    away : ndarray of float64, shape (c, 4)
        Measured less predicted; 0 for numbers that do not count.
    total : ndarray of float64, shape (c, 4, 4)
        Its covariance.
    """

    inside: NDArray[np.bool_]
    ratio: Float
    away: Float
    total: Float


def judge(
    look: EchoLook,
    plot: Int,
    measured: Float,
    spread: Float,
    gate_probability: float,
    log_density: float,
) -> Judged:
    """Judge pairs by all numbers of their plots.

    Parameters
    ----------
    look : EchoLook
        The report.
    plot : ndarray of int64, shape (c,)
        Plot of each pair.
    measured, spread : ndarray of float64, shapes (c, 4) and (c, 4, 4)
        Predicted numbers and their covariance, shared errors included.
    gate_probability, log_density : float
        Chance that a target's plot is in the gate; from `log_density_of`.

    Returns
    -------
    Judged
        Of each pair.
    """
    noise = noise_about(look, plot, spread)
    away = innovations(look, plot, measured)
    total = spread + noise
    unused = noise[:, [RATE, ELEVATION], [RATE, ELEVATION]] >= UNUSED
    away[unused[:, 0], RATE] = 0.0
    scale = np.sqrt(np.diagonal(total, axis1=1, axis2=2))
    alike = total / scale[:, :, None] / scale[:, None, :]
    square = np.einsum("ci,ci->c", away / scale, np.linalg.solve(alike, (away / scale)[:, :, None])[:, :, 0])
    log_volume = 2.0 * np.log(scale).sum(axis=1) + np.linalg.slogdet(alike)[1]
    # A number that is not used is as wide for false plots as for true ones.
    log_volume -= np.where(unused, 2.0 * np.log(scale[:, [RATE, ELEVATION]]), 0.0).sum(axis=1)
    used = 4 - unused.sum(axis=1)
    report = look.report
    band = np.log([report.rate_fold_m_s or _WIDEST_RATE_M_S, np.pi])
    ratio = log_density + np.where(unused, 0.0, band).sum(axis=1) - 0.5 * (square + log_volume + used * _LOG_2PI)
    gates = np.array([chdtri(dimension, 1.0 - gate_probability) for dimension in (2, 3, 4)])
    return Judged(square < gates[used - 2], ratio, away, total)


def _refined(
    pairs: Pairs, look: EchoLook, predicted: PredictedEchoes, spread: Float, gate_probability: float, log_density: float
) -> Pairs:
    """Keep pairs that are still in their gates by all numbers."""
    track, plot = pairs.track, pairs.plot
    if not plot.size:
        return pairs
    judged = judge(look, plot, predicted.measured[track], spread[track], gate_probability, log_density)
    kept = judged.inside
    start = np.concatenate([[0], np.cumsum(np.bincount(track[kept], minlength=len(pairs.start) - 1))]).astype(np.int64)
    return Pairs(start, plot[kept], judged.ratio[kept], pairs.n_plots)


def gain_of(
    covariance: Float, jacobian: Float, total: Float, look: EchoLook, cross: Float | None = None
) -> NDArray[np.float64]:
    """Kalman gain with the shared errors considered (Schmidt 1966), shape (k, s, 4)."""
    with_plot = covariance @ jacobian.transpose(0, 2, 1)
    if cross is not None:
        with_plot[:, :, :2] += cross * look.shared
    scale = np.sqrt(np.diagonal(total, axis1=1, axis2=2))
    alike = total / scale[:, :, None] / scale[:, None, :]
    turned = np.linalg.solve(alike, (with_plot / scale[:, None, :]).transpose(0, 2, 1))
    return np.asarray((turned / scale[:, :, None]).transpose(0, 2, 1), np.float64)


def correct_tracks(
    rows: Int,
    plots: Int,
    look: EchoLook,
    predicted: PredictedEchoes,
    spread: Float,
    own: int,
    state: Float,
    covariance: Float,
    cross: Float,
    noise: Float | None = None,
) -> NDArray[np.float64]:
    """Correct tracks with their plots, in place.

    Parameters
    ----------
    rows, plots : ndarray of int64, shape (k,)
        Tracks and the plot of each.
    look : EchoLook
        The report.
    predicted : PredictedEchoes
        Of all tracks.
    spread : ndarray of float64, shape (n, 4, 4)
        From `spread_of`.
    own : int
        First of the two columns of ``cross`` that are this radar's.
    state, covariance, cross : ndarray of float64, shapes (n, s), (n, s, s) and (n, s, m)
        All tracks, and their covariance with the sensors' shared errors; the first six numbers are place and velocity.
    noise : ndarray of float64, shape (k, 4, 4), optional
        Of the plots; by default that of `noise_about` the predictions.

    Returns
    -------
    ndarray of float64, shape (k,)
        Log-likelihood of each plot; a constant, and what numbers that are not used give, is left out.
    """
    if not rows.size:
        return np.zeros(0)
    jacobian = np.zeros((len(rows), 4, state.shape[1]))
    jacobian[:, :, :6] = predicted.jacobian[rows]
    total = spread[rows] + (noise_about(look, plots, spread[rows]) if noise is None else noise)
    away = innovations(look, plots, predicted.measured[rows])
    away[total[:, RATE, RATE] >= UNUSED, RATE] = 0.0
    gain = gain_of(covariance[rows], jacobian, total, look, cross[rows][:, :, own : own + 2])
    seen = jacobian @ cross[rows]
    seen[:, [AZIMUTH, AZIMUTH + 1], [own, own + 1]] += look.shared
    state[rows] += np.einsum("kij,kj->ki", gain, away)
    after = covariance[rows] - gain @ total @ gain.transpose(0, 2, 1)
    covariance[rows] = 0.5 * (after + after.transpose(0, 2, 1))
    cross[rows] -= gain @ seen
    scale = np.sqrt(np.diagonal(total, axis1=1, axis2=2))
    alike = total / scale[:, :, None] / scale[:, None, :]
    square = np.einsum("ki,ki->k", away / scale, np.linalg.solve(alike, (away / scale)[:, :, None])[:, :, 0])
    return np.asarray(-0.5 * square - np.log(scale).sum(axis=1) - 0.5 * np.linalg.slogdet(alike)[1], np.float64)
