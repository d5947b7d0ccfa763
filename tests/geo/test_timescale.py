"""Time scales against skyfield and sgp4."""

from datetime import UTC, datetime

import numpy as np
import pytest
from sgp4.api import jday
from skyfield.earthlib import earth_rotation_angle
from skyfield.sgp4lib import theta_GMST1982

from lookdown.geo.timescale import (
    earth_rotation_angle_rad,
    ecef_from_eci,
    julian_date_ut1,
    sidereal_time_rad,
    tai_ns_from_utc,
    utc_from_tai_ns,
)

INSTANT = "2026-03-21T09:30:00.25Z"


def test_tai_is_37_seconds_ahead_of_utc_today_and_10_in_1972() -> None:
    assert tai_ns_from_utc("2026-01-01") - int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * 10**9 == 37 * 10**9
    assert tai_ns_from_utc("1972-01-01") - int(datetime(1972, 1, 1, tzinfo=UTC).timestamp()) * 10**9 == 10 * 10**9


def test_a_leap_second_lengthens_the_day() -> None:
    assert tai_ns_from_utc("2017-01-01") - tai_ns_from_utc("2016-12-31") == 86_401 * 10**9


def test_utc_survives_the_round_trip_and_time_zones_are_heeded() -> None:
    assert utc_from_tai_ns(tai_ns_from_utc(INSTANT)) == datetime(2026, 3, 21, 9, 30, 0, 250_000, tzinfo=UTC)
    assert tai_ns_from_utc("2026-03-21T11:30:00.25+02:00") == tai_ns_from_utc(INSTANT)


@pytest.mark.parametrize("wrong", ["1969-07-20", "noon"])
def test_an_instant_before_1972_or_no_instant_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"1972|Invalid isoformat"):
        tai_ns_from_utc(wrong)


def test_julian_date_agrees_with_sgp4() -> None:
    midnight, fraction = julian_date_ut1(tai_ns_from_utc(INSTANT))
    whole, part = jday(2026, 3, 21, 9, 30, 0.25)
    assert float(midnight) == whole
    assert float(fraction) == pytest.approx(part, abs=1e-14)


def test_rotation_angles_agree_with_skyfield() -> None:
    times = tai_ns_from_utc(INSTANT) + np.arange(0, 40) * 10_000 * 10**9
    midnight, fraction = julian_date_ut1(times)
    expected = earth_rotation_angle(midnight, fraction) * 2.0 * np.pi
    assert np.max(np.abs(np.angle(np.exp(1j * (earth_rotation_angle_rad(times) - expected))))) < 2e-13 * 2 * np.pi
    expected, _ = theta_GMST1982(midnight, fraction)
    assert np.max(np.abs(np.angle(np.exp(1j * (sidereal_time_rad(times) - expected))))) < 1e-9


def test_the_inertial_x_axis_moves_westward_over_the_earth() -> None:
    time = tai_ns_from_utc(INSTANT)
    matrix = ecef_from_eci(np.array([time, time + 10**9]))
    west = matrix[1] @ [1.0, 0.0, 0.0] - matrix[0] @ [1.0, 0.0, 0.0]
    here = matrix[0] @ [1.0, 0.0, 0.0]
    assert np.cross(here, west)[2] == pytest.approx(-7.2921e-5, rel=1e-4)
