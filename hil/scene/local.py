"""The scene: ground, cloud, air and sun on a local grid, with the sensor's blur built in.

The grid is orthographic: east and north in the tangent plane of its centre; beyond its borders it goes on as its
mirror image. Textures are blurred once by the sensor's point-spread function and pixel, so that a pixel may sample them
without aliasing and nothing shimmers as the view drifts. A sight has the radiance

``path + (1 - o) (haze + ground_scale g + glint_scale s) + cloud_scale c``, with the opacity ``o = min(c, 1)``,

of the textures of ground ``g``, sea ``s`` and cloud ``c``; what stands before them varies so slowly over a frame that
`Scene.nodes` gives it at a few sights.

Slopes: Itakura et al. (1974), Infrared Physics 14, for terrain; Lovejoy and Schertzer (2013), "The Weather and
Climate", chapter 1, for cloud and sea.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import scipy.fft
from numpy.typing import ArrayLike

from lookdown.geo.earth import enu_axes, geodetic_to_ecef, upward
from lookdown.geo.sight import intersect_ellipsoid, tangent_height
from lookdown.geo.sun import sun_direction
from lookdown.hil.scene.atmosphere import Atmosphere
from lookdown.hil.scene.cloud import THICKNESS, make_cloud
from lookdown.hil.scene.config import SceneConfig
from lookdown.hil.scene.fields import Float, Image, Texture
from lookdown.hil.scene.glint import glint_per_irradiance
from lookdown.hil.scene.ground import make_ground, surface_radiance
from lookdown.hil.scene.lines import Line, coverage
from lookdown.hil.scene.planck import Band, solar_irradiance

_SHARP = 1.5
"""Width of a spot, in those for which the textures are blurred, up to which the finest texels are read."""

_SUN_NODES = 33  # points an axis at which the sun's height over the scene is computed
_RISING = np.linspace(0.0, 1.0, 2049) ** 2
"""Sines of the elevations of the tables of the air; linear between them, they are good to 1e-4."""

_TWILIGHT = 0.0145  # cosine of the sun's zenith angle at half a degree below the horizon and above it: its disc


@dataclass(frozen=True)
class Nodes:
    """What stands before the textures, at sights of shape (...); see the formula of the module.

    Attributes
    ----------
    ground_row, ground_col, cloud_row, cloud_col : ndarray of float64
        Places on the textures [texel]; nan where a sight misses the Earth.
    ground_scale, cloud_scale, glint_scale : ndarray of float64
        Factors of ground [1], cloud and sea [W m-2 sr-1].
    haze, path : ndarray of float64
        Radiance of the air below the cloud and above it [W m-2 sr-1].
    spread_m_rad : ndarray of float64
        Mean width on the ground of a cone of sights of one radian [m/rad].
    """

    ground_row: Float
    ground_col: Float
    ground_scale: Float
    haze: Float
    path: Float
    cloud_row: Float
    cloud_col: Float
    cloud_scale: Float
    glint_scale: Float
    spread_m_rad: Float


class Scene:
    """Radiance of any sight.

    Parameters
    ----------
    config : SceneConfig
        What the scene holds.
    seed : int
        Seed of the scenario.
    blur_m : float
        One sigma of point-spread function and pixel, on the ground [m].
    band_um : tuple of float
        Band of the sensor [um].
    time_ns : int
        Instant at which the sun lights the ground, TAI [ns].
    lines : sequence of Line
        Roads.

    Attributes
    ----------
    ground, sea : Texture
        Radiance of land and sea [W m-2 sr-1], share of sea with its slicks [1]; first row north, first column west.
    cloud : Texture or None
        Thickness of the cloud [1]; None without cloud.
    size : int
        Rows and columns.
    atmosphere : Atmosphere or None
        Air of the sensor's band; None if the scene states a transmission.
    """

    def __init__(
        self,
        config: SceneConfig,
        seed: int,
        blur_m: float,
        band_um: Band = (3.8, 4.1),
        time_ns: int = 0,
        lines: Sequence[Line] = (),
    ) -> None:
        self.config = config
        self.band_um = band_um
        self.size: int = scipy.fft.next_fast_len(round(config.extent_m / config.texel_m), real=True)
        lat, lon = np.radians(config.lat_deg), np.radians(config.lon_deg)
        self._centre_m = geodetic_to_ecef(lat, lon, 0.0)
        self._axes = enu_axes(lat, lon)
        self.atmosphere = Atmosphere(band_um) if config.transmission is None else None
        self._air_tables: dict[float, tuple[Float, Float]] = {}
        self._sun_w_m2 = solar_irradiance(band_um)
        self._time_ns = time_ns
        sigma = max(blur_m / config.texel_m, 1e-3)
        self._blur_m = blur_m
        # Texels are those of the power of small primes that the transform likes, a little finer than asked for.
        self._texel_m = config.extent_m / self.size
        ground, sea = make_ground(config, self.size, band_um, self._sunlight(time_ns), seed)
        for line in lines:
            share = coverage(*self.texel(line.position_m), line.width_m / self._texel_m, self.size)
            ground *= np.float32(1.0) + np.float32(line.contrast) * share
        self.ground = Texture.of(cv2.GaussianBlur(ground, (0, 0), sigma))
        glints = config.wind_m_s is not None
        self.sea = Texture.of(cv2.GaussianBlur(sea, (0, 0), sigma)) if glints else None
        self.cloud: Texture | None = None
        if config.cloud.cover > 0.0:
            plane = np.stack([self._axes[0], self._axes[1], self._centre_m])
            cloud = make_cloud(config, self.size, plane, seed)
            self.cloud = Texture.of(cv2.GaussianBlur(cloud, (0, 0), sigma))

    def texel(self, position_m: ArrayLike) -> tuple[Float, Float]:
        """Grid coordinates (row, col) below or above which positions lie, of shape (..., 3) ECEF [m]."""
        offset = (np.asarray(position_m, np.float64) - self._centre_m) @ self._axes[:2].T / self._texel_m
        middle = 0.5 * (self.size - 1)
        return middle - offset[..., 1], middle + offset[..., 0]

    def level(self, spread_m_rad: Float, spot_rad: float) -> Float:
        """Level of the textures to read where a spot of one sigma ``spot_rad`` is wider than they were blurred for."""
        with np.errstate(invalid="ignore"):
            return np.log2(np.maximum(spread_m_rad * spot_rad / (_SHARP * max(self._blur_m, 1e-3)), 1e-3))

    def opacity(self, position_m: ArrayLike) -> Float:
        """Opacity of the cloud layer at positions on it, of shape (..., 3) ECEF [m]; 0 clear, 1 opaque."""
        if self.cloud is None:
            return np.zeros(np.shape(position_m)[:-1])
        return np.minimum(self.cloud.at(*self.texel(position_m)), 1.0)

    def nodes(self, position_m: ArrayLike, sights: ArrayLike, time_ns: int) -> Nodes:
        """Compute what stands before the textures.

        Parameters
        ----------
        position_m : array_like of float, shape (3,) or (..., 3)
            Sensor, ECEF [m].
        sights : array_like of float, shape (..., 3)
            Lines of sight, ECEF unit vectors.
        time_ns : int
            Instant, for the sun, TAI [ns].
        """
        config = self.config
        position, sights = np.asarray(position_m, np.float64), np.asarray(sights, np.float64)
        on_ground = intersect_ellipsoid(position, sights, 0.0)
        up = upward(on_ground)
        rising = np.clip(-np.sum(sights * up, axis=-1), 0.0, 1.0)
        ground_row, ground_col = self.texel(on_ground)
        zero = haze = np.zeros(rising.shape)
        ground_scale, path = self._air(0.0, rising)
        cloud_row = cloud_col = cloud_scale = zero
        if self.cloud is not None:
            on_cloud = intersect_ellipsoid(position, sights, config.cloud.height_m)
            cloud_row, cloud_col = self.texel(on_cloud)
            cloud_scale = self._cloud_radiance(on_cloud, time_ns)
            if self.atmosphere is not None:
                through, above = self._air(config.cloud.height_m, rising)
                haze, path, cloud_scale = path - above, above, cloud_scale * through
        glint_scale = zero
        if self.sea is not None and config.wind_m_s is not None:
            sun = sun_direction(time_ns)
            glint = glint_per_irradiance(sun, -sights, up, config.wind_m_s)
            rays = self._sun_w_m2 * self._air(0.0, np.clip(up @ sun, 0.0, 1.0))[0]
            glint_scale = np.nan_to_num(glint * rays) * ground_scale
        distance = np.linalg.norm(on_ground - position, axis=-1)
        spread = distance / np.sqrt(np.maximum(rising, 1e-3))
        return Nodes(
            ground_row, ground_col, ground_scale, haze, path, cloud_row, cloud_col, cloud_scale, glint_scale, spread
        )

    def radiance(
        self, position_m: ArrayLike, sights: ArrayLike, time_ns: int, spot_rad: float = 0.0, with_cloud: bool = True
    ) -> Float:
        """Radiance of sights at the aperture, one by one, shape (...) [W m-2 sr-1].

        Parameters
        ----------
        position_m, sights, time_ns
            As for `nodes`.
        spot_rad : float
            One sigma of the spot that each sight stands for; 0 for the finest texels [rad].
        with_cloud : bool
            Whether the cloud is there.
        """
        sights = np.asarray(sights, np.float64)
        at = self.nodes(position_m, sights, time_ns)
        level = np.nan_to_num(self.level(at.spread_m_rad, spot_rad))
        value = at.haze + at.ground_scale * self.ground.at(at.ground_row, at.ground_col, level)
        if self.sea is not None:
            value = value + at.glint_scale * self.sea.at(at.ground_row, at.ground_col, level)
        if self.cloud is not None and with_cloud:
            cloud = self.cloud.at(at.cloud_row, at.cloud_col, level)
            value = value * (1.0 - np.minimum(cloud, 1.0)) + at.cloud_scale * cloud
        hits = np.isfinite(at.ground_row)
        return np.where(hits, value + at.path, self.sky(tangent_height(position_m, sights)))

    def sky(self, tangent_height_m: ArrayLike) -> Float:
        """Radiance of the air beside the Earth at tangent heights; 0 if the scene states a transmission."""
        height = np.asarray(tangent_height_m, np.float64)
        return np.zeros(height.shape) if self.atmosphere is None else self.atmosphere.limb(np.maximum(height, 0.0))[0]

    def radiance_map(self) -> Image:
        """Radiance of the whole grid seen from straight above, north up, shape (size, size) [W m-2 sr-1]."""
        if self.cloud is None:
            return self.ground.values
        clear = 1.0 - np.minimum(self.cloud.values, 1.0)
        scale = float(np.mean(self._cloud_radiance(self._centre_m, self._time_ns)))
        return np.asarray(clear * self.ground.values + scale * self.cloud.values, np.float32)

    def transmission(self, height_m: ArrayLike, elevation_rad: ArrayLike) -> Float:
        """Share of light that passes from a height to space at an elevation, without cloud [1]."""
        if self.atmosphere is None:
            return np.full(np.shape(elevation_rad), self.config.transmission, np.float64)
        return self.atmosphere.transmission(height_m, elevation_rad)

    def _air(self, height_m: float, rising: Float) -> tuple[Float, Float]:
        """Transmission and radiance of the air from a height to space; ``rising`` is the sine of the elevation."""
        if self.atmosphere is None:
            return np.ones(rising.shape), np.zeros(rising.shape)
        if height_m not in self._air_tables:
            elevation = np.arcsin(_RISING)
            self._air_tables[height_m] = (
                self.atmosphere.transmission(height_m, elevation),
                self.atmosphere.path_radiance(height_m, elevation),
            )
        up = np.nan_to_num(rising)
        transmission, radiance = (np.interp(up, _RISING, values) for values in self._air_tables[height_m])
        return transmission, radiance

    def _cloud_radiance(self, on_cloud_m: Float, time_ns: int) -> Float:
        """Radiance of the cloud where its texture is 1 [W m-2 sr-1]."""
        surface = self.config.cloud.surface
        light: Any = 0.0
        if surface.temperature_k is not None:
            light = self._sun_w_m2 * _daylight(upward(on_cloud_m) @ sun_direction(time_ns))
        mean = surface_radiance(surface, self.band_um, light)
        return np.broadcast_to(mean / (1.0 + THICKNESS * surface.contrast), on_cloud_m.shape[:-1])

    def _sunlight(self, time_ns: int) -> Float:
        """Irradiance of the sun on level ground, on a coarse grid over the scene [W/m^2]."""
        surfaces = (self.config.land, self.config.sea)
        if all(surface.temperature_k is None for surface in surfaces):
            return np.zeros(())
        place = np.linspace(-0.5, 0.5, _SUN_NODES) * self.config.extent_m
        east, north = np.meshgrid(place, -place)
        points = self._centre_m + east[..., None] * self._axes[0] + north[..., None] * self._axes[1]
        cosine = upward(points) @ sun_direction(time_ns)
        through = np.ones(cosine.shape)
        if self.atmosphere is not None:
            through = self.atmosphere.transmission(0.0, np.arcsin(np.clip(cosine, 0.0, 1.0)))
        return self._sun_w_m2 * _daylight(cosine) * through


def _daylight(cosine: Float) -> Float:
    """Cosine of the sun's zenith angle by day, 0 by night, without a corner while its disc sets."""
    share = np.clip(0.5 + cosine / (2.0 * _TWILIGHT), 0.0, 1.0)
    return np.where(cosine > _TWILIGHT, cosine, _TWILIGHT * share**2)
