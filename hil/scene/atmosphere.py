"""Atmosphere: how much light of a band passes on the way to space, and how much the air itself sends along.

A small table (``atmosphere.csv``) gives the transmission from a height straight up to space. A slanted way has the
optical depth of the vertical one times the relative air mass of an exponential atmosphere on a sphere,
``erfcx(sqrt(X / 2) sin e)``, made 1 upright, with ``X = (R + h) / H`` (asymptotic form of Chapman's function; Chapman
1931, Proc. Phys. Soc. 43). A way that first goes down has twice the depth from its lowest point less that from its
start. The air emits as a black body of its temperature (U.S. Standard Atmosphere 1976) in proportion to what it
absorbs: ``L = integral of B(T(z)) dt(z)``. Scattered sunlight is left out.
"""

import csv
from importlib.resources import files

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erfcx

from lookdown.hil.scene.planck import Band, band_radiance

Float = NDArray[np.float64]

_RADIUS_M = 6371e3
_SCALE_M = 8e3
TOP_M = 120e3
"""Height above which there is no air [m]."""

_US76_HEIGHT_M = np.array([0.0, 11e3, 20e3, 32e3, 47e3, 51e3, 71e3, 84.852e3, 120e3])
_US76_K = np.array([288.15, 216.65, 216.65, 228.65, 270.65, 270.65, 214.65, 186.95, 240.0])
_LAYERS_M = np.concatenate([np.arange(0.0, 30e3, 1e3), np.arange(30e3, TOP_M + 1.0, 3e3)])
_TANGENTS_M = np.concatenate([np.arange(0.0, 30e3, 250.0), np.arange(30e3, TOP_M + 1.0, 1000.0)])


def air_temperature_k(height_m: ArrayLike) -> Float:
    """Temperature of the U.S. Standard Atmosphere 1976 [K]; its table of lapse rates, height taken as geopotential."""
    return np.asarray(np.interp(np.asarray(height_m, np.float64), _US76_HEIGHT_M, _US76_K), np.float64)


def air_mass(height_m: ArrayLike, elevation_rad: ArrayLike) -> Float:
    """Optical depth of a way up to space over that of the vertical way; elevation 0 to pi/2 [1]."""
    x = (_RADIUS_M + np.asarray(height_m, np.float64)) / _SCALE_M
    upward = np.sin(np.maximum(np.asarray(elevation_rad, np.float64), 0.0))
    vertical = erfcx(np.sqrt(0.5 * x))
    return np.asarray(erfcx(np.sqrt(0.5 * x) * upward) / vertical, np.float64)


