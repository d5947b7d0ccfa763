"""Direction of the sun: low-precision formulae of the Astronomical Almanac, page C5; 0.01 degrees from 1950 to 2050."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lookdown.geo.timescale import julian_date_ut1, sidereal_time_rad, turn_about_pole

Float = NDArray[np.float64]


def sun_direction(time_ns: ArrayLike) -> Float:
    """Give unit vectors towards the sun, ECEF, shape (..., 3), at times of shape (...), TAI [ns]."""
    midnight, fraction = julian_date_ut1(time_ns)
    days = (midnight - 2451545.0) + fraction
    mean_longitude = np.radians(280.460 + 0.9856474 * days)
    anomaly = np.radians(357.528 + 0.9856003 * days)
    longitude = mean_longitude + np.radians(1.915 * np.sin(anomaly) + 0.020 * np.sin(2.0 * anomaly))
    obliquity = np.radians(23.439 - 4e-7 * days)
    of_date = np.stack(  # counted from the equinox of date, as is sidereal time
        [np.cos(longitude), np.cos(obliquity) * np.sin(longitude), np.sin(obliquity) * np.sin(longitude)], axis=-1
    )
    return np.asarray(np.einsum("...ij,...j->...i", turn_about_pole(sidereal_time_rad(time_ns)), of_date), np.float64)
