"""Time scales: TAI nanoseconds, UTC, and the angle by which the Earth has turned.

Times are ``int64`` nanoseconds TAI since 1970-01-01T00:00:00 TAI, so ``time_ns = unix_ns + (TAI - UTC)``. UT1 is taken
equal to UTC (they differ by less than 0.9 s; since 2020 by less than 0.3 s: 140 m of rotation at the equator, the
same for every sensor) and polar motion (up to 10 m) as zero.

Sources: IERS Bulletin C for leap seconds; IERS Conventions (2010), eq. 5.15, for the Earth rotation angle; Aoki et al.
(1982), Astronomy and Astrophysics 105, for Greenwich mean sidereal time, to which TEME (the frame of sgp4) is tied.
"""

from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]

_NS = 1_000_000_000
_DAY_NS = 86_400 * _NS
_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNIX_EPOCH_JD = 2440587.5
_J2000_JD = 2451545.0

# First UTC day of each value of TAI - UTC [s]; complete up to IERS Bulletin C 70 (no leap second announced after 2017).
LEAP_SECONDS: tuple[tuple[str, int], ...] = (
    ("1972-01-01", 10), ("1972-07-01", 11), ("1973-01-01", 12), ("1974-01-01", 13), ("1975-01-01", 14),
    ("1976-01-01", 15), ("1977-01-01", 16), ("1978-01-01", 17), ("1979-01-01", 18), ("1980-01-01", 19),
    ("1981-07-01", 20), ("1982-07-01", 21), ("1983-07-01", 22), ("1985-07-01", 23), ("1988-01-01", 24),
    ("1990-01-01", 25), ("1991-01-01", 26), ("1992-07-01", 27), ("1993-07-01", 28), ("1994-07-01", 29),
    ("1996-01-01", 30), ("1997-07-01", 31), ("1999-01-01", 32), ("2006-01-01", 33), ("2009-01-01", 34),
    ("2012-07-01", 35), ("2015-07-01", 36), ("2017-01-01", 37),
)  # fmt: skip

_OFFSET_NS = np.array([offset for _, offset in LEAP_SECONDS], np.int64) * _NS
_START_UNIX_NS = np.array([int(np.datetime64(day, "ns").astype(np.int64)) for day, _ in LEAP_SECONDS], np.int64)
_START_TAI_NS = _START_UNIX_NS + _OFFSET_NS


def tai_ns_from_utc(utc: datetime | str) -> int:
    """TAI nanoseconds of a UTC instant.

    Parameters
    ----------
    utc : datetime or str
        Instant; a string in ISO 8601. Without a time zone it is UTC.

    Returns
    -------
    int
        Time, TAI since 1970-01-01 [ns].

    Raises
    ------
    ValueError
        If the string is no ISO 8601 instant or the instant lies before 1972, when UTC had no whole leap seconds.

    Examples
    --------
    >>> tai_ns_from_utc("2026-01-01T00:00:00Z")
    1767225637000000000
    """
    instant = datetime.fromisoformat(utc) if isinstance(utc, str) else utc
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    unix_ns = (instant - _UNIX_EPOCH) // timedelta(microseconds=1) * 1000
    index = int(np.searchsorted(_START_UNIX_NS, unix_ns, side="right")) - 1
    if index < 0:
        raise ValueError(f"UTC wanted from 1972-01-01 on, got {instant.isoformat()}")
    return unix_ns + int(_OFFSET_NS[index])


def unix_ns_from_tai_ns(time_ns: ArrayLike) -> NDArray[np.int64]:
    """UTC as nanoseconds since 1970 without leap seconds (Unix time), of TAI ``time_ns``.

    Parameters
    ----------
    time_ns : array_like of int64, shape (...)
        Time, TAI [ns], from 1972 on.

    Returns
    -------
    ndarray of int64, shape (...)
        Unix time [ns].

    Raises
    ------
    ValueError
        If an instant lies before 1972, when UTC had no whole leap seconds.

    Examples
    --------
    >>> int(unix_ns_from_tai_ns(1767225637000000000))
    1767225600000000000
    """
    tai = np.asarray(time_ns, np.int64)
    index = np.searchsorted(_START_TAI_NS, tai, side="right") - 1
    if np.any(index < 0):
        raise ValueError(f"time_ns wanted from 1972-01-01 on ({_START_TAI_NS[0]}), got {tai.min()}")
    return np.asarray(tai - _OFFSET_NS[index], np.int64)


