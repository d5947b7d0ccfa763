"""Cloud: one layer of random cloud with hard and soft edges, and lanes that are kept clear."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.geo.earth import geodetic_to_ecef
from lookdown.hil.scene.config import Corridor, SceneConfig
from lookdown.hil.scene.fields import Image, random_field, smooth_step
from lookdown.hil.scene.ground import smooth_field

THICKNESS = 1.5
"""Standard deviations by which the mean cloud is thicker than just opaque."""


def make_cloud(config: SceneConfig, size: int, plane: NDArray[Any], seed: int) -> Image:
    """Make the thickness of the cloud layer: opacity up to 1, beyond it the brightness of thicker parts.

    Parameters
    ----------
    config : SceneConfig
        Cloud and clear lanes.
    size : int
        Rows and columns.
    plane : ndarray of float64, shape (3, 3)
        East, north and the centre of the grid, ECEF: ``plane[:2] @ (position - plane[2])`` is (east, north) [m].
    seed : int
        Seed of the scenario.

    Returns
    -------
    ndarray of float32, shape (size, size)
        Thickness [1].
    """
    cloud, texel_m = config.cloud, config.extent_m / size
    shape = random_field(size, texel_m, cloud.surface.slope, config.outer_scale_m, (seed, 0x5C, 3))
    for corridor in config.clear:
        shape -= np.float32(6.0) * _nearness(corridor, size, texel_m, plane)
    # Over a distance w, a field of slope s changes by about sqrt(2) (w / outer scale)^((s - 1) / 2).
    hard, soft = (edge_m / config.outer_scale_m for edge_m in cloud.edge_m)
    softness = smooth_step(smooth_field(config, size, seed, 4))
    power = 0.5 * (cloud.surface.slope - 1.0)
    width = np.exp(np.float32(power * np.log(soft / hard)) * softness) * np.float32(2.0**0.5 * hard**power)
    threshold = np.quantile(shape[::4, ::4], 1.0 - cloud.cover)
    shape -= np.float32(threshold)
    shape /= width
    opacity = smooth_step(shape)
    # Thicker cloud reaches higher and is brighter: the tops follow the shape of the cloud itself.
    tops = random_field(size, texel_m, cloud.surface.slope, 0.2 * config.outer_scale_m, (seed, 0x5C, 5))
    tops += np.float32(THICKNESS)
    tops *= np.float32(cloud.surface.contrast)
    tops += np.float32(1.0)
    tops *= opacity
    return np.asarray(np.maximum(tops, np.float32(0.0), out=tops), np.float32)


def _nearness(corridor: Corridor, size: int, texel_m: float, plane: NDArray[Any]) -> Image:
    """1 within half of a corridor's half width, falling to 0 at its half width."""
    east = (np.arange(size, dtype=np.float32) - np.float32(0.5 * (size - 1))) * np.float32(texel_m)
    ends = [
        plane[:2] @ (geodetic_to_ecef(np.radians(p.lat_deg), np.radians(p.lon_deg), 0.0) - plane[2])
        for p in (corridor.begin, corridor.end)
    ]
    (east0, north0), along = ends[0].tolist(), ends[1] - ends[0]
    ahead_e, ahead_n = (along / max(float(along @ along), 1.0)).tolist()
    to_east, to_north = east[None, :] - east0, -east[:, None] - north0
    share = np.clip(to_east * ahead_e + to_north * ahead_n, 0.0, 1.0)
    distance = np.hypot(to_east - share * float(along[0]), to_north - share * float(along[1]))
    return np.asarray(smooth_step(1.5 - distance * (2.0 / corridor.half_width_m)), np.float32)
