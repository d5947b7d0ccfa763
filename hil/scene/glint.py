"""Sun glint on the sea: slopes of waves after Cox and Munk, reflection after Fresnel.

Radiance of the glitter: ``E rho(omega) p / (4 cos v cos^4 b)`` with the slope's tilt ``b``, the angle of incidence
``omega`` on the facet and the isotropic distribution of slopes ``p = exp(-tan^2 b / s^2) / (pi s^2)``,
``s^2 = 0.003 + 0.00512 U`` (Cox and Munk 1954, J. Optical Society of America 44, 838). Reflectance: Schlick's form with
0.02 at normal incidence.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]


def glint_per_irradiance(sun: ArrayLike, view: ArrayLike, up: ArrayLike, wind_m_s: float) -> Float:
    """Radiance of the sea's glitter for a solar irradiance of 1 W/m^2 across the rays [1/sr].

    Parameters
    ----------
    sun, view, up : array_like of float, shape (..., 3)
        Unit vectors from the sea to the sun, to the sensor, and upward.
    wind_m_s : float
        Wind at 12 m height [m/s].
    """
    sun, view, up = (np.asarray(vector, np.float64) for vector in (sun, view, up))
    facet = sun + view
    facet = facet / np.maximum(np.linalg.norm(facet, axis=-1, keepdims=True), 1e-9)
    cos_tilt = np.clip(np.sum(facet * up, axis=-1), 1e-3, 1.0)
    cos_incidence = np.clip(np.sum(facet * sun, axis=-1), 0.0, 1.0)
    cos_sun, cos_view = np.sum(sun * up, axis=-1), np.sum(view * up, axis=-1)
    variance = 0.003 + 0.00512 * wind_m_s
    slopes = np.exp(-(1.0 / cos_tilt**2 - 1.0) / variance) / (np.pi * variance)
    reflectance = 0.02 + 0.98 * (1.0 - cos_incidence) ** 5
    # Waves shade each other where sun or view graze: the formula fails below some 10 degrees.
    radiance = reflectance * slopes / (4.0 * np.maximum(cos_view, 0.17) * cos_tilt**4)
    return np.where((cos_sun > 0.0) & (cos_view > 0.0), radiance, 0.0)
