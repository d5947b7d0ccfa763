"""Tracks against truth: who holds whom, custody, errors, consistency and the GOSPA metric (`measures`).

Everything is evaluated on one grid of instants. A track at an instant is its last update carried on at constant
velocity, its covariance with it, until the ground drops it; truth is exact. At each instant tracks and movers are
paired one to one so that the sum of distances is least, and no pair is farther apart than a gate (Hungarian method).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from lookdown.hil.measures import NOBODY, gospa, nees
from lookdown.wire.messages import Kind, TrackStatus

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]

UPDATE_DTYPE = np.dtype(
    [
        ("track_id", "<i8"),
        ("time_ns", "<i8"),  # TAI [ns]
        ("status", "<i2"),  # wire.messages.TrackStatus
        ("position_m", "<f8", (3,)),
        ("velocity_m_s", "<f8", (3,)),
        ("covariance", "<f8", (6, 6)),
        ("kind", "<f4", (len(Kind),)),  # posterior over wire.messages.Kind; zeros where nothing is known
    ]
)
"""One update of one track, as the ground's history holds it."""

_FORBIDDEN_M = 1e12


@dataclass(frozen=True)
class TrackGrid:
    """Tracks at instants.

    Attributes
    ----------
    ids : ndarray of int64, shape (tracks,)
        Identities, ascending.
    position_m, velocity_m_s : ndarray of float64, shape (tracks, instants, 3)
        State, ECEF; nan where the track is not held.
    covariance : ndarray of float64, shape (tracks, instants, 6, 6)
        Covariance of the state; nan where the track is not held.
    held : ndarray of bool, shape (tracks, instants)
        Whether the track is confirmed, or confirmed and coasting.
    kind : ndarray of float32, shape (tracks, instants, 7)
        Posterior over `Kind`; zeros where the track is not held, or nothing is known.
    """

    ids: Int
    position_m: Float
    velocity_m_s: Float
    covariance: Float
    held: Bool
    kind: NDArray[np.float32]


def sample_tracks(updates: NDArray[np.void], instants_ns: Int) -> TrackGrid:
    """Carry each track's last update on to each instant.

    Parameters
    ----------
    updates : ndarray of UPDATE_DTYPE, shape (n,)
        Updates of all tracks, in any order.
    instants_ns : ndarray of int64, shape (instants,)
        Instants, ascending, TAI [ns].
    """
    ids = np.unique(updates["track_id"]).astype(np.int64)
    shape = (len(ids), len(instants_ns))
    position, velocity = np.full((*shape, 3), np.nan), np.full((*shape, 3), np.nan)
    covariance, held = np.full((*shape, 6, 6), np.nan), np.zeros(shape, np.bool_)
    kind = np.zeros((*shape, len(Kind)), np.float32)
    for row, track_id in enumerate(ids):
        own = updates[updates["track_id"] == track_id]
        own = own[np.argsort(own["time_ns"], kind="stable")]
        last = np.searchsorted(own["time_ns"], instants_ns, side="right") - 1
        status = own["status"][np.maximum(last, 0)]
        alive = (last >= 0) & np.isin(status, (TrackStatus.CONFIRMED, TrackStatus.COASTING))
        at = own[last[alive]]
        age_s = (instants_ns[alive] - at["time_ns"])[:, None] * 1e-9
        move = np.broadcast_to(np.eye(6), (len(at), 6, 6)).copy()
        move[:, [0, 1, 2], [3, 4, 5]] = age_s
        position[row, alive] = at["position_m"] + age_s * at["velocity_m_s"]
        velocity[row, alive] = at["velocity_m_s"]
        covariance[row, alive] = move @ at["covariance"] @ move.transpose(0, 2, 1)
        held[row], kind[row, alive] = alive, np.nan_to_num(at["kind"])
    return TrackGrid(ids, position, velocity, covariance, held, kind)


def pair(truth_m: Float, estimate_m: Float, gate_m: float) -> tuple[Int, Int]:
    """Pair points one to one: as many pairs within the gate as can be, then the least sum of distances.

    Parameters
    ----------
    truth_m, estimate_m : ndarray of float64, shapes (n, d) and (m, d)
        Points [m].
    gate_m : float
        Longest distance of a pair [m].

    Returns
    -------
    truth_index, estimate_index : ndarray of int64, shape (pairs,)
    """
    distance = np.linalg.norm(truth_m[:, None] - estimate_m[None], axis=-1)
    rows, cols = linear_sum_assignment(np.where(distance <= gate_m, distance, _FORBIDDEN_M))
    close = distance[rows, cols] <= gate_m
    return rows[close].astype(np.int64), cols[close].astype(np.int64)


