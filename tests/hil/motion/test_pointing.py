"""Pointing laws: what is in the middle when, and that the boresight's rate never jumps."""

import numpy as np
import pytest

from lookdown.geo.camera import Camera
from lookdown.geo.earth import SEMI_MAJOR_AXIS_M, ecef_to_geodetic, geodetic_to_ecef
from lookdown.geo.orbit import KeplerJ2Orbit
from lookdown.geo.rotation import conjugate, multiply, rotate, to_rotation_vector
from lookdown.hil.motion.movers import MoverConfig, Start, mover_path
from lookdown.hil.motion.pointing import (
    PointingConfig,
    aim_point,
    attitude,
    check_pointing,
    scan_angle_rad,
)
from lookdown.hil.settings import Place
from lookdown.wire.config import parse_config
from lookdown.wire.errors import ConfigError

START_NS = 1_800_000_000 * 10**9
ORBIT = KeplerJ2Orbit(SEMI_MAJOR_AXIS_M + 1000e3, 1.3, 0.2, 0.5, START_NS)
TIMES_NS = START_NS + np.arange(0, 120_000, 50) * 10**6
POSITION, VELOCITY = ORBIT.state(TIMES_NS)
LAT, LON, _ = (np.degrees(value) for value in ecef_to_geodetic(POSITION[1200]))
PLACES = (Place(LAT, LON), Place(LAT + 3.0, LON - 2.0, 500.0), Place(LAT + 1.0, LON + 4.0))
CAMERA = Camera(512, 640, 90e-6)


def pointed(config: PointingConfig, aim: tuple[Place, ...] = (), mover: object = None) -> np.ndarray:
    return attitude(config, aim, mover, POSITION, VELOCITY, TIMES_NS, START_NS)


def off_middle_rad(place_m: np.ndarray, quaternion: np.ndarray) -> np.ndarray:
    sight = place_m - POSITION
    sight /= np.linalg.norm(sight, axis=-1, keepdims=True)
    return np.linalg.norm(np.cross(rotate(quaternion, [0.0, 0.0, 1.0]), sight), axis=-1)


def rates_rad_s(quaternion: np.ndarray) -> np.ndarray:
    """Angular velocity in sensor axes, between neighbouring times."""
    return to_rotation_vector(multiply(conjugate(quaternion[:-1]), quaternion[1:])) / 0.05


def test_a_stare_follows_its_schedule() -> None:
    aim = (PLACES[0], Place(LAT + 1.0, LON, 1000.0, t_s=100.0))
    quaternion = pointed(PointingConfig(), aim)
    at = aim_point(aim, TIMES_NS, START_NS)
    assert off_middle_rad(at, quaternion).max() < 1e-9
    np.testing.assert_allclose(at[1000], geodetic_to_ecef(*np.radians([LAT + 0.5, LON]), 500.0), atol=1e-3)
    np.testing.assert_array_equal(at[2000], at[-1])


def test_a_target_stays_in_the_middle() -> None:
    path = mover_path(MoverConfig("m", "airliner", 50.0, start=Start(LAT, LON, 11e3, 60.0, 250.0)), START_NS)
    quaternion = pointed(PointingConfig("target", mover="m"), mover=path.position)
    assert off_middle_rad(path.position(TIMES_NS), quaternion).max() < 1e-9
    with pytest.raises(ValueError, match="wanted the position of a mover"):
        pointed(PointingConfig("target", mover="m"))


@pytest.mark.parametrize("law", ["nadir", "yaw_steering"])
def test_looking_down_and_its_offsets(law: str) -> None:
    lat, lon, _ = ecef_to_geodetic(POSITION)
    below = geodetic_to_ecef(lat, lon, 0.0)
    assert off_middle_rad(below, pointed(PointingConfig(law))).max() < 1e-8
    ahead = pointed(PointingConfig(law, pitch_deg=20.0, yaw_deg=90.0))
    # Yaw comes first: columns to the right, then pitch looks where the columns go.
    sight = rotate(ahead, [0.0, 0.0, 1.0])
    right = rotate(pointed(PointingConfig(law)), [0.0, 1.0, 0.0])
    np.testing.assert_allclose(np.sum(sight * right, axis=-1), np.sin(np.radians(20.0)), atol=1e-9)
    left = rotate(pointed(PointingConfig(law, roll_deg=5.0)), [0.0, 0.0, 1.0])
    np.testing.assert_allclose(np.sum(left * right, axis=-1), -np.sin(np.radians(5.0)), atol=1e-9)


def test_step_stare_dwells_at_each_place_in_turn_and_slews_smoothly() -> None:
    config = PointingConfig("step_stare", dwell_s=20.0, slew_s=10.0)
    quaternion = pointed(config, PLACES)
    t_s = (TIMES_NS - START_NS) * 1e-9
    for k in range(4):
        dwelling = (t_s >= 30.0 * k) & (t_s <= 30.0 * k + 20.0)
        place = PLACES[k % 3]
        at = geodetic_to_ecef(np.radians(place.lat_deg), np.radians(place.lon_deg), place.height_m)
        assert off_middle_rad(np.broadcast_to(at, POSITION.shape), quaternion)[dwelling].max() < 1e-9
    rate = rates_rad_s(quaternion)
    assert np.linalg.norm(rate, axis=-1).max() > 0.05  # it does slew
    # A slew at constant rate would jump by 0.05 rad/s at its ends.
    assert np.abs(np.diff(rate, axis=0)).max() < 2.5e-3
    assert np.abs(np.diff(rate, 2, axis=0)).max() / 0.05**2 < 0.06


