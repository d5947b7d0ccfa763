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
from lookdown.ground.events import Event, Happening
from lookdown.ground.measure import Look
from lookdown.ground.parameters import Parameters
from lookdown.ground.single import Single, crowd
from lookdown.ground.tracks import Bool, Int, TrackTable
from lookdown.kernels.close import find_close
from lookdown.kernels.lives import ALONE, BELIEVED, ENDS, SHOWN, TOLD, TURNED, decide_lives
from lookdown.kernels.standing import rule_out_standing
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
    if table.moved[rows, sensor].all():
        return
    new = rule_out_standing(
        rows,
        plots,
        sensor,
        look.origin_m,
        look.direction,
        look.variance,
        table.anchor,
        look.report.state.pointing_sigma_rad,
        look.report.state.position_sigma_m,
        parameters.min_displacement_m,
        _SIGMAS,
        np.empty(len(rows)),
        table.moved.view(np.uint8),
    )
    if new:
        first = ~table.moved[rows, sensor] & np.isnan(table.anchor[rows, sensor, 0, 0])
        tops, sights = np.array([0.0, parameters.clutter_top_m]), look.direction[plots]
        anchor = intersect_ellipsoid(look.origin_m, sights[first][:, None, :], tops)
        table.anchor[rows[first], sensor] = anchor
        # Over the limb there is nothing that stands still.
        table.moved[rows[first], sensor] = np.isnan(anchor).any(axis=(1, 2))


