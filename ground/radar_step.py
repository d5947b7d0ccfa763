"""A radar's report among the tracks of the air: what it feeds, what it speaks against, what it starts.

A plot of a mover is one by its Doppler frequency, so that a radar's hits need no second sensor to tell motion from
standing clutter; with a place of its own (an elevation) a track of one radar may be believed, and without one the
height is that of `Parameters.radar_height_m` until another sensor tells it.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lookdown.geo.earth import SPEED_OF_LIGHT_M_S
from lookdown.ground.echoes import EchoLook, PredictedEchoes, folded, in_sector, places_of, predict_echoes
from lookdown.ground.modes import Modes
from lookdown.ground.parameters import Parameters
from lookdown.ground.radar_feed import FOLD_SIGMAS, Fed, correct_tracks, feed, noise_about, spread_of
from lookdown.ground.tracks import Int, TrackTable
from lookdown.wire.messages import Float, RadarFlag

_BLIND_MARGIN = 2.0  # sigmas of a target's rate, within which it may be too slow to be seen


def take_echoes(table: TrackTable, look: EchoLook, sensor: int, parameters: Parameters, modes: Modes) -> Fed:
    """Feed tracks with the plots of a report, and note hits and misses.

    Parameters
    ----------
    table : TrackTable
        Tracks at the time of the report; changed in place.
    look : EchoLook
        The report.
    sensor : int
        Index of the radar.
    parameters : Parameters
        Gate and probabilities.
    modes : Modes
        Models of motion.

    Returns
    -------
    Fed
        Plots of tracks.
    """
    own = 2 * sensor
    predicted = predict_echoes(table.state, look)
    # A track of one satellite is fed by that one alone.
    predicted = replace(predicted, visible=predicted.visible & (table.single == 0))
    spread = spread_of(table.covariance, predicted.jacobian, look, table.cross[:, :, own : own + 2])
    chances = parameters.gate_probability, parameters.radar_detection, parameters.radar_false_plots
    fed = feed(look, predicted, spread, table.live, *chances)
    rows = np.flatnonzero(fed.plot_of >= 0)
    if modes.models:
        _correct_modes(table, rows, fed.plot_of[rows], look, spread, own, modes)
    else:
        tracks = table.state, table.covariance, table.cross
        correct_tracks(rows, fed.plot_of[rows], look, predicted, spread, own, *tracks)
    note_echoes(table, rows, sensor, look.report.time_ns)
    hit = fed.plot_of >= 0
    missed = should_be_seen(predicted, spread[:, 2, 2], look) & ~hit
    table.looks = np.where(hit | missed, (table.looks << np.uint32(1)) | hit.astype(np.uint32), table.looks)
    table.misses[missed] += 1
    log_missed = float(np.log1p(-parameters.radar_detection))
    table.score += np.where(hit, fed.ratio, 0.0) + np.where(missed, log_missed, 0.0)
    table.score[table.live] = np.minimum(table.score[table.live], parameters.max_score)
    return fed


def _correct_modes(
    table: TrackTable, rows: Int, plots: Int, look: EchoLook, spread: Float, own: int, modes: Modes
) -> None:
    """Correct every model of tracks with their plots, and weigh the models by what they foresaw.

    Whether a range rate counts is asked of the whole track, so that all models are judged by the same numbers.
    """
    if not rows.size:
        return
    models = len(modes.models)
    noise = np.repeat(noise_about(look, plots, spread[rows]), models, axis=0)
    _, (states, covariances, crosses) = table.bundles
    which = (rows[:, None] * models + np.arange(models)).ravel()
    state, covariance, cross = states[which], covariances[which], crosses[which]
    predicted = predict_echoes(np.ascontiguousarray(state[:, :6]), look)
    shared = cross[:, :6, own : own + 2]
    about = spread_of(covariance[:, :6, :6], predicted.jacobian, look, shared)
    everyone = np.arange(len(which))
    told = correct_tracks(
        everyone, np.repeat(plots, models), look, predicted, about, own, state, covariance, cross, noise
    )
    states[which], covariances[which], crosses[which] = state, covariance, cross
    modes.weigh(table, rows, told.reshape(-1, models))
    modes.blend(table)


def note_echoes(table: TrackTable, rows: Int, sensor: int, time_ns: int) -> None:
    """Note that a radar's plots hit tracks: their Doppler frequency says that these move."""
    table.hits[rows] += 1
    table.sensor_hits[rows, sensor] += 1
    table.last_hit_ns[rows, sensor] = time_ns
    table.moved[rows, sensor] = True