@pytest.mark.parametrize("aim", [(), PLACES[:1]])
def test_a_scan_sweeps_across_the_track_about_its_middle(aim: tuple[Place, ...]) -> None:
    config = PointingConfig("scan", amplitude_deg=6.0, period_s=24.0, slew_s=2.0)
    middle = pointed(PointingConfig("stare") if aim else PointingConfig("yaw_steering"), aim)
    turn = to_rotation_vector(multiply(conjugate(middle), pointed(config, aim)))
    np.testing.assert_allclose(turn[:, 1:], 0.0, atol=1e-12)
    np.testing.assert_allclose(turn[:, 0], scan_angle_rad(config, (TIMES_NS - START_NS) * 1e-9), atol=1e-12)


def test_the_scan_is_a_triangle_with_round_ends() -> None:
    config = PointingConfig("scan", amplitude_deg=6.0, period_s=24.0, slew_s=2.0)
    t_s = np.linspace(0.0, 48.0, 48001)
    angle = np.degrees(scan_angle_rad(config, t_s))
    assert angle[0] == pytest.approx(0.0, abs=1e-12)
    assert [angle.max(), angle.min()] == pytest.approx([6.0, -6.0])
    np.testing.assert_allclose(angle[:24001], angle[24000:], atol=1e-9)
    np.testing.assert_allclose(angle[:12001], -angle[12000:24001], atol=1e-9)
    rate = np.diff(angle) / 1e-3
    even = 6.0 / (6.0 - 0.5)
    assert np.abs(rate).max() == pytest.approx(even, rel=1e-6)
    assert np.mean(np.abs(np.abs(rate) - even) < 1e-6) == pytest.approx(1.0 - 2.0 / 12.0, abs=1e-3)
    assert np.abs(np.diff(rate)).max() <= even / 1.0 * 1e-3 * 1.001  # turns within 2 s at constant acceleration
    assert rate[0] > 0.0


def test_one_time_gives_one_attitude() -> None:
    for config, aim in (
        (PointingConfig(), PLACES[:1]),
        (PointingConfig("step_stare", dwell_s=2.0, slew_s=1.0), PLACES),
        (PointingConfig("scan", amplitude_deg=6.0, period_s=24.0, slew_s=2.0), ()),
    ):
        one = attitude(config, aim, None, POSITION[77], VELOCITY[77], TIMES_NS[77], START_NS)
        assert one.shape == (4,)
        np.testing.assert_allclose(one, pointed(config, aim)[77], atol=1e-15)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('law = "target"', "mover wanted with law = 'target'"),
        ('law = "scan"\namplitude_deg = 5.0\nperiod_s = 10.0', "slew_s wanted with law = 'scan'"),
        ('law = "scan"\namplitude_deg = 5.0\nperiod_s = 10.0\nslew_s = 6.0', "slew_s: wanted at most half"),
        (
            'law = "scan"\namplitude_deg = 80.0\nperiod_s = 10.0\nslew_s = 1.0',
            "amplitude_deg: wanted above 0",
        ),
        ('law = "step_stare"\ndwell_s = -1.0\nslew_s = 1.0', "dwell_s: wanted a number above 0"),
        ("dwell_s = 3.0", "dwell_s is without effect with law = 'stare'"),
        ('law = "spin"', "law"),
        ("pitch_deg = 400.0", "pitch_deg: wanted -180 to 180"),
    ],
)
def test_a_law_that_lacks_something_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_config(text, PointingConfig, "pointing")


@pytest.mark.parametrize(
    ("config", "aim", "message"),
    [
        (PointingConfig(), (), "wanted one aim point or more"),
        (PointingConfig(), (PLACES[0], PLACES[1]), "each later than the last"),
        (PointingConfig("step_stare", dwell_s=1.0, slew_s=1.0), PLACES[:1], "two aim points or more, got 1"),
        (
            PointingConfig("step_stare", dwell_s=1.0, slew_s=1.0),
            (PLACES[0], Place(1.0, 2.0, t_s=3.0)),
            "t_s is without effect",
        ),
        (PointingConfig("nadir"), PLACES[:1], "without effect with law 'nadir'"),
        (PointingConfig("target", mover="x"), (), r"wanted the name of a mover \(glider, ship\), got 'x'"),
    ],
)
def test_a_law_and_its_places_must_fit(config: PointingConfig, aim: tuple[Place, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_pointing(config, aim, ("glider", "ship"))


def test_what_fits_is_taken() -> None:
    check_pointing(PointingConfig(), PLACES[:1], ())
    check_pointing(PointingConfig("step_stare", dwell_s=1.0, slew_s=1.0), PLACES, ())
    check_pointing(PointingConfig("target", mover="ship"), (), ("glider", "ship"))
    check_pointing(PointingConfig("scan", amplitude_deg=6.0, period_s=24.0, slew_s=2.0), PLACES[:1], ())
