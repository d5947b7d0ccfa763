"""Lines of sight: intersections, meeting points, light time."""

import numpy as np
import pytest

from lookdown.geo.earth import SPEED_OF_LIGHT_M_S, ecef_to_geodetic, geodetic_to_ecef
from lookdown.geo.sight import (
    earth_blocks,
    emission_time_ns,
    intersect_ellipsoid,
    light_time_s,
    nearest_point,
    tangent_height,
)

RNG = np.random.default_rng(5)
GROUND = geodetic_to_ecef(RNG.uniform(-1.5, 1.5, 50), RNG.uniform(-3.0, 3.0, 50), 0.0)
ABOVE = geodetic_to_ecef(*[c + d for c, d in zip(ecef_to_geodetic(GROUND), (0.05, 0.07, 1e6), strict=True)])


def test_a_sight_meets_the_surface_at_the_point_it_was_aimed_at() -> None:
    found = intersect_ellipsoid(ABOVE, 3.0 * (GROUND - ABOVE), 0.0)
    assert np.max(np.linalg.norm(found - GROUND, axis=-1)) < 1e-6


def test_a_raised_surface_lies_at_its_geodetic_height() -> None:
    found = intersect_ellipsoid(ABOVE, GROUND - ABOVE, np.array([8e3, 30e3])[:, None])
    _, _, height = ecef_to_geodetic(found)
    assert np.max(np.abs(height - np.array([[8e3], [30e3]]))) < 0.5


def test_sights_that_miss_are_nan_and_a_start_inside_leaves_once() -> None:
    outward = intersect_ellipsoid([7e6, 0.0, 0.0], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    assert np.isnan(outward).all()
    np.testing.assert_allclose(intersect_ellipsoid([0.0, 0.0, 0.0], [2.0, 0.0, 0.0]), [6378137.0, 0.0, 0.0])


def test_lines_through_one_point_meet_there_and_the_covariance_is_that_of_the_errors() -> None:
    target = geodetic_to_ecef(0.7, 0.3, 11e3)
    origins = geodetic_to_ecef([0.75, 0.72, 0.62], [0.2, 0.42, 0.33], 1000e3)
    directions = (target - origins) / np.linalg.norm(target - origins, axis=-1, keepdims=True)
    position, covariance, miss = nearest_point(origins, directions, [60.0, 90.0, 120.0])
    assert np.linalg.norm(position - target) < 1e-6
    assert np.max(miss) < 1e-6
    runs = 4000
    ranges = np.linalg.norm(target - origins, axis=-1, keepdims=True)
    shifted = directions + RNG.normal(size=(runs, 3, 3)) * np.array([[60.0], [90.0], [120.0]]) / ranges
    shifted /= np.linalg.norm(shifted, axis=-1, keepdims=True)
    found, _, _ = nearest_point(np.broadcast_to(origins, shifted.shape), shifted, [60.0, 90.0, 120.0])
    errors = found - target
    nees = np.einsum("ni,ij,nj->n", errors, np.linalg.inv(covariance), errors)
    assert nees.mean() == pytest.approx(3.0, abs=4 * np.sqrt(6.0 / runs))


def test_parallel_lines_have_no_meeting_point() -> None:
    origins = np.array([[7e6, 0.0, 0.0], [7e6, 1e3, 0.0]])
    position, _, _ = nearest_point(origins, np.array([[-1.0, 0.0, 0.0]] * 2), [1.0, 1.0])
    assert np.isnan(position).all()


def test_light_left_the_mover_one_light_time_before_it_arrived() -> None:
    start, velocity = np.array([6.4e6, 0.0, 0.0]), np.array([0.0, 2400.0, 0.0])
    sensor = np.array([7.4e6, 3e5, 0.0])

    def position_at(time_ns: np.ndarray) -> np.ndarray:
        return start + (np.asarray(time_ns)[..., None] - 10**18) * 1e-9 * velocity

    received = 10**18 + np.arange(3) * 10**9
    emitted = emission_time_ns(position_at, sensor, received)
    travelled = (received - emitted) * 1e-9 * SPEED_OF_LIGHT_M_S
    np.testing.assert_allclose(np.linalg.norm(position_at(emitted) - sensor, axis=-1), travelled, atol=0.5)
    np.testing.assert_allclose(light_time_s(sensor, position_at(emitted)) * 1e9, received - emitted, atol=1.0)


def test_tangent_height_is_the_least_height_along_the_line() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        origin = rng.standard_normal(3)
        origin *= rng.uniform(6.9e6, 7.6e6) / np.linalg.norm(origin)
        across = np.cross(origin, rng.standard_normal(3))
        down = np.arccos(rng.uniform(6.37e6, 6.55e6) / np.linalg.norm(origin))
        along = np.cos(down) * across / np.linalg.norm(across) - np.sin(down) * origin / np.linalg.norm(origin)
        way = np.linspace(0.0, 6e6, 60001)
        _, _, height = ecef_to_geodetic(origin + way[:, None] * along)
        assert float(tangent_height(origin, along)) == pytest.approx(height.min(), abs=50.0)
    up = np.array([7e6, 0.0, 0.0])
    assert float(tangent_height(up, up)) == pytest.approx(7e6 - 6378137.0)
    assert tangent_height(up, np.zeros((4, 3)) - up).shape == (4,)
    assert float(tangent_height(up, -up)) < -6e6


def test_the_earth_blocks_what_lies_behind_it() -> None:
    sensor = np.array([7.4e6, 0.0, 0.0])
    below, beyond = geodetic_to_ecef(0.0, 0.0, 0.0), geodetic_to_ecef(0.0, np.pi, 0.0)
    limb = geodetic_to_ecef(0.0, np.radians(29.0), 0.0)  # the horizon lies at 30.5 degrees
    behind = geodetic_to_ecef(0.0, np.radians(32.0), 0.0)
    above = geodetic_to_ecef(0.0, np.radians(32.0), 30e3)
    assert earth_blocks(sensor, np.stack([below, beyond, limb, behind, above])).tolist() == [
        False, True, False, True, False,
    ]  # fmt: skip
