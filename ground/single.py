"""Tracks of one satellite: a direction that moves, its range known by an altitude prior alone.

A plot in a place where no other satellite looks starts one: it lies somewhere between the ground and the top of the air
along its line of sight, so that the first estimate is the middle of that piece with the variance of a uniform share,
``length^2 / 12``. Such a track is fed by its own satellite alone and can never be confirmed; it is *believed*, and
told, once its score, its hits and its motion would confirm a track of two. When another satellite sees the target,
crossings start a track as always; that one, once confirmed, takes the single one in, and its identity.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from lookdown.geo.sight import intersect_ellipsoid
from lookdown.ground.measure import Look, predict_sights
from lookdown.ground.parameters import Parameters, SensorField
from lookdown.ground.tracks import Int, TrackTable
from lookdown.wire.messages import Float

_ACROSS_RAD = 1e-2  # of the first estimate before its plot is used: wide beside any plot


_PLACES = 11  # along a line of sight at which it is asked whether others look there


class Single(IntEnum):
    """Whether a track is one satellite's alone."""

    NO = 0
    CANDIDATE = 1
    BELIEVED = 2


_CANDIDATE = int(Single.CANDIDATE)  # NumPy compares with a member of an enumeration at ten times the cost


def lonely(look: Look, plots: Int, others: list[tuple[Look, SensorField]], parameters: Parameters) -> tuple[Int, Float]:
    """Find plots that look where no other satellite does, and the ends of their lines in the air.

    Parameters
    ----------
    look : Look
        The report.
    plots : ndarray of int64, shape (k,)
        Plots that fed no track.
    others : list of (Look, SensorField)
        What other satellites saw last.
    parameters : Parameters
        Heights.

    Returns
    -------
    plots : ndarray of int64, shape (q,)
        Those of the given ones.
    ends_m : ndarray of float64, shape (q, 2, 3)
        Where their lines meet the ground and the top of the air, ECEF [m].
    """
    heights = np.array([0.0, parameters.max_height_m])
    ends_m = intersect_ellipsoid(look.origin_m, look.direction[plots][:, None, :], heights)
    if parameters.terrain is not None and len(plots):
        ends_m[:, 0] = parameters.ground.meet(look.origin_m, look.direction[plots])
    alone = np.asarray(np.isfinite(ends_m).all(axis=(1, 2)), np.bool_)
    share = np.linspace(0.0, 1.0, _PLACES)[None, :, None]
    ends = np.where(alone[:, None, None], ends_m, 0.0)
    places = np.zeros((len(plots) * _PLACES, 6))
    places[:, :3] = ((1.0 - share) * ends[:, :1] + share * ends[:, 1:]).reshape(-1, 3)
    for other, field in others:
        seen = predict_sights(places, other)
        half = np.array([field.cols, field.rows]) * 0.5 * other.report.state.ifov_rad
        inside = seen.visible & (np.abs(seen.tangent) < half).all(axis=1)
        alone &= ~inside.reshape(-1, _PLACES).any(axis=1)
    return plots[alone], np.asarray(ends_m[alone], np.float64)


def begin(new: TrackTable, look: Look, plots: Int, ends_m: Float, parameters: Parameters) -> None:
    """Fill in what plots and the altitude prior tell of new tracks before their plots are used."""
    sight = look.direction[plots]
    length_m = np.linalg.norm(ends_m[:, 0] - ends_m[:, 1], axis=1)
    range_m = np.linalg.norm(ends_m.mean(axis=1) - look.origin_m, axis=1)
    along = sight[:, :, None] * sight[:, None, :]
    new.state[:, :3] = ends_m.mean(axis=1)
    new.covariance[:, :3, :3] = (length_m**2 / 12.0)[:, None, None] * along
    new.covariance[:, :3, :3] += ((_ACROSS_RAD * range_m) ** 2)[:, None, None] * (np.eye(3) - along)
    new.covariance[:, [3, 4, 5], [3, 4, 5]] = parameters.initial_speed_sigma_m_s**2
    new.single[:] = Single.CANDIDATE
    new.looks[:], new.born_ns[:] = 1, look.report.time_ns


def crowd(table: TrackTable, parameters: Parameters) -> NDArray[np.bool_]:
    """Single tracks beyond ``max_single``, those of least score, shape (n,)."""
    rows = np.flatnonzero(table.single)
    excess, over = max(len(rows) - parameters.max_single, 0), np.zeros(len(table), np.bool_)
    if not excess:
        return over
    over[rows[np.lexsort((table.score[rows], table.single[rows]))[:excess]]] = True
    return over
