"""Paths of movers: speed, height, heading, manoeuvres, smoothness."""

import numpy as np
import pytest

from lookdown.geo.earth import ecef_to_geodetic, enu_axes
from lookdown.hil.motion.movers import MoverConfig, MoverPath, Oscillation, Start, mover_path
from lookdown.hil.settings import Place

START_NS = 1_800_000_000 * 10**9
TIMES_NS = START_NS + np.arange(0, 61) * 10**9
START = Start(lat_deg=43.0, lon_deg=-9.5, height_m=11000.0, heading_deg=60.0, speed_m_s=250.0)


def path(start: Start = START, **manoeuvres: Oscillation) -> MoverPath:
    return mover_path(MoverConfig("m", "airliner", 50.0, start=start, **manoeuvres), START_NS)


@pytest.mark.parametrize("heading", [0.0, 60.0, 135.0, 270.0])
@pytest.mark.parametrize(("height", "speed"), [(60.0, 240.0), (11e3, 250.0), (30e3, 2400.0)])
def test_a_great_circle_keeps_height_and_speed_from_its_heading(heading: float, height: float, speed: float) -> None:
    position, velocity = path(Start(43.0, -9.5, height, heading, speed)).state(TIMES_NS)
    np.testing.assert_allclose(np.linalg.norm(velocity, axis=-1), speed, rtol=1e-3)
    np.testing.assert_allclose(ecef_to_geodetic(position)[2], height, atol=1e-3)
    east, north, up = enu_axes(np.radians(43.0), np.radians(-9.5)) @ velocity[0]
    assert [east, north] == pytest.approx(speed * np.sin(np.radians([heading, heading + 90.0])), rel=1e-6, abs=1e-3)
    assert abs(up) < 1e-3


def test_it_passes_straight_over_the_poles() -> None:
    position, velocity = path(Start(89.9, 20.0, 10e3, 0.0, 1000.0)).state(TIMES_NS)
    lat, lon, _ = ecef_to_geodetic(position)
    assert np.degrees(lat.max()) > 89.99
    assert np.degrees(lon[-1]) == pytest.approx(-160.0, abs=1e-3)
    np.testing.assert_allclose(np.linalg.norm(velocity, axis=-1), 1000.0, rtol=1e-3)


def test_weave_goes_left_first_and_skip_goes_up_first() -> None:
    plain, _ = path().state(TIMES_NS)
    swung, _ = path(weave=Oscillation(1500.0, 80.0), skip=Oscillation(800.0, 60.0)).state(TIMES_NS)
    axes = enu_axes(np.radians(43.0), np.radians(-9.5))
    left = np.array([-np.cos(np.radians(60.0)), np.sin(np.radians(60.0)), 0.0]) @ axes
    offset = (swung - plain) @ left
    assert offset[20] == pytest.approx(1500.0, rel=0.01)
    assert abs(offset[40]) < 10.0
    height = ecef_to_geodetic(swung)[2]
    assert height[15] == pytest.approx(11800.0, abs=0.1)
    assert height[45] == pytest.approx(10200.0, abs=0.1)


def test_velocity_and_acceleration_have_no_steps() -> None:
    times = START_NS + np.arange(0, 600) * 10**8
    for mover in (
        path(weave=Oscillation(700.0, 45.0)),
        mover_path(
            MoverConfig(
                "w",
                "fighter",
                1.0,
                waypoints=tuple(Place(43.0 + 0.1 * k, k % 2 * 0.1, 5e3, 15.0 * k) for k in range(5)),
            ),
            START_NS,
        ),
    ):
        _, velocity = mover.state(times)
        acceleration = np.diff(velocity, axis=0) / 0.1
        assert np.max(np.linalg.norm(np.diff(acceleration, axis=0), axis=-1)) < 2.5


def test_waypoints_are_met_across_the_date_line() -> None:
    places = (Place(10.0, 179.9, 1000.0, 0.0), Place(10.1, -179.9, 2000.0, 30.0), Place(10.0, -179.7, 1500.0, 60.0))
    position, velocity = mover_path(MoverConfig("w", "airliner", 1.0, waypoints=places), START_NS).state(TIMES_NS)
    lat, lon, height = ecef_to_geodetic(position[[0, 30, 60]])
    np.testing.assert_allclose(np.degrees(lat), [10.0, 10.1, 10.0], atol=1e-9)
    np.testing.assert_allclose(np.degrees(lon) % 360.0, [179.9, 180.1, 180.3], atol=1e-9)
    np.testing.assert_allclose(height, [1000.0, 2000.0, 1500.0], atol=1e-6)
    assert np.max(np.linalg.norm(velocity, axis=-1)) < 3000.0


def test_velocity_is_the_derivative_of_position() -> None:
    position, velocity = path(weave=Oscillation(700.0, 45.0)).state(START_NS + np.array([0, 10**7, 2 * 10**7]))
    np.testing.assert_allclose((position[2] - position[0]) / 0.02, velocity[1], atol=1e-3)
