"""Stars: the bright ones by name, faint ones at random by their counts.

A star's irradiance in a band is ``pi theta^2 / 4 B(T)`` from its angular diameter and temperature (``stars.csv``). The
whole sky holds about 4500 stars brighter than magnitude 4 at 2.2 um and 2.8 times as many a magnitude on (2MASS point
source catalogue, Skrutskie et al. 2006); most are giants near 4000 K. `geo.celestial` tells where they are seen, with
precession, nutation and aberration. Proper motion and the crowding towards the Milky Way are left out.
"""

import csv
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.hil.scene.planck import Band, band_radiance

STAR_DTYPE = np.dtype([("direction_icrs", "<f8", (3,)), ("irradiance_w_m2", "<f8")])
"""A star: unit vector towards it, ICRS, and irradiance in the band."""

_MAS_RAD = np.pi / 180.0 / 3600e3
_FAINTEST = 6.0
_COUNT_SLOPE = 0.45
_COUNT_AT_4 = 4500.0
_BAND_2_2_UM: Band = (2.0, 2.38)


def _irradiance(diameter_mas: Any, temperature_k: Any, band_um: Band) -> Any:
    return np.pi * (0.5 * _MAS_RAD * np.asarray(diameter_mas)) ** 2 * band_radiance(temperature_k, band_um)


def stars(band_um: Band, seed: int) -> NDArray[Any]:
    """All stars down to magnitude 6 at 2.2 um.

    Parameters
    ----------
    band_um : tuple of float
        Lower and upper wavelength [um].
    seed : int
        Seed of the random ones.

    Returns
    -------
    ndarray of STAR_DTYPE
        Named stars first.
    """
    text = files("lookdown.hil.scene").joinpath("stars.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    ra, dec, diameter, temperature = (
        np.array([float(row[name]) for row in rows]) for name in ("ra_deg", "dec_deg", "diameter_mas", "temperature_k")
    )
    ra, dec = np.radians(ra), np.radians(dec)
    rng = np.random.Generator(np.random.SFC64([seed, 0x57A2]))
    n = round(_COUNT_AT_4 * 10.0 ** (_COUNT_SLOPE * (_FAINTEST - 4.0)))
    vectors = rng.standard_normal((n, 3))
    # Counts that grow by 10^(0.45 m) are met by m = faintest + log10(u) / 0.45; the named stars fill the bright end.
    magnitude = _FAINTEST + np.log10(rng.uniform(len(rows) / n, 1.0, n)) / _COUNT_SLOPE
    vega = _irradiance(3.3, 9600.0, _BAND_2_2_UM)
    ratio = float(band_radiance(4000.0, band_um) / band_radiance(4000.0, _BAND_2_2_UM))
    result = np.zeros(len(rows) + n, STAR_DTYPE)
    named = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)
    result["direction_icrs"] = np.concatenate([named, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)])
    faint = vega * 10.0 ** (-0.4 * magnitude) * ratio
    result["irradiance_w_m2"] = np.concatenate([_irradiance(diameter, temperature, band_um), faint])
    return result


def write_catalogue(path: Path, sky: NDArray[Any], share: float) -> None:
    """Write the brightest stars, a share of all, as the catalogue that a ground process reads."""
    brightest = np.argsort(-sky["irradiance_w_m2"], kind="stable")[: round(share * len(sky))]
    x, y, z = sky["direction_icrs"][brightest].T
    lines = (f"{a:.7f},{d:.7f}" for a, d in zip(np.degrees(np.arctan2(y, x)), np.degrees(np.arcsin(z)), strict=True))
    path.write_text("\n".join(["ra_deg,dec_deg", *lines]) + "\n", encoding="utf-8")


def told_of_stars(band_um: Band, seed: int, share: float, folder: Path) -> dict[str, Any]:
    """Say to the ground which stars it knows, in a file below ``folder``; nothing where it knows none."""
    if share == 0.0:
        return {}
    path = folder.resolve() / "run" / "stars.csv"
    write_catalogue(path, stars(band_um, seed), share)
    return {"star_catalogue": str(path)}
