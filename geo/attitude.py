"""Attitude laws: where the boresight points and how the focal plane lies about it.

All return quaternions from sensor axes (+x along increasing column, +y along increasing row, +z boresight) to ECEF. The
velocities are those in the rotating frame, as orbits give them. In each law +x points forward, so +y points to the
right of the flight when the sensor looks down, and turns about x, y, z are roll, pitch and yaw as in aircraft: positive
roll looks to the left, positive pitch ahead, positive yaw turns the columns to the right.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lookdown.geo.earth import ECCENTRICITY_SQUARED, ROTATION_RATE_RAD_S, SEMI_MAJOR_AXIS_M, ecef_to_geodetic, enu_axes
from lookdown.geo.rotation import from_matrix, from_rotation_vector, multiply

Float = NDArray[np.float64]


def stare_attitude(position_m: ArrayLike, velocity_m_s: ArrayLike, aim_m: ArrayLike) -> Float:
    """Attitude with the boresight on an aim point and +x (increasing column) as near the velocity as possible.

    Parameters
    ----------
    position_m, velocity_m_s, aim_m : array_like of float, shape (..., 3)
        Sensor position [m], its velocity [m/s] and the aim point [m], ECEF.

    Returns
    -------
    ndarray of float64, shape (..., 4)
        Quaternion, sensor to ECEF.

    Raises
    ------
    ValueError
        If the aim point is the sensor itself or lies straight along the velocity.
    """
    position, velocity = np.asarray(position_m, np.float64), np.asarray(velocity_m_s, np.float64)
    boresight = np.asarray(aim_m, np.float64) - position
    distance = np.linalg.norm(boresight, axis=-1, keepdims=True)
    speed = np.linalg.norm(velocity, axis=-1, keepdims=True)
    if np.any(distance == 0.0) or np.any(speed == 0.0):
        raise ValueError("stare_attitude wanted an aim point away from the sensor and a velocity, got a zero vector")
    boresight = boresight / distance
    along = velocity / speed
    along = along - np.sum(along * boresight, axis=-1, keepdims=True) * boresight
    length = np.linalg.norm(along, axis=-1, keepdims=True)
    if np.any(length < 1e-9):
        raise ValueError("stare_attitude wanted an aim point off the flight direction, got one straight along it")
    along = along / length
    return from_matrix(np.stack([along, np.cross(boresight, along), boresight], axis=-1))


def _downward(position_m: Float, forward: Float) -> Float:
    """Attitude that looks along the ellipsoid's normal, with +x along the horizontal part of ``forward``."""
    lat, lon, _ = ecef_to_geodetic(position_m)
    down = -enu_axes(lat, lon)[..., 2, :]
    along = forward - np.sum(forward * down, axis=-1, keepdims=True) * down
    length = np.linalg.norm(along, axis=-1, keepdims=True)
    if np.any(length < 1e-9 * np.maximum(np.linalg.norm(forward, axis=-1, keepdims=True), 1.0)):
        raise ValueError("attitude that looks down wanted a velocity with a horizontal part, got a vertical one")
    along = along / length
    return from_matrix(np.stack([along, np.cross(down, along), down], axis=-1))


def nadir_attitude(position_m: ArrayLike, velocity_m_s: ArrayLike, yaw_rad: ArrayLike = 0.0) -> Float:
    """Attitude that looks straight down, geodetically, with +x along the inertial velocity.

    Because the Earth turns below, the ground does not move along the columns: at the equator, from a polar orbit, by up
    to 4 degrees. `yaw_steering_attitude` follows it.

    Parameters
    ----------
    position_m, velocity_m_s : array_like of float, shape (..., 3)
        Sensor position [m] and its velocity in the rotating frame [m/s], ECEF.
    yaw_rad : array_like of float, shape (...)
        Turn about the boresight, columns to the right [rad].

    Returns
    -------
    ndarray of float64, shape (..., 4)
        Quaternion, sensor to ECEF.

    Raises
    ------
    ValueError
        If the velocity is vertical.
    """
    position, velocity = np.asarray(position_m, np.float64), np.asarray(velocity_m_s, np.float64)
    inertial = velocity + ROTATION_RATE_RAD_S * np.stack(
        [-position[..., 1], position[..., 0], np.zeros_like(position[..., 0])], axis=-1
    )
    yaw = np.asarray(yaw_rad, np.float64)
    turn = from_rotation_vector(np.stack([np.zeros_like(yaw), np.zeros_like(yaw), yaw], axis=-1))
    return multiply(_downward(position, inertial), turn)


def yaw_steering_attitude(position_m: ArrayLike, velocity_m_s: ArrayLike) -> Float:
    """Attitude that looks straight down, geodetically, yawed so that the ground moves along the columns.

    +x lies along the velocity of the subsatellite point over the ellipsoid, so the ground at the boresight moves to -x
    and nowhere else. On a circular orbit about a sphere the yaw from the inertial velocity is
    ``atan2(w sin i cos u, n - w cos i)`` with ``w`` the Earth's rate, ``n`` the mean motion and ``u`` the argument of
    latitude, to the left (Raney 1986, "Doppler properties of radars in circular orbits", Int. J. Remote Sensing 7).

    Parameters
    ----------
    position_m, velocity_m_s : array_like of float, shape (..., 3)
        Sensor position [m] and its velocity in the rotating frame [m/s], ECEF.

    Returns
    -------
    ndarray of float64, shape (..., 4)
        Quaternion, sensor to ECEF.

    Raises
    ------
    ValueError
        If the velocity is vertical.
    """
    position, velocity = np.asarray(position_m, np.float64), np.asarray(velocity_m_s, np.float64)
    lat, lon, height = ecef_to_geodetic(position)
    axes = enu_axes(lat, lon)
    local = np.einsum("...ij,...j->...i", axes, velocity)
    # The ground below is nearer to the centres of curvature, which differ for east and north.
    bulge = 1.0 - ECCENTRICITY_SQUARED * np.sin(lat) ** 2
    vertical = SEMI_MAJOR_AXIS_M / np.sqrt(bulge)
    meridian = SEMI_MAJOR_AXIS_M * (1.0 - ECCENTRICITY_SQUARED) / bulge**1.5
    east = local[..., 0] * vertical / (vertical + height)
    north = local[..., 1] * meridian / (meridian + height)
    return _downward(position, axes[..., 0, :] * east[..., None] + axes[..., 1, :] * north[..., None])


def turned(attitude: ArrayLike, roll_rad: ArrayLike, pitch_rad: ArrayLike, yaw_rad: ArrayLike) -> Float:
    """Attitude turned about its own axes by yaw, then pitch, then roll (the 3-2-1 sequence).

    Parameters
    ----------
    attitude : array_like of float, shape (..., 4)
        Quaternion, sensor to ECEF.
    roll_rad, pitch_rad, yaw_rad : array_like of float, shape (...)
        Angles about x, y and z [rad]: the boresight to the left, the boresight ahead, the columns to the right.

    Returns
    -------
    ndarray of float64, shape (..., 4)
        Quaternion, sensor to ECEF.
    """
    result = np.asarray(attitude, np.float64)
    for axis, angle in ((2, yaw_rad), (1, pitch_rad), (0, roll_rad)):
        result = multiply(result, from_rotation_vector(np.asarray(angle, np.float64)[..., None] * np.eye(3)[axis]))
    return result
