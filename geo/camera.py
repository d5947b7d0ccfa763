"""Camera: pixels, tangent coordinates, lines of sight.

Sensor axes: +z is the boresight, +x points along increasing column, +y along increasing row. A line of sight with the
tangents ``(x, y)`` has the direction ``(x, y, 1)`` normalised. The lens moves it to ``(x, y) (1 + k1 r^2 + k2 r^4)``
with ``r^2 = x^2 + y^2``, and the pixel is ``col = x_d / ifov + (cols - 1) / 2``, ``row = y_d / ifov + (rows - 1) / 2``.
Source: Brown (1971), "Close-range camera calibration", Photogrammetric Engineering 37, the radial terms.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lookdown.geo.rotation import conjugate, rotate

Float = NDArray[np.float64]


_LEAST_SLOPE = 0.1
"""Least change of the image radius with the tangent that a lens may have inside its focal plane [1]."""

_STEPS = 100
"""Most steps of the inversion; Newton takes five, halving alone fifty."""

_SETTLED = 1e-15
"""Step from which on the inversion has arrived, relative [1]."""


@dataclass(frozen=True)
class Camera:
    """Focal plane of square pixels behind a lens.

    Where the polynomial of the lens would fold back, far outside the image, it is continued by a straight line: each
    tangent has one pixel and each pixel one tangent, however far away.

    Parameters
    ----------
    rows, cols : int
        Size of the focal plane [px].
    ifov_rad : float
        Pixel pitch over focal length: angle of one pixel at the boresight [rad].
    distortion : tuple of float
        Radial coefficients k1 and k2 on tangents [1]; k1 < 0 is a barrel.

    Raises
    ------
    ValueError
        If a size or the angle is not positive, or the distortion folds the image inside the focal plane.

    Examples
    --------
    >>> camera = Camera(512, 640, 100e-6, distortion=(-6.0, 0.0))
    >>> x, y = camera.tangent_from_pixel(0.0, 0.0)
    >>> row, col = camera.pixel_from_tangent(x, y)
    >>> abs(float(row)) < 1e-9 and abs(float(col)) < 1e-9
    True
    """

    rows: int
    cols: int
    ifov_rad: float
    distortion: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if self.rows < 1 or self.cols < 1 or not self.ifov_rad > 0.0:
            raise ValueError(
                f"camera wanted with rows, cols >= 1 and ifov_rad > 0, got {self.rows} x {self.cols}, {self.ifov_rad}"
            )
        if len(self.distortion) != 2 or not np.isfinite(self.distortion).all():
            raise ValueError(f"distortion wanted as two numbers, k1 and k2, got {self.distortion}")
        corner = 0.5 * self.ifov_rad * float(np.hypot(self.rows, self.cols))
        if self._end[1] < corner:
            raise ValueError(
                f"distortion wanted that does not fold the image, got k1, k2 = {self.distortion}: from "
                f"{self._end[1] / self.ifov_rad:.0f} px off the middle on the image turns back, the corner lies "
                f"{corner / self.ifov_rad:.0f} px away; check the sign and the unit (tangents, not pixels)"
            )

    @property
    def lens(self) -> Float:
        """Lens as `lookdown.kernels.ground_shift` takes it, shape (8,)."""
        middle = 0.5 * (self.rows - 1), 0.5 * (self.cols - 1)
        return np.array([self.ifov_rad, *self.distortion, *self._end, _LEAST_SLOPE, *middle])

    @property
    def _ideal(self) -> bool:
        return not any(self.distortion)

    @cached_property
    def _end(self) -> tuple[float, float]:
        """Radius before and after the lens from which on the polynomial is continued by a line; infinite if never."""
        if self._ideal:
            return np.inf, np.inf
        # Smallest positive root r^2 of 1 + 3 k1 r^2 + 5 k2 r^4 = least slope.
        k1, k2 = self.distortion
        discriminant = 9.0 * k1**2 - 20.0 * k2 * (1.0 - _LEAST_SLOPE)
        below = -3.0 * k1 + float(np.sqrt(max(discriminant, 0.0)))
        if discriminant < 0.0 or below <= 1e-6:
            return np.inf, np.inf
        square = 2.0 * (1.0 - _LEAST_SLOPE) / below
        radius = float(np.sqrt(square))
        return radius, radius * (1.0 + square * (k1 + square * k2))

    def _scale(self, radius: Float) -> tuple[Float, Float]:
        """Image radius over true radius, and slope of the one with the other, at true radii of tangents."""
        k1, k2 = self.distortion
        end, end_image = self._end
        square = np.minimum(radius, end) ** 2
        scale = 1.0 + square * (k1 + square * k2)
        slope = 1.0 + square * (3.0 * k1 + square * 5.0 * k2)
        if np.isfinite(end):
            beyond = radius > end
            line = (end_image + _LEAST_SLOPE * (radius - end)) / np.maximum(radius, end)
            scale, slope = np.where(beyond, line, scale), np.where(beyond, _LEAST_SLOPE, slope)
        return scale, slope

    def _undistort(self, image: Float) -> Float:
        """Find the true radii of image radii by Newton steps, halving the bracket where a step would leave it."""
        end, end_image = self._end
        goal = np.minimum(image, end_image)
        # The slope never falls below its least value up to the goal.
        low, high = np.zeros_like(goal), np.minimum(goal / _LEAST_SLOPE, end)
        radius, last = np.minimum(goal, high), np.full_like(goal, np.inf)
        for _ in range(_STEPS):
            scale, slope = self._scale(radius)
            error = radius * scale - goal
            low, high = np.where(error < 0.0, radius, low), np.where(error > 0.0, radius, high)
            step = -error / slope
            fine = np.abs(step) <= _SETTLED * (1.0 + radius)
            # Where both coefficients pull against each other Newton alone may run in a circle.
            good = (radius + step >= low) & (radius + step <= high) & (np.abs(step) <= 0.5 * last)
            step = np.where(fine | good, step, 0.5 * (low + high) - radius)
            radius, last = radius + step, np.abs(step)
            if fine.all():
                break
        return radius if not np.isfinite(end) else radius + np.maximum(image - end_image, 0.0) / _LEAST_SLOPE

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
        if self._ideal:
            return np.asarray(x), np.asarray(y)
        image = np.hypot(x, y)
        share = np.where(image > 0.0, self._undistort(image) / np.where(image > 0.0, image, 1.0), 1.0)
        return np.asarray(x * share), np.asarray(y * share)

    def pixel_from_tangent(self, x: ArrayLike, y: ArrayLike) -> tuple[Float, Float]:
        """Pixel coordinates (row, col) of lines of sight given by tangents (x, y); inverse of the above."""
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        if not self._ideal:
            scale, _ = self._scale(np.hypot(x, y))
            x, y = x * scale, y * scale
        row = y / self.ifov_rad + 0.5 * (self.rows - 1)
        col = x / self.ifov_rad + 0.5 * (self.cols - 1)
        return np.asarray(row), np.asarray(col)

    def tangent_sigmas(
        self, x: ArrayLike, y: ArrayLike, sigma_row_px: ArrayLike, sigma_col_px: ArrayLike
    ) -> tuple[Any, Any]:
        """Errors of tangents that come from errors of pixel coordinates, by the slope of the lens.

        The lens stretches by ``scale = r_d / r`` across the radius and by ``dr_d / dr`` along it.

        Parameters
        ----------
        x, y : array_like of float
            Tangents [1].
        sigma_row_px, sigma_col_px : array_like of float
            One sigma of the pixel coordinates, independent of each other [px].

        Returns
        -------
        sigma_x, sigma_y : ndarray of float
            One sigma of the tangents [1].
        """
        sigma_x, sigma_y = np.asarray(sigma_col_px) * self.ifov_rad, np.asarray(sigma_row_px) * self.ifov_rad
        if self._ideal:
            return sigma_x, sigma_y
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        radius = np.hypot(x, y)
        scale, slope = self._scale(radius)
        along_x, along_y = (np.divide(way, radius, out=np.zeros_like(radius), where=radius > 0.0) for way in (x, y))
        # With u the unit radius, the inverse of the Jacobian is I / scale + (1 / slope - 1 / scale) u u'.
        more = 1.0 / slope - 1.0 / scale
        across = more * along_x * along_y
        return (
            np.hypot((1.0 / scale + more * along_x**2) * sigma_x, across * sigma_y),
            np.hypot((1.0 / scale + more * along_y**2) * sigma_y, across * sigma_x),
        )

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
