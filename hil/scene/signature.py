"""Signatures: what a mover adds to its background, by band, aspect, height and speed.

The net radiant intensity at the mover is the sum of skin, hot parts, plume and reflected sun, less the background that
its silhouette hides: ``A (eps B(T_skin) + (1 - eps) (L_env + E_sun / pi cos) - L_bg) + A_hot (B(T_hot) - B(T_skin)) +
I_plume``. The values stand in ``signature.toml`` with their sources.

Heated skin: the recovery temperature ``T (1 + 0.178 M^2)`` of a turbulent boundary layer (Anderson 2006, "Hypersonic
and High-Temperature Gas Dynamics", 2nd ed., chapter 6), at most the radiative equilibrium ``(q / (eps sigma))^(1/4)``
with a tenth of the stagnation heating ``q = 1.7415e-4 sqrt(rho / r_nose) v^3`` (Sutton and Graves 1971, NASA TR R-376).
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lookdown.hil.scene.atmosphere import air_temperature_k
from lookdown.hil.scene.planck import Band, band_radiance, solar_irradiance
from lookdown.wire.config import parse_config

Float = NDArray[np.float64]

_NOSE_RADIUS_M = 0.03
_ACREAGE_HEATING = 0.1
_STEFAN_BOLTZMANN = 5.670374419e-8
_GAS_CONSTANT_J_KG_K = 287.05
_SUN_TRANSMISSION = 0.85


@dataclass(frozen=True)
class SignatureEntry:
    """One kind of mover in ``signature.toml``, where its fields are explained."""

    front_m2: float
    side_m2: float
    top_m2: float
    emissivity: float
    skin: Literal["air", "ground"]
    hot_m2: float
    hot_k: float
    hot_axis: Literal["rear", "up"]
    hot_half_angle_deg: float
    plume_w_sr: dict[str, float]
    excess_k: float = 0.0


@cache
def signature_table() -> dict[str, SignatureEntry]:
    """Read the table of all kinds."""
    text = files("lookdown.hil.scene").joinpath("signature.toml").read_text(encoding="utf-8")
    return {kind: parse_config(entry, SignatureEntry, kind) for kind, entry in tomllib.loads(text).items()}


def air_density_kg_m3(height_m: ArrayLike) -> Float:
    """Density of the U.S. Standard Atmosphere 1976 in layers of constant scale height, to 20 % up to 80 km."""
    height = np.asarray(height_m, np.float64)
    levels = np.array([0.0, 11e3, 20e3, 32e3, 47e3, 51e3, 71e3, 84.852e3, 120e3])
    density = np.array([1.225, 0.3639, 0.08803, 0.01322, 1.427e-3, 8.616e-4, 6.421e-5, 6.958e-6, 2.2e-8])
    return np.asarray(np.exp(np.interp(height, levels, np.log(density))), np.float64)


def skin_temperature_k(height_m: ArrayLike, speed_m_s: ArrayLike, emissivity: float = 0.85) -> Float:
    """Temperature of a skin heated by the air [K], at heights [m] and speeds [m/s]."""
    air_k, speed = air_temperature_k(height_m), np.asarray(speed_m_s, np.float64)
    mach_squared = speed**2 / (1.4 * _GAS_CONSTANT_J_KG_K * air_k)
    recovery_k = air_k * (1.0 + 0.178 * mach_squared)
    heating_w_m2 = _ACREAGE_HEATING * 1.7415e-4 * np.sqrt(air_density_kg_m3(height_m) / _NOSE_RADIUS_M) * speed**3
    radiative_k = (heating_w_m2 / (emissivity * _STEFAN_BOLTZMANN) + air_k**4) ** 0.25
    return np.asarray(np.minimum(recovery_k, radiative_k), np.float64)


class Signature:
    """Radiant intensity of one kind of mover in a band.

    Parameters
    ----------
    kind : str
        A table of ``signature.toml``.
    band_um : tuple of float
        Lower and upper wavelength [um].

    Raises
    ------
    ValueError
        If the table has no such kind.
    """

    def __init__(self, kind: str, band_um: Band) -> None:
        table = signature_table()
        if kind not in table:
            raise ValueError(f"signature: wanted one of {', '.join(table)}, got {kind!r}; choose one")
        self.entry = table[kind]
        self._band = band_um
        # The plume of the nearest band of the table, in proportion to the width for windows of other widths.
        centre = 0.5 * (band_um[0] + band_um[1])
        name = min(_PLUME_BANDS, key=lambda name: abs(np.log(_PLUME_BANDS[name] / centre)))
        self._plume_w_sr = self.entry.plume_w_sr[name]
        self._sun_w_m2 = solar_irradiance(band_um)
        self._table_k = np.arange(100.0, 4001.0, 2.0)
        self._table = band_radiance(self._table_k, band_um)

    def silhouette_m2(self, view_body: ArrayLike) -> Float:
        """Area that hides background, seen from unit vectors in body axes (forward, right, down), shape (..., 3)."""
        areas = np.array([self.entry.front_m2, self.entry.side_m2, self.entry.top_m2])
        return np.asarray(np.abs(np.asarray(view_body, np.float64)) @ areas, np.float64)

    def intensity_w_sr(
        self,
        view_body: ArrayLike,
        height_m: ArrayLike,
        speed_m_s: ArrayLike,
        thrusting: ArrayLike,
        background_radiance: ArrayLike,
        sun_body: ArrayLike | None = None,
    ) -> Float:
        """Net radiant intensity at the mover, less that of the background it hides [W/sr].

        Parameters
        ----------
        view_body : array_like of float, shape (..., 3)
            Unit vectors from mover to sensor in body axes: forward, right, down.
        height_m, speed_m_s : array_like of float, shape (...)
            Height [m] and speed through the air [m/s].
        thrusting : array_like of bool, shape (...)
            Whether the engine runs.
        background_radiance : array_like of float, shape (...)
            Radiance behind the mover, as it is at the mover [W m-2 sr-1].
        sun_body : array_like of float, shape (..., 3) or None
            Unit vectors to the sun in body axes; None at night.
        """
        entry, view = self.entry, np.asarray(view_body, np.float64)
        background = np.asarray(background_radiance, np.float64)
        if entry.skin == "air":
            skin_k = skin_temperature_k(height_m, speed_m_s, entry.emissivity)
        else:
            skin_k = np.interp(background, self._table, self._table_k) + entry.excess_k
        skin = self._radiance(skin_k)
        reflected = (1.0 - entry.emissivity) * 0.5 * background  # half of what a skin sees is Earth, half is sky
        if sun_body is not None:
            sun = np.asarray(sun_body, np.float64)
            facets = np.array([entry.front_m2, entry.side_m2, entry.top_m2])
            # Faces of the box that both sun and sensor see.
            lit = np.where(view * sun > 0.0, np.abs(view * sun), 0.0) @ facets
            reflected_sun = (1.0 - entry.emissivity) / np.pi * _SUN_TRANSMISSION * self._sun_w_m2 * lit
        else:
            reflected_sun = np.zeros(view.shape[:-1])
        skin_w_sr = self.silhouette_m2(view) * (entry.emissivity * skin + reflected - background)
        axis = np.array([-1.0, 0.0, 0.0]) if entry.hot_axis == "rear" else np.array([0.0, 0.0, -1.0])
        cosine = view @ axis
        shown = np.where(cosine > np.cos(np.radians(entry.hot_half_angle_deg)), cosine, 0.0)
        hot = self._radiance(np.asarray(entry.hot_k))
        hot_w_sr = entry.hot_m2 * shown * (hot - skin)
        running = np.asarray(thrusting, np.bool_)
        plume_w_sr = np.where(running, hot_w_sr + self._plume_w_sr, 0.0)
        return np.asarray(skin_w_sr + plume_w_sr + reflected_sun, np.float64)

    def _radiance(self, temperature_k: Float) -> Float:
        return np.asarray(np.interp(temperature_k, self._table_k, self._table), np.float64)


_PLUME_BANDS = {"2.7": 2.7, "3.8-4.1": 3.95, "4.3": 4.3, "8-12": 10.0}
