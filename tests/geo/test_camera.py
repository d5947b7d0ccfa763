"""Camera: round trips, staring, and the shift field against ray tracing."""

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from lookdown.geo.attitude import stare_attitude, turned, yaw_steering_attitude
from lookdown.geo.camera import Camera
from lookdown.geo.earth import geodetic_to_ecef
from lookdown.geo.ground_shift import shift_field, tile_centres
from lookdown.geo.orbit import KeplerJ2Orbit
from lookdown.geo.rotation import from_rotation_vector, multiply, rotate
from lookdown.geo.sight import intersect_ellipsoid
from lookdown.geo.timescale import tai_ns_from_utc

CAMERA = Camera(512, 640, 90e-6)
EPOCH_NS = tai_ns_from_utc("2026-03-21T00:00:00Z")
ORBIT = KeplerJ2Orbit(7.378e6, 1.3, 0.2, 0.8, EPOCH_NS)
POSITION, VELOCITY = ORBIT.state(EPOCH_NS)
BELOW = intersect_ellipsoid(POSITION, -POSITION + 2e6 * np.array([0.1, 0.2, -0.1]))


@given(st.floats(-100.0, 700.0), st.floats(-100.0, 700.0))
def test_pixel_to_tangent_and_back(row: float, col: float) -> None:
    again = CAMERA.pixel_from_tangent(*CAMERA.tangent_from_pixel(row, col))
    np.testing.assert_allclose(again, [row, col], atol=1e-9)


@given(st.floats(0.0, 511.0), st.floats(0.0, 639.0), st.integers(0, 1000))
def test_pixel_to_earth_and_back(row: float, col: float, seed: int) -> None:
    tilt = np.random.default_rng(seed).normal(size=3) * 0.1
    attitude = multiply(stare_attitude(POSITION, VELOCITY, BELOW), from_rotation_vector(tilt))
    sight = CAMERA.sight_ecef(*CAMERA.tangent_from_pixel(row, col), attitude)
    assert np.linalg.norm(sight) == pytest.approx(1.0, abs=1e-14)
    # From 1,000 km, float64 positions in ECEF carry 1e-9 m: 1e-11 px.
    again_row, again_col, in_front = CAMERA.project(POSITION + 1e6 * sight, POSITION, attitude)
    assert in_front
    assert abs(again_row - row) < 1e-9
    assert abs(again_col - col) < 1e-9


def test_a_camera_without_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match="rows, cols >= 1"):
        Camera(0, 640, 1e-4)


def test_a_point_behind_the_sensor_has_no_pixel() -> None:
    attitude = stare_attitude(POSITION, VELOCITY, BELOW)
    row, _, in_front = CAMERA.project(2 * POSITION - BELOW, POSITION, attitude)
    assert not in_front
    assert np.isnan(row)


def test_tile_centres_cover_cut_tiles() -> None:
    np.testing.assert_array_equal(tile_centres(8, 2), [1.5, 5.5])
    np.testing.assert_array_equal(tile_centres(10, 4), [1.0, 4.0, 7.0, 9.0])
    np.testing.assert_array_equal(tile_centres(3, 5), [0.0, 1.0, 2.0, 2.0, 2.0])


