"""Orbits against sgp4 through skyfield, against closed forms, and Walker geometry."""

import numpy as np
import pytest
from skyfield.api import EarthSatellite, load
from skyfield.framelib import itrs

from lookdown.geo.earth import GRAVITY_PARAMETER_M3_S2, ROTATION_RATE_RAD_S, SEMI_MAJOR_AXIS_M
from lookdown.geo.orbit import KeplerJ2Orbit, Sgp4Orbit, walker_delta
from lookdown.geo.timescale import ecef_from_eci, tai_ns_from_utc

EPOCH_NS = tai_ns_from_utc("2026-03-21T00:00:00Z")
SECOND = 10**9
# International Space Station, 2019-12-09: the elements of skyfield's documentation.
LINE1 = "1 25544U 98067A   19343.69339541  .00001764  00000-0  38792-4 0  9991"
LINE2 = "2 25544  51.6439 211.2001 0007417  17.6667  85.6398 15.50103472202482"


def test_sgp4_positions_agree_with_skyfield_to_5_metres() -> None:
    # Same Earth orientation on both sides: UT1 = UTC through delta T, no polar motion.
    timescale = load.timescale(builtin=True, delta_t=32.184 + 37.0)
    start = tai_ns_from_utc("2019-12-09T20:00:00Z")
    minutes = np.arange(0, 1440, 7)
    times = timescale.utc(2019, 12, 9, 20, minutes)
    theirs, their_velocity = EarthSatellite(LINE1, LINE2, ts=timescale).at(times).frame_xyz_and_velocity(itrs)
    ours, velocity = Sgp4Orbit(LINE1, LINE2).state(start + minutes * 60 * SECOND)
    assert np.max(np.linalg.norm(ours - theirs.m.T, axis=-1)) < 5.0
    assert np.max(np.linalg.norm(velocity - their_velocity.m_per_s.T, axis=-1)) < 0.01


@pytest.mark.parametrize("orbit", [Sgp4Orbit(LINE1, LINE2), KeplerJ2Orbit(7.3781e6, 1.3, 0.4, 2.0, EPOCH_NS)])
def test_velocity_is_the_derivative_of_position(orbit: KeplerJ2Orbit | Sgp4Orbit) -> None:
    around = EPOCH_NS - 6 * 365 * 86400 * SECOND if isinstance(orbit, Sgp4Orbit) else EPOCH_NS
    times = around + np.array([100, 600, 4000])[:, None] * SECOND + np.array([-1, 0, 1]) * SECOND // 10
    position, velocity = orbit.state(times)
    # The velocity of sgp4 drops small terms of its series and is not the exact derivative.
    tolerance = 0.05 if isinstance(orbit, Sgp4Orbit) else 1e-3
    np.testing.assert_allclose((position[:, 2] - position[:, 0]) / 0.2, velocity[:, 1], atol=tolerance)


def test_j2_rates_equal_the_closed_form() -> None:
    # A sun-synchronous orbit at 800 km: 98.6 degrees turns the node by 360 degrees a year (Vallado, example 11-2).
    orbit = KeplerJ2Orbit(SEMI_MAJOR_AXIS_M + 800e3, np.radians(98.603), 0.0, 0.0, EPOCH_NS)
    node_rate, along_rate = orbit.rates_rad_s
    assert np.degrees(node_rate) * 86400 * 365.2422 == pytest.approx(360.0, abs=0.3)
    assert KeplerJ2Orbit(7e6, np.pi / 3, 0.0, 0.0, EPOCH_NS).rates_rad_s[1] == pytest.approx(
        np.sqrt(GRAVITY_PARAMETER_M3_S2 / 7e6**3), rel=1e-12
    )
    # The node seen in inertial axes after a day of whole revolutions has moved by the rate.
    period_ns = round(2 * np.pi / along_rate * SECOND)
    times = EPOCH_NS + np.array([0, 14]) * period_ns
    position, _ = orbit.state(times)
    inertial = np.einsum("nji,nj->ni", ecef_from_eci(times), position)
    longitude = np.arctan2(inertial[:, 1], inertial[:, 0])
    assert longitude[1] - longitude[0] == pytest.approx(node_rate * 14 * period_ns * 1e-9, abs=1e-9)


def test_speed_in_the_rotating_frame_lacks_that_of_the_earth() -> None:
    radius = 7.3781e6
    _, velocity = KeplerJ2Orbit(radius, 0.0, 0.0, 0.0, EPOCH_NS).state(EPOCH_NS)
    inertial = np.sqrt(GRAVITY_PARAMETER_M3_S2 / radius)
    assert np.linalg.norm(velocity) == pytest.approx(inertial - ROTATION_RATE_RAD_S * radius, rel=3e-3)


def test_state_keeps_the_shape_of_the_times() -> None:
    orbit = KeplerJ2Orbit(7e6, 1.0, 0.0, 0.0, EPOCH_NS)
    one, _ = orbit.state(EPOCH_NS)
    many, _ = orbit.state(np.full((2, 3), EPOCH_NS))
    assert one.shape == (3,)
    assert many.shape == (2, 3, 3)
    np.testing.assert_array_equal(many[1, 2], one)


def test_an_orbit_inside_the_earth_is_refused() -> None:
    with pytest.raises(ValueError, match="orbit inside the Earth"):
        KeplerJ2Orbit(1000e3, 1.0, 0.0, 0.0, EPOCH_NS)
    low = "2 25544  51.6439 211.2001 2007417  17.6667  85.6398 15.50103472202482"
    with pytest.raises(ValueError, match="inside the Earth"):
        Sgp4Orbit(LINE1, low)
    with pytest.raises(ValueError, match="two-line elements wanted"):
        Sgp4Orbit("", "")


def test_walker_spreads_planes_slots_and_phase() -> None:
    orbits = walker_delta(np.radians(75.0), 600, 30, 23, 1000e3, EPOCH_NS)
    assert len(orbits) == 600
    nodes = np.array([orbit.raan_rad for orbit in orbits]).reshape(30, 20)
    along = np.array([orbit.argument_of_latitude_rad for orbit in orbits]).reshape(30, 20)
    np.testing.assert_allclose(np.degrees(nodes[:, 0]), np.arange(30) * 12.0)
    np.testing.assert_allclose(np.degrees(np.diff(along, axis=1)), 18.0)
    phase = np.degrees(along[:, 0] - np.arange(30) * 23 * 2 * np.pi / 600)
    np.testing.assert_allclose(np.cos(np.radians(phase)), 1.0, atol=1e-12)
    positions = np.stack([orbit.state(EPOCH_NS)[0] for orbit in orbits])
    np.testing.assert_allclose(np.linalg.norm(positions, axis=-1), SEMI_MAJOR_AXIS_M + 1000e3)
    with pytest.raises(ValueError, match="multiple of planes"):
        walker_delta(1.0, 10, 3, 0, 1e6, EPOCH_NS)
