"""Stars in Earth-fixed axes against ERFA (the IAU's SOFA)."""

import erfa
import numpy as np
import pytest

from lookdown.geo.celestial import earth_velocity_c, ecef_from_icrs, star_directions
from lookdown.geo.timescale import earth_rotation_angle_rad, tai_ns_from_utc

INSTANTS = ["2000-01-01T12:00:00Z", "2018-06-21T03:00:00Z", "2026-01-15T08:00:00Z", "2027-09-22T21:30:00Z"]
MICRORADIAN = 1e-6


def tt_of(time_ns):
    return 2440587.5, (time_ns * 1e-9 + 32.184) / 86400.0


def all_over_the_sky(n=50):
    vectors = np.random.default_rng(0).normal(size=(n, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("instant", INSTANTS)
def test_stars_turn_with_the_sky_as_erfa_says_to_half_a_microradian(instant: str) -> None:
    time_ns = tai_ns_from_utc(instant)
    celestial = erfa.c2i06a(*tt_of(time_ns))
    expected = erfa.c2tcio(celestial, float(earth_rotation_angle_rad(time_ns)), np.eye(3))
    away = all_over_the_sky() @ (ecef_from_icrs(time_ns) - expected).T
    assert np.linalg.norm(away, axis=1).max() < 0.5 * MICRORADIAN


@pytest.mark.parametrize("instant", INSTANTS)
def test_the_earth_moves_as_erfa_says(instant: str) -> None:
    time_ns = tai_ns_from_utc(instant)
    _, barycentric = erfa.epv00(*tt_of(time_ns))
    expected = ecef_from_icrs(time_ns) @ (barycentric["v"] * erfa.DAU / erfa.DAYSEC / erfa.CMPS)
    assert 95.0 < np.linalg.norm(expected) / MICRORADIAN < 105.0
    # The Sun moves by some 13 m/s about the centre of mass of its planets.
    assert np.linalg.norm(earth_velocity_c(time_ns) - expected) < 0.15 * MICRORADIAN


@pytest.mark.parametrize("instant", INSTANTS)
def test_stars_are_seen_where_erfa_sees_them_from_the_centre_of_the_earth(instant: str) -> None:
    time_ns = tai_ns_from_utc(instant)
    stars = all_over_the_sky()
    ra, dec = np.arctan2(stars[:, 1], stars[:, 0]), np.arcsin(stars[:, 2])
    ri, di, _ = erfa.atci13(ra, dec, 0.0, 0.0, 0.0, 0.0, *tt_of(time_ns))
    of_date = np.stack([np.cos(di) * np.cos(ri), np.cos(di) * np.sin(ri), np.sin(di)], axis=1)
    angle = float(earth_rotation_angle_rad(time_ns))
    c, s = np.cos(angle), np.sin(angle)
    expected = of_date @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]]).T
    sunward = np.abs(np.linalg.norm(star_directions(stars, time_ns) - expected, axis=1))
    assert np.median(sunward) < 0.3 * MICRORADIAN
    assert sunward.max() < 1.0 * MICRORADIAN  # the Sun bends light by 0.02 microradian at a right angle, more near it
