r"""Where stars stand in Earth-fixed axes: precession, nutation, the Earth's turn, and aberration by its motion.

From the celestial frame (ICRS) to that of date goes the matrix of the pole of date, by the four angles of Fukushima and
Williams with nutation added to two of them; from there to ECEF the Earth's rotation angle (`timescale`):

.. math:: N = R_1(-\epsilon - \Delta\epsilon) R_3(-\psi - \Delta\psi) R_1(\phi) R_3(\gamma), \quad X, Y = N_{31}, N_{32}

Of nutation the fifteen greatest terms are kept; what is left out is below 0.1 arc second (0.5 microradian). The Earth
moves at 30 km/s: a star is seen up to 20.5 arc seconds (99 microradians) nearer to where it goes, by the low-precision
elements of the Earth's orbit to 0.05 microradian. Movers and the ground go with the Earth and show no such shift. The
satellite's own speed over that of light (25 microradians) shifts all that it sees in one direction alike, stars and
ground: it is left out here as everywhere (`sight`), and where pointing is estimated it is part of its error.
Parallax (3.7 microradians for the nearest star, below 1.5 for all but some tens), bending of light by the Sun, polar
motion (1.5 microradians) and UT1 - UTC (taken as 0, as everywhere) are left out.

Sources: IERS Conventions (2010), 5.4 to 5.6; Capitaine, Wallace and Chapront (2003), Astronomy and Astrophysics 412,
and Hilton et al. (2006) for the angles; McCarthy and Luzum (2003), Celestial Mechanics 85 (IAU 2000B), for nutation;
Meeus (1998), *Astronomical Algorithms*, ch. 23, for aberration (constant of the IAU: 20.49552 arc seconds).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lookdown.geo.sun import sun_direction
from lookdown.geo.timescale import ecef_from_eci, sidereal_time_rad, turn_about_pole

Float = NDArray[np.float64]

_ARCSEC = np.pi / 180.0 / 3600.0
_J2000_TAI_S = 946_728_000.0 - 32.184  # TAI since 1970 at J2000 (2000-01-01T12:00 TT)
_CENTURY_S = 36525.0 * 86400.0
_YEARS_A_CENTURY = 100.0
_ABERRATION = 20.49552 * _ARCSEC
_ECCENTRICITY = 0.016708634

# gamma, phi, psi, epsilon of Fukushima and Williams, powers of the centuries since J2000 [arcsec].
_ANGLES = np.array(
    [
        [-0.052928, 10.556378, 0.4932044, -0.00031238],
        [84381.412819, -46.811016, 0.0511268, 0.00053289],
        [-0.041775, 5038.481484, 1.5584175, -0.00018522],
        [84381.406, -46.836769, -0.0001831, 0.00200340],
    ]
)
# l, l', F, D, Omega: at J2000 and a century on [arcsec].
_DELAUNAY = np.array(
    [
        [485868.249036, 1717915923.2178],
        [1287104.79305, 129596581.0481],
        [335779.526232, 1739527262.8478],
        [1072260.70369, 1602961601.2090],
        [450160.398036, -6962890.5431],
    ]
)
# Multiples of l, l', F, D, Omega; sine of the nutation in longitude, cosine of that in obliquity [arcsec].
_NUTATION = np.array(
    [
        [0, 0, 0, 0, 1, -17.2064161, 9.2052331],
        [0, 0, 2, -2, 2, -1.3170906, 0.5730336],
        [0, 0, 2, 0, 2, -0.2276413, 0.0978459],
        [0, 0, 0, 0, 2, 0.2074554, -0.0897492],
        [0, 1, 0, 0, 0, 0.1475877, 0.0073871],
        [0, 1, 2, -2, 2, -0.0516821, 0.0224386],
        [1, 0, 0, 0, 0, 0.0711159, -0.0006750],
        [0, 0, 2, 0, 1, -0.0387298, 0.0200728],
        [1, 0, 2, 0, 2, -0.0301461, 0.0129025],
        [0, -1, 2, -2, 2, 0.0215829, -0.0095929],
        [0, 0, 2, -2, 1, 0.0128227, -0.0068982],
        [-1, 0, 2, 0, 2, 0.0123457, -0.0053311],
        [-1, 0, 0, 2, 0, 0.0156994, -0.0001235],
        [1, 0, 0, 0, 1, 0.0063110, -0.0033228],
        [-1, 0, 0, 0, 1, -0.0057976, 0.0031429],
    ]
)


def centuries_since_j2000(time_ns: int) -> float:
    """Julian centuries of terrestrial time since J2000, of TAI ``time_ns`` [ns]."""
    return (time_ns * 1e-9 - _J2000_TAI_S) / _CENTURY_S


def years_since_j2000(time_ns: int) -> float:
    """Julian years since J2000, of TAI ``time_ns`` [ns]: what proper motions are multiplied by."""
    return centuries_since_j2000(time_ns) * _YEARS_A_CENTURY


def ecef_from_icrs(time_ns: int) -> Float:
    """Matrix from the celestial frame to ECEF.

    Parameters
    ----------
    time_ns : int
        Time, TAI [ns].

    Returns
    -------
    ndarray of float64, shape (3, 3)
        ``matrix @ v_icrs`` is ``v_ecef``; without aberration.
    """
    t = centuries_since_j2000(time_ns)
    gamma, phi, psi, epsilon = _ANGLES @ (t ** np.arange(4)) * _ARCSEC
    argument = _NUTATION[:, :5] @ (_DELAUNAY @ [1.0, t] % 1_296_000.0) * _ARCSEC
    psi += _NUTATION[:, 5] @ np.sin(argument) * _ARCSEC
    epsilon += _NUTATION[:, 6] @ np.cos(argument) * _ARCSEC
    pole = (_about_x(-epsilon) @ turn_about_pole(-psi) @ _about_x(phi) @ turn_about_pole(gamma))[2]
    x, y = pole[:2].tolist()
    # The origin of right ascension of date: s = -X Y / 2 to 0.02 microradian.
    along, tilt = np.arctan2(y, x), np.arctan(np.hypot(x, y) / pole[2])
    to_date = turn_about_pole(-(along - 0.5 * x * y)) @ _about_y(tilt) @ turn_about_pole(along)
    return np.asarray(ecef_from_eci(time_ns) @ to_date, np.float64)


def earth_velocity_c(time_ns: int) -> Float:
    """Velocity of the Earth about the Sun over that of light, ECEF axes, shape (3,) [1]."""
    t = centuries_since_j2000(time_ns)
    obliquity, perihelion = np.radians(23.4393 - 0.0130 * t), np.radians(102.93735 + 1.71946 * t)
    of_date = turn_about_pole(sidereal_time_rad(time_ns))
    pole = of_date @ [0.0, -np.sin(obliquity), np.cos(obliquity)]
    apsis = of_date @ np.array(
        [np.cos(perihelion), np.cos(obliquity) * np.sin(perihelion), np.sin(obliquity) * np.sin(perihelion)]
    )
    return np.asarray(_ABERRATION * np.cross(sun_direction(time_ns) - _ECCENTRICITY * apsis, pole), np.float64)


def star_directions(direction_icrs: ArrayLike, time_ns: int) -> Float:
    """Directions in which stars are seen from the Earth's neighbourhood.

    Parameters
    ----------
    direction_icrs : array_like of float, shape (n, 3)
        Unit vectors, ICRS, proper motion added.
    time_ns : int
        Time, TAI [ns].

    Returns
    -------
    ndarray of float64, shape (n, 3)
        Unit vectors, ECEF, aberration by the Earth's motion among it.

    Examples
    --------
    >>> polaris = [[0.01012806, 0.00789889, 0.99991751]]
    >>> round(float(star_directions(polaris, 1_800_000_000_000_000_000)[0, 2]), 4)
    0.9999
    """
    shown = np.asarray(direction_icrs, np.float64) @ ecef_from_icrs(time_ns).T + earth_velocity_c(time_ns)
    return np.asarray(shown / np.linalg.norm(shown, axis=1, keepdims=True), np.float64)


def _about_x(angle_rad: float) -> Float:
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, s], [0.0, -s, c]])


def _about_y(angle_rad: float) -> Float:
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]])