def assign(truth_m: Float, grid: TrackGrid, gate_m: float) -> Int:
    """Which track holds which mover at each instant.

    Parameters
    ----------
    truth_m : ndarray of float64, shape (movers, instants, 3)
        True positions, ECEF [m]; nan where a mover does not exist.
    grid : TrackGrid
        Tracks at the same instants.
    gate_m : float
        Longest distance between a mover and the track that holds it [m].

    Returns
    -------
    ndarray of int64, shape (movers, instants)
        Index of the track in the grid, or ``NOBODY``.
    """
    holder = np.full(truth_m.shape[:2], NOBODY, np.int64)
    for instant in range(truth_m.shape[1]):
        movers = np.flatnonzero(np.isfinite(truth_m[:, instant, 0]))
        tracks = np.flatnonzero(grid.held[:, instant])
        if len(movers) and len(tracks):
            found, by = pair(truth_m[movers, instant], grid.position_m[tracks, instant], gate_m)
            holder[movers[found], instant] = tracks[by]
    return holder


def owed(n_views: Int, instants_ns: Int, allowance_s: float) -> Bool:
    """Instants at which a mover is owed a track: in two views or more, unbroken for the initiation allowance.

    Parameters
    ----------
    n_views : ndarray of int64, shape (movers, instants)
        Satellites that see the mover.
    instants_ns : ndarray of int64, shape (instants,)
        Instants, TAI [ns].
    allowance_s : float
        Time granted to find the mover after it has come into two views [s].
    """
    due = np.zeros(n_views.shape, np.bool_)
    for mover, first, last in spans(n_views >= 2):
        time_s = (instants_ns[first:last] - instants_ns[first]) * 1e-9
        due[mover, first:last] = time_s >= allowance_s
    return due


def spans(flags: Bool) -> list[tuple[int, int, int]]:
    """Unbroken runs of True in each row: (row, first, one past the last).

    Examples
    --------
    >>> spans(np.array([[True, True, False, True]]))
    [(0, 0, 2), (0, 3, 4)]
    """
    padded = np.pad(flags.astype(np.int8), ((0, 0), (1, 1)))
    change = np.diff(padded, axis=1)
    rows, first = np.nonzero(change == 1)
    last = np.nonzero(change == -1)[1]
    return list(zip(rows.tolist(), first.tolist(), last.tolist(), strict=True))


@dataclass(frozen=True)
class TrackScore:
    """How tracks did against truth.

    Attributes
    ----------
    instants_ns : ndarray of int64, shape (instants,)
        Instants of evaluation, TAI [ns].
    grid : TrackGrid
        Tracks at the instants.
    holder : ndarray of int64, shape (movers, instants)
        Index of the track that holds the mover, or ``NOBODY``.
    n_views : ndarray of int64, shape (movers, instants)
        Satellites that see the mover.
    owed : ndarray of bool, shape (movers, instants)
        Whether the mover is owed a track.
    error_m, sigma3_m : ndarray of float64, shape (movers, instants)
        Position error and three times the root of the trace of its covariance [m]; nan without a track.
    nees : ndarray of float64, shape (movers, instants)
        Over all six states; nan without a track.
    gospa_m : ndarray of float64, shape (instants,)
        GOSPA metric [m].
    false_life_s : ndarray of float64, shape (tracks,)
        Time that each track was held without a mover [s].
    is_false : ndarray of bool, shape (tracks,)
        Held without a mover for most of its held life.
    """

    instants_ns: Int
    grid: TrackGrid
    holder: Int
    n_views: Int
    owed: Bool
    error_m: Float
    sigma3_m: Float
    nees: Float
    gospa_m: Float
    false_life_s: Float
    is_false: Bool

    @property
    def step_s(self) -> float:
        """Time between instants [s]."""
        return float(self.instants_ns[1] - self.instants_ns[0]) * 1e-9 if len(self.instants_ns) > 1 else 0.0