class Atmosphere:
    """Transmission and emission of the air in a band.

    Parameters
    ----------
    band_um : tuple of float
        Lower and upper wavelength [um]; its centre must lie in a band of the table.

    Raises
    ------
    ValueError
        If the table has no such band.
    """

    def __init__(self, band_um: Band) -> None:
        heights, self._depths = _column(band_um)
        self._heights = heights
        self._emission = band_radiance(air_temperature_k(_LAYERS_M), band_um)
        self._limb = np.array([self._along_limb(tangent) for tangent in _TANGENTS_M])

    def depth(self, height_m: ArrayLike) -> Float:
        """Optical depth of the vertical way from a height to space [1]; its logarithm is linear between heights."""
        height = np.clip(np.asarray(height_m, np.float64), 0.0, None)
        depth = np.exp(np.interp(height, self._heights, np.log(self._depths)))
        return np.where(height >= TOP_M, 0.0, depth)

    def transmission(self, height_m: ArrayLike, elevation_rad: ArrayLike) -> Float:
        """Share of light that passes from a height to space at an elevation, down to the horizon and below it [1]."""
        return np.asarray(np.exp(-self._slant(height_m, elevation_rad)), np.float64)

    def path_radiance(self, height_m: ArrayLike, elevation_rad: ArrayLike) -> Float:
        """Radiance that the air adds from a height to space, at elevations above the horizon [W m-2 sr-1]."""
        height = np.asarray(height_m, np.float64)[..., None]
        levels = np.maximum(_LAYERS_M, height)
        # The way is steeper the higher it has come.
        cosine = (_RADIUS_M + height) / (_RADIUS_M + levels) * np.cos(np.asarray(elevation_rad, np.float64)[..., None])
        passing = np.exp(-self.depth(levels) * air_mass(levels, np.arccos(np.minimum(cosine, 1.0))))
        emission = 0.5 * (self._emission[1:] + self._emission[:-1])
        return np.asarray(np.sum(np.diff(passing, axis=-1) * emission, axis=-1), np.float64)

    def sky_radiance(self, height_m: ArrayLike, elevation_rad: ArrayLike) -> Float:
        """Radiance of the air above a height, looked up at from there at elevations of 0 or more [W m-2 sr-1]."""
        height = np.asarray(height_m, np.float64)[..., None]
        elevation = np.asarray(elevation_rad, np.float64)[..., None]
        levels = np.maximum(_LAYERS_M, height)
        cosine = (_RADIUS_M + height) / (_RADIUS_M + levels) * np.cos(elevation)
        beyond = self.depth(levels) * air_mass(levels, np.arccos(np.minimum(cosine, 1.0)))
        passing = np.exp(beyond - self.depth(height) * air_mass(height, elevation))
        emission = 0.5 * (self._emission[1:] + self._emission[:-1])
        return np.asarray(np.sum(-np.diff(passing, axis=-1) * emission, axis=-1), np.float64)

    def limb(self, tangent_height_m: ArrayLike) -> tuple[Float, Float]:
        """Radiance [W m-2 sr-1] and transmission [1] of the way past the Earth at a tangent height, 0 or more [m]."""
        tangent = np.asarray(tangent_height_m, np.float64)
        radiance, transmission = (np.interp(tangent, _TANGENTS_M, values) for values in self._limb.T)
        above = tangent >= TOP_M
        return np.where(above, 0.0, radiance), np.where(above, 1.0, transmission)

    def _slant(self, height_m: ArrayLike, elevation_rad: ArrayLike) -> Float:
        height, elevation = np.asarray(height_m, np.float64), np.asarray(elevation_rad, np.float64)
        upward = self.depth(height) * air_mass(height, np.abs(elevation))
        lowest = np.maximum((_RADIUS_M + height) * np.cos(elevation) - _RADIUS_M, 0.0)
        return np.where(elevation >= 0.0, upward, 2.0 * self.depth(lowest) * air_mass(lowest, 0.0) - upward)

    def _along_limb(self, tangent_m: float) -> tuple[float, float]:
        """Radiance and transmission of a whole way past the Earth."""
        levels = np.append(tangent_m, _LAYERS_M[tangent_m < _LAYERS_M])
        elevation = np.arccos(np.clip((_RADIUS_M + tangent_m) / (_RADIUS_M + levels), -1.0, 1.0))
        to_space = self.depth(levels) * air_mass(levels, elevation)
        near, far = np.exp(-to_space), np.exp(to_space - 2.0 * to_space[0])
        emission = np.interp(levels, _LAYERS_M, self._emission)
        emission = 0.5 * (emission[1:] + emission[:-1])
        return float(np.sum((np.diff(near) - np.diff(far)) * emission)), float(near[0] ** 2)


def _column(band_um: Band) -> tuple[Float, Float]:
    """Heights and optical depths of the table's band for a sensor's band."""
    text = files("lookdown.hil.scene").joinpath("atmosphere.csv").read_text(encoding="utf-8")
    head, first, last, *rows = list(csv.reader(line for line in text.splitlines() if not line.startswith("#")))
    centre = 0.5 * (band_um[0] + band_um[1])
    for column in range(1, len(head)):
        if float(first[column]) <= centre <= float(last[column]):
            values = np.array([[float(row[0]), float(row[column])] for row in rows])
            return values[:, 0], -np.log(values[:, 1])
    raise ValueError(
        f"band_um: the table of the atmosphere has the bands {', '.join(head[1:])}, got a centre of {centre:g} um; "
        "choose one of them or give scene.transmission"
    )
