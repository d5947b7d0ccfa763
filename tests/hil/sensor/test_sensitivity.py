"""Noise-equivalent irradiance and temperature difference: the simulated noise equals the closed form."""

from dataclasses import replace

import numpy as np
import pytest

from lookdown.hil.scene.planck import band_radiance
from lookdown.hil.sensor.config import SensorConfig
from lookdown.hil.sensor.detector import Detector
from lookdown.hil.sensor.optics import PointSpread
from lookdown.hil.sensor.sensitivity import noise_equivalent_irradiance, noise_equivalent_temperature_difference

SENSOR = SensorConfig(rows=256, cols=320, gain_residual=0.0, offset_residual_e=0.0, bad_pixel_fraction=0.0, bits=16)


def exposed(config: SensorConfig, electrons: np.ndarray, frame: int) -> np.ndarray:
    return Detector(config, 3, 1).expose(electrons.astype(np.float32), frame) / config.counts_per_electron


@pytest.mark.parametrize("co_adds", [1, 4])
def test_a_star_of_the_nei_lifts_its_pixel_by_one_sigma(co_adds: int) -> None:
    config = replace(SENSOR, co_adds=co_adds)
    radiance = 0.12
    nei = noise_equivalent_irradiance(config, radiance)
    level = np.full((256, 320), config.electrons_per_radiance() * radiance)
    with_star = np.zeros((256, 320), np.float32)
    PointSpread(config).add(with_star, 100.0, 100.0, nei * config.electrons_per_irradiance())
    sigma = exposed(config, level, 0).std()
    assert with_star[100, 100] == pytest.approx(sigma, rel=0.01)


@pytest.mark.parametrize("band", [(3.8, 4.1), (8.0, 12.0)])
def test_a_step_of_the_netd_lifts_the_mean_by_one_sigma(band: tuple[float, float]) -> None:
    exposure = 0.010 if band[0] < 5.0 else 2e-5
    config = replace(SENSOR, band_um=band, integration_time_s=exposure)
    netd = noise_equivalent_temperature_difference(config, 290.0)
    assert 1e-3 < netd < 0.1
    mean, sigma = [], []
    for k, temperature in enumerate((290.0, 290.0 + 5.0 * netd)):
        radiance = float(band_radiance(temperature, band))
        frames = exposed(config, np.full((256, 320), config.electrons_per_radiance() * radiance), k)
        mean.append(frames.mean())
        sigma.append(frames.std())
    assert (mean[1] - mean[0]) / 5.0 == pytest.approx(sigma[0], rel=0.01)
