"""Geodetic coordinates against pymap3d and against themselves."""

import numpy as np
import pymap3d
from hypothesis import given
from hypothesis import strategies as st

from lookdown.geo.earth import ecef_to_geodetic, enu_axes, geodetic_to_ecef, upward

LATS = np.radians(np.array([-90.0, -89.9999, -45.0, -1e-7, 0.0, 30.0, 60.0, 90.0]))
LONS = np.radians(np.array([-180.0, -90.0, 0.0, 12.3, 179.999]))
HEIGHTS = np.array([-4000.0, 0.0, 11e3, 1e6, 3.6e7])
LAT, LON, HEIGHT = np.meshgrid(LATS, LONS, HEIGHTS, indexing="ij")


def test_positions_agree_with_pymap3d() -> None:
    expected = np.stack(pymap3d.geodetic2ecef(LAT, LON, HEIGHT, deg=False), axis=-1)
    np.testing.assert_allclose(geodetic_to_ecef(LAT, LON, HEIGHT), expected, atol=1e-6)


def test_the_way_back_returns_to_the_same_place_to_a_micrometre() -> None:
    position = geodetic_to_ecef(LAT, LON, HEIGHT)
    again = geodetic_to_ecef(*ecef_to_geodetic(position))
    assert np.max(np.abs(again - position)) < 1e-6
    lat, _, height = ecef_to_geodetic(position)
    np.testing.assert_allclose(lat, LAT, atol=1e-12)
    np.testing.assert_allclose(height, HEIGHT, atol=1e-6)


def test_latitude_and_height_agree_with_pymap3d_off_the_poles() -> None:
    position = np.array([[4e6, 1e6, 4.9e6], [-1e6, 6e6, -2e6], [7e6, -1e5, 10.0]])
    lat, lon, height = pymap3d.ecef2geodetic(*position.T, deg=False)
    np.testing.assert_allclose(np.stack(ecef_to_geodetic(position)), np.stack([lat, lon, height]), rtol=1e-11)


@given(st.floats(-1.57, 1.57), st.floats(-3.14, 3.14))
def test_local_axes_are_a_right_handed_frame_with_up_along_the_height(lat: float, lon: float) -> None:
    axes = enu_axes(lat, lon)
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-14)
    np.testing.assert_allclose(np.cross(axes[0], axes[1]), axes[2], atol=1e-14)
    climb = geodetic_to_ecef(lat, lon, 1000.0) - geodetic_to_ecef(lat, lon, 0.0)
    np.testing.assert_allclose(climb / 1000.0, axes[2], atol=1e-9)


def test_upward_is_the_geodetic_normal() -> None:
    lat, lon = np.radians(np.linspace(-89.0, 89.0, 30)), np.radians(np.linspace(-170.0, 170.0, 30))
    for height_m, bound_rad in ((0.0, 1e-9), (10e3, 2e-5)):
        tilt = np.linalg.norm(upward(geodetic_to_ecef(lat, lon, height_m)) - enu_axes(lat, lon)[:, 2], axis=-1)
        assert tilt.max() < bound_rad
