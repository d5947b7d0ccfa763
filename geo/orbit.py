"""Orbits: circular with secular J2 drift, mean elements of sgp4, and Walker constellations.

Sources: Vallado (2013), "Fundamentals of Astrodynamics and Applications", 4th ed., eq. 9-37 to 9-41 for the J2 rates;
Vallado et al. (2006), AIAA 2006-6753, for sgp4; Walker (1984), J. British Interplanetary Society 37, for i: T/P/F.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sgp4.api import SGP4_ERRORS, Satrec

from lookdown.geo.earth import GRAVITY_PARAMETER_M3_S2, J2, ROTATION_RATE_RAD_S, SEMI_MAJOR_AXIS_M
from lookdown.geo.omm import read_omm
from lookdown.geo.timescale import ecef_from_eci, julian_date_ut1, sidereal_time_rad, tai_ns_from_utc, turn_about_pole

Float = NDArray[np.float64]

_UNIX_EPOCH_JD = 2440587.5


def _to_earth_fixed(matrix: Float, position_m: Float, velocity_m_s: Float) -> tuple[Float, Float]:
    """Turn an inertial state into ECEF; the velocity becomes that in the rotating frame, ``R (v - omega x r)``."""
    relative = velocity_m_s.copy()
    relative[..., 0] += ROTATION_RATE_RAD_S * position_m[..., 1]
    relative[..., 1] -= ROTATION_RATE_RAD_S * position_m[..., 0]
    return (
        np.einsum("...ij,...j->...i", matrix, position_m),
        np.einsum("...ij,...j->...i", matrix, relative),
    )


@dataclass(frozen=True)
class KeplerJ2Orbit:
    """Circular orbit whose node and argument of latitude drift at the secular J2 rates.

    ``raan' = -3/2 J2 n (R/a)^2 cos i`` and ``u' = n (1 + 3/2 J2 (R/a)^2 (3 - 4 sin^2 i))``. The radius is the mean
    one of the theory; its offset and the short-period terms of J2, J3, J4 and terms of second order are left out. Held
    against numerical integration in the field J2 to J4, orbits of 400 to 1000 km at 50 to 99 degrees stay within 10 km
    for a day, equatorial ones within 20 km; drag, the Moon and the Sun are left out too.

    Parameters
    ----------
    semi_major_axis_m : float
        Mean radius of the orbit [m].
    inclination_rad, raan_rad, argument_of_latitude_rad : float
        Inclination, right ascension of the ascending node and angle from the node at the epoch, in the inertial
        frame of ``ecef_from_eci`` [rad].
    epoch_ns : int
        Time of the elements, TAI [ns].

    Raises
    ------
    ValueError
        If the orbit lies inside the Earth.
    """

    semi_major_axis_m: float
    inclination_rad: float
    raan_rad: float
    argument_of_latitude_rad: float
    epoch_ns: int

    def __post_init__(self) -> None:
        if not self.semi_major_axis_m > SEMI_MAJOR_AXIS_M:
            raise ValueError(
                f"orbit inside the Earth: semi_major_axis_m wanted above {SEMI_MAJOR_AXIS_M:.0f}, "
                f"got {self.semi_major_axis_m:.0f} (it is the radius from the Earth's centre, not the altitude)"
            )

    @property
    def rates_rad_s(self) -> tuple[float, float]:
        """Secular rates of the node and of the argument of latitude [rad/s]."""
        motion = np.sqrt(GRAVITY_PARAMETER_M3_S2 / self.semi_major_axis_m**3)
        scale = 1.5 * J2 * (SEMI_MAJOR_AXIS_M / self.semi_major_axis_m) ** 2
        sin_i, cos_i = np.sin(self.inclination_rad), np.cos(self.inclination_rad)
        return float(-motion * scale * cos_i), float(motion * (1.0 + scale * (3.0 - 4.0 * sin_i**2)))

    def state(self, time_ns: ArrayLike) -> tuple[Float, Float]:
        """Position and velocity.

        Parameters
        ----------
        time_ns : array_like of int64, shape (...)
            Time, TAI [ns].

        Returns
        -------
        position_m, velocity_m_s : ndarray of float64, shape (..., 3)
            ECEF position [m] and velocity in the rotating frame [m/s].
        """
        time = np.asarray(time_ns, np.int64)
        elapsed_s = (time - self.epoch_ns) * 1e-9
        node_rate, along_rate = self.rates_rad_s
        node = self.raan_rad + node_rate * elapsed_s
        along = self.argument_of_latitude_rad + along_rate * elapsed_s
        sin_n, cos_n, sin_u, cos_u = np.sin(node), np.cos(node), np.sin(along), np.cos(along)
        sin_i, cos_i = np.sin(self.inclination_rad), np.cos(self.inclination_rad)
        radial = np.stack(
            [cos_n * cos_u - sin_n * sin_u * cos_i, sin_n * cos_u + cos_n * sin_u * cos_i, sin_u * sin_i], -1
        )
        ahead = np.stack(
            [-cos_n * sin_u - sin_n * cos_u * cos_i, -sin_n * sin_u + cos_n * cos_u * cos_i, cos_u * sin_i], -1
        )
        position = self.semi_major_axis_m * radial
        velocity = self.semi_major_axis_m * along_rate * ahead
        velocity[..., 0] -= node_rate * position[..., 1]
        velocity[..., 1] += node_rate * position[..., 0]
        return _to_earth_fixed(ecef_from_eci(time), position, velocity)


class Sgp4Orbit:
    """Orbit of mean elements, propagated by sgp4; TEME is turned by mean sidereal time (UT1 = UTC).

    Parameters
    ----------
    line1, line2 : str
        Two-line elements. Other forms: `from_omm`.

    Raises
    ------
    ValueError
        If sgp4 refuses the elements (an orbit inside the Earth, an eccentricity out of range).
    """

    def __init__(self, line1: str, line2: str) -> None:
        if line1[:2] != "1 " or line2[:2] != "2 ":
            raise ValueError(f"two-line elements wanted ('1 ...', '2 ...'), got {line1[:8]!r}, {line2[:8]!r}")
        for line in (line1, line2):
            total = sum(int(c) if c.isdecimal() else c == "-" for c in line[:68]) % 10
            if len(line) < 69 or line[68] != str(total):
                raise ValueError(
                    f"two-line elements: wanted checksum {total}, got {line[68:69]!r} in {line!r}; copy anew"
                )
        try:
            record = Satrec.twoline2rv(line1, line2)
        except ValueError as error:
            raise ValueError(f"two-line elements not readable ({error}): {line1!r}, {line2!r}") from None
        self._take(record)

    @classmethod
    def from_omm(cls, source: Path | str, name: str = "") -> Self:
        """Orbit of an Orbit Mean-Elements Message; parameters and errors as in `lookdown.geo.omm.read_omm`."""
        orbit = cls.__new__(cls)
        orbit._take(read_omm(source, name))
        return orbit

    def _take(self, record: Satrec) -> None:
        if record.error:
            raise ValueError(f"elements refused by sgp4: {SGP4_ERRORS[record.error]}")
        if not record.a * (1.0 - record.ecco) > 1.0:
            raise ValueError(f"orbit inside the Earth: perigee at {record.a * (1.0 - record.ecco):.3f} Earth radii")
        self._record = record

    @property
    def epoch_ns(self) -> int:
        """Time of the elements, TAI [ns]; good to a microsecond."""
        days = self._record.jdsatepoch - _UNIX_EPOCH_JD
        since = timedelta(days=days) + timedelta(days=self._record.jdsatepochF)
        return tai_ns_from_utc(datetime(1970, 1, 1, tzinfo=UTC) + since)

    def state(self, time_ns: ArrayLike) -> tuple[Float, Float]:
        """Position and velocity.

        Parameters
        ----------
        time_ns : array_like of int64, shape (...)
            Time, TAI [ns].

        Returns
        -------
        position_m, velocity_m_s : ndarray of float64, shape (..., 3)
            ECEF position [m] and velocity in the rotating frame [m/s].

        Raises
        ------
        ValueError
            If sgp4 reports an error at one of the times, such as a decayed satellite.
        """
        time = np.asarray(time_ns, np.int64)
        midnight, fraction = julian_date_ut1(time)
        errors, position_km, velocity_km_s = self._record.sgp4_array(np.ravel(midnight), np.ravel(fraction))
        if np.any(errors):
            raise ValueError(f"sgp4 cannot propagate to all times: {SGP4_ERRORS[int(errors[errors != 0][0])]}")
        shape = (*time.shape, 3)
        matrix = turn_about_pole(sidereal_time_rad(time))
        return _to_earth_fixed(matrix, 1e3 * position_km.reshape(shape), 1e3 * velocity_km_s.reshape(shape))


Orbit = KeplerJ2Orbit | Sgp4Orbit


def walker_delta(
    inclination_rad: float, total: int, planes: int, phasing: int, altitude_m: float, epoch_ns: int
) -> tuple[KeplerJ2Orbit, ...]:
    """Walker delta constellation ``i: T/P/F``: ``P`` planes with nodes evenly around the equator.

    Parameters
    ----------
    inclination_rad : float
        Inclination of all planes [rad].
    total, planes, phasing : int
        Satellites, planes, and phase between neighbouring planes in units of ``2 pi / total``.
    altitude_m : float
        Height over the equatorial radius [m].
    epoch_ns : int
        Time at which the first satellite crosses its node at right ascension 0, TAI [ns].

    Returns
    -------
    tuple of KeplerJ2Orbit, length total
        Plane by plane.

    Raises
    ------
    ValueError
        If the satellites do not divide evenly into planes or the altitude is not above the Earth.
    """
    if planes < 1 or total < 1 or total % planes:
        raise ValueError(f"total wanted as a multiple of planes, got {total} satellites in {planes} planes")
    per_plane = total // planes
    return tuple(
        KeplerJ2Orbit(
            semi_major_axis_m=SEMI_MAJOR_AXIS_M + altitude_m,
            inclination_rad=inclination_rad,
            raan_rad=2.0 * np.pi * plane / planes,
            argument_of_latitude_rad=2.0 * np.pi * (slot / per_plane + (phasing * plane) % total / total),
            epoch_ns=epoch_ns,
        )
        for plane in range(planes)
        for slot in range(per_plane)
    )


def parse_walker(design: str, altitude_m: float, epoch_ns: int) -> tuple[KeplerJ2Orbit, ...]:
    """Walker delta constellation written ``i:T/P/F``.

    Parameters
    ----------
    design : str
        Inclination [deg], satellites, planes and phasing, such as ``75:600/30/23``.
    altitude_m : float
        Height over the equatorial radius [m].
    epoch_ns : int
        Time at which the first satellite crosses its node at right ascension 0, TAI [ns].

    Returns
    -------
    tuple of KeplerJ2Orbit, length T
        Plane by plane.

    Raises
    ------
    ValueError
        If the text does not read so, or as `walker_delta` says.

    Examples
    --------
    >>> len(parse_walker("75:600/30/23", 1000e3, 0))
    600
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*:\s*(\d+)/(\d+)/(\d+)\s*", design)
    if not found:
        raise ValueError(f"Walker design wanted as i:T/P/F, such as 75:600/30/23, got {design!r}")
    inclination_deg = float(found[1])
    total, planes, phasing = (int(number) for number in found.groups()[1:])
    if inclination_deg > 180.0 or (planes and phasing >= planes):
        raise ValueError(f"Walker design wanted with i of 0 to 180 degrees and F below P, got {design!r}")
    return walker_delta(float(np.radians(inclination_deg)), total, planes, phasing, altitude_m, epoch_ns)