def utc_from_tai_ns(time_ns: int) -> datetime:
    """UTC instant of TAI nanoseconds, rounded down to the microsecond.

    Parameters
    ----------
    time_ns : int
        Time, TAI [ns], from 1972 on.

    Returns
    -------
    datetime
        Instant, time zone UTC. During a leap second the following second is given.
    """
    return _UNIX_EPOCH + timedelta(microseconds=int(unix_ns_from_tai_ns(time_ns)) // 1000)


def julian_date_ut1(time_ns: ArrayLike) -> tuple[Float, Float]:
    """Julian date UT1 (taken equal to UTC) as the date of midnight and the fraction of the day.

    Two parts because one float64 resolves only 40 microseconds.

    Parameters
    ----------
    time_ns : array_like of int64, shape (...)
        Time, TAI [ns], from 1972 on.

    Returns
    -------
    midnight, fraction : ndarray of float64, shape (...)
        Their sum is the Julian date [d]; ``fraction`` lies in [0, 1).
    """
    days, rest_ns = np.divmod(unix_ns_from_tai_ns(time_ns), _DAY_NS)
    return np.asarray(days + _UNIX_EPOCH_JD, np.float64), np.asarray(rest_ns / _DAY_NS, np.float64)


def earth_rotation_angle_rad(time_ns: ArrayLike) -> Float:
    """Earth rotation angle, ``2 pi (0.7790572732640 + 1.00273781191135448 (JD_UT1 - 2451545.0))``.

    Parameters
    ----------
    time_ns : array_like of int64, shape (...)
        Time, TAI [ns].

    Returns
    -------
    ndarray of float64, shape (...)
        Angle in [0, 2 pi) [rad].
    """
    midnight, fraction = julian_date_ut1(time_ns)
    since_j2000 = (midnight - _J2000_JD) + fraction
    turns = 0.7790572732640 + 0.00273781191135448 * since_j2000 + (midnight - _J2000_JD) % 1.0 + fraction
    return np.asarray(turns % 1.0 * (2.0 * np.pi), np.float64)


def sidereal_time_rad(time_ns: ArrayLike) -> Float:
    """Greenwich mean sidereal time 1982, the angle from TEME to the Earth-fixed frame.

    Parameters
    ----------
    time_ns : array_like of int64, shape (...)
        Time, TAI [ns].

    Returns
    -------
    ndarray of float64, shape (...)
        Angle in [0, 2 pi) [rad].
    """
    midnight, fraction = julian_date_ut1(time_ns)
    t = ((midnight - _J2000_JD) + fraction) / 36525.0
    seconds = 67310.54841 + (8640184.812866 + (0.093104 - 6.2e-6 * t) * t) * t
    turns = seconds / 86400.0 + midnight % 1.0 + fraction
    return np.asarray(turns % 1.0 * (2.0 * np.pi), np.float64)


def turn_about_pole(angle_rad: ArrayLike) -> Float:
    """Matrix that takes inertial components to those of axes turned eastward by an angle about the pole.

    Parameters
    ----------
    angle_rad : array_like of float, shape (...)
        Angle [rad].

    Returns
    -------
    ndarray of float64, shape (..., 3, 3)
        ``[[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]]``.
    """
    angle = np.asarray(angle_rad, np.float64)
    matrix = np.zeros((*angle.shape, 3, 3))
    matrix[..., 0, 0] = matrix[..., 1, 1] = np.cos(angle)
    matrix[..., 0, 1] = np.sin(angle)
    matrix[..., 1, 0] = -matrix[..., 0, 1]
    matrix[..., 2, 2] = 1.0
    return matrix


def ecef_from_eci(time_ns: ArrayLike) -> Float:
    """Matrix from the inertial frame of date (CIRS) to ECEF: a turn by the Earth rotation angle.

    Parameters
    ----------
    time_ns : array_like of int64, shape (...)
        Time, TAI [ns].

    Returns
    -------
    ndarray of float64, shape (..., 3, 3)
        ``matrix @ v_eci`` is ``v_ecef``.
    """
    return turn_about_pole(earth_rotation_angle_rad(time_ns))