def note_looks(
    table: TrackTable,
    sensor: int,
    look: Look,
    rows: Int,
    plot_of: Int,
    ratio: Float,
    missed: Bool,
    parameters: Parameters,
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
    rows : ndarray of int64, shape (q,)
        Tracks that have a plot.
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
    note_motion(table, rows, sensor, look, plot_of[rows], parameters)


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """Parameters of the life of tracks, as `decide_lives` takes them.

    Attributes
    ----------
    worth, patience_ns : ndarray of int64, shape (m,)
        `worth` of each sensor, and how long after a hit of it a tentative track ends [ns].
    whole : ndarray of int64, shape (7,)
        Ages [ns] and counts.
    bounds : ndarray of float64, shape (9,)
        Scores, speeds, sigmas, heights.
    """

    worth: Int
    patience_ns: Int
    whole: Int
    bounds: Float

    @classmethod
    def of(cls, parameters: Parameters) -> "Rules":
        """Make parameters ready."""
        p = parameters
        patience_s = [p.radar_tentative_s if sensor.radar else p.tentative_s for sensor in p.sensors]
        ages_ns = [round(age_s * 1e9) for age_s in (p.confirm_after_s, p.coast_after_s, p.drop_after_s)]
        whole = [*ages_ns, p.confirm_hits, p.confirm_looks, p.confirm_hits_per_sensor, _ENOUGH]
        speeds = p.min_speed_m_s, p.max_speed_m_s, p.speed_significance
        places = p.max_position_sigma_m, p.min_height_m, p.max_height_m
        return cls(
            worth(p),
            np.array([round(patience * 1e9) for patience in patience_s]),
            np.array(whole, np.int64),
            np.array([p.confirm_score, p.drop_score, *speeds, *places, _SIGMAS]),
        )

    def decide(
        self, table: TrackTable, plot_of: Int, n_plots: int, time_ns: int
    ) -> tuple[NDArray[np.uint8], Float, int]:
        """Change status and belief of tracks; their verdicts, variances of position [m^2], and all verdicts in one."""
        n = len(table)
        numbers, verdict = np.empty((n, 4)), np.empty(n, np.uint8)
        found = decide_lives(
            time_ns,
            table.state,
            table.covariance,
            table.score,
            table.born_ns,
            table.looks,
            table.last_hit_ns,
            table.sensor_hits,
            table.moved.view(np.uint8),
            plot_of,
            self.worth,
            self.patience_ns,
            self.whole,
            self.bounds,
            SEMI_MAJOR_AXIS_M,
            FLATTENING,
            table.status,
            table.single,
            np.empty(n_plots, np.int64),
            numbers,
            np.empty((n, 2), np.int64),
            verdict,
        )
        return verdict, numbers[:, 2].copy(), found


def credible(table: TrackTable, parameters: Parameters) -> Bool:
    """Tracks that at least two sensors hit often enough, shape (n,)."""
    often = table.sensor_hits >= parameters.confirm_hits_per_sensor
    return np.asarray(often @ worth(parameters) >= _ENOUGH, np.bool_)


def worth(parameters: Parameters) -> Int:
    """For how many sensors each counts, shape (m,): a radar's plot holds a place, a focal plane's half of one."""
    return np.array([2 if sensor.radar else 1 for sensor in parameters.sensors])


def turn_pages(
    table: TrackTable, plot_of: Int, report: PlotReport | RadarReport, rules: Rules, parameters: Parameters
) -> tuple[list[Event], NDArray[Any]]:
    """Confirm, merge and end tracks after a report.

    Parameters
    ----------
    table : TrackTable
        Changed in place.
    plot_of : ndarray of int64, shape (n,)
        Plot of each track, -1 for none.
    report : PlotReport or RadarReport
        The report.
    rules : Rules
        Those of ``parameters``.
    parameters : Parameters
        When tracks are confirmed, coast and end.

    Returns
    -------
    events : list of Event
        What a person may want to read.
    updates : ndarray of UPDATE_DTYPE, shape (u,)
        Tracks that were hit or changed, as `events.ReportFused` tells them.
    """
    before, time_ns, sensor_id = table.status.copy(), report.time_ns, report.sensor_id
    verdict, variance_m2, found = rules.decide(table, plot_of, report.n_plots, time_ns)
    notes = _changes(table, before, verdict) if found & (TURNED | BELIEVED | ENDS) else []
    told = (verdict & TOLD) != 0
    ends = (verdict & ENDS) != 0
    if merges := duplicates(table, variance_m2, parameters):
        changed = np.zeros(len(table), np.bool_)
        notes += _merge(table, merges, ends, changed)
        told |= ((verdict & SHOWN) != 0) & (ends | changed)
    if found & ALONE:
        over = crowd(table, parameters)
        ends |= over
        told |= ((verdict & SHOWN) != 0) & over
    table.status[ends] = TrackStatus.DROPPED
    updates = table.updates(told.nonzero()[0], time_ns, sensor_id, round(parameters.coast_after_s * 1e9))
    if merges or found & (ALONE | ENDS):
        table.keep(~ends)
    return [Happening(kind, time_ns, sensor_id, text) for kind, text in notes], updates


def _changes(table: TrackTable, before: NDArray[np.uint8], verdict: NDArray[np.uint8]) -> list[tuple[str, str]]:
    """Tell of tracks that turned to another status, end, or are believed from now on: kind and text of each."""
    notes = []
    for row in np.flatnonzero(verdict & TURNED).tolist():
        kind = "resumed" if before[row] == TrackStatus.COASTING else TrackStatus(int(table.status[row])).name.lower()
        notes.append((kind, f"track {table.track_id[row]} {kind}, score {table.score[row]:.1f}"))
    for row in np.flatnonzero(((verdict & ENDS) != 0) & table.live).tolist():
        notes.append(("dropped", f"track {table.track_id[row]} dropped, score {table.score[row]:.1f}"))
    for row in np.flatnonzero(verdict & BELIEVED).tolist():
        text = f"track {table.track_id[row]} seen by one satellite alone, score {table.score[row]:.1f}"
        notes.append(("single", text))
    return notes


def _merge(table: TrackTable, merges: list[tuple[int, int]], ends: Bool, changed: Bool) -> list[tuple[str, str]]:
    """End tracks that are merged into others, whose identities may change; kind and text of what is told."""
    notes, live = [], table.live
    for kept, gone in merges:
        if (live[gone] or table.single[gone] == _BELIEVED) and not ends[gone]:
            # The elder's identity goes on.
            if table.born_ns[gone] < table.born_ns[kept]:
                table.track_id[[kept, gone]] = table.track_id[[gone, kept]]
                table.born_ns[kept], changed[kept] = table.born_ns[gone], True
            notes.append(("merged", f"track {table.track_id[gone]} merged into {table.track_id[kept]}"))
        ends[gone] = True
    return notes


def duplicates(table: TrackTable, position_variance_m2: Float, parameters: Parameters) -> list[tuple[int, int]]:
    """Pairs of rows (kept, merged into it) that follow one mover.

    A tentative track is one with a better track when they differ by less than independent estimates of one mover
    would; of two live ones both the distance and the difference of velocity must be small, since movers fly in
    formation.
    """
    pairs = _close_pairs(table, position_variance_m2, parameters)
    if not len(pairs):
        return []
    one, other = pairs.T
    live, alone = table.live, table.single > 0
    rows = np.flatnonzero(live | (table.hits >= _MERGE_HITS))
    rank = np.empty(len(table), np.int64)
    rank[rows[np.lexsort((table.track_id[rows], -table.score[rows], alone[rows], ~live[rows]))]] = np.arange(len(rows))
    first = rank[one] < rank[other]
    better, worse = np.where(first, one, other), np.where(first, other, one)
    # A track of one satellite ends in a confirmed one alone, or in another of its kind.
    may = ~alone[worse] | live[better] | alone[better]
    better, worse = better[may], worse[may]
    if not better.size:
        return []
    order = np.lexsort((rank[worse], rank[better]))
    better, worse = better[order], worse[order]
    difference = table.state[better] - table.state[worse]
    spread = table.covariance[better] + table.covariance[worse]
    same = np.einsum("ni,ni->n", difference, np.linalg.solve(spread, difference[:, :, None])[:, :, 0]) < _SAME
    both_live = live[worse]
    close = np.linalg.norm(difference[:, :3], axis=1) < parameters.merge_distance_m
    close &= np.linalg.norm(difference[:, 3:], axis=1) < parameters.merge_speed_m_s
    same = np.where(both_live, close, same)
    merged: dict[int, int] = {}
    for kept, gone in zip(better[same].tolist(), worse[same].tolist(), strict=True):
        if kept not in merged and gone not in merged:
            merged[gone] = kept
    return [(kept, gone) for gone, kept in merged.items()]


def _close_pairs(table: TrackTable, position_variance_m2: Float, parameters: Parameters) -> Int:
    """Pairs of rows that are near each other: live ones within merge_distance_m, all within three times their sigma."""
    order, capacity = np.argsort(table.state[:, 0]), 4 * len(table) + 64
    bounds = _MERGE_HITS, _REACH, parameters.merge_distance_m**2
    while True:
        pairs = np.empty((capacity, 2), np.int64)
        found = find_close(table.state, position_variance_m2, table.status, table.hits, *bounds, order, pairs)
        if found <= capacity:
            return pairs[:found]
        capacity = found
