"""Terrain: a random surface that can be asked anywhere, as a sum of plane waves through the Earth's body.

Wave numbers are spread evenly in logarithm between the outer and the inner scale, with amplitudes for a one-dimensional
spectrum ``k^-slope``; slope 2 is usual for relief (Turcotte 1997, "Fractals and Chaos in Geology and Geophysics", 2nd
ed., chapter 7). The scene draws its ground on the ellipsoid: terrain moves movers, not texture.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lookdown.geo.earth import geodetic_to_ecef
from lookdown.hil.settings import require

Float = NDArray[np.float64]

_WAVES = 128


@dataclass(frozen=True)
class TerrainConfig:
    """Random terrain.

    Attributes
    ----------
    relief_m : float
        One sigma of its height [m]; its mean is twice that. 0 for level ground at height 0.
    slope : float
        Exponent of the one-dimensional power spectrum.
    outer_m, inner_m : float
        Longest and shortest waves [m].
    """

    relief_m: float = 0.0
    slope: float = 2.0
    outer_m: float = 30e3
    inner_m: float = 600.0

    def __post_init__(self) -> None:
        """Refuse a terrain that cannot be made."""
        require(
            self,
            ("relief_m", 0.0 <= self.relief_m <= 3000.0, "0 to 3000"),
            ("slope", 1.0 < self.slope <= 4.0, "above 1, at most 4"),
            ("inner_m", 10.0 <= self.inner_m < self.outer_m, "10 or more, below outer_m"),
        )


class Terrain:
    """Height of the ground anywhere.

    Parameters
    ----------
    config : TerrainConfig
        Terrain.
    seed : int
        Seed of the scenario.
    """

    def __init__(self, config: TerrainConfig, seed: int) -> None:
        self.config = config
        rng = np.random.Generator(np.random.SFC64([seed, 0x7E44]))
        share = (np.arange(_WAVES) + rng.uniform(size=_WAVES)) / _WAVES
        number = 2.0 * np.pi / config.outer_m * (config.outer_m / config.inner_m) ** share
        direction = rng.standard_normal((_WAVES, 3))
        self._waves = number[:, None] * direction / np.linalg.norm(direction, axis=1, keepdims=True)
        self._phase = rng.uniform(0.0, 2.0 * np.pi, _WAVES)
        # Even steps in logarithm hold the spectrum times the wave number.
        amplitude = number ** (0.5 * (1.0 - config.slope))
        self._amplitude = config.relief_m * amplitude / np.sqrt(0.5 * np.sum(amplitude**2))

    def height_m(self, lat_rad: ArrayLike, lon_rad: ArrayLike) -> Float:
        """Height over the ellipsoid at geodetic places of shape (...) [m]; never below 0."""
        lat, lon = np.broadcast_arrays(np.asarray(lat_rad, np.float64), np.asarray(lon_rad, np.float64))
        if self.config.relief_m == 0.0:
            return np.zeros(lat.shape)
        phase = geodetic_to_ecef(lat, lon, 0.0) @ self._waves.T + self._phase
        return np.asarray(np.maximum(2.0 * self.config.relief_m + np.cos(phase) @ self._amplitude, 0.0), np.float64)
