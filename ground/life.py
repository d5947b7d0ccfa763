"""Life of a track: what it has seen, when it is believed, when it ends, when two are one.

A track is confirmed when all of this holds: its score (log-likelihood ratio) passes ``confirm_score``; it is older than
``confirm_after_s`` (a cluster of false plots can look like flight for some tenths of a second); it was hit in
``confirm_hits`` of its last ``confirm_looks`` looks; at least two sensors hit it ``confirm_hits_per_sensor`` times
each, and the sights of each of those rule out every point that stands still between the ground and the highest cloud
tops (one radar is enough: its plots hold places and motion); its speed is above ``min_speed_m_s`` and significant; its
position is known and possible.

The test for standing points is made per sensor, because satellites move: two cloud edges, each seen by one satellite,
make a crossing that flies at (height over orbit height) times 7 km/s, with little covariance, as long as both stand.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from lookdown.geo.earth import FLATTENING, SEMI_MAJOR_AXIS_M
from lookdown.geo.sight import intersect_ellipsoid
from lookdown.ground.associate import gate_pairs
from lookdown.ground.events import Event, Happening
from lookdown.ground.measure import Look
from lookdown.ground.parameters import Parameters
from lookdown.ground.single import Single, believable, crowd
from lookdown.ground.tracks import Bool, Int, TrackTable
from lookdown.kernels.survey import survey
from lookdown.kernels.tally import tally_looks
from lookdown.wire.messages import Float, PlotReport, RadarReport, TrackStatus

_SIGMAS = 3.0  # how sure an impossible state must be
_ENOUGH = 2  # sensors that must have seen a track
_BELIEVED = int(Single.BELIEVED)  # NumPy compares with a member of an enumeration at ten times the cost
_TENTATIVE, _CONFIRMED, _COASTING = (
    np.uint8(status) for status in (TrackStatus.TENTATIVE, TrackStatus.CONFIRMED, TrackStatus.COASTING)
)
_MERGE_HITS = 4  # a tentative track younger than this has too broad a covariance to be told from another
_REACH = 3.0  # of two tracks, in sums of their variances: farther apart they are not compared
_SAME = float(chdtri(6, 0.5))  # tracks of the same plots differ by less than independent ones would


def note_hits(table: TrackTable, rows: Int, sensor: int, look: Look, plots: Int, parameters: Parameters) -> None:
    """Note that a sensor's plots hit tracks, and whether it has by now seen them move.

    Parameters
    ----------
    table : TrackTable
        Changed in place.
    rows, plots : ndarray of int64, shape (k,)
        Rows of the table and the plots of the report that hit them.
    sensor : int
        Index of the sensor.
    look : Look
        The report.
    parameters : Parameters
        Heights and least displacement.
    """
    table.hits[rows] += 1
    table.sensor_hits[rows, sensor] += 1
    table.last_hit_ns[rows, sensor] = look.report.time_ns
    note_motion(table, rows, sensor, look, plots, parameters)


def note_motion(table: TrackTable, rows: Int, sensor: int, look: Look, plots: Int, parameters: Parameters) -> None:
    """Note whether a sensor whose plots hit tracks has by now seen them move; arguments as for `note_hits`."""
    open_rows = ~table.moved[rows, sensor]
    rows, plots = rows[open_rows], plots[open_rows]
    if not rows.size:
        return
    state, sights = look.report.state, look.direction[plots]
    first = np.isnan(table.anchor[rows, sensor, 0, 0])
    if first.any():
        tops = np.array([0.0, parameters.clutter_top_m])
        anchor = intersect_ellipsoid(look.origin_m, sights[first][:, None, :], tops)
        table.anchor[rows[first], sensor] = anchor
        # Over the limb there is nothing that stands still.
        table.moved[rows[first], sensor] = np.isnan(anchor).any(axis=(1, 2))
    later = ~first
    if later.any():
        anchor = table.anchor[rows[later], sensor]
        away_m = distance_to_segments(look.origin_m, sights[later], anchor[:, 0], anchor[:, 1])
        range_m = np.linalg.norm(anchor[:, 0] - look.origin_m, axis=1)
        centroid = look.variance[plots[later]].max(axis=1)
        sigma_m = np.hypot(range_m * np.sqrt(centroid + state.pointing_sigma_rad**2), state.position_sigma_m)
        table.moved[rows[later], sensor] = away_m > parameters.min_displacement_m + _SIGMAS * sigma_m


def distance_to_segments(origin_m: Float, directions: Float, start_m: Float, end_m: Float) -> Float:
    """Least distance between lines of sight and segments, row by row.

    Parameters
    ----------
    origin_m : ndarray of float64, shape (3,)
        Where all lines start [m].
    directions : ndarray of float64, shape (k, 3)
        Unit directions of the lines.
    start_m, end_m : ndarray of float64, shape (k, 3)
        Ends of the segments [m].

    Returns
    -------
    ndarray of float64, shape (k,)
        Distances [m].
    """
    # Seen along the line, the line is a point and the segment a shorter segment.
    first, second = start_m - origin_m, end_m - origin_m
    first = first - np.einsum("ni,ni->n", first, directions)[:, None] * directions
    second = second - np.einsum("ni,ni->n", second, directions)[:, None] * directions
    step = second - first
    length2 = np.maximum(np.einsum("ni,ni->n", step, step), 1e-12)
    share = np.clip(-np.einsum("ni,ni->n", first, step) / length2, 0.0, 1.0)
    return np.asarray(np.linalg.norm(first + share[:, None] * step, axis=1), np.float64)


def note_looks(
    table: TrackTable, sensor: int, look: Look, plot_of: Int, ratio: Float, missed: Bool, parameters: Parameters
) -> None:
    """Note what a report of a sensor did to all tracks: hits, misses, score, and whether it has seen them move.

    Parameters
    ----------
    table : TrackTable
        Changed in place.
    sensor : int
        Index of the sensor.
    look : Look
        The report.
    plot_of : ndarray of int64, shape (n,)
        Plot of each track, -1 for none.
    ratio : ndarray of float64, shape (n,)
        Its log-likelihood ratio.
    missed : ndarray of bool, shape (n,)
        Tracks against which the report speaks, those that it hit among them.
    parameters : Parameters
        Probability of detection, greatest score, heights and least displacement.
    """
    # A track that lived long may not live on its past; a tentative one is compared by its whole past.
    tally_looks(
        plot_of,
        ratio,
        missed.view(np.uint8),
        table.live.view(np.uint8),
        float(np.log1p(-parameters.probability_of_detection)),
        parameters.max_score,
        sensor,
        look.report.time_ns,
        table.hits,
        table.misses,
        table.looks,
        table.score,
        table.sensor_hits,
        table.last_hit_ns,
    )
    rows = np.flatnonzero(plot_of >= 0)
    note_motion(table, rows, sensor, look, plot_of[rows], parameters)


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """What decides on the life of tracks at one time.

    Attributes
    ----------
    numbers : ndarray of float64, shape (n, 4)
        Speed and its sigma along the velocity [m/s], sum of the variances of position [m^2], height [m].
    newest_ns : ndarray of int64, shape (n,)
        Time of the last hit by any sensor [ns].
    recent, often, seen_to_move : ndarray of int64, shape (n,)
        Sensors, each by its `worth`, that hit the track lately, often enough, and often enough while it moved.
    """

    numbers: Float
    newest_ns: Int
    recent: Int
    often: Int
    seen_to_move: Int

    @classmethod
    def of(cls, table: TrackTable, time_ns: int, parameters: Parameters) -> "Standing":
        """Survey all tracks at ``time_ns``."""
        n = len(table)
        patience_s = [parameters.radar_tentative_s if s.radar else parameters.tentative_s for s in parameters.sensors]
        since_ns = np.array([time_ns - round(patience * 1e9) for patience in patience_s])
        numbers, newest_ns, counts = np.empty((n, 4)), np.empty(n, np.int64), np.empty((n, 3), np.int64)
        survey(
            table.state,
            table.covariance,
            table.last_hit_ns,
            table.sensor_hits,
            table.moved.view(np.uint8),
            worth(parameters),
            since_ns,
            parameters.confirm_hits_per_sensor,
            SEMI_MAJOR_AXIS_M,
            FLATTENING,
            numbers,
            newest_ns,
            counts,
        )
        return cls(numbers, newest_ns, *counts.T)


def credible(table: TrackTable, parameters: Parameters) -> Bool:
    """Tracks that at least two sensors hit often enough, shape (n,)."""
    often = table.sensor_hits >= parameters.confirm_hits_per_sensor
    return np.asarray(often @ worth(parameters) >= _ENOUGH, np.bool_)


def worth(parameters: Parameters) -> Int:
    """For how many sensors each counts, shape (m,): a radar's plot holds a place, a focal plane's half of one."""
    return np.array([2 if sensor.radar else 1 for sensor in parameters.sensors])


def turn_pages(
    table: TrackTable, rows: Int, plot_of: Int, report: PlotReport | RadarReport, parameters: Parameters
) -> tuple[list[Event], NDArray[Any]]:
    """Confirm, merge and end tracks after a report.

    Parameters
    ----------
    table : TrackTable
        Changed in place.
    rows : ndarray of int64, shape (k,)
        Tracks that the report hit.
    plot_of : ndarray of int64, shape (n,)
        Plot of each track, -1 for none.
    report : PlotReport or RadarReport
        The report.
    parameters : Parameters
        When tracks are confirmed, coast and end.

    Returns
    -------
    events : list of Event
        What a person may want to read.
    updates : ndarray of UPDATE_DTYPE, shape (u,)
        Tracks that were hit or changed, as `events.ReportFused` tells them.
    """
    events = list[Event]()
    time_ns, sensor_id = report.time_ns, report.sensor_id

    def note(kind: str, text: str) -> None:
        events.append(Happening(kind, time_ns, sensor_id, text))

    before, standing = table.status.copy(), Standing.of(table, time_ns, parameters)
    table.status[confirmable(table, standing, rows, plot_of[rows], time_ns, parameters)] = TrackStatus.CONFIRMED
    table.status = status_after(table, standing, time_ns, parameters)
    changed, live = table.status != before, table.live
    for row in np.flatnonzero(changed).tolist():
        status = TrackStatus(int(table.status[row]))
        kind = "resumed" if before[row] == TrackStatus.COASTING else status.name.lower()
        note(kind, f"track {table.track_id[row]} {kind}, score {table.score[row]:.1f}")
    ends = lost(table, standing, time_ns, parameters)
    for row in np.flatnonzero(ends & live).tolist():
        note("dropped", f"track {table.track_id[row]} dropped, score {table.score[row]:.1f}")
    for row in np.flatnonzero(believable(table, time_ns, parameters) & ~ends).tolist():
        table.single[row], changed[row] = Single.BELIEVED, True
        note("single", f"track {table.track_id[row]} seen by one satellite alone, score {table.score[row]:.1f}")
    for kept, gone in duplicates(table, standing.numbers[:, 2], parameters):
        if (live[gone] or table.single[gone] == Single.BELIEVED) and not ends[gone]:
            # The elder's identity goes on.
            if table.born_ns[gone] < table.born_ns[kept]:
                table.track_id[[kept, gone]] = table.track_id[[gone, kept]]
                table.born_ns[kept], changed[kept] = table.born_ns[gone], True
            note("merged", f"track {table.track_id[gone]} merged into {table.track_id[kept]}")
        ends[gone] = True
    ends |= crowd(table, parameters)
    shown = live | (standing.often >= _ENOUGH) | (table.single == _BELIEVED)
    table.status[ends] = TrackStatus.DROPPED
    hit = np.zeros(len(table), np.bool_)
    hit[rows] = True
    told = np.flatnonzero(shown & (hit | changed | ends))
    recent_ns = round(parameters.coast_after_s * 1e9)
    updates = table.updates(told, time_ns, sensor_id, recent_ns)
    table.keep(~ends)
    return events, updates


def confirmable(
    table: TrackTable, standing: Standing, rows: Int, plots: Int, time_ns: int, parameters: Parameters
) -> Int:
    """Tentative rows, of those just hit, that fulfil all conditions; of several with one plot the best score alone."""
    tentative = ~table.live[rows]
    rows, plots = rows[tentative], plots[tentative]
    if not rows.size:
        return rows
    ready = standing.seen_to_move[rows] >= _ENOUGH
    ready &= table.score[rows] >= parameters.confirm_score
    recent = table.looks[rows] & np.uint32((1 << parameters.confirm_looks) - 1)
    ready &= np.bitwise_count(recent) >= parameters.confirm_hits
    ready &= time_ns - table.born_ns[rows] >= round(parameters.confirm_after_s * 1e9)
    rows, plots = rows[ready], plots[ready]
    if not rows.size:
        return rows
    speed, sigma, position_variance, place_m = standing.numbers[rows].T
    sure = (speed > parameters.min_speed_m_s) & (speed < parameters.max_speed_m_s)
    sure &= speed > parameters.speed_significance * sigma
    sure &= np.sqrt(position_variance) < parameters.max_position_sigma_m
    sure &= (place_m > parameters.min_height_m) & (place_m < parameters.max_height_m)
    rows, plots = rows[sure], plots[sure]
    best = np.argsort(-table.score[rows], kind="stable")
    _, first = np.unique(plots[best], return_index=True)
    return np.sort(rows[best[first]])


def lost(table: TrackTable, standing: Standing, time_ns: int, parameters: Parameters) -> Bool:
    """Tracks that end at ``time_ns``, shape (n,): unsupported, standing, or certainly impossible."""
    live = table.live
    silent = standing.newest_ns < time_ns - round(parameters.drop_after_s * 1e9)
    gone = (table.score < parameters.drop_score) | silent
    gone |= ~live & (standing.recent < np.where(table.single > 0, 1, _ENOUGH))
    speed, sigma, position_variance, place_m = standing.numbers.T
    gone |= live & (speed + _SIGMAS * sigma < parameters.min_speed_m_s)
    gone |= speed - _SIGMAS * sigma > parameters.max_speed_m_s
    margin_m = _SIGMAS * np.sqrt(position_variance)
    gone |= (place_m + margin_m < parameters.min_height_m) | (place_m - margin_m > parameters.max_height_m)
    return np.asarray(gone, np.bool_)


def duplicates(table: TrackTable, position_variance_m2: Float, parameters: Parameters) -> list[tuple[int, int]]:
    """Pairs of rows (kept, merged into it) that follow one mover.

    A tentative track is one with a better track when they differ by less than independent estimates of one mover
    would; of two live ones both the distance and the difference of velocity must be small, since movers fly in
    formation.
    """
    rows = np.flatnonzero(table.live | (table.hits >= _MERGE_HITS))
    # Found by gates of tracks about tracks, not by looking at all pairs: live ones within merge_distance_m, tentative
    # ones within three times the sum of both variances.
    places, merge2 = table.state[rows, :3].copy(), parameters.merge_distance_m**2
    reach2 = position_variance_m2[rows]
    wide = np.maximum(reach2, merge2 / (2.0 * _REACH))[:, None, None] * np.eye(3)
    pairs = gate_pairs(places, wide, np.ones(len(rows), np.bool_), places, wide, _REACH, 0.0)
    one, other = pairs.track, pairs.plot
    once = one < other
    one, other = one[once], other[once]
    if not one.size:
        return []
    square = np.sum((places[one] - places[other]) ** 2, axis=1)
    live, alone = table.live[rows], table.single[rows] > 0
    near = (square < _REACH * (reach2[one] + reach2[other])) & (~(live[one] & live[other]) | (square < merge2))
    one, other = one[near], other[near]
    if not one.size:
        return []
    rank = np.empty(len(rows), np.int64)
    rank[np.lexsort((table.track_id[rows], -table.score[rows], alone, ~live))] = np.arange(len(rows))
    first = rank[one] < rank[other]
    better, worse = np.where(first, one, other), np.where(first, other, one)
    # A track of one satellite ends in a confirmed one alone, or in another of its kind.
    may = ~alone[worse] | live[better] | alone[better]
    better, worse = better[may], worse[may]
    if not better.size:
        return []
    order = np.lexsort((rank[worse], rank[better]))
    better, worse = better[order], worse[order]
    difference = table.state[rows[better]] - table.state[rows[worse]]
    spread = table.covariance[rows[better]] + table.covariance[rows[worse]]
    same = np.einsum("ni,ni->n", difference, np.linalg.solve(spread, difference[:, :, None])[:, :, 0]) < _SAME
    both_live = table.live[rows[worse]]
    close = np.linalg.norm(difference[:, :3], axis=1) < parameters.merge_distance_m
    close &= np.linalg.norm(difference[:, 3:], axis=1) < parameters.merge_speed_m_s
    same = np.where(both_live, close, same)
    merged: dict[int, int] = {}
    for kept, gone in zip(rows[better[same]].tolist(), rows[worse[same]].tolist(), strict=True):
        if kept not in merged and gone not in merged:
            merged[gone] = kept
    return [(kept, gone) for gone, kept in merged.items()]


def status_after(table: TrackTable, standing: Standing, time_ns: int, parameters: Parameters) -> NDArray[np.uint8]:
    """Status of each track by the time of its last hit: live ones coast without hits, and are confirmed with."""
    coasts = standing.newest_ns < time_ns - round(parameters.coast_after_s * 1e9)
    status = np.where(coasts, _COASTING, _CONFIRMED)
    return np.where(table.live, status, _TENTATIVE)
