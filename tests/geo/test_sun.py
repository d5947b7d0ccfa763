"""Direction of the sun against the analytic ephemeris of ERFA."""

import warnings

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import ITRS, get_sun
from astropy.time import Time
from astropy.utils import iers
from astropy.utils.exceptions import AstropyWarning
from erfa import ErfaWarning

from lookdown.geo.sun import sun_direction
from lookdown.geo.timescale import tai_ns_from_utc


@pytest.mark.parametrize(
    "instant", ["2026-06-21T10:30:00Z", "2026-12-21T03:00:00Z", "2000-03-20T07:35:00Z", "2040-09-01T18:00:00Z"]
)
def test_it_agrees_with_an_independent_ephemeris(instant: str) -> None:
    offline = iers.conf.set_temp("auto_download", False)
    with offline, iers.conf.set_temp("auto_max_age", None), warnings.catch_warnings():
        for kind in (ErfaWarning, AstropyWarning):  # leap seconds and polar motion of years to come are not known
            warnings.simplefilter("ignore", kind)
        time = Time(instant.removesuffix("Z"), scale="utc")
        time.delta_ut1_utc = 0.0
        sun = get_sun(time).transform_to(ITRS(obstime=time))
    expected = sun.cartesian.xyz.to_value(units.m)
    expected = expected / np.linalg.norm(expected)
    got = sun_direction(tai_ns_from_utc(instant))
    assert np.degrees(np.arccos(min(got @ expected, 1.0))) < 0.02


def test_it_is_vectorised() -> None:
    times = tai_ns_from_utc("2026-06-21T10:30:00Z") + np.arange(4) * 3_600_000_000_000
    directions = sun_direction(times)
    assert directions.shape == (4, 3)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=-1), 1.0)
    turned = np.degrees(np.unwrap(np.arctan2(directions[:, 1], directions[:, 0])))
    np.testing.assert_allclose(np.diff(turned), -15.0, atol=0.01)  # the sun moves west
