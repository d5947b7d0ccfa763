"""Lines of sight: where they meet the Earth, where several of them meet each other, and how long light took.

Light time is the only effect of the finite speed of light that is modelled. Stellar aberration (the sensor's own
speed over that of light, 25 microradians in low orbit) and the turn of the Earth during the light time (2 m) are left
out by the simulator and by the fusion alike; what the Earth's motion does to stars is in `celestial`. Vectorised over
leading axes.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lookdown.geo.earth import SEMI_MAJOR_AXIS_M, SEMI_MINOR_AXIS_M, SPEED_OF_LIGHT_M_S

Float = NDArray[np.float64]


def intersect_ellipsoid(origin_m: ArrayLike, direction: ArrayLike, height_m: ArrayLike = 0.0) -> Float:
    """First point where lines of sight meet the surface at a height over the ellipsoid.

    The surface is the ellipsoid with half axes ``a + h`` and ``b + h``; below 100 km it stays within 1 m of the
    surface of equal geodetic height.

    Parameters
    ----------
    origin_m : array_like of float, shape (..., 3)
        Starts of the lines [m]; leading shapes broadcast.
    direction : array_like of float, shape (..., 3)
        Directions, any length.
    height_m : array_like of float, shape (...)
        Height [m].

    Returns
    -------
    ndarray of float64, shape (..., 3)
        Points [m]; nan where a line misses the surface or points away from it.
    """
    height = np.asarray(height_m, np.float64)[..., None]
    axes = np.concatenate([SEMI_MAJOR_AXIS_M + height, SEMI_MAJOR_AXIS_M + height, SEMI_MINOR_AXIS_M + height], axis=-1)
    origin, along = np.asarray(origin_m, np.float64), np.asarray(direction, np.float64)
    start, step = origin / axes, along / axes
    a = np.sum(step * step, axis=-1)
    b = np.sum(start * step, axis=-1)
    c = np.sum(start * start, axis=-1) - 1.0
    discriminant = b * b - a * c
    root = np.sqrt(np.where(discriminant >= 0.0, discriminant, np.nan))
    # From outside both roots have one sign; c / (root - b) is the nearer one without cancellation.
    nearer = np.where(b < 0.0, c / np.where(b < 0.0, root - b, 1.0), np.nan)
    # From inside (c < 0) the line leaves the surface once.
    distance = np.where(c < 0.0, (root - b) / a, nearer)
    return np.asarray(origin + distance[..., None] * along, np.float64)


def nearest_point(origins_m: ArrayLike, directions: ArrayLike, sigmas_m: ArrayLike) -> tuple[Float, Float, Float]:
    """Weighted least-squares meeting point of several lines of sight.

    Minimises ``sum |(I - u u') (x - o)|^2 / sigma^2``; the normal matrix ``J = sum (I - u u') / sigma^2`` is the Fisher
    information of the lines and its inverse the covariance.

    Parameters
    ----------
    origins_m : array_like of float, shape (..., n, 3)
        Sensor positions [m].
    directions : array_like of float, shape (..., n, 3)
        Unit directions.
    sigmas_m : array_like of float, shape (..., n)
        One sigma of each line across itself at the meeting point [m].

    Returns
    -------
    position_m : ndarray of float64, shape (..., 3)
        Meeting point [m]; nan for lines that are parallel to within rounding.
    covariance_m2 : ndarray of float64, shape (..., 3, 3)
        Covariance [m^2].
    miss_m : ndarray of float64, shape (..., n)
        Distance of each line from the point [m].
    """
    origins, along = np.asarray(origins_m, np.float64), np.asarray(directions, np.float64)
    weights = 1.0 / np.asarray(sigmas_m, np.float64) ** 2
    across = np.eye(3) - along[..., :, None] * along[..., None, :]
    information = np.einsum("...n,...nij->...ij", weights, across)
    # Solving about the first origin keeps the digits that 7,000 km of lever arm would cost.
    offsets = origins - origins[..., :1, :]
    pull = np.einsum("...n,...nij,...nj->...i", weights, across, offsets)
    values, vectors = np.linalg.eigh(information)
    usable = values[..., :1] > 1e-12 * values[..., 2:]
    inverse_values = np.where(usable, 1.0 / np.where(usable, values, 1.0), np.nan)
    covariance = np.einsum("...ik,...k,...jk->...ij", vectors, inverse_values, vectors)
    relative = np.einsum("...ij,...j->...i", covariance, pull)
    misses = np.einsum("...nij,...nj->...ni", across, relative[..., None, :] - offsets)
    return relative + origins[..., 0, :], covariance, np.linalg.norm(misses, axis=-1)


def light_time_s(first_m: ArrayLike, second_m: ArrayLike) -> Float:
    """Time light takes between points, shapes (..., 3) [m], as shape (...) [s]."""
    separation = np.asarray(first_m, np.float64) - np.asarray(second_m, np.float64)
    return np.asarray(np.linalg.norm(separation, axis=-1) / SPEED_OF_LIGHT_M_S, np.float64)


def emission_time_ns(
    position_at: Callable[[NDArray[np.int64]], Float], sensor_position_m: ArrayLike, time_ns: ArrayLike
) -> NDArray[np.int64]:
    """Time at which a mover sent the light that a sensor receives: ``t - |sensor(t) - mover(emission)| / c``.

    Three fixed-point steps from the reception time; each gains a factor ``v / c``, so 1e4 m/s ends below 1 ns.

    Parameters
    ----------
    position_at : callable
        Positions ECEF, shape (..., 3) [m], at times of shape (...), TAI [ns].
    sensor_position_m : array_like of float, shape (..., 3)
        Sensor at ``time_ns`` [m].
    time_ns : array_like of int64, shape (...)
        Time of reception (mid-exposure), TAI [ns].

    Returns
    -------
    ndarray of int64, shape (...)
        Time of emission, TAI [ns].
    """
    received = np.asarray(time_ns, np.int64)
    emitted = received
    for _ in range(3):
        delay_s = light_time_s(sensor_position_m, position_at(emitted))
        emitted = np.asarray(received - np.rint(1e9 * delay_s).astype(np.int64), np.int64)
    return emitted


def tangent_height(origin_m: ArrayLike, direction: ArrayLike) -> Float:
    """Least height of lines of sight over the ellipsoid, below 0 where they go through the Earth.

    The lowest point is that nearest to the centre after the polar axis is stretched to a sphere; for heights below
    200 km this is good to a metre.

    Parameters
    ----------
    origin_m : array_like of float, shape (..., 3)
        Starts of the lines [m]; leading shapes broadcast.
    direction : array_like of float, shape (..., 3)
        Directions, any length.

    Returns
    -------
    ndarray of float64, shape (...)
        Height over the ellipsoid, at the start if the line rises from there [m].
    """
    stretch = np.array([1.0, 1.0, SEMI_MAJOR_AXIS_M / SEMI_MINOR_AXIS_M])
    origin, along = np.asarray(origin_m, np.float64) * stretch, np.asarray(direction, np.float64) * stretch
    way = np.maximum(-np.sum(origin * along, axis=-1) / np.sum(along * along, axis=-1), 0.0)
    lowest = origin + way[..., None] * along
    distance = np.linalg.norm(lowest, axis=-1)
    # Over the pole the stretched height counts b for a.
    share = np.abs(lowest[..., 2]) / np.maximum(distance, 1.0)
    flattening = 1.0 - SEMI_MINOR_AXIS_M / SEMI_MAJOR_AXIS_M
    return np.asarray((distance - SEMI_MAJOR_AXIS_M) * (1.0 - flattening * share**2), np.float64)


def earth_blocks(sensor_m: ArrayLike, point_m: ArrayLike) -> NDArray[np.bool_]:
    """Whether the Earth lies between sensors and points; points at ground level are not hidden by their own ground.

    Parameters
    ----------
    sensor_m, point_m : array_like of float, shape (..., 3)
        Ends of the lines, ECEF [m]; leading shapes broadcast.

    Returns
    -------
    ndarray of bool, shape (...)
        True where the ellipsoid, lowered by 100 m, is in the way.
    """
    sensor, point = np.asarray(sensor_m, np.float64), np.asarray(point_m, np.float64)
    meeting = intersect_ellipsoid(sensor, point - sensor, -100.0)
    way = np.sum((meeting - sensor) * (point - sensor), axis=-1) / np.sum((point - sensor) ** 2, axis=-1)
    with np.errstate(invalid="ignore"):
        return np.asarray(way < 1.0)
