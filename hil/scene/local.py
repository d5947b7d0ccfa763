"""The scene: random land, sea and cloud on a local grid, with the sensor's blur built in.

Textures are Gaussian random fields whose one-dimensional power spectrum falls as ``k^-slope`` below an outer scale (a
two-dimensional spectrum ``(k^2 + k_0^2)^(-(slope + 1) / 2)``); a coast line parts land from sea, and one layer of cloud
floats at its height, so that it shifts against the ground as the satellite moves. The grid is orthographic: east and
north in the tangent plane of the centre. Its textures are blurred once by the sensor's point-spread function and pixel,
so that a pixel may sample them without aliasing and nothing shimmers as the view drifts.

Slopes: Itakura et al. (1974), Infrared Physics 14, for terrain; Lovejoy and Schertzer (2013), "The Weather and
Climate", chapter 1, for cloud and sea.
"""

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from lookdown.geo.earth import enu_axes, geodetic_to_ecef
from lookdown.hil.settings import Place, require

Float = NDArray[np.float64]
Image = NDArray[np.float32]

OUTER_SCALE_M = 40e3
"""Scale beyond which land, sea and cloud hold no more structure [m]."""

_THICKNESS = 1.5
"""Standard deviations by which the mean cloud is thicker than just opaque."""


@dataclass(frozen=True)
class SurfaceConfig:
    """Random texture of a surface in the sensor's band.

    Attributes
    ----------
    radiance_w_m2_sr : float
        Mean radiance in the band [W m-2 sr-1].
    contrast : float
        Standard deviation over mean [1].
    slope : float
        Exponent of the one-dimensional power spectrum ``k^-slope``; 5/3 for a turbulent field, 2 for patches.
    """

    radiance_w_m2_sr: float
    contrast: float
    slope: float

    def __post_init__(self) -> None:
        """Refuse a surface that no sensor could image."""
        require(
            self,
            ("radiance_w_m2_sr", self.radiance_w_m2_sr >= 0.0, "0 or more"),
            ("contrast", 0.0 <= self.contrast < 1.0, "0 or more, below 1"),
            ("slope", 0.5 <= self.slope <= 4.0, "0.5 to 4"),
        )


@dataclass(frozen=True)
class CloudConfig:
    """One layer of cloud: share of the scene, height of its tops, and how its edges look.

    Attributes
    ----------
    cover : float
        Share of the scene with more than half opacity [1]; 0 for none.
    height_m : float
        Height of the layer over the ellipsoid [m].
    surface : SurfaceConfig
        Radiance, contrast and slope of the cloud.
    edge_m : tuple of float
        Width of the hardest and of the softest edges, about [m].
    """

    cover: float = 0.3
    height_m: float = 7000.0
    surface: SurfaceConfig = field(default_factory=lambda: SurfaceConfig(0.19, 0.08, 5.0 / 3.0))
    edge_m: tuple[float, float] = (150.0, 2500.0)

    def __post_init__(self) -> None:
        """Refuse a layer that cannot exist."""
        require(
            self,
            ("cover", 0.0 <= self.cover <= 0.9, "0 to 0.9"),
            ("height_m", 0.0 < self.height_m <= 20e3, "above 0, at most 20000"),
            ("edge_m", 0.0 < self.edge_m[0] <= self.edge_m[1], "[hardest, softest] width, both above 0"),
        )


@dataclass(frozen=True)
class Corridor:
    """A lane of the cloud layer that is kept clear; at ``half_width_m`` from its middle line cloud is as elsewhere."""

    begin: Place
    end: Place
    half_width_m: float


@dataclass(frozen=True)
class SceneConfig:
    """The Earth below: a square of land, sea and cloud around a centre.

    Attributes
    ----------
    lat_deg, lon_deg : float
        Centre [deg].
    extent_m, texel_m : float
        Side of the square, and step of its texture; at most half the ground sample distance [m].
    land, sea : SurfaceConfig
        Textures of the surfaces.
    coast_bearing_deg, coast_offset_m, coast_wander_m : float
        Direction from sea to land, clockwise from north [deg]; distance of the coast from the centre that way, and
        how far it strays [m].
    cloud : CloudConfig
        The layer of cloud.
    clear : tuple of Corridor
        Lanes free of cloud.
    transmission : float
        Of the atmosphere, from a mover to space [1].
    """

    lat_deg: float
    lon_deg: float
    extent_m: float = 160e3
    texel_m: float = 60.0
    land: SurfaceConfig = field(default_factory=lambda: SurfaceConfig(0.14, 0.10, 2.0))
    sea: SurfaceConfig = field(default_factory=lambda: SurfaceConfig(0.11, 0.012, 5.0 / 3.0))
    coast_bearing_deg: float = 90.0
    coast_offset_m: float = 0.0
    coast_wander_m: float = 8000.0
    cloud: CloudConfig = field(default_factory=CloudConfig)
    clear: tuple[Corridor, ...] = ()
    transmission: float = 0.8

    def __post_init__(self) -> None:
        """Refuse a scene that cannot be made."""
        size = self.extent_m / self.texel_m if self.texel_m > 0.0 else 0.0
        require(
            self,
            ("texel_m", self.texel_m > 0.0, "above 0"),
            ("extent_m", 64 <= size <= 16384, "64 to 16384 texels of texel_m"),
            ("transmission", 0.0 < self.transmission <= 1.0, "above 0, at most 1"),
            ("coast_wander_m", self.coast_wander_m >= 0.0, "0 or more"),
        )