def test_shift_field_agrees_with_brute_force_ray_tracing() -> None:
    times = EPOCH_NS + np.array([0, 2 * 10**9])
    (position_a, position_b), (velocity_a, velocity_b) = ORBIT.state(times)
    attitude_a = stare_attitude(position_a, velocity_a, BELOW)
    tilt = from_rotation_vector([1e-3, -2e-3, 3e-3])
    attitude_b = multiply(stare_attitude(position_b, velocity_b, BELOW), tilt)
    field = shift_field(CAMERA, position_a, attitude_a, position_b, attitude_b, 4000.0, 4, 5)
    for i, row in enumerate(tile_centres(512, 4)):
        for j, col in enumerate(tile_centres(640, 5)):
            # Step along the ray of b by bisection in height, then search a's pixel by Newton steps on its rays.
            x, y = (col - 319.5) * 90e-6, (row - 255.5) * 90e-6
            sight = rotate(attitude_b, np.array([x, y, 1.0]))
            low, high = 0.0, 3e6
            for _ in range(80):
                middle = 0.5 * (low + high)
                point = position_b + middle * sight
                inside = np.sum((point / (np.array([6378137.0, 6378137.0, 6356752.314245]) + 4000.0)) ** 2) < 1.0
                low, high = (low, middle) if inside else (middle, high)
            guess = np.array([row, col])
            for _ in range(5):
                ray = rotate(attitude_a, np.array([(guess[1] - 319.5) * 90e-6, (guess[0] - 255.5) * 90e-6, 1.0]))
                miss = (point - position_a) / ((point - position_a) @ ray) * (ray @ ray) - ray
                guess = guess + [miss @ rotate(attitude_a, axis) / 90e-6 for axis in ([0, 1.0, 0], [1.0, 0, 0])]
            np.testing.assert_allclose(field[i, j], guess - [row, col], atol=1e-5)


def test_shift_field_of_one_state_is_zero_and_nan_off_the_earth() -> None:
    attitude = stare_attitude(POSITION, VELOCITY, BELOW)
    field = shift_field(CAMERA, POSITION, attitude, POSITION, attitude, 0.0, 8, 10)
    assert field.shape == (8, 10, 2)
    assert np.max(np.abs(field)) < 1e-6
    away = stare_attitude(POSITION, VELOCITY, POSITION + np.cross(VELOCITY, POSITION))
    assert np.isnan(shift_field(CAMERA, POSITION, away, POSITION, away, 0.0, 2, 2)).all()


def test_a_scene_shifted_by_the_field_is_the_ground_point_seen_before() -> None:
    point = geodetic_to_ecef(*(0.5, 0.5, 0.0))
    position = point * 1.16
    velocity = np.array([0.0, 0.0, 7e3])
    before, now = stare_attitude(position, velocity, point), stare_attitude(position + velocity, velocity, point)
    field = shift_field(CAMERA, position, before, position + velocity, now, 0.0, 1, 1)
    # A staring sensor keeps the aim point: its displacement is zero in the middle.
    assert np.max(np.abs(field)) < 1e-3


LENSES = [(0.0, 0.0), (-6.0, 0.0), (8.0, 0.0), (-12.0, 900.0), (10.0, -800.0), (0.0, 4000.0)]


@pytest.mark.parametrize("lens", LENSES)
def test_distorted_pixels_come_back_to_a_billionth(lens: tuple[float, float]) -> None:
    camera = Camera(512, 640, 100e-6, lens)
    row, col = np.meshgrid(np.linspace(-60.0, 571.0, 64), np.linspace(-60.0, 699.0, 77), indexing="ij")
    again_row, again_col = camera.pixel_from_tangent(*camera.tangent_from_pixel(row, col))
    assert np.abs(again_row - row).max() < 1e-9
    assert np.abs(again_col - col).max() < 1e-9


@example(191.375, -8451.0, 9107)  # Newton alone runs in a circle
@given(st.floats(-300.0, 300.0), st.floats(-2e5, 2e5), st.integers(0, 10**6))
def test_any_lens_that_is_taken_can_be_inverted_everywhere(k1: float, k2: float, seed: int) -> None:
    try:
        camera = Camera(512, 640, 100e-6, (k1, k2))
    except ValueError:
        assume(False)
    row, col = np.random.default_rng(seed).uniform(-3000.0, 3000.0, (2, 50))
    again = camera.pixel_from_tangent(*camera.tangent_from_pixel(row, col))
    np.testing.assert_allclose(again, [row, col], atol=1e-7)
    # Farther off the axis is farther from the middle: nothing outside the view folds back into it.
    radius = np.linspace(0.0, 2.0, 400)
    _, col = camera.pixel_from_tangent(radius, np.zeros_like(radius))
    assert np.all(np.diff(col) > 0.0)


