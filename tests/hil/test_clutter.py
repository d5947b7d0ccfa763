"""Clutter in drawn frames: land, sea and cloud have the slope of the spectrum asked for, through texture and blur.

A frame looks straight down, so that its rows are straight cuts through the ground. Along such a cut a field of the
two-dimensional spectrum ``(k^2 + k0^2)^(-(s + 1) / 2)``, spread by a Gaussian of sigma ``b``, has the power
``integral of (f^2 + g^2 + k0^2)^(-(s + 1) / 2) exp(-(2 pi b)^2 (f^2 + g^2)) dg``: without blur ``f^-s``. The slope is
that of the best fit, evenly weighted in the logarithm of ``f``. Texels of 30 m keep their own interpolation out of it.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import binary_erosion
from scipy.optimize import minimize_scalar

from lookdown.geo.earth import ecef_to_geodetic
from lookdown.hil.plan import Scenario
from lookdown.hil.render import Renderer
from lookdown.hil.truth import Truth

pytestmark = pytest.mark.proof

BOUND = 0.08
OUTER_SCALE_M = 40e3  # the scene's default
Plan = Callable[..., Scenario]


def drawn(plan: Plan, seed: int, **scene: Any) -> tuple[np.ndarray, Renderer]:
    """Electrons of a frame that looks straight down at a scene of 80 km."""
    orbit = {name: value for name, value in asdict(plan().satellite[0].orbit).items() if value}
    common = {
        "seed": seed,
        "satellite": [{"id": 1, "orbit": orbit, "pointing": {"law": "nadir"}}],
        "sensor": {"rows": 512, "cols": 640},
        "mover": [],
    }
    lat, lon, _ = ecef_to_geodetic(Truth(plan(**common)).sensor(0, 0)[0])
    place = {"lat_deg": float(np.degrees(lat)), "lon_deg": float(np.degrees(lon)), "extent_m": 80e3, "texel_m": 30.0}
    renderer = Renderer(plan(**common, scene={**place, "coast_wander_m": 0.0, "clear": [], **scene}), 0)
    return renderer.electrons(0).astype(np.float64), renderer


def spectrum(image: np.ndarray, size: int, usable: np.ndarray) -> np.ndarray:
    """Summed periodograms of all pieces of rows whose pixels are usable."""
    window = np.hanning(size + 1)[:-1]
    total = np.zeros(size // 2 + 1)
    for first in range(0, image.shape[1] - size + 1, size // 2):
        pieces = image[:, first : first + size][usable[:, first : first + size].all(axis=1)]
        pieces = (pieces - pieces.mean(axis=1, keepdims=True)) * window
        total += (np.abs(np.fft.rfft(pieces, axis=1)) ** 2).sum(axis=0)
    return total


def fitted_slope(
    power: np.ndarray, renderer: Renderer, height_m: float, outer_m: float, band: tuple[float, float]
) -> float:
    """Slope of the model above that fits best between two frequencies [1/px]."""
    _, _, above_m = ecef_to_geodetic(renderer.truth.sensor(0, 0)[0])
    pixel_m = float(above_m - height_m) * renderer.scenario.sensor.ifov_rad
    blur_px, outer = renderer.truth.spot.pixel_sigma_px, pixel_m / outer_m
    f = np.arange(power.size) / (2 * (power.size - 1))
    use = (f >= band[0]) & (f <= band[1])
    f, log_power = f[use], np.log(power[use])
    g = np.append(0.0, np.geomspace(1e-5, 3.0, 2000))
    square = f[:, None] ** 2 + g**2
    passing = np.exp(-((2.0 * np.pi * blur_px) ** 2) * square)

    def misfit(slope: float) -> float:
        model = np.trapezoid((square + outer**2) ** (-0.5 * (slope + 1.0)) * passing, g, axis=1)
        off = log_power - np.log(model)
        return float(np.sum((off - np.average(off, weights=1.0 / f)) ** 2 / f))

    return float(minimize_scalar(misfit, bounds=(0.8, 3.5), method="bounded").x)


@pytest.mark.parametrize("slope", [5.0 / 3.0, 2.0])
@pytest.mark.parametrize(("kind", "band"), [("sea", (0.0125, 0.2)), ("land", (0.04, 0.2))])
def test_sea_and_land(small_plan: Plan, kind: str, band: tuple[float, float], slope: float) -> None:
    """Sea from 8 km to 500 m; land, half of which is folds with a shorter outer scale, from 2.5 km."""
    total, contrasts = np.zeros(321), []
    for seed in range(4):
        surface = {"radiance_w_m2_sr": 0.12, "contrast": 0.1, "slope": slope}
        scene = {"cloud": {"cover": 0.0}, "coast_offset_m": 1e6 if kind == "sea" else -1e6, kind: surface}
        image, renderer = drawn(small_plan, seed, **scene)
        total += spectrum(image, 640, np.ones(image.shape, np.bool_))
        contrasts.append(image.std() / image.mean())
    found = fitted_slope(total, renderer, 0.0, OUTER_SCALE_M, band)
    print(f"{kind}: slope {found:.3f}, asked {slope:.3f}; contrast {np.mean(contrasts):.4f}, asked 0.1")
    assert found == pytest.approx(slope, abs=BOUND)
    assert np.mean(contrasts) == pytest.approx(0.1, rel=0.15)  # less what the blur takes and what is larger than a view


@pytest.mark.parametrize("slope", [5.0 / 3.0, 2.0])
def test_cloud_tops(small_plan: Plan, slope: float) -> None:
    """Tops have a fifth of the outer scale; only pieces of rows well within opaque cloud count, over black sea."""
    total = np.zeros(65)
    for seed in range(5):
        surface = {"radiance_w_m2_sr": 0.12, "contrast": 0.1, "slope": slope}
        cloud = {"cover": 0.9, "height_m": 2000.0, "edge_m": [60.0, 60.0], "surface": surface}
        black = {"radiance_w_m2_sr": 0.0, "contrast": 0.0, "slope": 2.0}
        image, renderer = drawn(small_plan, seed, cloud=cloud, coast_offset_m=1e6, sea=black)
        total += spectrum(image, 128, binary_erosion(image > 0.6 * np.median(image), iterations=10))
    found = fitted_slope(total, renderer, 2000.0, 0.2 * OUTER_SCALE_M, (0.02, 0.3))
    print(f"cloud: slope {found:.3f}, asked {slope:.3f}")
    assert found == pytest.approx(slope, abs=BOUND)
