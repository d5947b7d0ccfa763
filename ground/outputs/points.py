"""Track points: what every output format starts from, made of updates of the history or of a live picture."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.geo.earth import ecef_to_geodetic, enu_axes
from lookdown.geo.timescale import unix_ns_from_tai_ns
from lookdown.wire.messages import Float, Kind, Picture, TrackStatus

Int = NDArray[np.int64]

NO_TARGET = (Kind.STAR, Kind.ARTEFACT)
"""Kinds that are no target."""


@dataclass(frozen=True, slots=True, eq=False)
class Platform:
    """Where the sensor of a point was.

    Attributes
    ----------
    sensor_id : ndarray of int64, shape (n,)
        Identities; 0 where it is not known.
    position_m : ndarray of float64, shape (n, 3)
        ECEF [m]; nan where it is not known.
    sigma_m : ndarray of float64, shape (n,)
        One sigma of the position, each axis [m].
    """

    sensor_id: Int
    position_m: Float
    sigma_m: Float


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Estimates of tracks, one a row, in local axes.

    Attributes
    ----------
    track_id, time_ns : ndarray of int64, shape (n,)
        Identity, and time of the estimate, TAI [ns].
    status : ndarray of uint8, shape (n,)
        TrackStatus.
    position_m, velocity_m_s : ndarray of float64, shape (n, 3)
        ECEF [m], [m/s].
    lat_deg, lon_deg, height_m : ndarray of float64, shape (n,)
        WGS-84 [deg], above the ellipsoid [m].
    velocity_enu_m_s : ndarray of float64, shape (n, 3)
        East, north, up over the turning Earth [m/s].
    covariance_enu : ndarray of float64, shape (n, 6, 6)
        Of position and velocity in east, north, up.
    score : ndarray of float64, shape (n,)
        Log-likelihood ratio [1].
    kind : ndarray of float64, shape (n, 7)
        Posterior over `Kind`; zeros where nothing is known.
    platform : Platform
        The sensor that saw it.
    """

    track_id: Int
    time_ns: Int
    status: NDArray[np.uint8]
    position_m: Float
    velocity_m_s: Float
    lat_deg: Float
    lon_deg: Float
    height_m: Float
    velocity_enu_m_s: Float
    covariance_enu: Float
    score: Float
    kind: Float
    platform: Platform

    def __len__(self) -> int:
        return len(self.track_id)

    @property
    def unix_ns(self) -> Int:
        """UTC without leap seconds [ns]."""
        return unix_ns_from_tai_ns(self.time_ns)

    @property
    def sigma_enu(self) -> Float:
        """One sigma of each state in east, north, up, shape (n, 6) [m], [m/s]."""
        variance = np.diagonal(self.covariance_enu, axis1=1, axis2=2)
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)), np.float64)

    @property
    def horizontal_sigma_m(self) -> Float:
        """Greater semi-axis of the one-sigma ellipse on the ground, shape (n,) [m]."""
        greatest = np.linalg.eigvalsh(self.covariance_enu[:, :2, :2])[:, 1] if len(self) else np.zeros(0)
        return np.asarray(np.sqrt(np.maximum(greatest, 0.0)), np.float64)

    def best_kind(self, row: int, at_least: float = 0.0) -> Kind | None:
        """Most probable kind of a row, or None if none is as probable as ``at_least``."""
        best = int(np.argmax(self.kind[row]))
        return Kind(best) if self.kind[row, best] > 0.0 and self.kind[row, best] >= at_least else None

    def take(self, rows: NDArray[np.bool_] | Int) -> "Points":
        """Take some of the rows."""
        platform = self.platform
        kept = Platform(platform.sensor_id[rows], platform.position_m[rows], platform.sigma_m[rows])
        arrays = {name.name: getattr(self, name.name)[rows] for name in fields(self) if name.name != "platform"}
        return replace(self, platform=kept, **arrays)


def points_of_updates(updates: NDArray[Any], platform: Platform) -> Points:
    """Make points of updates (UPDATE_DTYPE), whose sensors stood where ``platform`` says."""
    return _points(
        updates["track_id"],
        updates["time_ns"],
        updates["status"],
        updates["position_m"],
        updates["velocity_m_s"],
        updates["covariance"],
        updates["score"],
        updates["kind"],
        platform,
    )


def points_of_picture(picture: Picture, platform: Platform | None = None) -> Points:
    """Make points of a picture; ``platform`` is one row, the sensor of the last report, or None."""
    tracks, n = picture.tracks, len(picture.tracks)
    state = np.array([track.state for track in tracks]).reshape(n, 6)
    kind = np.array([track.kind or (0.0,) * len(Kind) for track in tracks]).reshape(n, len(Kind))
    everyone = np.zeros(n, np.int64)
    if platform is None:
        platform = Platform(np.zeros(1, np.int64), np.full((1, 3), np.nan), np.full(1, np.nan))
    return _points(
        np.array([track.id for track in tracks], np.int64),
        np.array([track.time_ns for track in tracks], np.int64),
        np.array([track.status for track in tracks], np.uint8),
        state[:, :3],
        state[:, 3:],
        np.array([track.covariance for track in tracks]).reshape(n, 6, 6),
        np.array([track.score for track in tracks], np.float64),
        kind,
        Platform(platform.sensor_id[everyone], platform.position_m[everyone], platform.sigma_m[everyone]),
    )


def _points(
    track_id: Int,
    time_ns: Int,
    status: NDArray[np.uint8],
    position_m: Float,
    velocity_m_s: Float,
    covariance: Float,
    score: Float,
    kind: Float,
    platform: Platform,
) -> Points:
    lat_rad, lon_rad, height_m = ecef_to_geodetic(position_m)
    axes = enu_axes(lat_rad, lon_rad)
    both = np.zeros((len(axes), 6, 6))
    both[:, :3, :3] = both[:, 3:, 3:] = axes
    return Points(
        track_id,
        time_ns,
        status,
        position_m,
        velocity_m_s,
        np.degrees(lat_rad),
        np.degrees(lon_rad),
        np.asarray(height_m, np.float64),
        np.einsum("nij,nj->ni", axes, velocity_m_s),
        both @ covariance @ both.transpose(0, 2, 1),
        score,
        np.asarray(kind, np.float64),
        platform,
    )


def groups_of(values: Int) -> Sequence[Int]:
    """Rows of each value, values ascending, rows in their order.

    Examples
    --------
    >>> [rows.tolist() for rows in groups_of(np.array([7, 3, 7]))]
    [[1], [0, 2]]
    """
    order = np.argsort(values, kind="stable")
    _, first = np.unique(values[order], return_index=True)
    return np.split(order, first[1:]) if len(values) else []


def is_believed(status: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which rows are of tracks that were confirmed, shape (n,): tentative ones are nobody else's business."""
    return np.asarray(status != TrackStatus.TENTATIVE, np.bool_)
