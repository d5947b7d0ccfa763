"""Noise-equivalent irradiance and temperature difference: the simulated noise equals the closed form."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import constants
from scipy.integrate import quad
from scipy.special import erf

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


@pytest.mark.parametrize(("band", "exposure_s", "co_adds"), [((3.8, 4.1), 0.012, 1), ((8.0, 12.0), 2e-5, 16)])
def test_nei_and_netd_equal_the_closed_form_by_hand(band: tuple[float, float], exposure_s: float, co_adds: int) -> None:
    """Written out from constants and quadrature, for the default optics: 0.10 m, 100 urad, QE 0.75, optics 0.7."""
    config = replace(SENSOR, band_um=band, integration_time_s=exposure_s, co_adds=co_adds)
    c, h, boltzmann = constants.c, constants.h, constants.k
    photon_j = h * c / (0.5e-6 * sum(band))
    per_irradiance = np.pi / 4.0 * 0.10**2 * 0.7 * 0.75 * exposure_s / photon_j
    per_radiance = per_irradiance * 1e-4**2

    def planck(wavelength_m: float, temperature_k: float) -> float:
        return 2.0 * h * c**2 / wavelength_m**5 / np.expm1(h * c / (wavelength_m * boltzmann * temperature_k))

    def per_kelvin(wavelength_m: float) -> float:
        x = h * c / (wavelength_m * boltzmann * 290.0)
        return planck(wavelength_m, 290.0) * x / 290.0 / -np.expm1(-x)

    ends = (1e-6 * band[0], 1e-6 * band[1])
    radiance, slope = quad(planck, *ends, args=(290.0,))[0], quad(per_kelvin, *ends)[0]
    sigma = np.sqrt((per_radiance * radiance + 1e6 * exposure_s + 100.0**2) / co_adds)
    in_pixel = erf(0.5 / (0.8 * np.sqrt(2.0))) ** 2
    nei, netd = sigma / (per_irradiance * in_pixel), sigma / (per_radiance * slope)
    assert noise_equivalent_irradiance(config, radiance) == pytest.approx(nei, rel=1e-5)
    assert noise_equivalent_temperature_difference(config, 290.0) == pytest.approx(netd, rel=1e-5)
    print(f"{band} um: NEI {nei:.3e} W/m^2, NETD {1e3 * netd:.2f} mK")
