"""Orbits of a scenario: each form gives the orbit it names; what is no orbit, or two, is one clear line."""

import json
from pathlib import Path

import numpy as np
import pytest

from lookdown.geo.earth import SEMI_MAJOR_AXIS_M
from lookdown.geo.orbit import KeplerJ2Orbit, Sgp4Orbit, walker_delta
from lookdown.geo.timescale import tai_ns_from_utc
from lookdown.hil.motion.orbits import OrbitConfig
from lookdown.wire.config import load_config, parse_config
from lookdown.wire.errors import ConfigError

START_NS = tai_ns_from_utc("2019-12-10T00:00:00Z")
LINE1 = "1 25544U 98067A   19343.69339541  .00001764  00000-0  38792-4 0  9991"
LINE2 = "2 25544  51.6439 211.2001 0007417  17.6667  85.6398 15.50103472202482"
TLE = f'tle = ["{LINE1}", "{LINE2}"]'
CIRCULAR = "altitude_m = 1e6\ninclination_deg = 75.0\nraan_deg = 12.0\nargument_of_latitude_deg = 34.0"
STATION = {
    "OBJECT_NAME": "ISS (ZARYA)", "OBJECT_ID": "1998-067A", "EPOCH": "2019-12-09T16:38:29.363424",
    "MEAN_MOTION": "15.50103472", "ECCENTRICITY": ".0007417", "INCLINATION": "51.6439", "RA_OF_ASC_NODE": "211.2001",
    "ARG_OF_PERICENTER": "17.6667", "MEAN_ANOMALY": "85.6398", "NORAD_CAT_ID": "25544", "BSTAR": ".38792E-4",
    "MEAN_MOTION_DOT": ".1764E-4", "MEAN_MOTION_DDOT": "0",
}  # fmt: skip


def config(text: str) -> OrbitConfig:
    return parse_config(text, OrbitConfig, "orbit")


def test_circular_elements_hold_at_the_start() -> None:
    degree = np.pi / 180.0
    expected = KeplerJ2Orbit(SEMI_MAJOR_AXIS_M + 1e6, 75.0 * degree, 12.0 * degree, 34.0 * degree, START_NS)
    got, there = config(CIRCULAR).orbit(START_NS).state(START_NS), expected.state(START_NS)
    np.testing.assert_allclose(got, there, rtol=1e-13)


def test_a_constellation_has_its_slots() -> None:
    orbits = walker_delta(float(np.radians(75.0)), 600, 30, 23, 1000e3, START_NS)
    for slot in (0, 21, 599):
        text = f'walker = "75:600/30/23"\naltitude_m = 1e6\nslot = {slot}'
        assert config(text).orbit(START_NS) == orbits[slot]


def test_mean_elements_come_as_two_lines_or_from_a_file_beside_the_scenario(tmp_path: Path) -> None:
    (tmp_path / "station.json").write_text(json.dumps(STATION), encoding="utf-8")
    scenario = tmp_path / "orbit.toml"
    scenario.write_text('omm = "station.json"\nobject = "25544"', encoding="utf-8")
    times = START_NS + np.arange(0, 6000, 600) * 10**9
    plain, _ = Sgp4Orbit(LINE1, LINE2).state(times)
    np.testing.assert_array_equal(config(TLE).orbit(START_NS).state(times)[0], plain)
    read = load_config(scenario, OrbitConfig, beside=True)
    np.testing.assert_allclose(read.orbit(START_NS).state(times)[0], plain, atol=5.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "wanted one of these forms: .* got nothing"),
        ("altitude_m = 1e6", "wanted one of these forms: .* got altitude_m; give one of them whole"),
        (CIRCULAR + "\n" + TLE, "wanted one of these forms"),
        (CIRCULAR + "\nslot = 3", "wanted one of these forms"),
        ('walker = "75:600/30/23"', "wanted one of these forms"),
        ('walker = "75:600/30/23"\naltitude_m = 1e6\nslot = 600', "slot: wanted 0 to 599, got 600"),
        ('walker = "75-600/30/23"\naltitude_m = 1e6', "Walker design wanted as i:T/P/F"),
        (CIRCULAR.replace("1e6", "-7e5"), "orbit inside the Earth: altitude_m wanted above 0"),
        (CIRCULAR.replace("75.0", "nan"), "inclination_deg: wanted a finite number"),
        (TLE.replace("15.501", "15.601"), "wanted checksum"),
        ('omm = "no-such.xml"', "no-such.xml cannot be read"),
    ],
)
def test_what_is_no_orbit_is_one_clear_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        config(text)
    assert "\n" not in str(caught.value)


def test_elements_of_another_year_are_refused() -> None:
    with pytest.raises(ValueError, match="within 60 days of the start, got those of 2019-12-09, 387 days before it"):
        config(TLE).orbit(tai_ns_from_utc("2020-12-30T12:00:00Z"))
    assert config(TLE).orbit(START_NS - 30 * 86400 * 10**9).state(START_NS)[0].shape == (3,)
