r"""Measures of tracking that the field compares by: OSPA, GOSPA, SIAP, NEES and the posterior Cramer-Rao bound.

All work on plain arrays, so that tracks of any tracker can be held against truth. `score_tracks` uses them on the
history of a run; the tests hold them to the expected values of Stone Soup's own tests.

Sources: OSPA, Schuhmacher, Vo, Vo (2008, IEEE Trans. Signal Processing 56, eq. 3). GOSPA, Rahmathullah,
Garcia-Fernandez, Svensson (2017, 20th Int. Conf. on Information Fusion, eq. 1 with alpha = 2). SIAP, Votruba et al.
(2001, "Single Integrated Air Picture (SIAP) Metrics Implementation"). Bound, Tichavsky, Muravchik, Nehorai (1998, IEEE
Trans. Signal Processing 46, eq. 34).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Float = NDArray[np.float64]
Int = NDArray[np.int64]

NOBODY = -1
"""Stands in for the track of a target that has none."""

ABSENT = -2
"""Stands in for the track of a target that does not exist at an instant."""


def _pairs(truth_m: Float, estimate_m: Float, cutoff_m: float, order: float) -> tuple[Int, Int, Float]:
    """Pairs with the least sum of cut distances to the power of ``order``, and those distances."""
    distance = np.minimum(np.linalg.norm(truth_m[:, None] - estimate_m[None], axis=-1), cutoff_m)
    rows, cols = linear_sum_assignment(distance**order)
    return rows.astype(np.int64), cols.astype(np.int64), distance[rows, cols]


def ospa(truth_m: Float, estimate_m: Float, cutoff_m: float, order: float = 1.0) -> float:
    r"""Optimal subpattern assignment distance of two sets of points.

    .. math:: \left(\frac{1}{n} \left(\sum d_c(x_i, y_{\pi(i)})^p + c^p (n - m)\right)\right)^{1/p}, \quad m \le n

    Parameters
    ----------
    truth_m, estimate_m : ndarray of float64, shapes (n, d) and (m, d)
        True and estimated points [m].
    cutoff_m : float
        Distance ``c`` at which a pair is as bad as a point too few or too many [m].
    order : float
        ``p``, 1 or more; infinity gives the greatest distance, and the cutoff where numbers differ.

    Returns
    -------
    float
        The distance, 0 to ``cutoff_m`` [m].

    Examples
    --------
    >>> round(ospa(np.arange(5.0)[:, None], np.arange(4.0)[:, None] + 0.5, 10.0, 2.0), 5)
    4.49444
    """
    most, least = max(len(truth_m), len(estimate_m)), min(len(truth_m), len(estimate_m))
    if most == 0:
        return 0.0
    if np.isinf(order):
        if most > least:
            return float(cutoff_m)
        distance = np.minimum(np.linalg.norm(truth_m[:, None] - estimate_m[None], axis=-1), cutoff_m)
        return _least_greatest(distance)
    *_, apart = _pairs(truth_m, estimate_m, cutoff_m, order)
    return float(((np.sum(apart**order) + cutoff_m**order * (most - least)) / most) ** (1.0 / order))


def _least_greatest(distance: Float) -> float:
    """Least possible greatest distance of a pairing: bisection over the distances (bottleneck assignment)."""
    levels = np.unique(distance)
    low, high = 0, len(levels) - 1
    while low < high:
        middle = (low + high) // 2
        beyond = (distance > levels[middle]).astype(np.float64)
        rows, cols = linear_sum_assignment(beyond)
        low, high = (middle + 1, high) if beyond[rows, cols].any() else (low, middle)
    return float(levels[low])


class Gospa(NamedTuple):
    """GOSPA and its parts.

    Attributes
    ----------
    total_m, located_m : float
        The metric, and its part from the distances of pairs, ``(sum d^p)^(1 / p)`` [m].
    missed, false : int
        Points of either set without a partner.
    """

    total_m: float
    located_m: float
    missed: int
    false: int


def gospa(truth_m: Float, estimate_m: Float, cutoff_m: float, order: float = 2.0) -> Gospa:
    """Generalized optimal subpattern assignment metric of two sets of points, with ``alpha = 2``.

    ``(sum d(x, y)^p + c^p / 2 (missed + false))^(1 / p)`` over the pairs that make it least.

    Parameters
    ----------
    truth_m, estimate_m : ndarray of float64, shapes (n, d) and (m, d)
        True and estimated points [m].
    cutoff_m : float
        Distance ``c`` at which a pair costs as much as one missed and one false point [m].
    order : float
        ``p``, 1 or more and finite.

    Examples
    --------
    >>> gospa(np.zeros((1, 3)), np.array([[3.0, 4.0, 0.0], [900.0, 0.0, 0.0]]), 100.0).false
    1
    """
    *_, apart = _pairs(truth_m, estimate_m, cutoff_m, order)
    close = apart < cutoff_m
    located, pairs = float(np.sum(apart[close] ** order)), int(close.sum())
    missed, false = len(truth_m) - pairs, len(estimate_m) - pairs
    total = (located + 0.5 * cutoff_m**order * (missed + false)) ** (1.0 / order)
    return Gospa(float(total), float(located ** (1.0 / order)), missed, false)


def holders(truth_m: Float, estimate_m: Float, cutoff_m: float, order: float = 2.0) -> Int:
    """Which estimate GOSPA pairs with each true point: its index, or ``NOBODY``; shape (n,)."""
    rows, cols, apart = _pairs(truth_m, estimate_m, cutoff_m, order)
    held = np.full(len(truth_m), NOBODY, np.int64)
    held[rows[apart < cutoff_m]] = cols[apart < cutoff_m]
    return held


def switches(holder: Int) -> Float:
    """How often targets changed their track, instant by instant, as in track GOSPA.

    Half a switch to lose a track or to gain one again, a whole one from track to track; the first track is none.

    Parameters
    ----------
    holder : ndarray of int64, shape (targets, instants)
        Identity of the track of each target, ``NOBODY`` without one, ``ABSENT`` where the target does not exist.

    Returns
    -------
    ndarray of float64, shape (instants,)
        Switches; with a penalty ``s``, ``s n^(1 / p)`` is added to GOSPA by its power ``p``.

    Examples
    --------
    >>> switches(np.array([[1, 1, NOBODY, 1], [2, 3, 3, 3]])).tolist()
    [0.0, 1.0, 0.5, 0.5]
    """
    count = np.zeros(holder.shape[1])
    for row in holder:
        known = np.flatnonzero((row != ABSENT) & (np.cumsum(row >= 0) > 0))
        before, after = row[known[:-1]], row[known[1:]]
        np.add.at(count, known[1:], np.where(before == after, 0.0, np.where((before >= 0) & (after >= 0), 1.0, 0.5)))
    return count


@dataclass(frozen=True, slots=True)
class Siap:
    """Attributes of the single integrated air picture; the aim of each stands behind it.

    Attributes
    ----------
    completeness : float
        Share of targets that have a track [1]; 1.
    ambiguity : float
        Tracks of a target that has any [1]; 1.
    spuriousness : float
        Share of tracks that have no target [1]; 0.
    position_accuracy_m, velocity_accuracy_m_s : float
        Mean error of tracks with a target [m], [m/s]; 0.
    changes_per_s : float
        Rate of track number changes of tracked targets [1/s]; 0.
    longest_segment : float
        Share of its life for which a target is held by the one track that holds it longest [1]; 1.
    """

    completeness: float
    ambiguity: float
    spuriousness: float
    position_accuracy_m: float
    velocity_accuracy_m_s: float
    changes_per_s: float
    longest_segment: float


def segments(holder: Int) -> Int:
    """Unbroken runs of one track on one target.

    Parameters
    ----------
    holder : ndarray of int64, shape (targets, instants)
        Index of the track of each target; below 0 for none.

    Returns
    -------
    ndarray of int64, shape (k, 4)
        Target, track, first and last instant of each run.

    Examples
    --------
    >>> segments(np.array([[NOBODY, 4, 4, 7]])).tolist()
    [[0, 4, 1, 2], [0, 7, 3, 3]]
    """
    found = []
    for target, row in enumerate(holder):
        edge = np.flatnonzero(np.diff(row)) + 1
        for first, last in zip([0, *edge], [*edge, len(row)], strict=True):
            if len(row) and row[first] >= 0:
                found.append((target, int(row[first]), int(first), int(last) - 1))
    return np.array(found, np.int64).reshape(-1, 4)


def siap(time_s: Float, truth: Float, track: Float, runs: Int) -> Siap:
    """SIAP over a run.

    Parameters
    ----------
    time_s : ndarray of float64, shape (instants,)
        Ascending [s].
    truth : ndarray of float64, shape (targets, instants, 2 d)
        Positions [m], then velocities [m/s]; nan where the target does not exist.
    track : ndarray of float64, shape (tracks, instants, 2 d)
        Estimates; nan where the track does not exist.
    runs : ndarray of int64, shape (k, 4)
        Which track was on which target from which instant to which (`segments`); runs may overlap.

    Raises
    ------
    ValueError
        If a run leaves the arrays, or a track of a run does not exist in it.
    """
    targets, tracks, instants = len(truth), len(track), len(time_s)
    limits = np.array([targets, tracks, instants, instants])
    if runs.size and ((runs < 0).any() or (runs >= limits).any() or (runs[:, 2] > runs[:, 3]).any()):
        raise ValueError(
            f"runs: wanted target, track, first <= last below {limits.tolist()}, got some beyond; check them"
        )
    half = truth.shape[2] // 2
    exists, alive = np.isfinite(truth[:, :, 0]), np.isfinite(track[:, :, 0])
    held, holds = np.zeros_like(exists), np.zeros_like(alive)
    place = speed = 0.0
    for target, number, first, last in runs.tolist():
        span = slice(first, last + 1)
        if not (exists[target, span].all() and alive[number, span].all()):
            raise ValueError(f"runs: target {target} or track {number} is absent within {first} to {last}; cut the run")
        held[target, span], holds[number, span] = True, True
        apart = track[number, span] - truth[target, span]
        place += float(np.linalg.norm(apart[:, :half], axis=1).sum())
        speed += float(np.linalg.norm(apart[:, half:], axis=1).sum())
    tracked_s = longest_s = life_s = 0.0
    changes, step_s = 0, np.diff(time_s)
    for target in range(targets):
        own = np.unique(runs[runs[:, 0] == target, 1])
        tracked_s += float(step_s[_covered(runs, target, None, instants)].sum())
        longest_s += max((float(step_s[_covered(runs, target, one, instants)].sum()) for one in own), default=0.0)
        when = time_s[exists[target]]
        life_s += float(when[-1] - when[0]) if len(when) else 0.0
        changes += max(_fewest(runs[runs[:, 0] == target, 2:]) - 1, 0)
    n_exist, n_held, n_hold, n_alive = (int(np.count_nonzero(a)) for a in (exists, held, holds, alive))
    return Siap(
        completeness=n_held / n_exist if n_exist else 0.0,
        ambiguity=n_hold / n_held if n_held else 1.0,
        spuriousness=(n_alive - n_hold) / n_alive if n_alive else 0.0,
        position_accuracy_m=place / n_hold if n_hold else 0.0,
        velocity_accuracy_m_s=speed / n_hold if n_hold else 0.0,
        changes_per_s=changes / tracked_s if tracked_s else 0.0,
        longest_segment=longest_s / life_s if life_s else 0.0,
    )


def _covered(runs: Int, target: int, track: int | None, instants: int) -> NDArray[np.bool_]:
    """Find steps between instants that runs of a track, or of any, on a target cover; shape (instants - 1,)."""
    covered = np.zeros(max(instants - 1, 0), np.bool_)
    for of, by, first, last in runs.tolist():
        covered[first:last] |= of == target and track in (None, by)
    return covered


def _fewest(spans: Int) -> int:
    """Fewest of the spans (first, last) that cover what all of them cover."""
    count, at = 0, -1
    while True:
        ahead = spans[spans[:, 1] > at]
        if not len(ahead):
            return count
        at = max(at + 1, int(ahead[:, 0].min()))
        at = int(ahead[ahead[:, 0] <= at, 1].max())
        count += 1


def nees(error: Float, covariance: Float) -> Float:
    """Normalised estimation error squared ``e' P^-1 e`` over the last axis; its mean is the dimension if P is honest.

    Parameters
    ----------
    error : ndarray of float64, shape (..., d)
    covariance : ndarray of float64, shape (..., d, d)
    """
    if error.shape[0] == 0:
        return np.zeros(error.shape[:-1])
    return np.asarray(np.sum(error * np.linalg.solve(covariance, error[..., None])[..., 0], axis=-1), np.float64)


def posterior_bound(prior: Float, flow: Float, noise: Float, information: Float) -> Float:
    """Posterior Cramer-Rao bound: no filter's error covariance can be smaller.

    ``J+ = (Q + F J^-1 F')^-1 + I`` with ``I = sum H' R^-1 H`` of the measurements after each step.

    Parameters
    ----------
    prior : ndarray of float64, shape (n, n)
        Covariance before the first step.
    flow, noise : ndarray of float64, shape (n, n) or (steps, n, n)
        Transition ``F`` and covariance ``Q`` of the process noise of each step.
    information : ndarray of float64, shape (steps, n, n)
        ``I`` of each step, its mean over the targets where it depends on the state.

    Returns
    -------
    ndarray of float64, shape (steps + 1, n, n)
        Covariances, the first that of the prior.

    Examples
    --------
    >>> one = np.ones((1, 1))
    >>> posterior_bound(one, one, one, np.ones((2, 1, 1)))[:, 0, 0].round(4).tolist()
    [1.0, 0.6667, 0.625]
    """
    steps = (len(information), *prior.shape)
    flow, noise = np.broadcast_to(flow, steps), np.broadcast_to(noise, steps)
    bound = np.empty((len(information) + 1, *prior.shape))
    bound[0] = prior
    for step, gained in enumerate(information):
        moved = flow[step] @ bound[step] @ flow[step].T + noise[step]
        bound[step + 1] = np.linalg.inv(np.linalg.inv(moved) + gained)
    return bound
