"""Turning: how fast lines of sight to tracks turn against the stars, and how sure that is.

With ``s`` the line from sensor to track and ``d`` the difference of both velocities as an observer at rest has them
(the Earth turns by ``w`` about the third axis), the rate is ``|d - s (s . d) / |s|^2| / |s|``, and its variance
``inflation^2 trace P_v / |s|^2 + floor^2``.
"""

from libc.math cimport sqrt
from libc.string cimport memcpy

from lookdown.kernels.checks import require_array, require_integer, require_number

cdef enum:
    NUMBER = 8  # octets


def turning(records, places, origin, own_velocity, rotation, inflation, floor, rows, column, rates, sigmas, square):
    """Rates at which lines of sight turn.

    Parameters
    ----------
    records : ndarray of uint8, shape (n, octets)
        Packed records of tracks, in axes that turn with the Earth.
    places : ndarray of int64, shape (3,)
        First octet in a record of position [m], velocity [m/s] and covariance, 36 numbers.
    origin, own_velocity : ndarray of float64, shape (3,)
        Of the sensor, in the same axes [m, m/s].
    rotation : float
        ``w`` [rad/s].
    inflation, floor : float
        Of sigmas [1], and the least sigma of a rate [rad/s].
    rows : ndarray of int64, shape (n,)
        Where each track stands in the next two.
    column : int
        Which sensor it is.
    rates, sigmas : ndarray of float64, shape (capacity, m)
        Rates and one sigma of each [rad/s]; nan for a track where the sensor is. Written for ``rows``.
    square : ndarray of float64, shape (n,)
        Squared distances [m^2].

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or an index or a number is out of its range.
    """
    cdef const double[::1] o = require_array("origin", origin, "float64", (3,))
    cdef const double[::1] u = require_array("own_velocity", own_velocity, "float64", (3,))
    cdef double w = require_number("rotation", rotation, -1.0, 1.0)
    cdef double wider = require_number("inflation", inflation, 0.0, 1e6)
    cdef double least = require_number("floor", floor, 0.0, 1.0)
    cdef const long long[::1] at = require_array("places", places, "int64", (3,))
    cdef const long long[::1] r = require_array("rows", rows, "int64", 1)
    cdef Py_ssize_t n = r.shape[0], size, room, m, c, k, i
    cdef double[::1] far = require_array("square", square, "float64", (n,), out=True)
    if n == 0:
        return
    cdef const unsigned char[:, ::1] record = require_array("records", records, "uint8", 2)
    size = record.shape[1]
    require_array("records", records, "uint8", (n, size))
    cdef double[:, ::1] turn = require_array("rates", rates, "float64", 2, out=True)
    room, m = turn.shape[0], turn.shape[1]
    c = require_integer("column", column, 0, m - 1)
    cdef double[:, ::1] sigma = require_array("sigmas", sigmas, "float64", (room, m), out=True, apart_from=(rates,))
    for i in range(3):
        if not 0 <= at[i] <= size - (36 if i == 2 else 3) * NUMBER:
            raise ValueError(f"places: wanted fields within {size} octets, got {at[i]}; take them from the dtype")
    for k in range(n):
        if not 0 <= r[k] < room:
            raise ValueError(f"rows: wanted rows from 0 to {room - 1}, got {r[k]}; take them from the memory")
    cdef double s[3]
    cdef double d[3]
    cdef double p[36]
    cdef double along, total
    with nogil:
        for k in range(n):
            memcpy(s, &record[k, at[0]], sizeof(s))
            memcpy(d, &record[k, at[1]], sizeof(d))
            memcpy(p, &record[k, at[2]], sizeof(p))
            for i in range(3):
                s[i] = s[i] - o[i]
                d[i] = d[i] - u[i]
            d[0] = d[0] - w * s[1]
            d[1] = d[1] + w * s[0]
            far[k] = s[0] * s[0] + s[1] * s[1] + s[2] * s[2]
            along = (s[0] * d[0] + s[1] * d[1] + s[2] * d[2]) / far[k]
            total = 0.0
            for i in range(3):
                d[i] = d[i] - along * s[i]
                total = total + d[i] * d[i]
            turn[r[k], c] = sqrt(total / far[k])
            sigma[r[k], c] = sqrt(wider * wider * (p[21] + p[28] + p[35]) / far[k] + least * least)
