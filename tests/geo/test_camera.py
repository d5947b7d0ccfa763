"""Camera: round trips, staring, and the shift field against ray tracing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdown.geo.camera import Camera, shift_field, stare_attitude, tile_centres
from lookdown.geo.earth import geodetic_to_ecef
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


def test_staring_puts_the_aim_in_the_middle_and_columns_along_the_flight() -> None:
    attitude = stare_attitude(POSITION, VELOCITY, BELOW)
    row, col, _ = CAMERA.project(BELOW, POSITION, attitude)
    np.testing.assert_allclose([row, col], [255.5, 319.5], atol=1e-9)
    assert rotate(attitude, [1.0, 0.0, 0.0]) @ VELOCITY > 0.0
    assert rotate(attitude, [0.0, 1.0, 0.0]) @ VELOCITY == pytest.approx(0.0, abs=1e-6)


def test_what_cannot_be_stared_at_or_built_is_refused() -> None:
    with pytest.raises(ValueError, match="straight along"):
        stare_attitude(POSITION, VELOCITY, POSITION + VELOCITY)
    with pytest.raises(ValueError, match="zero vector"):
        stare_attitude(POSITION, VELOCITY, POSITION)
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
