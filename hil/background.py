"""Background of a frame: ground and cloud below the horizon, air and stars above it.

What stands before the textures is computed at 8 x 8 Chebyshev nodes of the frame and interpolated to the corners of
tiles, which `lookdown.hil.sampling` fills. In wide and low views sights bend too fast for that: there it is computed at
every corner, and in the tiles that the horizon crosses for four sights of every pixel.
"""

import math
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from lookdown.geo.camera import Camera
from lookdown.geo.celestial import star_directions
from lookdown.geo.rotation import conjugate, rotate
from lookdown.geo.sight import tangent_height
from lookdown.hil.sampling import N_FIELDS, TILE_COLS, TILE_ROWS, sample, spread
from lookdown.hil.scene.local import Scene
from lookdown.hil.scene.stars import stars
from lookdown.hil.sensor.config import SensorConfig
from lookdown.hil.sensor.optics import PointSpread

Float = NDArray[np.float64]
Image = NDArray[np.float32]

_NODES = 8
"""Chebyshev nodes an axis: of a view of one degree they leave less than 1e-4 px."""

_NODES_ERROR_PX = 1e-3
"""Error of the way to the ground above which nodes are not enough."""

_NEAR_LIMB_M = -20e3
"""Sights that pass higher than this over (or under) the ellipsoid bend too fast to be interpolated."""

_SUBPIXELS = np.array([-0.25, 0.25])


