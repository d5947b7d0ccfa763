"""Attitude and body rates: they are those of the motion."""

import numpy as np
import pytest

from lookdown.geo.earth import ecef_to_geodetic, enu_axes
from lookdown.geo.rotation import conjugate, multiply, to_matrix
from lookdown.hil.motion.movers import MoverConfig, Oscillation, Start, mover_path

START_NS = 1_800_000_000 * 10**9
TIMES = START_NS + np.arange(0, 600) * 10**8
WEAVING = MoverConfig(
    "f", "fighter", 50.0, start=Start(43.0, -9.5, 9e3, 60.0, 310.0), weave=Oscillation(700.0, 45.0)
)  # fmt: skip


def test_the_nose_points_along_the_velocity() -> None:
    path = mover_path(WEAVING, START_NS)
    _, velocity = path.state(TIMES)
    nose = to_matrix(path.attitude(TIMES))[..., :, 0]
    unit = velocity / np.linalg.norm(velocity, axis=-1, keepdims=True)
    assert np.degrees(np.arccos(np.clip(np.sum(nose * unit, axis=-1), -1.0, 1.0))).max() < 0.05


def test_a_turn_banks_by_its_acceleration() -> None:
    path = mover_path(WEAVING, START_NS)
    axes = to_matrix(path.attitude(TIMES))
    position, velocity = path.state(TIMES)
    lat, lon, _ = ecef_to_geodetic(position)
    up = enu_axes(lat, lon)[..., 2, :]
    acceleration = np.gradient(velocity, 0.1, axis=0)
    right = np.cross(velocity, up)
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    expected = np.arctan2(np.sum(acceleration * right, axis=-1), 9.81)
    bank = np.arcsin(-np.sum(axes[..., :, 1] * up, axis=-1))
    assert np.degrees(np.abs(bank)).max() > 45.0
    np.testing.assert_allclose(bank[5:-5], expected[5:-5], atol=np.radians(1.0))


def test_body_rates_are_the_derivative_of_the_attitude() -> None:
    path = mover_path(WEAVING, START_NS)
    step_ns = 20_000_000
    before, after = path.attitude(TIMES[10:500] - step_ns), path.attitude(TIMES[10:500] + step_ns)
    turned = multiply(conjugate(before), after)
    turned *= np.sign(turned[..., :1])
    expected = 2.0 * turned[..., 1:] / (2e-9 * step_ns)
    np.testing.assert_allclose(path.body_rate(TIMES[10:500]), expected, atol=2e-3)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_any_shape_of_times(shape: tuple[int, ...]) -> None:
    path = mover_path(WEAVING, START_NS)
    times = np.full(shape, START_NS + 10**9)
    assert path.attitude(times).shape == (*shape, 4)
    assert path.body_rate(times).shape == (*shape, 3)
    assert path.thrusting(times).shape == shape
    assert path.clearance_m(times).shape == shape
    np.testing.assert_allclose(path.clearance_m(times), 9e3, atol=1e-2)
