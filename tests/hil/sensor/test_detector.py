"""Sensor: radiometry against hand calculation, flux, noise, fixed pattern, conversion."""

from dataclasses import replace

import numpy as np
import pytest

from lookdown.hil.sensor.charge import diffuse
from lookdown.hil.sensor.config import SensorConfig
from lookdown.hil.sensor.detector import Detector, Persistence
from lookdown.hil.sensor.optics import PointSpread

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
    spot = PointSpread(config)
    spot.add(template, row, col, 1.0)
    template = template.astype(np.float64)
    outputs = []
    detector = Detector(config, 1, 1)
    for frame in range(400):
        electrons = np.full((64, 64), level_e, np.float32)
        spot.add(electrons, row, col, signal_e)
        outputs.append(np.sum((detector.expose(electrons, frame) / config.counts_per_electron - level_e) * template))
    dark = config.dark_current_e_s * config.integration_time_s * template.sum()
    expected = signal_e / config.noise_e(level_e) * np.sqrt(spot.energy(row, col))
    assert (np.mean(outputs) - dark) / np.std(outputs) == pytest.approx(float(expected), rel=0.12)


def test_a_sensor_that_cannot_be_built_is_refused() -> None:
    with pytest.raises(ValueError, match=r"quantum_efficiency: wanted above 0, at most 1, got 1\.5"):
        SensorConfig(quantum_efficiency=1.5)


def test_few_electrons_arrive_as_poisson_says() -> None:
    config = replace(CLEAN, rows=256, cols=256, dark_current_e_s=0.0, read_noise_e=0.0, well_e=65535.0, bits=16)
    counts = expose(config, 3.0)
    assert counts.mean() == pytest.approx(3.0, rel=0.02)
    assert counts.var() == pytest.approx(3.0, rel=0.03)
    share = np.bincount(counts.astype(int).ravel(), minlength=12)[:6] / counts.size
    np.testing.assert_allclose(share, [0.0498, 0.1494, 0.2240, 0.2240, 0.1680, 0.1008], atol=0.006)


def test_the_photon_transfer_curve_has_the_gain_and_the_read_noise_as_asked() -> None:
    """Variance against mean of flat frames: a line whose slope is the counts of an electron (Janesick 2007)."""
    config = replace(CLEAN, rows=256, cols=256, dark_current_e_s=0.0, read_noise_e=100.0, bits=16)
    levels = np.array([5e2, 5e3, 1e5, 5e5, 1e6, 2e6])
    detector = Detector(config, 1, 1)
    means, variances = [], []
    for k, level in enumerate(levels):
        pair = [detector.expose(np.full((256, 256), level, np.float32), 2 * k + i).astype(np.float64) for i in (0, 1)]
        means.append(np.mean(pair))
        variances.append(np.var(pair[0] - pair[1]) / 2.0 - 1.0 / 12.0)
    expected = config.counts_per_electron * np.array(means) + (config.read_noise_e * config.counts_per_electron) ** 2
    np.testing.assert_allclose(variances, expected, rtol=5.0 * np.sqrt(2.0 / 256**2))
    slope, _ = np.polyfit(means, variances, 1)
    assert slope == pytest.approx(config.counts_per_electron, rel=0.02)


def test_the_response_bends_by_the_share_asked_for() -> None:
    straight = expose(replace(CLEAN, bits=16), 1.5e6).mean()
    bent = expose(replace(CLEAN, bits=16, nonlinearity=0.02), 1.5e6).mean()
    assert 1.0 - bent / straight == pytest.approx(0.01, rel=0.03)


def test_crosstalk_moves_charge_to_four_neighbours_and_loses_none() -> None:
    image = np.zeros((9, 9), np.float32)
    image[4, 4], image[0, 0] = 1000.0, 500.0
    diffuse(image, 0.08)
    assert image[4, 4] == pytest.approx(920.0)
    assert image[3, 4] == image[4, 5] == pytest.approx(20.0)
    assert image[0, 1] == pytest.approx(10.0)
    assert image.sum() == pytest.approx(1500.0)


def test_traps_give_back_what_they_took_with_the_decay_asked_for() -> None:
    config = replace(CLEAN, persistence=0.02, persistence_decay_s=0.3)
    traps = Persistence(config, period_s=0.1)
    bright = np.full((128, 160), 1e6, np.float32)
    traps.step(bright)
    assert bright[0, 0] == 1e6
    latent = []
    for _ in range(40):
        dark = np.zeros((128, 160), np.float32)
        traps.step(dark)
        latent.append(float(dark[3, 3]))
    # Latent charge itself fills traps again: each pass keeps d + (1 - d) p of what is held.
    decay = np.exp(-0.1 / 0.3)
    keep = decay + 0.02 * (1.0 - decay)
    expected = 1e6 * 0.02 * (1.0 - decay) * keep ** np.arange(40)
    np.testing.assert_allclose(latent, expected, rtol=1e-3)


def test_cosmic_rays_come_at_the_rate_and_with_the_charge_asked_for() -> None:
    config = replace(CLEAN, cosmic_rays_per_cm2_s=400.0, dark_current_e_s=0.0, read_noise_e=1.0, well_e=65535.0 * 20)
    detector = Detector(config, 1, 1)
    area_cm2, n = 128 * 160 * 1.5e-3**2, 200
    frames = (
        np.stack([detector.expose(np.zeros((128, 160), np.float32), k) for k in range(n)]) / config.counts_per_electron
    )
    hit = frames > 3000.0
    hits = np.count_nonzero(hit)
    expected = 400.0 * area_cm2 * config.exposure_s * n
    assert expected < hits < 3.0 * expected  # slanted tracks cross several pixels
    assert 9000.0 < np.median(frames[hit]) < 20000.0  # 900 e-/um through 10 um, and a little more on a slant
    np.testing.assert_array_equal(
        detector.expose(np.zeros((128, 160), np.float32), 7), detector.expose(np.zeros((128, 160), np.float32), 7)
    )


def test_the_pattern_drifts_at_the_rate_asked_for() -> None:
    config = replace(CLEAN, offset_drift_e_per_min=2000.0, gain_drift_per_min=1e-3)
    detector = Detector(config, 1, 1)
    early, late = (
        detector.expose(np.full((128, 160), 1e6, np.float32), 3, t).astype(np.float64) / config.counts_per_electron
        for t in (0.0, 30.0)
    )
    assert (late - early).std() == pytest.approx(np.hypot(1000.0, 500.0), rel=0.03)


def test_frames_are_dropped_as_often_as_asked() -> None:
    detector = Detector(replace(CONFIG, frame_drop_probability=0.1), 1, 1)
    dropped = [detector.dropped(k) for k in range(2000)]
    assert np.mean(dropped) == pytest.approx(0.1, abs=0.03)
    assert dropped == [detector.dropped(k) for k in range(2000)]
    assert not any(Detector(CONFIG, 1, 1).dropped(k) for k in range(100))


@pytest.mark.parametrize("bits", [12, 14, 16])
def test_the_converter_has_the_resolution_asked_for(bits: int) -> None:
    config = replace(CLEAN, bits=bits)
    assert expose(config, 1.5e6).mean() == pytest.approx(0.5 * (2**bits - 1), rel=0.01)
    assert expose(config, 5e6).min() == 2**bits - 1
