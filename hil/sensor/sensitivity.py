"""Sensitivity of a sensor in closed form: the least irradiance and the least temperature difference it shows.

Source: Holst (2008), "Electro-Optical Imaging System Performance", 5th ed., chapters 8 and 12.
"""

from lookdown.hil.scene.planck import band_radiance
from lookdown.hil.sensor.config import SensorConfig
from lookdown.hil.sensor.optics import PointSpread


def noise_equivalent_irradiance(config: SensorConfig, background_w_m2_sr: float) -> float:
    """Irradiance of a point, centred on a pixel, that lifts this pixel by one sigma of its noise [W/m^2].

    ``NEI = sigma / (k p)`` with the electrons ``k`` of an irradiance of 1 and the share ``p`` of the spot in the pixel.

    Parameters
    ----------
    config : SensorConfig
        Sensor.
    background_w_m2_sr : float
        Radiance around the point [W m-2 sr-1].
    """
    noise_e = float(config.noise_e(config.electrons_per_radiance() * background_w_m2_sr))
    return noise_e / (config.electrons_per_irradiance() * PointSpread(config).peak_share())


def noise_equivalent_temperature_difference(config: SensorConfig, temperature_k: float) -> float:
    """Temperature step of a black body that fills the view which lifts a pixel by one sigma of its noise [K].

    ``NETD = sigma / (k ifov^2 dL/dT)``.

    Parameters
    ----------
    config : SensorConfig
        Sensor.
    temperature_k : float
        Temperature of the black body [K].
    """
    per_radiance = config.electrons_per_radiance()
    noise_e = float(config.noise_e(per_radiance * float(band_radiance(temperature_k, config.band_um))))
    step_k = 0.05
    slope = (
        float(
            band_radiance(temperature_k + step_k, config.band_um)
            - band_radiance(temperature_k - step_k, config.band_um)
        )
    ) / (2.0 * step_k)
    return noise_e / (per_radiance * slope)