def test_distortion_moves_pixels_by_the_formula_and_keeps_the_middle() -> None:
    camera = Camera(512, 640, 100e-6, (-6.0, 500.0))
    x, y = 0.031, -0.024
    square = x * x + y * y
    row, col = camera.pixel_from_tangent(x, y)
    factor = 1.0 - 6.0 * square + 500.0 * square**2
    assert row == pytest.approx(255.5 + y * factor / 100e-6, abs=1e-9)
    assert col == pytest.approx(319.5 + x * factor / 100e-6, abs=1e-9)
    np.testing.assert_array_equal(camera.tangent_from_pixel(255.5, 319.5), 0.0)
    np.testing.assert_array_equal(
        Camera(512, 640, 90e-6, (0.0, 0.0)).tangent_from_pixel(3.0, 5.0), CAMERA.tangent_from_pixel(3.0, 5.0)
    )


@pytest.mark.parametrize("lens", [(-250.0, 0.0), (0.0, -2e5), (50.0, -1e5), (np.nan, 0.0), (1.0,)])
def test_a_lens_that_folds_the_image_is_refused(lens: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="distortion wanted"):
        Camera(512, 640, 100e-6, lens)


def test_errors_of_tangents_follow_the_slope_of_the_lens() -> None:
    rng = np.random.default_rng(2)
    camera = Camera(512, 640, 100e-6, (60.0, 4000.0))
    row, col = 30.0 + 0.05 * rng.standard_normal(100_000), 600.0 + 0.15 * rng.standard_normal(100_000)
    x, y = camera.tangent_from_pixel(row, col)
    sigma_x, sigma_y = camera.tangent_sigmas(*camera.tangent_from_pixel(30.0, 600.0), 0.05, 0.15)
    assert sigma_x == pytest.approx(x.std(), rel=0.01)
    assert sigma_y == pytest.approx(y.std(), rel=0.01)
    assert sigma_x < 0.9 * 0.15 * 100e-6
    np.testing.assert_allclose(CAMERA.tangent_sigmas(0.01, 0.02, 0.3, 0.1), (0.1 * 90e-6, 0.3 * 90e-6))


@pytest.mark.parametrize("lens", LENSES)
@pytest.mark.parametrize("altitude_m", [400e3, 1000e3, 35786e3])
def test_pixel_to_earth_and_back_through_a_lens_is_the_pixel(lens: tuple[float, float], altitude_m: float) -> None:
    camera = Camera(512, 640, 100e-6, lens)
    position, velocity = KeplerJ2Orbit(6378137.0 + altitude_m, 1.3, 0.2, 0.8, EPOCH_NS).state(
        EPOCH_NS + np.arange(0, 6000, 1500) * 10**9
    )
    limb = np.arcsin(6378137.0 / (6378137.0 + altitude_m))
    rows = np.array([0.0, 0.0, 511.0, 511.0, 255.5, 17.3])
    cols = np.array([0.0, 639.0, 0.0, 639.0, 319.5, 411.8])
    met = 0
    for pitch in (0.0, 0.4, 0.9):
        for height_m in (0.0, 30e3):
            attitude = turned(yaw_steering_attitude(position, velocity), 0.1 * limb, pitch * limb, 0.2)
            sights = camera.sight_ecef(*camera.tangent_from_pixel(rows, cols), attitude[:, None])
            ground = intersect_ellipsoid(position[:, None], sights, height_m)
            row, col, in_front = camera.project(ground, position[:, None], attitude[:, None])
            seen = np.isfinite(row)
            met += np.count_nonzero(seen)
            assert in_front[seen].all()
            assert np.abs((row - rows)[seen]).max() < 1e-6
            assert np.abs((col - cols)[seen]).max() < 1e-6
    assert met > 0.8 * 6 * 6 * len(position)
