"""Pinhole camera: pixels, tangent coordinates, lines of sight, attitudes that stare, and how the ground moves.

Sensor axes: +z is the boresight, +x points along increasing column, +y along increasing row. The tangents of a line
of sight are ``x = (col - (cols - 1) / 2) ifov`` and ``y = (row - (rows - 1) / 2) ifov``, its direction ``(x, y, 1)``
normalised. Without distortion.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lookdown.geo.rotation import conjugate, from_matrix, rotate
from lookdown.geo.sight import intersect_ellipsoid

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """Focal plane of square pixels behind an ideal lens.

    Parameters
    ----------
    rows, cols : int
        Size of the focal plane [px].
    ifov_rad : float
        Pixel pitch over focal length: angle of one pixel at the boresight [rad].

    Raises
    ------
    ValueError
        If a size or the angle is not positive.
    """

    rows: int
    cols: int
    ifov_rad: float

    def __post_init__(self) -> None:
        if self.rows < 1 or self.cols < 1 or not self.ifov_rad > 0.0:
            raise ValueError(
                f"camera wanted with rows, cols >= 1 and ifov_rad > 0, got {self.rows} x {self.cols}, {self.ifov_rad}"
            )

    def tangent_from_pixel(self, row: ArrayLike, col: ArrayLike) -> tuple[Float, Float]:
        """Tangents of the lines of sight of pixels.

        Parameters
        ----------
        row, col : array_like of float
            Pixel coordinates; (0.0, 0.0) is the centre of the first pixel [px].

        Returns
        -------
        x, y : ndarray of float64
            Tangents along +column and +row [1].
        """
        x = (np.asarray(col, np.float64) - 0.5 * (self.cols - 1)) * self.ifov_rad
        y = (np.asarray(row, np.float64) - 0.5 * (self.rows - 1)) * self.ifov_rad
        return np.asarray(x), np.asarray(y)

    def pixel_from_tangent(self, x: ArrayLike, y: ArrayLike) -> tuple[Float, Float]:
        """Pixel coordinates (row, col) of lines of sight given by tangents (x, y); inverse of the above."""
        row = np.asarray(y, np.float64) / self.ifov_rad + 0.5 * (self.rows - 1)
        col = np.asarray(x, np.float64) / self.ifov_rad + 0.5 * (self.cols - 1)
        return np.asarray(row), np.asarray(col)

    def sight_ecef(self, x: ArrayLike, y: ArrayLike, attitude: ArrayLike) -> Float:
        """Lines of sight as unit vectors in ECEF.

        Parameters
        ----------
        x, y : array_like of float, shape (...)
            Tangents [1].
        attitude : array_like of float, shape (4,) or (..., 4)
            Quaternion, sensor to ECEF.

        Returns
        -------
        ndarray of float64, shape (..., 3)
            Unit vectors from the sensor outward.
        """
        x, y = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
        sight = np.stack([x, y, np.ones_like(x)], axis=-1)
        return rotate(attitude, sight / np.linalg.norm(sight, axis=-1, keepdims=True))

    def project(
        self, position_m: ArrayLike, sensor_position_m: ArrayLike, attitude: ArrayLike
    ) -> tuple[Float, Float, NDArray[np.bool_]]:
        """Pixel coordinates at which points appear, inside the focal plane or not.

        Parameters
        ----------
        position_m : array_like of float, shape (..., 3)
            Points, ECEF [m].
        sensor_position_m : array_like of float, shape (3,) or (..., 3)
            Sensor, ECEF [m].
        attitude : array_like of float, shape (4,) or (..., 4)
            Quaternion, sensor to ECEF.

        Returns
        -------
        row, col : ndarray of float64, shape (...)
            Pixel coordinates [px]; nan behind the sensor.
        in_front : ndarray of bool, shape (...)
            Whether the point lies in front of the sensor. That the Earth may hide it is not looked at.
        """
        offset = np.asarray(position_m, np.float64) - np.asarray(sensor_position_m, np.float64)
        seen = rotate(conjugate(attitude), offset)
        in_front = np.asarray(seen[..., 2] > 0.0)
        depth = np.where(in_front, seen[..., 2], np.nan)
        row, col = self.pixel_from_tangent(seen[..., 0] / depth, seen[..., 1] / depth)
        return row, col, in_front


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


def tile_centres(size: int, tiles: int) -> Float:
    """Pixel coordinates of the centres of ``tiles`` tiles of ``ceil(size / tiles)`` pixels; the last may be cut.

    Examples
    --------
    >>> tile_centres(10, 4).tolist()
    [1.0, 4.0, 7.0, 9.0]
    """
    tile = -(-size // tiles)
    first = np.minimum(np.arange(tiles) * tile, size - 1)
    last = np.minimum(first + tile, size) - 1
    return np.asarray(0.5 * (first + last), np.float64)


def shift_field(
    camera: Camera,
    position_a_m: ArrayLike,
    attitude_a: ArrayLike,
    position_b_m: ArrayLike,
    attitude_b: ArrayLike,
    height_m: float,
    grid_rows: int,
    grid_cols: int,
) -> Float:
    """Where the ground in frame b lay in frame a.

    Lines of sight of frame b through the tile centres meet the surface at ``height_m`` and are projected into frame
    a. Frame a resampled at ``(row + field[..., 0], col + field[..., 1])`` looks like frame b.

    Parameters
    ----------
    camera : Camera
        Camera of both frames.
    position_a_m, position_b_m : array_like of float, shape (3,)
        Sensor positions, ECEF [m].
    attitude_a, attitude_b : array_like of float, shape (4,)
        Quaternions, sensor to ECEF.
    height_m : float
        Height of the ground over the ellipsoid [m].
    grid_rows, grid_cols : int
        Tiles along each axis; centres as in `tile_centres`.

    Returns
    -------
    ndarray of float64, shape (grid_rows, grid_cols, 2)
        Displacement (row, col) [px]; nan where a line of sight misses the Earth.
    """
    row, col = np.meshgrid(tile_centres(camera.rows, grid_rows), tile_centres(camera.cols, grid_cols), indexing="ij")
    sights = camera.sight_ecef(*camera.tangent_from_pixel(row, col), attitude_b)
    ground = intersect_ellipsoid(position_b_m, sights, height_m)
    row_a, col_a, _ = camera.project(ground, position_a_m, attitude_a)
    return np.stack([row_a - row, col_a - col], axis=-1)
