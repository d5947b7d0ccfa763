"""Bands on the ground: their area is exact, they lie where they should, and roads of a scenario are drawn."""

from collections.abc import Callable

import numpy as np
import pytest

from lookdown.geo.earth import geodetic_to_ecef
from lookdown.hil.plan import Scenario
from lookdown.hil.render import make_scene
from lookdown.hil.scene.lines import coverage


@pytest.mark.parametrize("width", [0.05, 0.4, 3.0])
@pytest.mark.parametrize("angle", [0.0, 0.3, 1.2])
def test_the_area_is_exact_and_lies_about_the_middle_line(width: float, angle: float) -> None:
    way = np.linspace(-30.0, 30.0, 7)
    row, col = 50.3 + way * np.sin(angle), 49.6 + way * np.cos(angle)
    covered = coverage(row, col, width, 100).astype(np.float64)
    assert covered.sum() == pytest.approx(60.0 * width, rel=1e-4 if width < 1.0 else 5e-3)
    i, j = np.indices(covered.shape)
    aside = np.cos(angle) * (i - 50.3) - np.sin(angle) * (j - 49.6)
    assert (covered * aside).sum() / covered.sum() == pytest.approx(0.0, abs=0.02)
    assert np.abs(aside[covered > 0.0]).max() < 0.5 * width + 1.5


def test_a_wide_band_covers_texels_whole_and_what_lies_outside_is_left_out() -> None:
    covered = coverage(np.array([20.0, 20.0]), np.array([-50.0, 150.0]), 6.0, 100)
    np.testing.assert_allclose(covered[18:23, 1:-1], 1.0, atol=0.02)
    assert not covered[:16].any()
    assert not coverage(np.array([5.0, 5.0]), np.array([5.0, 5.0]), 6.0, 10).any()


def test_roads_of_a_scenario_are_drawn(small_plan: Callable[..., Scenario]) -> None:
    points = [{"lat_deg": 43.0, "lon_deg": lon} for lon in (-9.6, -9.5, -9.4)]
    without = make_scene(small_plan()).ground.values.astype(np.float64)
    scene = make_scene(small_plan(road=[{"name": "motorway", "points": points, "width_m": 30.0, "contrast": -0.5}]))
    ratio = scene.ground.values.astype(np.float64) / without
    row, col = scene.texel(geodetic_to_ecef(np.radians(43.0), np.radians(-9.45), 0.0))
    across = ratio[int(row) - 12 : int(row) + 14, int(col)]
    # Blurring spreads it over texels; the missing light across it is width times contrast.
    assert (1.0 - across).sum() * 40e3 / scene.size == pytest.approx(15.0, rel=0.15)
    assert abs(np.argmin(across) - 12) <= 1
