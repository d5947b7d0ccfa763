"""Sensor: radiometry against hand calculation, flux, noise, fixed pattern, conversion."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdown.hil.sensor.detector import Detector, SensorConfig, add_point, matched_filter_snr

CONFIG = SensorConfig(rows=128, cols=160)
CLEAN = replace(CONFIG, gain_residual=0.0, offset_residual_e=0.0, bad_pixel_fraction=0.0)


def expose(config: SensorConfig, level_e: float, frame: int = 0, seed: int = 1) -> np.ndarray:
    electrons = np.full((config.rows, config.cols), level_e, np.float32)
    return Detector(config, seed, 1).expose(electrons, frame).astype(np.float64)


def test_electrons_equal_the_closed_form() -> None:
    photon_j = 6.62607015e-34 * 299792458.0 / 3.95e-6
    area = np.pi * 0.05**2
    background = 0.12 * area * (15e-6 / 0.15) ** 2 * 0.7 * 0.75 * CONFIG.integration_time_s / photon_j
    assert CONFIG.electrons_per_radiance() * 0.12 == pytest.approx(background, rel=1e-9)
    assert 0.2 < background / CONFIG.well_e < 0.8
    target = 50.0 / 1.2e6**2 * area * 0.7 * 0.75 * CONFIG.integration_time_s / photon_j
    assert CONFIG.electrons_per_irradiance() * 50.0 / 1.2e6**2 == pytest.approx(target, rel=1e-9)


@given(st.floats(20.0, 40.0), st.floats(20.0, 40.0), st.floats(0.4, 1.5))
def test_flux_is_conserved_wherever_the_spot_falls(row: float, col: float, sigma: float) -> None:
    image = np.zeros((64, 64), np.float32)
    add_point(image, row, col, 1e5, sigma)
    assert image.sum(dtype=np.float64) == pytest.approx(1e5, rel=1e-5)
    if sigma < 0.8:
        return  # pixels too coarse for the spot shift its centroid: true of real ones too
    grid = np.arange(64)
    assert (image.sum(1) @ grid) / 1e5 == pytest.approx(row, abs=1e-3)
    assert (image.sum(0) @ grid) / 1e5 == pytest.approx(col, abs=1e-3)


def test_a_spot_on_the_border_loses_what_falls_outside_and_one_beyond_adds_nothing() -> None:
    image = np.zeros((32, 32), np.float32)
    add_point(image, -0.5, 16.0, 1e5, 0.7)
    assert image.sum() == pytest.approx(5e4, rel=1e-4)
    image[:] = 0.0
    add_point(image, -40.0, 16.0, 1e5, 0.7)
    add_point(image, 16.0, 400.0, 1e5, 0.7)
    assert not image.any()


@pytest.mark.parametrize("co_adds", [1, 4])
@pytest.mark.parametrize("level_e", [2e4, 3e5, 1.5e6])
def test_mean_and_variance_equal_the_closed_form(level_e: float, co_adds: int) -> None:
    config = replace(CLEAN, rows=256, cols=320, co_adds=co_adds, bits=16)
    counts = expose(config, level_e)
    dark_e = config.dark_current_e_s * config.integration_time_s
    per_electron = config.counts_per_electron
    assert counts.mean() == pytest.approx((level_e + dark_e) * per_electron, rel=1e-3)
    variance = (config.noise_e(level_e) * per_electron) ** 2 + 1.0 / 12.0  # with that of rounding
    n = counts.size
    assert counts.var() == pytest.approx(variance, rel=5.0 * np.sqrt(2.0 / n))
    assert config.noise_e(level_e) == pytest.approx(np.sqrt((level_e + dark_e + 100.0**2) / co_adds))


def test_same_seed_same_counts_and_each_frame_satellite_and_seed_its_own() -> None:
    first = expose(CONFIG, 1e6)
    np.testing.assert_array_equal(expose(CONFIG, 1e6), first)
    for other in (expose(CONFIG, 1e6, frame=1), expose(CONFIG, 1e6, seed=2)):
        assert np.mean(other != first) > 0.9


def test_noise_of_successive_frames_is_independent() -> None:
    a, b = expose(CLEAN, 1e6, 0), expose(CLEAN, 1e6, 1)
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 4.0 / np.sqrt(a.size)


def test_saturation_is_the_largest_count() -> None:
    assert np.all(expose(CLEAN, 4e6) == 2**14 - 1)


def test_less_than_no_light_leaves_dark_current() -> None:
    assert expose(CLEAN, -1e6).mean() == pytest.approx(14e3 * CLEAN.counts_per_electron, rel=0.01)


def test_fixed_pattern_has_the_sigma_asked_for() -> None:
    config = replace(CLEAN, gain_residual=1e-3, offset_residual_e=500.0)
    mean = np.mean([expose(config, 1e6, k) for k in range(40)], axis=0) / config.counts_per_electron
    expected = np.sqrt((1e-3 * 1e6) ** 2 + 500.0**2 + config.noise_e(1e6) ** 2 / 40)
    assert mean.std() == pytest.approx(expected, rel=0.03)


def test_bad_pixels_are_as_many_as_asked_and_most_are_on_the_map() -> None:
    config = replace(CLEAN, bad_pixel_fraction=0.02, unmapped_fraction=0.1)
    detector = Detector(config, 1, 1)
    frames = np.stack([expose(config, 1e6, k) for k in range(60)])
    level = (1e6 + config.dark_current_e_s * config.integration_time_s) * config.counts_per_electron
    noise = config.noise_e(1e6) * config.counts_per_electron
    odd = (np.abs(frames - level) > 6.0 * noise).any(axis=0)
    asked = 0.02 * odd.size
    assert odd.sum() == pytest.approx(asked, rel=0.12)
    assert detector.known_bad.sum() == pytest.approx(0.9 * asked, rel=0.05)
    assert np.mean(odd[detector.known_bad]) > 0.85


def test_the_matched_filter_reaches_the_expected_snr() -> None:
    config = replace(CLEAN, rows=64, cols=64, bits=16)
    signal_e, level_e, row, col = 6e4, 1e6, 31.3, 30.8
    template = np.zeros((64, 64), np.float32)
    add_point(template, row, col, 1.0, config.psf_sigma_px)
    template = template.astype(np.float64)
    outputs = []
    detector = Detector(config, 1, 1)
    for frame in range(400):
        electrons = np.full((64, 64), level_e, np.float32)
        add_point(electrons, row, col, signal_e, config.psf_sigma_px)
        outputs.append(np.sum((detector.expose(electrons, frame) / config.counts_per_electron - level_e) * template))
    dark = config.dark_current_e_s * config.integration_time_s * template.sum()
    expected = matched_filter_snr(
        np.float64(signal_e), config.noise_e(level_e), np.float64(row), np.float64(col), config.psf_sigma_px
    )
    assert (np.mean(outputs) - dark) / np.std(outputs) == pytest.approx(float(expected), rel=0.12)


def test_a_sensor_that_cannot_be_built_is_refused() -> None:
    with pytest.raises(ValueError, match=r"quantum_efficiency: wanted above 0, at most 1, got 1\.5"):
        SensorConfig(quantum_efficiency=1.5)