def should_be_seen(predicted: PredictedEchoes, rate_variance: NDArray[np.float64], look: EchoLook) -> NDArray[np.bool_]:
    """Targets whose absence from a report speaks against them: looked at, and surely fast enough; shape (n,)."""
    if look.report.flags & RadarFlag.TRUNCATED:
        return np.zeros(len(rate_variance), np.bool_)
    speed = np.abs(predicted.against_ground_m_s) - _BLIND_MARGIN * np.sqrt(rate_variance)
    return np.asarray(in_sector(look, predicted) & (speed > look.report.least_speed_m_s), np.bool_)


def start_tracks(
    look: EchoLook, free: Int, sensor: int, n_sensors: int, parameters: Parameters, modes: Modes
) -> tuple[TrackTable, Int]:
    """Make tentative tracks of plots that fed none, strongest first.

    Returns
    -------
    tracks : TrackTable
        One a plot that has a place in the air, without identity.
    plots : ndarray of int64, shape (k,)
        Its plot.
    """
    report = look.report
    strongest = free[np.argsort(-report.echoes["snr"][free], kind="stable")][: parameters.max_pair_plots]
    plots = np.sort(strongest).astype(np.int64)
    height_m = np.full(len(plots), parameters.radar_height_m)
    place, covariance, shift = places_of(look, plots, height_m, parameters.radar_height_sigma_m)
    good = np.isfinite(place).all(axis=1)
    plots, place, covariance, shift = plots[good], place[good], covariance[good], shift[good]
    new = TrackTable.blank(len(plots), n_sensors, len(modes.models))
    if not len(plots):
        return new, plots
    new.state[:, :3], new.covariance[:, :3, :3] = place, covariance
    new.cross[:, :3, 2 * sensor : 2 * sensor + 2] = shift
    axis, square = np.arange(3), parameters.initial_speed_sigma_m_s**2
    tau = (report.first_range_m + 0.5 * report.range_span_m) / SPEED_OF_LIGHT_M_S
    new.covariance[:, axis, axis] += tau**2 * square
    new.covariance[:, axis + 3, axis + 3] = square
    new.covariance[:, axis, axis + 3] = new.covariance[:, axis + 3, axis] = tau * square
    # The place is used; what is left of the plot is its rate, where it says something.
    predicted = predict_echoes(new.state, look)
    _use_rates(new, plots, look, predicted)
    new.looks[:], new.born_ns[:] = 1, report.time_ns
    note_echoes(new, np.arange(len(new)), sensor, report.time_ns)
    modes.begin(new)
    return new, plots


def _use_rates(new: TrackTable, plots: Int, look: EchoLook, predicted: PredictedEchoes) -> None:
    """Correct new tracks with the range rates of their plots, unless these fold within what is possible."""
    slopes = predicted.jacobian[:, 2:3]
    spread = (slopes @ new.covariance @ slopes.transpose(0, 2, 1))[:, 0, 0] + look.noise[plots, 2, 2]
    fold = look.report.rate_fold_m_s
    use = np.flatnonzero(FOLD_SIGMAS * np.sqrt(spread) < fold) if fold else np.arange(len(plots))
    if not use.size:
        return
    away = folded(look.measured[plots, 2] - predicted.measured[:, 2], fold)
    gain = (new.covariance[use] @ slopes[use].transpose(0, 2, 1))[:, :, 0] / spread[use, None]
    new.state[use] += gain * away[use, None]
    new.covariance[use] -= gain[:, :, None] * gain[:, None, :] * spread[use, None, None]
    seen = (slopes[use] @ new.cross[use])[:, 0]
    new.cross[use] -= gain[:, :, None] * seen[:, None, :]
