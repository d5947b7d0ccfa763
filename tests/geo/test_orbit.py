"""Orbits against sgp4 through skyfield, against closed forms, and Walker geometry."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from skyfield.api import EarthSatellite, Timescale, load
from skyfield.framelib import itrs

from lookdown.geo.earth import GRAVITY_PARAMETER_M3_S2, ROTATION_RATE_RAD_S, SEMI_MAJOR_AXIS_M
from lookdown.geo.orbit import KeplerJ2Orbit, Sgp4Orbit, parse_walker, walker_delta
from lookdown.geo.timescale import ecef_from_eci, tai_ns_from_utc, utc_from_tai_ns

EPOCH_NS = tai_ns_from_utc("2026-03-21T00:00:00Z")
SECOND = 10**9
# International Space Station, 2019-12-09: the elements of skyfield's documentation.
LINE1 = "1 25544U 98067A   19343.69339541  .00001764  00000-0  38792-4 0  9991"
LINE2 = "2 25544  51.6439 211.2001 0007417  17.6667  85.6398 15.50103472202482"


# Elements of the verification set of Vallado et al. (2006): drag at 380 km, sun-synchronous, Molniya, GPS, stationary.
ELEMENTS = {
    "station": (LINE1, LINE2),
    "drag": (
        "1 06251U 62025E   06176.82412014  .00008885  00000-0  12808-3 0  3985",
        "2 06251  58.0579  54.0425 0030035 139.1568 221.1854 15.56387291  6774",
    ),
    "sun-synchronous": (
        "1 28057U 03049A   06177.78615833  .00000060  00000-0  35940-4 0  1836",
        "2 28057  98.4283 247.6961 0000884  88.1964 271.9322 14.35478080140550",
    ),
    "Molniya": (
        "1 09880U 77021A   06176.56157475  .00000421  00000-0  10000-3 0  9814",
        "2 09880  64.5968 349.3786 7069051 270.0229  16.3320  2.00813614112380",
    ),
    "GPS": (
        "1 28129U 03058A   06175.57071136 -.00000104  00000-0  10000-3 0   459",
        "2 28129  54.7298 324.8098 0048506 266.2640  93.1663  2.00562768 18443",
    ),
    "stationary": (
        "1 24208U 96044A   06177.04061740 -.00000094  00000-0  10000-3 0  1600",
        "2 24208   3.8536  80.0121 0026640 311.0977  48.3000  1.00778054 36119",
    ),
}


def assert_agrees_with_skyfield(orbit: Sgp4Orbit, theirs: EarthSatellite) -> None:
    """Positions and velocities over the day after the elements, with the same Earth orientation."""
    minutes = np.arange(0, 1441, 7)
    times = theirs.epoch.ts.tt_jd(theirs.epoch.whole, theirs.epoch.tt_fraction + minutes / 1440.0)
    position, velocity = theirs.at(times).frame_xyz_and_velocity(itrs)
    ours, our_velocity = orbit.state(orbit.epoch_ns + minutes * 60 * SECOND)
    assert np.max(np.linalg.norm(ours - position.m.T, axis=-1)) < 5.0
    assert np.max(np.linalg.norm(our_velocity - velocity.m_per_s.T, axis=-1)) < 0.01


def timescale_of(orbit: Sgp4Orbit) -> Timescale:
    """UT1 = UTC through delta T, no polar motion: the orientation of the Earth that this package takes."""
    leap_s = (orbit.epoch_ns - utc_from_tai_ns(orbit.epoch_ns).timestamp() * 1e9) / 1e9
    return load.timescale(builtin=True, delta_t=32.184 + round(leap_s))


@pytest.mark.parametrize("lines", ELEMENTS.values(), ids=ELEMENTS)
def test_sgp4_positions_agree_with_skyfield_to_5_metres(lines: tuple[str, str]) -> None:
    orbit = Sgp4Orbit(*lines)
    assert_agrees_with_skyfield(orbit, EarthSatellite(*lines, ts=timescale_of(orbit)))


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
    low = "2 25544  51.6439 211.2001 2007417  17.6667  85.6398 15.50103472202484"
    with pytest.raises(ValueError, match="inside the Earth"):
        Sgp4Orbit(LINE1, low)
    with pytest.raises(ValueError, match="two-line elements wanted"):
        Sgp4Orbit("", "")
    with pytest.raises(ValueError, match="wanted checksum 2, got '4'"):
        Sgp4Orbit(LINE1, LINE2[:-1] + "4")


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


def test_a_walker_design_is_read() -> None:
    assert parse_walker("75:600/30/23", 1000e3, EPOCH_NS) == walker_delta(
        float(np.radians(75.0)), 600, 30, 23, 1000e3, EPOCH_NS
    )
    assert len(parse_walker(" 53.2 : 6/3/1 ", 500e3, EPOCH_NS)) == 6
    for wrong in ("75:600/30", "600/30/23", "75:600/30/30", "200:6/3/1", "i:T/P/F"):
        with pytest.raises(ValueError, match="Walker design wanted"):
            parse_walker(wrong, 1000e3, EPOCH_NS)
    with pytest.raises(ValueError, match="multiple of planes"):
        parse_walker("75:0/0/0", 1000e3, EPOCH_NS)


def zonal_acceleration(position: np.ndarray) -> np.ndarray:
    """Gravity of the Earth with its zonal harmonics J2 to J4 as the gradient of the potential, by components."""
    mu, radius, harmonics = 3.986004418e14, 6378137.0, {2: 1.0826298e-3, 3: -2.5327e-6, 4: -1.6196e-6}
    distance = np.sqrt(position @ position)
    sine = position[2] / distance
    # Legendre polynomials P_n and their derivatives.
    legendre = {2: (3 * sine**2 - 1) / 2, 3: (5 * sine**3 - 3 * sine) / 2, 4: (35 * sine**4 - 30 * sine**2 + 3) / 8}
    slope = {2: 3 * sine, 3: (15 * sine**2 - 3) / 2, 4: (35 * sine**3 - 15 * sine) / 2}
    radial, along = -mu / distance**2, 0.0
    for n, j in harmonics.items():
        strength = mu / distance**2 * j * (radius / distance) ** n
        radial += (n + 1) * strength * legendre[n]
        along -= strength * slope[n]
    unit = position / distance
    return radial * unit + along * (np.array([0.0, 0.0, 1.0]) - sine * unit)


def osculating_position(orbit: KeplerJ2Orbit, t_s: np.ndarray) -> np.ndarray:
    """Inertial position with the first-order short-period terms of J2 (Vallado et al. 2006, circular)."""
    node_rate, along_rate = orbit.rates_rad_s
    k = 1.0826298e-3 * (6378137.0 / orbit.semi_major_axis_m) ** 2
    s, c = np.sin(orbit.inclination_rad), np.cos(orbit.inclination_rad)
    u = orbit.argument_of_latitude_rad + along_rate * t_s
    r = orbit.semi_major_axis_m * (1 - 0.75 * k * (3 * c * c - 1) + 0.25 * k * s * s * np.cos(2 * u))
    node = orbit.raan_rad + node_rate * t_s + 0.75 * k * c * np.sin(2 * u)
    i = orbit.inclination_rad + 0.75 * k * s * c * np.cos(2 * u)
    u = u - 0.125 * k * (7 * c * c - 1) * np.sin(2 * u)
    x, y = np.cos(u), np.sin(u) * np.cos(i)
    unit = [x * np.cos(node) - y * np.sin(node), x * np.sin(node) + y * np.cos(node), np.sin(u) * np.sin(i)]
    return r[:, None] * np.stack(unit, axis=-1)


@pytest.mark.parametrize(("altitude_m", "inclination"), [(400e3, 51.6), (800e3, 98.6), (1000e3, 75.0)])
def test_j2_orbit_stays_within_10_km_of_numerical_integration_for_a_day(altitude_m: float, inclination: float) -> None:
    orbit = KeplerJ2Orbit(SEMI_MAJOR_AXIS_M + altitude_m, np.radians(inclination), 0.4, 2.0, EPOCH_NS)
    before, at, after = osculating_position(orbit, np.array([-0.5, 0.0, 0.5]))
    t_s = np.arange(0.0, 86401.0, 300.0)
    path = solve_ivp(
        lambda _, y: np.concatenate([y[3:], zonal_acceleration(y[:3])]), (0.0, t_s[-1]),
        np.concatenate([at, after - before]), method="DOP853", t_eval=t_s, rtol=1e-10, atol=1e-3,
    )  # fmt: skip
    times = EPOCH_NS + (t_s * SECOND).astype(np.int64)
    ours = np.einsum("nji,nj->ni", ecef_from_eci(times), orbit.state(times)[0])
    apart = np.linalg.norm(path.y[:3].T - ours, axis=-1)
    assert apart.max() < 10e3
    assert np.linalg.norm(path.y[:3].T - osculating_position(orbit, t_s), axis=-1).max() < 6e3
    # What the bound is worth: with the rates of a sphere it would be hundreds of kilometres.
    motion = np.sqrt(GRAVITY_PARAMETER_M3_S2 / orbit.semi_major_axis_m**3)
    assert abs(orbit.rates_rad_s[1] - motion) * 86400.0 * orbit.semi_major_axis_m > 20 * apart.max()
