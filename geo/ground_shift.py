"""How the ground moves across the image: where what a frame shows lay in an earlier one."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lookdown.geo.camera import Camera
from lookdown.geo.earth import SEMI_MAJOR_AXIS_M, SEMI_MINOR_AXIS_M
from lookdown.kernels.ground_shift import ground_shift

Float = NDArray[np.float64]


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


class GroundShift:
    """Displacements of the tiles of one camera from frame to frame, with all that holds for every pair of frames.

    Parameters
    ----------
    camera : Camera
        Camera of both frames.
    height_m : float
        Height of the ground over the ellipsoid [m].
    grid_rows, grid_cols : int
        Tiles along each axis; centres as in `tile_centres`.
    """

    def __init__(self, camera: Camera, height_m: float, grid_rows: int, grid_cols: int) -> None:
        self.camera = camera
        rows, cols = tile_centres(camera.rows, grid_rows), tile_centres(camera.cols, grid_cols)
        self._centres = np.stack(np.meshgrid(rows, cols, indexing="ij"), axis=-1)
        tangents = camera.tangent_from_pixel(self._centres[..., 0], self._centres[..., 1])
        self._tangents = np.ascontiguousarray(np.stack(tangents, axis=-1))
        self._lens = camera.lens
        self._axes_m = np.array([SEMI_MAJOR_AXIS_M, SEMI_MAJOR_AXIS_M, SEMI_MINOR_AXIS_M]) + height_m

    def between(
        self,
        position_a_m: ArrayLike,
        attitude_a: ArrayLike,
        position_b_m: ArrayLike,
        attitude_b: ArrayLike,
        out: Float | None = None,
    ) -> Float:
        """Find where the ground in frame b lay in frame a.

        Parameters
        ----------
        position_a_m, position_b_m : array_like of float, shape (3,)
            Sensor positions, ECEF [m].
        attitude_a, attitude_b : array_like of float, shape (4,)
            Quaternions, sensor to ECEF.
        out : ndarray of float64, shape (grid_rows, grid_cols, 2), optional
            Written and returned; made anew if it is left out.

        Returns
        -------
        ndarray of float64, shape (grid_rows, grid_cols, 2)
            Displacement (row, col) [px]; nan where a line of sight misses the Earth.
        """
        position_a, turn_a, position_b, turn_b = (
            np.ascontiguousarray(x, np.float64) for x in (position_a_m, attitude_a, position_b_m, attitude_b)
        )
        found = np.empty_like(self._centres) if out is None else out
        ground_shift(
            self._tangents, self._centres, self._lens, self._axes_m, position_a, turn_a, position_b, turn_b, found
        )
        return found


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
    tiles = GroundShift(camera, height_m, grid_rows, grid_cols)
    return tiles.between(position_a_m, attitude_a, position_b_m, attitude_b)
