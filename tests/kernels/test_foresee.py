"""What a sensor should see of targets, and heights: kernels against their plain twins, and what they refuse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdown.geo.earth import FLATTENING, SEMI_MAJOR_AXIS_M, ecef_to_geodetic, geodetic_to_ecef
from lookdown.kernels.foresee import foresee, heights_over, spread_about
from tests.kernels import reference_tracks as twin
from tests.kernels.test_tracks import positive

LIGHT = 299792458.0
HALF_AXES = np.array([6.36e6, 6.36e6, 6.34e6])


def turned(rng):
    axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    return np.ascontiguousarray(axes * np.sign(np.linalg.det(axes)))


def scene(rng, n):
    """Targets all about the Earth, half of them in view."""
    away = rng.normal(size=(n + 1, 3))
    away *= rng.uniform(6.37e6, 6.5e6, n + 1)[:, None] / np.linalg.norm(away, axis=1)[:, None]
    state = np.concatenate([away[1:], rng.normal(size=(n, 3)) * 4e3], axis=1)
    return state, away[0] * 1.15, turned(rng)


def outputs(n):
    return np.empty((n, 2)), np.empty((n, 2, 6)), np.empty(n), np.empty(n, np.uint8)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 40), st.integers(0, 2**31))
def test_foresee_is_its_twin(n, seed):
    state, origin, axes = scene(np.random.default_rng(seed), n)
    got = outputs(n)
    foresee(state, origin, axes, HALF_AXES, LIGHT, *got)
    wanted = twin.foresee(state, origin, axes, HALF_AXES, LIGHT)
    for one, other in zip(got, wanted, strict=True):
        scale = np.abs(other).max(initial=1e-30) if other.dtype != np.bool_ else 1.0
        np.testing.assert_allclose(one / scale, other / scale, rtol=1e-9, atol=1e-12)


def test_foresee_tells_what_the_earth_hides_and_what_lies_behind():
    axes = np.array([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])  # looks down from the x axis
    place = np.array([[6.4e6, 1e5, 0.0], [-6.4e6, 0.0, 0.0], [9e6, 0.0, 0.0]])
    got = outputs(3)
    foresee(np.concatenate([place, np.zeros((3, 3))], axis=1), np.array([7e6, 0.0, 0.0]), axes, HALF_AXES, LIGHT, *got)
    assert got[3].tolist() == [1, 0, 0]
    assert got[0][0] == pytest.approx([1e5 / 6e5, 0.0])


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 20), st.integers(1, 4), st.integers(0, 2**31))
def test_spread_is_its_twin(n, sensors, seed):
    rng = np.random.default_rng(seed)
    jacobian, covariance = rng.normal(size=(n, 2, 6)), positive(rng, n, 6, 30.0)
    cross, shared = rng.normal(size=(n, 6, 2 * sensors)), rng.uniform(0.1, 3.0, n)
    own = 2 * int(rng.integers(sensors))
    got = np.empty((n, 2, 2))
    common = positive(rng, 1, 2)[0]
    spread_about(jacobian, covariance, cross, own, shared, common, got)
    np.testing.assert_allclose(
        got, twin.spread_about(jacobian, covariance, cross, own, shared, common), rtol=1e-9, atol=1e-9
    )
    np.testing.assert_array_equal(got, got.transpose(0, 2, 1))


def test_heights_are_those_of_the_way_back_from_angles():
    rng = np.random.default_rng(3)
    lat = np.concatenate([rng.uniform(-1.0, 1.0, 500) * np.pi / 2, [np.pi / 2, -np.pi / 2, 0.0]])
    wanted = np.concatenate([rng.uniform(-5e3, 4e7, 500), [10.0, -20.0, 0.0]])
    place = geodetic_to_ecef(lat, rng.uniform(-np.pi, np.pi, len(lat)), wanted)
    got = np.empty(len(lat))
    heights_over(place, SEMI_MAJOR_AXIS_M, FLATTENING, got)
    np.testing.assert_allclose(got, wanted, atol=1e-6)
    np.testing.assert_allclose(got, ecef_to_geodetic(place)[2], atol=1e-7)
    heights_over(np.array([[np.nan, 0.0, 1.0], [0.0, 0.0, 0.0]]), SEMI_MAJOR_AXIS_M, FLATTENING, got[:2])
    assert np.isnan(got[0])
    assert got[1] == pytest.approx(-SEMI_MAJOR_AXIS_M * (1.0 - FLATTENING))


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"state": np.zeros((2, 5))}, "state"),
        ({"origin": np.zeros(2)}, "origin"),
        ({"axes": np.zeros((3, 3), np.float32)}, "axes"),
        ({"half_axes": np.zeros(3)}, "half_axes"),
        ({"speed": 0.0}, "speed"),
        ({"tangent": np.zeros((3, 2))}, "tangent"),
        ({"visible": np.zeros(2, np.bool_)}, "visible"),
    ],
)
def test_foresee_refuses(change, name):
    given_ = {"state": np.zeros((2, 6)), "origin": np.zeros(3), "axes": np.eye(3), "half_axes": HALF_AXES}
    given_ |= {"speed": LIGHT, **dict(zip(("tangent", "jacobian", "distance", "visible"), outputs(2), strict=True))}
    with pytest.raises(ValueError, match=f"^{name}"):
        foresee(*(given_ | change).values())


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: spread_about(*_spread(2), 3, np.zeros(2), np.eye(2), np.zeros((2, 2, 2))), "own"),
        (lambda: spread_about(*_spread(2), 0, np.zeros(3), np.eye(2), np.zeros((2, 2, 2))), "shared"),
        (lambda: spread_about(*_spread(2), 0, np.zeros(2), np.eye(3), np.zeros((2, 2, 2))), "common"),
        (lambda: spread_about(*_spread(2), 0, np.zeros(2), np.eye(2), np.zeros((2, 2))), "spread"),
        (lambda: heights_over(np.zeros((2, 2)), 1.0, 0.0, np.zeros(2)), "position"),
        (lambda: heights_over(np.zeros((2, 3)), 0.0, 0.0, np.zeros(2)), "semi_major"),
        (lambda: heights_over(np.zeros((2, 3)), 1.0, 1.0, np.zeros(2)), "flattening"),
        (lambda: heights_over(np.zeros((2, 3)), 1.0, 0.0, np.zeros(3)), "height"),
    ],
)
def test_spread_and_heights_refuse(call, name):
    with pytest.raises(ValueError, match=f"^{name}"):
        call()


def _spread(n):
    return np.zeros((n, 2, 6)), np.zeros((n, 6, 6)), np.zeros((n, 6, 4))
