"""Light of day and night: glint where and as strong as it should be, terminator, limb with its stars, occlusion."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import erfa
import numpy as np
import pytest
from skyfield.api import load
from skyfield.earthlib import earth_rotation_angle

from lookdown.geo.celestial import star_directions
from lookdown.geo.earth import enu_axes, geodetic_to_ecef
from lookdown.geo.sight import tangent_height
from lookdown.geo.sun import sun_direction
from lookdown.geo.timescale import tai_ns_from_utc, utc_from_tai_ns
from lookdown.hil.plan import Scenario
from lookdown.hil.render import Renderer
from lookdown.hil.scene.config import CloudConfig, SceneConfig, SurfaceConfig
from lookdown.hil.scene.glint import glint_per_irradiance
from lookdown.hil.scene.local import Scene
from lookdown.hil.scene.planck import band_radiance, solar_irradiance
from lookdown.hil.scene.stars import stars

UP = np.array([0.0, 0.0, 1.0])
BAND = (3.8, 4.1)


def toward(zenith_deg: float, azimuth_deg: float) -> np.ndarray:
    zenith, azimuth = np.radians([zenith_deg, azimuth_deg])
    return np.array([np.sin(zenith) * np.cos(azimuth), np.sin(zenith) * np.sin(azimuth), np.cos(zenith)])


@pytest.mark.parametrize("wind_m_s", [1.0, 5.0, 10.0])
def test_glint_equals_a_sea_of_random_mirrors(wind_m_s: float) -> None:
    """Facets drawn with the slopes of Cox and Munk, each a mirror: the light that they send into a small cone."""
    rng = np.random.default_rng(3)
    sun = toward(35.0, 20.0)
    slopes = rng.normal(0.0, np.sqrt(0.5 * (0.003 + 0.00512 * wind_m_s)), (2_000_000, 2))
    normals = np.column_stack([-slopes, np.ones(len(slopes))])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    incidence = normals @ sun
    mirrored = 2.0 * incidence[:, None] * normals - sun
    flux = incidence / normals[:, 2] * (0.02 + 0.98 * (1.0 - np.clip(incidence, 0.0, 1.0)) ** 5)
    for view in (toward(35.0, 200.0), toward(25.0, 215.0)):
        half = np.radians(2.0)
        into = mirrored @ view > np.cos(half)
        solid_angle = 2.0 * np.pi * (1.0 - np.cos(half))
        measured = flux[into].sum() / len(slopes) / solid_angle / view[2]
        error = 4.0 / np.sqrt(into.sum())
        assert glint_per_irradiance(sun, view, UP, wind_m_s) == pytest.approx(measured, rel=error + 0.03)


def test_glint_is_brightest_at_the_mirror_and_dark_at_night() -> None:
    sun, angles = toward(50.0, 0.0), np.arange(0.0, 80.0, 0.5)
    views = np.array([toward(angle, 180.0) for angle in angles])
    assert 48.0 <= angles[np.argmax(glint_per_irradiance(sun, views, UP, 2.0))] <= 56.0
    assert not glint_per_irradiance(toward(91.0, 0.0), views, UP, 2.0).any()


def test_the_terminator_lies_where_the_sun_sets_and_the_day_is_as_bright_as_it_should_be() -> None:
    surface = SurfaceConfig(0.0, 2.0, temperature_k=290.0, emissivity=0.8)
    config = SceneConfig(
        43.0, -9.5, extent_m=1200e3, texel_m=2000.0, land=surface, sea=surface, coast_wander_m=0.0,
        cloud=CloudConfig(cover=0.0), transmission=1.0,
    )  # fmt: skip
    time_ns = tai_ns_from_utc("2026-03-21T06:40:00Z")  # the sun rises near 9.5 degrees west
    scene = Scene(config, 1, 1.0, BAND, time_ns)
    night = 0.8 * float(band_radiance(290.0, BAND))
    assert scene.ground.values.min() == pytest.approx(night, rel=2e-3)
    sun = sun_direction(time_ns)
    for lon in (-14.0, -6.0, -4.0):
        lat, along = np.radians(43.0), np.radians(lon)
        row, col = scene.texel(geodetic_to_ecef(lat, along, 0.0))
        sine = enu_axes(lat, along)[2] @ sun
        day = 0.2 / np.pi * solar_irradiance(BAND) * max(sine, 0.0)
        assert scene.ground.at(row, col) == pytest.approx(night + day, rel=5e-3)
        assert (lon == -14.0) == (sine < -0.01)


@pytest.fixture(scope="module")
def limb(small_plan: Callable[..., Scenario]) -> Renderer:
    """A view across the limb without noise of its own in the electrons."""
    orbit = {"altitude_m": 1000e3, "inclination_deg": 75.0, "raan_deg": 41.6, "argument_of_latitude_deg": 47.6}
    # From 1000 km the horizon lies 59.8 degrees from the nadir.
    satellite = [{"id": 1, "orbit": orbit, "pointing": {"law": "nadir", "pitch_deg": 60.6}}]
    sensor: dict[str, Any] = {"rows": 512, "cols": 640, "jitter_sigma_rad": 0.0, "band_um": [3.8, 4.1]}
    scene = {"cloud": {"cover": 0.0}, "clear": []}
    plan = small_plan(satellite=satellite, sensor=sensor, scene=scene, mover=[])
    return Renderer(replace(plan, scene=replace(plan.scene, transmission=None)), 0)


def test_the_limb_fades_with_height_and_the_earth_is_below(limb: Renderer) -> None:
    scenario = limb.scenario
    image = limb.electrons(0) / scenario.sensor.electrons_per_radiance()
    position, _, attitude = limb.truth.sensor(0, 0)
    row, col = np.indices(image.shape, np.float64)
    sights = scenario.sensor.camera.sight_ecef(*scenario.sensor.camera.tangent_from_pixel(row, col), attitude)
    height = tangent_height(position, sights)
    assert height.min() < -50e3
    assert height.max() > 60e3
    air = limb.scene.atmosphere
    assert air is not None
    clear = (height > 12e3) & (height < 50e3)
    expected = air.limb(height[clear])[0]
    # Stars are rare: all but a few pixels hold the air alone.
    assert np.quantile(np.abs(image[clear] / expected - 1.0), 0.98) < 0.02
    sky = [np.median(image[(height > low) & (height < low + 2e3)]) for low in (5e3, 15e3, 30e3, 50e3)]
    assert sky == sorted(sky, reverse=True)
    assert np.median(image[height < -20e3]) > 3.0 * sky[1]


def test_stars_stand_where_an_almanac_has_them_with_their_flux(limb: Renderer) -> None:
    """Seen as ERFA shows them, with precession, nutation and aberration; flux of each lonely star to half a percent."""
    scenario = limb.scenario
    sensor = scenario.sensor
    position, _, attitude = limb.truth.sensor(0, 0)
    table = stars(sensor.band_um, scenario.seed)
    time_ns = int(scenario.frame_time_ns(0))
    date = load.timescale(builtin=True).from_datetime(utc_from_tai_ns(time_ns))
    angle = 2.0 * np.pi * earth_rotation_angle(date.ut1 - date.dut1 / 86400.0)  # UT1 is taken for UTC
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    x, y, z = table["direction_icrs"].T
    of_earth = erfa.apci13(2440587.5, (time_ns * 1e-9 + 32.184) / 86400.0)[0]
    ri, di = erfa.atciq(np.arctan2(y, x), np.arcsin(z), 0.0, 0.0, 0.0, 0.0, of_earth)
    seen = np.stack([np.cos(di) * np.cos(ri), np.cos(di) * np.sin(ri), np.sin(di)], axis=1) @ turn.T
    # A tenth of the pixel of 30 microradians, but for stars near the Sun, whose light it bends by 8.
    np.testing.assert_allclose(star_directions(table["direction_icrs"], time_ns), seen, atol=9e-6)
    row, col, ahead = sensor.camera.project(position + 1e9 * seen, position, attitude)
    with np.errstate(invalid="ignore"):
        inside = ahead & (row > 12) & (row < sensor.rows - 13) & (col > 12) & (col < sensor.cols - 13)
    high = tangent_height(position, seen) > 121e3
    chosen = np.flatnonzero(inside & high)
    assert chosen.size > 0
    image = limb.electrons(0).astype(np.float64)
    checked = 0
    for k in chosen:
        apart = np.hypot(row[inside] - row[k], col[inside] - col[k])
        if np.sort(apart)[1] < 24.0:
            continue
        r, c = round(float(row[k])), round(float(col[k]))
        window = image[r - 10 : r + 11, c - 10 : c + 11]
        flux = table["irradiance_w_m2"][k] * sensor.electrons_per_irradiance()
        assert window.sum() == pytest.approx(flux, rel=5e-3)
        grid = np.arange(-10, 11)
        assert window.sum(1) @ grid / window.sum() + r == pytest.approx(row[k], abs=0.05)
        assert window.sum(0) @ grid / window.sum() + c == pytest.approx(col[k], abs=0.05)
        checked += 1
    assert checked > 0


def test_the_earth_hides_what_lies_behind_it(small_plan: Callable[..., Scenario]) -> None:
    truth = Renderer(small_plan(), 0).truth
    position, _, _ = truth.sensor(0, 0)
    behind = -position / np.linalg.norm(position)
    rows = truth.appearances(0, np.arange(1))
    assert not rows["occluded"].any()
    lat, lon = np.degrees(np.arcsin(behind[2])), np.degrees(np.arctan2(behind[1], behind[0]))
    far = {"lat_deg": float(lat), "lon_deg": float(lon), "height_m": 11e3, "heading_deg": 0.0, "speed_m_s": 250.0}
    mover = {"name": "antipode", "kind": "airliner", "intensity_w_sr": 80.0, "start": far}
    rows = Renderer(small_plan(mover=[mover]), 0).truth.appearances(0, np.arange(3))
    assert rows["occluded"].all()
    assert rows["hidden"].all()
    assert not rows["signal_e"].any()