class Background:
    """Draws the background of one focal plane.

    Parameters
    ----------
    sensor : SensorConfig
        Sensor.
    spot : PointSpread
        Its point-spread function, for stars.
    scene : Scene
        Scene.
    seed : int
        Seed of the faint stars.
    """

    def __init__(self, sensor: SensorConfig, spot: PointSpread, scene: Scene, seed: int) -> None:
        self._camera, self._spot, self._scene, self._seed = sensor.camera, spot, scene, seed
        self._electrons = sensor.electrons_per_radiance()
        self._star_electrons = sensor.electrons_per_irradiance()
        self._spot_rad = spot.pixel_sigma_px * sensor.ifov_rad
        self._band_um = sensor.band_um
        self._stars: NDArray[Any] | None = None
        sides = (TILE_ROWS, TILE_COLS)
        tiles = [-(-size // side) for size, side in zip((sensor.rows, sensor.cols), sides, strict=True)]
        nodes = chebyshev.chebpts1(_NODES)
        inverse = np.linalg.inv(chebyshev.chebvander(nodes, _NODES - 1))
        self._to_series = inverse
        self._weights = [chebyshev.chebvander(np.linspace(-1.0, 1.0, n + 1), _NODES - 1) @ inverse for n in tiles]
        extents = [n * side for n, side in zip(tiles, sides, strict=True)]
        self._half_px = 0.5 * np.array(extents)
        self._node_tangents = _tangents(self._camera, *(0.5 * extent * (1.0 + nodes) for extent in extents))
        self._corner_tangents = _tangents(
            self._camera, *(np.arange(0.0, extent + 1.0, side) for extent, side in zip(extents, sides, strict=True))
        )
        self._corners = np.zeros((tiles[0] + 1, tiles[1] + 1, N_FIELDS), np.float32)

    def near_limb(self, position_m: Float, attitude: Float) -> bool:
        """Whether a view comes near the horizon; such a frame is drawn at one instant only."""
        return _is_near_limb(position_m, self._camera.sight_ecef(*self._node_tangents, attitude))

    def draw(
        self, out: Image, position_m: Float, attitude: Float, time_ns: int, weight: float = 1.0, add: bool = False
    ) -> None:
        """Fill a frame with electrons, or add to it.

        Parameters
        ----------
        out : ndarray of float32, shape (rows, cols)
            Frame [e-].
        position_m, attitude : ndarray of float64, shape (3,), (4,)
            Sensor, ECEF [m], and quaternion from sensor to ECEF.
        time_ns : int
            Instant, TAI [ns].
        weight : float
            Factor of all [1].
        add : bool
            Add to what is there.
        """
        sights = self._camera.sight_ecef(*self._node_tangents, attitude)
        near_limb = _is_near_limb(position_m, sights)
        fields = None if near_limb else self._fields(position_m, sights, time_ns)
        if fields is None or self._nodes_error_px(fields) > _NODES_ERROR_PX:
            sights = self._camera.sight_ecef(*self._corner_tangents, attitude)
            fields = self._fields(position_m, sights, time_ns)
            whole = np.nan_to_num(np.moveaxis(fields, 0, -1), nan=0.0, posinf=0.0, neginf=0.0)
            self._corners[..., : len(fields)] = whole
        else:
            spread(fields, self._weights[0], self._weights[1], self._corners)
        scene = self._scene
        sample(self._corners, scene.ground, scene.sea, scene.cloud, out, weight, add)
        if near_limb:
            self._limb(out, tangent_height(position_m, sights), position_m, attitude, time_ns)

    def _nodes_error_px(self, fields: Float) -> float:
        """Error of places on the ground between the nodes, by the last terms of their series [px]."""
        series = self._to_series @ fields[:2] @ self._to_series.T
        last = np.abs(series[:, -1]).sum(axis=1) + np.abs(series[:, :-1, -1]).sum(axis=1)
        (a, b), (c, d) = series[:, (1, 0), (0, 1)] / self._half_px
        # A matrix of two rows shrinks nothing by more than its determinant over its norm.
        return float(math.hypot(*last) * math.hypot(a, b, c, d) / max(abs(a * d - b * c), 1e-30))

    def _fields(self, position_m: Float, sights: Float, time_ns: int) -> Float:
        """Fields of the sampler at sights of shape (n, m), shape (10, n, m)."""
        at = self._scene.nodes(position_m, sights, time_ns)
        k = self._electrons
        level = self._scene.level(at.spread_m_rad, self._spot_rad)
        return np.stack(
            [
                at.ground_row, at.ground_col, k * at.ground_scale, k * at.haze, k * at.path, at.cloud_row, at.cloud_col,
                k * at.cloud_scale, k * at.glint_scale, level,
            ]
        )  # fmt: skip

    def _limb(self, out: Image, height: Float, position_m: Float, attitude: Float, time_ns: int) -> None:
        """Draw the sky, and again the tiles that the horizon crosses; ``height`` is that of the corners' sights."""
        rows, cols = out.shape
        four = np.stack([height[:-1, :-1], height[:-1, 1:], height[1:, :-1], height[1:, 1:]])
        sky, ground = four.min(axis=0) > 0.0, four.max(axis=0) < _NEAR_LIMB_M
        is_sky, is_mixed = (
            np.repeat(np.repeat(mask, TILE_ROWS, axis=0), TILE_COLS, axis=1)[:rows, :cols]
            for mask in (sky, ~sky & ~ground)
        )
        of_pixel = _between(height)[:rows, :cols]
        out[is_sky] = (self._electrons * self._scene.sky(of_pixel[is_sky])).astype(np.float32)
        row, col = (place.astype(np.float64) for place in np.nonzero(is_mixed))
        total = np.zeros(row.size)
        for down in _SUBPIXELS:
            for right in _SUBPIXELS:
                sights = self._camera.sight_ecef(*self._camera.tangent_from_pixel(row + down, col + right), attitude)
                total += self._scene.radiance(position_m, sights, time_ns, self._spot_rad)
        out[is_mixed] = (0.25 * self._electrons * total).astype(np.float32)
        self._draw_stars(out, position_m, attitude, time_ns)

    def _draw_stars(self, out: Image, position_m: Float, attitude: Float, time_ns: int) -> None:
        if self._stars is None:
            self._stars = stars(self._band_um, self._seed)
        directions = star_directions(self._stars["direction_icrs"], time_ns)
        seen = rotate(conjugate(attitude), directions)
        ahead = seen[:, 2] > 0.5
        directions, seen = directions[ahead], seen[ahead]
        row, col = self._camera.pixel_from_tangent(seen[:, 0] / seen[:, 2], seen[:, 1] / seen[:, 2])
        inside = (row > -0.5) & (row < out.shape[0] - 0.5) & (col > -0.5) & (col < out.shape[1] - 0.5)
        height = tangent_height(position_m, directions[inside])
        air = self._scene.atmosphere
        passing = np.ones(height.shape) if air is None else air.limb(np.maximum(height, 0.0))[1]
        light = self._stars["irradiance_w_m2"][ahead][inside] * np.where(height > 0.0, passing, 0.0)
        self._spot.add(out, row[inside], col[inside], self._star_electrons * light)


def _is_near_limb(position_m: Float, sights: Float) -> bool:
    return bool(tangent_height(position_m, sights).max() > _NEAR_LIMB_M)


def _tangents(camera: Camera, rows: Float, cols: Float) -> tuple[Float, Float]:
    row, col = np.meshgrid(rows, cols, indexing="ij")
    return camera.tangent_from_pixel(row, col)


def _between(corners: Float) -> Float:
    """Values at all pixels of the tiles, linear between the tiles' corners."""
    down, right = (np.arange(side) / side for side in (TILE_ROWS, TILE_COLS))
    rows = corners[:-1, None] * (1.0 - down[:, None]) + corners[1:, None] * down[:, None]
    rows = rows.reshape(-1, corners.shape[1])
    return np.asarray(rows[:, :-1, None] * (1.0 - right) + rows[:, 1:, None] * right, np.float64).reshape(len(rows), -1)