def random_field(size: int, texel_m: float, slope: float, outer_scale_m: float, seed: tuple[int, ...]) -> Image:
    """Periodic Gaussian random field of zero mean and unit variance.

    Parameters
    ----------
    size : int
        Rows and columns.
    texel_m, outer_scale_m : float
        Step of the grid and scale beyond which the spectrum is flat [m].
    slope : float
        Exponent of the one-dimensional power spectrum.
    seed : tuple of int
        Seed.

    Returns
    -------
    ndarray of float32, shape (size, size)
        Field [1].
    """
    rng = np.random.Generator(np.random.SFC64(seed))
    shape = (size, size // 2 + 1)
    spectrum = np.empty(shape, np.complex64)
    spectrum.real = rng.standard_normal(shape, np.float32)
    spectrum.imag = rng.standard_normal(shape, np.float32)
    down = scipy.fft.fftfreq(size, texel_m).astype(np.float32)[:, None]
    across = scipy.fft.rfftfreq(size, texel_m).astype(np.float32)[None, :]
    spectrum *= (down**2 + across**2 + np.float32(outer_scale_m**-2)) ** np.float32(-0.25 * (slope + 1.0))
    spectrum[0, 0] = 0.0
    values = scipy.fft.irfft2(spectrum, s=(size, size), overwrite_x=True)
    values /= np.std(values)
    return np.asarray(values, np.float32)


def _smooth_step(values: NDArray[Any]) -> NDArray[Any]:
    """Rise from 0 at -1/2 to 1 at +1/2 without corners, in place."""
    values += np.float32(0.5)
    np.clip(values, 0.0, 1.0, out=values)
    values *= values * (np.float32(3.0) - np.float32(2.0) * values)
    return values


class Scene:
    """Radiance of the ground and of the cloud layer on the local grid.

    Parameters
    ----------
    config : SceneConfig
        What the scene holds.
    seed : int
        Seed of the scenario.
    blur_m : float
        One sigma of point-spread function and pixel, on the ground [m].

    Attributes
    ----------
    ground : ndarray of float32, shape (size, size)
        Radiance of land and sea; first row north, first column west [W m-2 sr-1].
    cloud : ndarray of float32, shape (size, size)
        Thickness of the cloud [1]: its radiance is this times ``cloud_radiance``, its opacity this, at most 1.
    """

    def __init__(self, config: SceneConfig, seed: int, blur_m: float) -> None:
        self.config = config
        self.size: int = scipy.fft.next_fast_len(round(config.extent_m / config.texel_m), real=True)
        lat, lon = np.radians(config.lat_deg), np.radians(config.lon_deg)
        self._centre_m = geodetic_to_ecef(lat, lon, 0.0)
        self._axes = enu_axes(lat, lon)
        sigma = max(blur_m / config.texel_m, 1e-3)
        self.ground: NDArray[Any] = cv2.GaussianBlur(self._make_ground(seed), (0, 0), sigma)
        self.cloud: NDArray[Any] = cv2.GaussianBlur(self._make_cloud(seed), (0, 0), sigma)

    @property
    def cloud_radiance(self) -> float:
        """Radiance of the cloud where its texture is 1 [W m-2 sr-1]."""
        surface = self.config.cloud.surface
        return surface.radiance_w_m2_sr / (1.0 + _THICKNESS * surface.contrast)

    def texel(self, position_m: ArrayLike) -> tuple[Float, Float]:
        """Grid coordinates (row, col) below or above which positions lie, of shape (..., 3) ECEF [m]."""
        offset = (np.asarray(position_m, np.float64) - self._centre_m) @ self._axes[:2].T / self.config.texel_m
        middle = 0.5 * (self.size - 1)
        return middle - offset[..., 1], middle + offset[..., 0]

    def opacity(self, position_m: ArrayLike) -> Float:
        """Opacity of the cloud layer at positions on it, of shape (..., 3) ECEF [m]; 0 clear, 1 opaque."""
        return np.asarray(np.minimum(self._sample(self.cloud, position_m), 1.0), np.float64)

    def radiance(self, on_ground_m: ArrayLike, on_cloud_m: ArrayLike) -> Float:
        """Radiance of the sights that meet the ground and the cloud layer at these positions [W m-2 sr-1]."""
        cloud = self._sample(self.cloud, on_cloud_m)
        clear = 1.0 - np.minimum(cloud, 1.0)
        return np.asarray(clear * self._sample(self.ground, on_ground_m) + self.cloud_radiance * cloud, np.float64)

    def radiance_map(self) -> Image:
        """Radiance of the whole grid seen from straight above, north up, shape (size, size) [W m-2 sr-1]."""
        clear = 1.0 - np.minimum(self.cloud, 1.0)
        return np.asarray(clear * self.ground + self.cloud_radiance * self.cloud, np.float32)

    def _sample(self, texture: NDArray[Any], position_m: ArrayLike) -> Float:
        row, col = self.texel(position_m)
        shape = row.shape
        values = cv2.remap(
            texture,
            np.atleast_2d(np.asarray(col, np.float32).reshape(1, -1)),
            np.atleast_2d(np.asarray(row, np.float32).reshape(1, -1)),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        return np.asarray(values, np.float64).reshape(shape)

    def _plane(self) -> tuple[Image, Image]:
        """East [1, size] and north [size, 1] of the grid [m]."""
        step = (np.arange(self.size, dtype=np.float32) - 0.5 * (self.size - 1)) * np.float32(self.config.texel_m)
        return step[None, :], -step[:, None]

    def _field(self, seed: int, tag: int, slope: float, outer_scale_m: float = OUTER_SCALE_M) -> Image:
        return random_field(self.size, self.config.texel_m, slope, outer_scale_m, (seed, 0x5C, tag))

    def _smooth_field(self, seed: int, tag: int, slope: float) -> NDArray[Any]:
        """Field so smooth that a grid of a quarter of the resolution holds it."""
        size = self.size // 4
        coarse = random_field(size, self.config.extent_m / size, slope, OUTER_SCALE_M, (seed, 0x5C, tag))
        return cv2.resize(coarse, (self.size, self.size), interpolation=cv2.INTER_CUBIC)

    def _make_ground(self, seed: int) -> Image:
        config = self.config
        sea = self._field(seed, 0, config.sea.slope)
        # Half of the land's variance lies in folds, |field|, whose sharp lines look like valleys.
        land = self._field(seed, 1, config.land.slope) * np.float32(0.7)
        fold = np.abs(self._field(seed, 6, config.land.slope))
        land += (fold - np.mean(fold)) * np.float32(0.7 / np.std(fold))
        for field_, surface in ((sea, config.sea), (land, config.land)):
            field_ *= np.float32(surface.contrast * surface.radiance_w_m2_sr)
            field_ += np.float32(surface.radiance_w_m2_sr)
        east, north = self._plane()
        bearing = np.radians(config.coast_bearing_deg)
        inland = np.float32(np.sin(bearing)) * east + np.float32(np.cos(bearing)) * north
        inland += np.float32(config.coast_wander_m) * self._smooth_field(seed, 2, 3.0)
        inland -= np.float32(config.coast_offset_m)
        share = _smooth_step(inland / np.float32(2.0 * config.texel_m))
        return np.asarray(np.maximum(sea + share * (land - sea), 0.0), np.float32)

    def _make_cloud(self, seed: int) -> Image:
        cloud = self.config.cloud
        if cloud.cover == 0.0:
            return np.zeros((self.size, self.size), np.float32)
        shape = self._field(seed, 3, cloud.surface.slope)
        for corridor in self.config.clear:
            shape -= np.float32(6.0) * self._nearness(corridor)
        # Over a distance w, a field of slope s changes by about sqrt(2) (w / outer scale)^((s - 1) / 2).
        hard, soft = (edge_m / OUTER_SCALE_M for edge_m in cloud.edge_m)
        softness = _smooth_step(self._smooth_field(seed, 4, 3.0))
        power = 0.5 * (cloud.surface.slope - 1.0)
        width = np.exp(np.float32(power * np.log(soft / hard)) * softness) * np.float32(2.0**0.5 * hard**power)
        threshold = np.quantile(shape[::4, ::4], 1.0 - cloud.cover)
        opacity = _smooth_step((shape - np.float32(threshold)) / width)
        # Thicker cloud reaches higher and is brighter: the tops follow the shape of the cloud itself.
        tops = self._field(seed, 5, cloud.surface.slope, 0.2 * OUTER_SCALE_M) + np.float32(_THICKNESS)
        tops = np.float32(1.0) + np.float32(cloud.surface.contrast) * tops
        return np.asarray(np.maximum(opacity * tops, 0.0), np.float32)

    def _nearness(self, corridor: Corridor) -> Image:
        """1 within half of a corridor's half width, falling to 0 at its half width."""
        east, north = self._plane()
        ends = [
            self._axes[:2] @ (geodetic_to_ecef(np.radians(p.lat_deg), np.radians(p.lon_deg), 0.0) - self._centre_m)
            for p in (corridor.begin, corridor.end)
        ]
        (east0, north0), along = ends[0].tolist(), ends[1] - ends[0]
        ahead_e, ahead_n = (along / max(float(along @ along), 1.0)).tolist()
        share = np.clip((east - east0) * ahead_e + (north - north0) * ahead_n, 0.0, 1.0)
        distance = np.hypot(east - east0 - share * float(along[0]), north - north0 - share * float(along[1]))
        return np.asarray(_smooth_step(1.5 - distance * (2.0 / corridor.half_width_m)), np.float32)
