"""Point spread: flux, place, shape against theory, energy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import erf, j0, j1

from lookdown.hil.sensor.config import SensorConfig
from lookdown.hil.sensor.optics import PointSpread
from lookdown.hil.sensor.spot import add_gaussian, add_tabled

GAUSSIAN = {sigma: PointSpread(SensorConfig(psf_sigma_px=sigma)) for sigma in (0.4, 0.8, 1.5)}
DIFFRACTION = {
    aperture: PointSpread(SensorConfig(psf="diffraction", psf_sigma_px=0.3, aperture_m=aperture))
    for aperture in (0.10, 0.03)
}


@given(st.floats(40.0, 60.0), st.floats(40.0, 60.0), st.sampled_from([*GAUSSIAN.values(), *DIFFRACTION.values()]))
def test_flux_is_conserved_wherever_the_spot_falls(row: float, col: float, spot: PointSpread) -> None:
    image = np.zeros((101, 101), np.float32)
    spot.add(image, row, col, 1e5)
    assert image.sum(dtype=np.float64) == pytest.approx(1e5, rel=1e-5)
    if spot.sigma_px < 0.8:
        return  # pixels too coarse for the spot shift its centroid: true of real ones too
    grid = np.arange(101)
    assert (image.sum(1) @ grid) / 1e5 == pytest.approx(row, abs=1e-3)
    assert (image.sum(0) @ grid) / 1e5 == pytest.approx(col, abs=1e-3)


def test_a_gaussian_spot_has_exact_pixel_integrals() -> None:
    image = np.zeros((33, 33), np.float32)
    GAUSSIAN[0.8].add(image, 16.3, 15.6, 1.0)
    edge = np.arange(34) - 0.5
    down, across = (np.diff(0.5 * erf((edge - c) / (0.8 * np.sqrt(2.0)))) for c in (16.3, 15.6))
    np.testing.assert_allclose(image, np.outer(down, across), atol=2e-8)


def test_diffraction_gathers_the_encircled_energy_of_an_airy_pattern() -> None:
    """Without blur, the share within a radius is 1 - J0^2 - J1^2 (Rayleigh); a slow camera spreads it over pixels."""
    config = SensorConfig(psf="diffraction", psf_sigma_px=0.2, aperture_m=0.01)
    spot = PointSpread(config)
    image = np.zeros((65, 65), np.float32)
    spot.add(image, 32.0, 32.0, 1.0)
    cut_off_px = 3.95e-6 * config.focal_length_m / config.aperture_m / config.pitch_m
    distance = np.hypot(*(np.indices(image.shape) - 32.0))
    for radius_px in (3.5, 5.5, 7.5):
        argument = np.pi * radius_px / cut_off_px
        expected = 1.0 - j0(argument) ** 2 - j1(argument) ** 2
        assert image[distance <= radius_px].sum() == pytest.approx(expected, abs=0.03)


def test_energy_is_that_of_the_drawn_spot() -> None:
    rng = np.random.default_rng(1)
    for spot in (GAUSSIAN[0.8], DIFFRACTION[0.10]):
        row, col = rng.uniform(40.0, 60.0, (2, 50))
        energy = spot.energy(row, col)
        for k in range(50):
            image = np.zeros((101, 101), np.float32)
            spot.add(image, row[k], col[k], 1.0)
            assert energy[k] == pytest.approx(np.sum(image.astype(np.float64) ** 2), rel=0.01)
    assert spot.energy(1.0, 2.0).shape == ()
    assert 0.2 < GAUSSIAN[0.8].peak_share() < 0.25


def test_jitter_within_the_exposure_widens_the_spot() -> None:
    config = SensorConfig()
    assert PointSpread(config, 6e-5).sigma_px == pytest.approx(1.0)
    assert PointSpread(config, 6e-5).peak_share() < PointSpread(config).peak_share()


@pytest.mark.parametrize("spot", [GAUSSIAN[0.8], DIFFRACTION[0.10]])
def test_borders_and_places_that_are_none(spot: PointSpread) -> None:
    image = np.zeros((32, 32), np.float32)
    spot.add(image, -0.5, 16.0, 1e5)
    assert image.sum() == pytest.approx(5e4, rel=0.02)
    image[:] = 0.0
    spot.add(image, [-40.0, 16.0, np.nan, 1e300], [16.0, 400.0, 1.0, 1.0], [1e5, 1e5, 1e5, 1e5])
    assert not image.any()


def test_a_wrong_image_is_refused() -> None:
    one = np.zeros(1)
    with pytest.raises(ValueError, match=r"image: wanted a C-contiguous float32 array"):
        add_gaussian(np.zeros((8, 8)), one, one, one, 1.0)
    with pytest.raises(ValueError, match=r"sigma_px"):
        add_gaussian(np.zeros((8, 8), np.float32), one, one, one, np.nan)
    with pytest.raises(ValueError, match=r"table: wanted a spot of at most 64 pixels"):
        add_tabled(np.zeros((8, 8), np.float32), one, one, one, np.zeros((600, 600)), 4.0)