def score_tracks(
    truth: tuple[Float, Float],
    n_views: Int,
    updates: NDArray[np.void],
    instants_ns: Int,
    *,
    gate_m: float,
    allowance_s: float,
    cutoff_m: float,
) -> TrackScore:
    """Hold tracks against truth.

    Parameters
    ----------
    truth : tuple of ndarray of float64, shape (movers, instants, 3)
        True positions [m] and velocities [m/s], ECEF.
    n_views : ndarray of int64, shape (movers, instants)
        Satellites that see each mover.
    updates : ndarray of UPDATE_DTYPE, shape (n,)
        The ground's track updates.
    instants_ns : ndarray of int64, shape (instants,)
        Instants of evaluation, TAI [ns].
    gate_m, allowance_s, cutoff_m : float
        See `assign`, `owed` and `gospa`.
    """
    truth_m, truth_m_s = truth
    grid = sample_tracks(updates, instants_ns)
    holder = assign(truth_m, grid, gate_m)
    due = owed(n_views, instants_ns, allowance_s)
    mover, instant = np.nonzero(holder != NOBODY)
    track = holder[mover, instant]
    error, sigma3, consistency = (np.full(holder.shape, np.nan) for _ in range(3))
    offset = np.concatenate(
        [
            grid.position_m[track, instant] - truth_m[mover, instant],
            grid.velocity_m_s[track, instant] - truth_m_s[mover, instant],
        ],
        axis=-1,
    )
    error[mover, instant] = np.linalg.norm(offset[:, :3], axis=-1)
    covariance = grid.covariance[track, instant]
    sigma3[mover, instant] = 3.0 * np.sqrt(np.trace(covariance[:, :3, :3], axis1=-2, axis2=-1))
    consistency[mover, instant] = nees(offset, covariance)

    paired = np.zeros(grid.held.shape, np.bool_)
    paired[track, instant] = True
    step_s = float(instants_ns[1] - instants_ns[0]) * 1e-9 if len(instants_ns) > 1 else 0.0
    alone = grid.held & ~paired
    distance = np.zeros(len(instants_ns))
    for at in range(len(instants_ns)):
        # A mover that is not owed a track but has one is no false track: it counts as a point to be found.
        wanted = due[:, at] | (holder[:, at] != NOBODY)
        distance[at] = gospa(truth_m[wanted, at], grid.position_m[grid.held[:, at], at], cutoff_m)[0]
    return TrackScore(
        instants_ns=instants_ns,
        grid=grid,
        holder=holder,
        n_views=n_views,
        owed=due,
        error_m=error,
        sigma3_m=sigma3,
        nees=consistency,
        gospa_m=distance,
        false_life_s=step_s * alone.sum(axis=1),
        is_false=alone.sum(axis=1) > 0.5 * grid.held.sum(axis=1),
    )


def track_figures(score: TrackScore, movers: list[str]) -> dict[str, Any]:
    """Figures of ``report.json`` under ``tracks``; None where nothing was there to measure."""
    held = score.holder != NOBODY
    rows = [_mover_figures(score, index, name) for index, name in enumerate(movers)]
    of = [row for row in rows if row["custody"] is not None]
    starts = [row["initiation_s"] for row in rows if row["initiation_s"] is not None]
    confirmed = score.grid.held.any(axis=1)
    error = score.error_m[held]
    return {
        "confirmed": int(confirmed.sum()),
        "false": int(score.is_false.sum()),
        "false_longest_s": float(score.false_life_s.max(initial=0.0)) if len(score.instants_ns) else None,
        "custody": float(held[score.owed].mean()) if score.owed.any() else None,
        "custody_min": min((row["custody"] for row in of), default=None),
        "initiation_max_s": max(starts) if starts and len(starts) == len(of) else None,
        "swaps": sum(row["swaps"] for row in rows),
        "rmse_m": _rms(error),
        "gospa_m": float(score.gospa_m.mean()) if len(score.gospa_m) else None,
        "nees": float(np.mean(score.nees[held])) if held.any() else None,
        "within_3_sigma": float(np.mean(error <= score.sigma3_m[held])) if held.any() else None,
        "per_mover": rows,
    }


def _mover_figures(score: TrackScore, index: int, name: str) -> dict[str, Any]:
    """Figures of one mover."""
    held, due = score.holder[index] != NOBODY, score.owed[index]
    in_two = score.n_views[index] >= 2
    by = score.holder[index][held]
    after = np.flatnonzero(held & (np.cumsum(in_two) > 0))
    runs = spans(in_two[None])
    return {
        "mover": name,
        "two_views_s": max((last - first for _, first, last in runs), default=0) * score.step_s if len(due) else None,
        "custody": float(held[due].mean()) if due.any() else None,
        "initiation_s": float(after[0] - np.argmax(in_two)) * score.step_s if len(after) else None,
        "tracks": [int(score.grid.ids[track]) for track in dict.fromkeys(by.tolist())],
        "swaps": int(np.count_nonzero(np.diff(by))),
        "rmse_m": _rms(score.error_m[index][held]),
        "error_p95_m": float(np.percentile(score.error_m[index][held], 95)) if held.any() else None,
        "nees": float(np.mean(score.nees[index][held])) if held.any() else None,
    }


def _rms(values: Float) -> float | None:
    return float(np.sqrt(np.mean(values**2))) if len(values) else None
