"""Paths of movers: six degrees of freedom at any time.

Position comes from the kind of path; velocity is its derivative. The body's x axis lies along the velocity, z down
where it lifts: across the specific force, so that a mover that turns banks (coordinated flight). Attitudes are
tabulated once and interpolated on the shortest arc; body rates are their derivative.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation, Slerp

from lookdown.geo.earth import ecef_to_geodetic, enu_axes
from lookdown.hil.motion.terrain import Terrain

Float = NDArray[np.float64]

_DERIVATIVE_S = 5e-3
"""Half step of the velocity's central difference: errors below 1e-6 m/s from rounding and from a jerk of 1 m/s^3."""

_GRAVITY_M_S2 = 9.81
_EARTH_RATE = np.array([0.0, 0.0, 7.292115e-5])
_TABLE_S = 0.05
_LONGEST_TABLE = 40_000
_STANDING_M_S = 0.05


@dataclass(frozen=True)
class MoverPath:
    """Where a mover is, how it lies and how it turns, at any time.

    Attributes
    ----------
    name : str
        Identity of the mover.
    start_ns : int
        Instant of the scenario's start, TAI [ns].
    duration_s : float
        Length of the scenario [s].
    where : callable
        Position ECEF, shape (..., 3) [m], at seconds from the start, shape (...).
    terrain : Terrain
        Ground below.
    burns_s : tuple of float or None
        Begin and end of thrust [s]; None if the engine runs throughout.
    banks : bool
        Whether it lifts and banks; else it stands upright on the ground.
    sway : callable or None
        Roll and pitch on top, shapes (...) [rad], at seconds from the start.
    """

    name: str
    start_ns: int
    duration_s: float
    where: Callable[[Float], Float]
    terrain: Terrain
    burns_s: tuple[float, float] | None = None
    banks: bool = True
    sway: Callable[[Float], tuple[Float, Float]] | None = field(default=None)

    def seconds(self, time_ns: ArrayLike) -> Float:
        """Seconds from the start at times, TAI [ns]."""
        return np.asarray((np.asarray(time_ns, np.int64) - self.start_ns) * 1e-9, np.float64)

    def position(self, time_ns: ArrayLike) -> Float:
        """Position ECEF, shape (..., 3) [m], at times of shape (...), TAI [ns]."""
        return self.where(self.seconds(time_ns))

    def height_m(self, time_ns: ArrayLike) -> Float:
        """Height over the ellipsoid [m]."""
        return np.asarray(ecef_to_geodetic(self.position(time_ns))[2], np.float64)

    def clearance_m(self, time_ns: ArrayLike) -> Float:
        """Height over the terrain [m]."""
        lat, lon, height = ecef_to_geodetic(self.position(time_ns))
        return np.asarray(height - self.terrain.height_m(lat, lon), np.float64)

    def state(self, time_ns: ArrayLike) -> tuple[Float, Float]:
        """Position and velocity.

        Parameters
        ----------
        time_ns : array_like of int64, shape (...)
            Time, TAI [ns].

        Returns
        -------
        position_m, velocity_m_s : ndarray of float64, shape (..., 3)
            ECEF position [m] and velocity in the rotating frame [m/s].
        """
        t_s = self.seconds(time_ns)
        return self.where(t_s), self._velocity(t_s)

    def attitude(self, time_ns: ArrayLike) -> Float:
        """Attitude: quaternions, body (x forward, y right, z down) to ECEF, shape (..., 4)."""
        t_s = np.clip(self.seconds(time_ns), self._table.times[0], self._table.times[-1])
        turned = self._table(t_s.reshape(-1)).as_quat(scalar_first=True)
        return np.asarray(turned.reshape(*t_s.shape, 4), np.float64)

    def body_rate(self, time_ns: ArrayLike) -> Float:
        """Rates about the body's axes over the Earth, shape (..., 3) [rad/s]."""
        t_s = self.seconds(time_ns)
        half = 0.5 * _TABLE_S
        low, high = self._table.times[0] + half, self._table.times[-1] - half
        middle = np.clip(t_s.reshape(-1), low, high)
        before, after = self._table(middle - half), self._table(middle + half)
        return np.asarray((before.inv() * after).as_rotvec().reshape(*t_s.shape, 3) / _TABLE_S, np.float64)

    def thrusting(self, time_ns: ArrayLike) -> NDArray[np.bool_]:
        """Whether the engine runs."""
        t_s = self.seconds(time_ns)
        if self.burns_s is None:
            return np.ones(t_s.shape, np.bool_)
        return np.asarray((t_s >= self.burns_s[0]) & (t_s < self.burns_s[1]))

    def _velocity(self, t_s: Float) -> Float:
        ahead, behind = self.where(t_s + _DERIVATIVE_S), self.where(t_s - _DERIVATIVE_S)
        return np.asarray((ahead - behind) / (2.0 * _DERIVATIVE_S), np.float64)

    @cached_property
    def _table(self) -> Slerp:
        """Attitudes at even times, from a second before the start to one after the end."""
        step = max(_TABLE_S, (self.duration_s + 2.0) / _LONGEST_TABLE)
        t_s = np.arange(-1.0, self.duration_s + 1.0 + step, step)
        position, velocity = self.where(t_s), self._velocity(t_s)
        lat, lon, _ = ecef_to_geodetic(position)
        up = enu_axes(lat, lon)[..., 2, :]
        ahead = _directions(velocity, enu_axes(lat, lon)[..., 1, :])
        lift = up
        if self.banks:
            acceleration = (self._velocity(t_s + 0.5 * step) - self._velocity(t_s - 0.5 * step)) / step
            lift = acceleration + 2.0 * np.cross(_EARTH_RATE, velocity) + _GRAVITY_M_S2 * up
        down = -(lift - np.sum(lift * ahead, axis=-1, keepdims=True) * ahead)
        steep = np.linalg.norm(down, axis=-1) < 0.05 * _GRAVITY_M_S2 if self.banks else np.zeros(len(down), bool)
        # Where nothing lifts (a rocket in its climb, or falling free) the back is kept to the south.
        south = -enu_axes(lat, lon)[..., 1, :]
        level = south - np.sum(south * ahead, axis=-1, keepdims=True) * ahead
        down = np.where(steep[:, None], -level, down)
        down = down / np.linalg.norm(down, axis=-1, keepdims=True)
        matrix = np.stack([ahead, np.cross(down, ahead), down], axis=-1)
        turned = Rotation.from_matrix(matrix)
        if self.sway is not None:
            roll, pitch = self.sway(t_s)
            turned = turned * Rotation.from_euler("YX", np.stack([pitch, roll], axis=-1))
        return Slerp(t_s, turned)


def _directions(velocity: Float, otherwise: Float) -> Float:
    """Directions of velocities; a mover that stands keeps its last direction, or takes its first."""
    speed = np.linalg.norm(velocity, axis=-1)
    moving = np.flatnonzero(speed > _STANDING_M_S)
    if moving.size == 0:
        return otherwise
    last = np.maximum.accumulate(np.where(speed > _STANDING_M_S, np.arange(speed.size), moving[0]))
    return np.asarray(velocity[last] / speed[last, None], np.float64)
