"""Ground: land and sea parted by a coast, or a recording; with the day's sunlight on it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.hil.scene.config import SceneConfig, SurfaceConfig
from lookdown.hil.scene.fields import Image, enlarge, random_field, smooth_step
from lookdown.hil.scene.planck import Band, band_radiance
from lookdown.hil.scene.recorded import recorded_ground


def surface_radiance(surface: SurfaceConfig, band_um: Band, sunlight_w_m2: Any) -> Any:
    """Mean radiance of a surface; sunlight is the irradiance on the level ground [W/m^2], of any shape."""
    if surface.radiance_w_m2_sr is not None:
        return surface.radiance_w_m2_sr
    assert surface.temperature_k is not None
    emitted = surface.emissivity * float(band_radiance(surface.temperature_k, band_um))
    return emitted + (1.0 - surface.emissivity) / np.pi * sunlight_w_m2


def make_ground(
    config: SceneConfig, size: int, band_um: Band, sunlight_w_m2: NDArray[Any], seed: int
) -> tuple[Image, Image]:
    """Make the ground's radiance, and the share of sea in it.

    Parameters
    ----------
    config : SceneConfig
        Land, sea and coast, or a recorded texture.
    size : int
        Rows and columns.
    band_um : tuple of float
        Band of the sensor [um].
    sunlight_w_m2 : ndarray of float, shape (n, n) or ()
        Irradiance of the sun on level ground, on a coarse grid over the scene [W/m^2].
    seed : int
        Seed of the scenario.

    Returns
    -------
    radiance : ndarray of float32, shape (size, size)
        Radiance at the ground; first row north, first column west [W m-2 sr-1].
    sea : ndarray of float32, shape (size, size)
        Share of sea, with the pattern of its slicks [1].
    """
    if config.texture is not None:
        texel_m = config.extent_m / size
        radiance = recorded_ground(config.texture, band_um, size, texel_m, seed)
        return radiance, np.ones((size, size), np.float32)
    sea = _field(config, size, seed, 0, config.sea.slope)
    slicks = np.float32(1.0) + np.float32(0.3) * sea
    # Half of the land's variance lies in folds, |field|, whose sharp lines look like valleys.
    land = _field(config, size, seed, 1, config.land.slope) * np.float32(0.7)
    fold = np.abs(_field(config, size, seed, 6, config.land.slope))
    land += (fold - np.mean(fold)) * np.float32(0.7 / np.std(fold))
    for values, surface in ((sea, config.sea), (land, config.land)):
        mean = np.asarray(surface_radiance(surface, band_um, sunlight_w_m2), np.float32)
        values *= np.float32(surface.contrast)
        values += np.float32(1.0)
        values *= mean if mean.ndim == 0 else enlarge(mean, size)
    east = (np.arange(size, dtype=np.float32) - np.float32(0.5 * (size - 1))) * np.float32(config.extent_m / size)
    bearing = np.radians(config.coast_bearing_deg)
    inland = np.float32(np.sin(bearing)) * east[None, :] - np.float32(np.cos(bearing)) * east[:, None]
    inland += np.float32(config.coast_wander_m) * smooth_field(config, size, seed, 2)
    inland -= np.float32(config.coast_offset_m)
    inland /= np.float32(2.0 * config.texel_m)
    share = smooth_step(inland)
    land -= sea
    land *= share
    land += sea
    np.maximum(land, np.float32(0.0), out=land)
    slicks *= np.float32(1.0) - share
    return land, slicks


def _field(config: SceneConfig, size: int, seed: int, tag: int, slope: float) -> Image:
    return random_field(size, config.extent_m / size, slope, config.outer_scale_m, (seed, 0x5C, tag))


def smooth_field(config: SceneConfig, size: int, seed: int, tag: int) -> NDArray[Any]:
    """Field of slope 3, so smooth that a grid of a quarter of the resolution holds it."""
    return enlarge(_field(config, size // 4, seed, tag, 3.0), size)
