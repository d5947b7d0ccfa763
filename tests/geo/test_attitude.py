"""Attitude laws: what lies at the boresight, which way the ground moves, and the signs of roll, pitch and yaw."""

import numpy as np
import pytest

from lookdown.geo.attitude import nadir_attitude, stare_attitude, turned, yaw_steering_attitude
from lookdown.geo.camera import Camera
from lookdown.geo.earth import ROTATION_RATE_RAD_S, ecef_to_geodetic, geodetic_to_ecef
from lookdown.geo.orbit import KeplerJ2Orbit
from lookdown.geo.rotation import conjugate, multiply, rotate
from lookdown.geo.sight import intersect_ellipsoid
from lookdown.geo.timescale import tai_ns_from_utc

CAMERA = Camera(512, 640, 90e-6)
EPOCH_NS = tai_ns_from_utc("2026-03-21T00:00:00Z")
ORBIT = KeplerJ2Orbit(7.378e6, 1.3, 0.2, 0.0, EPOCH_NS)
TIMES_NS = EPOCH_NS + np.arange(0, 6300, 300) * 10**9
POSITION, VELOCITY = ORBIT.state(TIMES_NS)
X, Y, Z = np.eye(3)


def yaw_between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Turn about the boresight from one attitude to another [rad]."""
    ahead = rotate(multiply(conjugate(first), second), X)
    return np.arctan2(ahead[..., 1], ahead[..., 0])


def test_staring_puts_the_aim_in_the_middle_and_columns_along_the_flight() -> None:
    aim = intersect_ellipsoid(POSITION, -POSITION + 2e6 * np.array([0.1, 0.2, -0.1]))
    attitude = stare_attitude(POSITION, VELOCITY, aim)
    row, col, _ = CAMERA.project(aim, POSITION, attitude)
    np.testing.assert_allclose(row, 255.5, atol=1e-9)
    np.testing.assert_allclose(col, 319.5, atol=1e-9)
    assert np.all(np.sum(rotate(attitude, X) * VELOCITY, axis=-1) > 0.0)
    np.testing.assert_allclose(np.sum(rotate(attitude, Y) * VELOCITY, axis=-1), 0.0, atol=1e-6)


@pytest.mark.parametrize("law", [nadir_attitude, yaw_steering_attitude])
def test_looking_down_sees_the_subsatellite_point(law: object) -> None:
    attitude = law(POSITION, VELOCITY)
    lat, lon, _ = ecef_to_geodetic(POSITION)
    row, col, _ = CAMERA.project(geodetic_to_ecef(lat, lon, 0.0), POSITION, attitude)
    np.testing.assert_allclose(row, 255.5, atol=1e-6)
    np.testing.assert_allclose(col, 319.5, atol=1e-6)


def test_yaw_steering_moves_the_ground_along_the_columns_and_nadir_does_not() -> None:
    lat, lon, _ = ecef_to_geodetic(POSITION)
    ground = geodetic_to_ecef(lat, lon, 0.0)
    later_position, later_velocity = ORBIT.state(TIMES_NS + 10**8)
    motion = {}
    for law in (nadir_attitude, yaw_steering_attitude):
        row, col, _ = CAMERA.project(ground, later_position, law(later_position, later_velocity))
        motion[law] = np.stack([row - 255.5, col - 319.5], axis=-1)
        assert np.all(motion[law][:, 1] < -6.0)
    # The bend of the track within 0.1 s leaves some thousandths of a pixel.
    assert np.abs(motion[yaw_steering_attitude][:, 0]).max() < 2e-3
    assert np.abs(motion[nadir_attitude][:, 0]).max() > 0.3


def test_yaw_steering_equals_the_closed_form_of_a_circular_orbit() -> None:
    _, along_rate = ORBIT.rates_rad_s
    u = along_rate * (TIMES_NS - EPOCH_NS) * 1e-9
    yaw = np.arctan2(
        ROTATION_RATE_RAD_S * np.sin(ORBIT.inclination_rad) * np.cos(u),
        along_rate - ROTATION_RATE_RAD_S * np.cos(ORBIT.inclination_rad),
    )
    got = yaw_between(nadir_attitude(POSITION, VELOCITY), yaw_steering_attitude(POSITION, VELOCITY))
    # The ellipsoid turns the track by up to half a milliradian, and the node drifts.
    np.testing.assert_allclose(got, -yaw, atol=1e-3)
    assert np.degrees(np.abs(got).max()) > 3.5


def test_the_inertial_velocity_is_that_of_a_polar_orbit_over_the_equator() -> None:
    position, speed = np.array([7e6, 0.0, 0.0]), 7.5e3
    # Northward in inertial axes: in the rotating frame it drifts to the west.
    attitude = nadir_attitude(position, [0.0, -ROTATION_RATE_RAD_S * 7e6, speed])
    np.testing.assert_allclose(rotate(attitude, X), Z, atol=1e-12)
    np.testing.assert_allclose(rotate(attitude, Y), Y, atol=1e-12)  # east lies to the right
    np.testing.assert_allclose(rotate(attitude, Z), -X, atol=1e-12)


def test_roll_looks_left_pitch_ahead_and_yaw_turns_the_columns_right() -> None:
    position = np.array([7e6, 0.0, 0.0])
    level = nadir_attitude(position, [0.0, -ROTATION_RATE_RAD_S * 7e6, 7.5e3])
    assert rotate(turned(level, 0.1, 0.0, 0.0), Z) @ Y == pytest.approx(-np.sin(0.1))
    assert rotate(turned(level, 0.0, 0.1, 0.0), Z) @ Z == pytest.approx(np.sin(0.1))
    assert rotate(turned(level, 0.0, 0.0, 0.1), X) @ Y == pytest.approx(np.sin(0.1))
    np.testing.assert_allclose(
        turned(level, 0.0, 0.0, 0.1), nadir_attitude(position, [0.0, -ROTATION_RATE_RAD_S * 7e6, 7.5e3], 0.1)
    )
    assert turned(level, np.zeros(5), 0.1, np.zeros(5)).shape == (5, 4)


def test_what_cannot_be_pointed_is_refused() -> None:
    with pytest.raises(ValueError, match="straight along"):
        stare_attitude(POSITION[0], VELOCITY[0], POSITION[0] + VELOCITY[0])
    with pytest.raises(ValueError, match="zero vector"):
        stare_attitude(POSITION[0], VELOCITY[0], POSITION[0])
    with pytest.raises(ValueError, match="vertical"):
        yaw_steering_attitude([7e6, 0.0, 0.0], [7e3, 0.0, 0.0])
