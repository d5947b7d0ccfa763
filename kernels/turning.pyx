"""Turning: how fast lines of sight to tracks turn against the stars.

With ``s`` the line from sensor to track and ``d`` the difference of both velocities as an observer at rest has them
(the Earth turns by ``w`` about the third axis), ``|d - s (s . d) / |s|^2| / |s|``.
"""

from libc.math cimport sqrt

from lookdown.kernels.checks import require_array, require_number


def turning(position, velocity, origin, own_velocity, rotation, rate, square):
    """Rates at which lines of sight turn.

    Parameters
    ----------
    position, velocity : ndarray of float64, shape (n, 3)
        Of tracks, in axes that turn with the Earth [m, m/s].
    origin, own_velocity : ndarray of float64, shape (3,)
        Of the sensor, in the same axes [m, m/s].
    rotation : float
        ``w`` [rad/s].
    rate : ndarray of float64, shape (n,)
        Rates [rad/s]; nan for a track where the sensor is.
    square : ndarray of float64, shape (n,)
        Squared distances [m^2].

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const double[::1] o = require_array("origin", origin, "float64", (3,))
    cdef const double[::1] u = require_array("own_velocity", own_velocity, "float64", (3,))
    cdef double w = require_number("rotation", rotation, -1.0, 1.0)
    cdef Py_ssize_t n = len(position), k, i
    cdef double[::1] turn = require_array("rate", rate, "float64", (n,), out=True)
    cdef double[::1] far = require_array("square", square, "float64", (n,), out=True, apart_from=(rate,))
    if n == 0:
        return
    cdef const double[:, ::1] p = require_array("position", position, "float64", (n, 3))
    cdef const double[:, ::1] v = require_array("velocity", velocity, "float64", (n, 3))
    cdef double s[3]
    cdef double d[3]
    cdef double along, total
    with nogil:
        for k in range(n):
            for i in range(3):
                s[i] = p[k, i] - o[i]
                d[i] = v[k, i] - u[i]
            d[0] = d[0] - w * s[1]
            d[1] = d[1] + w * s[0]
            far[k] = s[0] * s[0] + s[1] * s[1] + s[2] * s[2]
            along = (s[0] * d[0] + s[1] * d[1] + s[2] * d[2]) / far[k]
            total = 0.0
            for i in range(3):
                d[i] = d[i] - along * s[i]
                total = total + d[i] * d[i]
            turn[k] = sqrt(total / far[k])
