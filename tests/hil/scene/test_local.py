"""Scene: spectrum, coast, cloud cover and corridors."""

from dataclasses import replace

import numpy as np
import pytest

from lookdown.geo.earth import geodetic_to_ecef
from lookdown.hil.plan import Scenario
from lookdown.hil.scene.config import CloudConfig, Corridor, SceneConfig
from lookdown.hil.scene.fields import random_field
from lookdown.hil.scene.local import Scene
from lookdown.hil.settings import Place

CONFIG = SceneConfig(lat_deg=43.0, lon_deg=-9.5, extent_m=60e3, texel_m=100.0)
CENTRE = (np.radians(43.0), np.radians(-9.5))


@pytest.mark.parametrize("slope", [5.0 / 3.0, 2.0])
def test_a_field_has_the_one_dimensional_spectrum_asked_for(slope: float) -> None:
    field = random_field(1024, 100.0, slope, 1e7, (3,)).astype(np.float64)
    assert field.std() == pytest.approx(1.0, abs=1e-3)
    power = np.mean(np.abs(np.fft.rfft(field, axis=1)) ** 2, axis=0)
    k = np.arange(power.size)
    # Far below the largest wavenumber, where the square grid's corners do not yet bend the line.
    use = (k >= 8) & (k <= 100)
    fitted = np.polyfit(np.log(k[use]), np.log(power[use]), 1)[0]
    assert -fitted == pytest.approx(slope, abs=0.12)


def test_same_seed_same_scene() -> None:
    first, again, other = (Scene(CONFIG, seed, 90.0) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.ground.values, again.ground.values)
    np.testing.assert_array_equal(first.cloud.values, again.cloud.values)
    assert np.mean(first.ground.values != other.ground.values) > 0.9


def test_land_lies_to_the_bearing_and_sea_on_the_other_side() -> None:
    scene = Scene(replace(CONFIG, coast_wander_m=0.0, coast_bearing_deg=90.0), 1, 90.0)
    west, east = scene.ground.values[:, : scene.size // 2 - 10], scene.ground.values[:, scene.size // 2 + 10 :]
    assert west.mean() == pytest.approx(CONFIG.sea.radiance_w_m2_sr, rel=0.02)
    assert east.mean() == pytest.approx(CONFIG.land.radiance_w_m2_sr, rel=0.1)
    assert east.std() > 3.0 * west.std()


@pytest.mark.parametrize("cover", [0.1, 0.3, 0.6])
def test_cloud_covers_the_share_asked_for(cover: float) -> None:
    scene = Scene(replace(CONFIG, cloud=replace(CONFIG.cloud, cover=cover)), 1, 90.0)
    assert np.mean(scene.cloud.values > 0.5) == pytest.approx(cover, abs=0.06)
    thick = scene.cloud.values[scene.cloud.values > 0.9]
    position = geodetic_to_ecef(*CENTRE, 7000.0)
    below = scene.nodes(1.2 * position, -position / np.linalg.norm(position), 0)
    radiance = thick.mean() * float(below.cloud_scale) / 0.96  # the air above 7 km passes 96 %
    assert radiance == pytest.approx(CONFIG.cloud.surface.radiance_w_m2_sr, rel=0.05)


def test_edges_are_hard_and_soft() -> None:
    cloud = Scene(CONFIG, 1, 90.0).cloud.values
    steepness = np.hypot(*np.gradient(cloud))[(cloud > 0.3) & (cloud < 0.7)]
    soft, hard = np.quantile(steepness, [0.1, 0.9])
    assert hard > 2.5 * soft


def test_a_corridor_is_free_of_cloud() -> None:
    lane = Corridor(Place(43.0, -9.6), Place(43.0, -9.4), half_width_m=4000.0)
    scene = Scene(replace(CONFIG, clear=(lane,), cloud=CloudConfig(cover=0.7)), 1, 90.0)
    lon = np.radians(np.linspace(-9.6, -9.4, 50))
    for lat in (42.98, 43.0, 43.02):
        assert scene.opacity(geodetic_to_ecef(np.radians(lat), lon, 7000.0)).max() < 0.05
    assert scene.opacity(geodetic_to_ecef(np.radians(43.2), lon, 7000.0)).mean() > 0.3


def test_north_is_up_and_east_is_right() -> None:
    scene = Scene(replace(CONFIG, cloud=CloudConfig(cover=0.0)), 1, 90.0)
    row, col = scene.texel(geodetic_to_ecef(CENTRE[0], CENTRE[1], 0.0))
    assert float(row) == pytest.approx(0.5 * (scene.size - 1))
    row_north, _ = scene.texel(geodetic_to_ecef(CENTRE[0] + 1e-3, CENTRE[1], 0.0))
    _, col_east = scene.texel(geodetic_to_ecef(CENTRE[0], CENTRE[1] + 1e-3, 0.0))
    assert row_north < row - 60.0
    assert col_east > col + 40.0


def test_texture_is_band_limited_to_the_pixel(small_scenario: Scenario, small_scene: Scene) -> None:
    # Beyond half a cycle a pixel of the finest view (108 m) hardly any contrast is left to alias.
    ground = small_scene.ground.values[:512, :512].astype(np.float64)
    ground -= ground.mean()
    power = np.abs(np.fft.rfft2(ground * np.outer(np.hanning(512), np.hanning(512)))) ** 2
    frequency = np.hypot(np.fft.fftfreq(512)[:, None], np.fft.rfftfreq(512)[None, :]) / small_scenario.scene.texel_m
    fine = power[frequency > 0.5 / 108.0].sum() / power[frequency > 0.1 / 108.0].sum()
    assert fine < 2e-3


def test_clouds_grow_with_the_outer_scale() -> None:
    def turns(outer_scale_m: float) -> int:
        cloud = Scene(replace(CONFIG, extent_m=600e3, texel_m=600.0, outer_scale_m=outer_scale_m), 1, 600.0).cloud
        assert cloud is not None
        return int(np.count_nonzero(np.diff(cloud.values > 0.5, axis=1)))

    assert turns(250e3) < 0.6 * turns(20e3)
