"""Survey: what decides on the life of tracks, one track after the other.

How fast a track is and how sure that is along its velocity ``u = v / |v|``, how sure its place is, how high it is, and
by how many sensors it was hit, late and often enough; a sensor counts by its worth::

    speed = |v|        sigma = sqrt(u' P_v u)        variance = trace P_p        height by `height.pxd`
"""

from libc.math cimport sqrt

from lookdown.kernels.checks import require_array, require_integer, require_number

from lookdown.kernels.height cimport height_over


def survey(
    state, covariance, last_hit, hits, moved, worth, since, enough, semi_major, flattening, numbers, newest, counts
):
    """Tell what decides on the life of tracks.

    Parameters
    ----------
    state, covariance : ndarray of float64, shapes (n, 6) and (n, 6, 6)
        Position [m] and velocity [m/s], and their covariance.
    last_hit, hits : ndarray of int64, shape (n, m)
        Time of the last hit by each sensor, and how many there were.
    moved : ndarray of uint8, shape (n, m)
        1 where the sensor saw the track move.
    worth, since : ndarray of int64, shape (m,)
        What each sensor counts, and from which time on a hit of it is late.
    enough : int
        Hits of a sensor that are often.
    semi_major, flattening : float
        Equatorial half axis of the Earth [m], and by how much the polar one is shorter, 0 to below 1.
    numbers : ndarray of float64, shape (n, 4)
        Speed and its sigma [m/s], sum of the variances of position [m^2], height [m].
    newest : ndarray of int64, shape (n,)
        Time of the last hit by any sensor.
    counts : ndarray of int64, shape (n, 3)
        Worth of the sensors that hit it late, often, and often while they saw it move.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef double a = require_number("semi_major", semi_major, 1e-3, 1e12)
    cdef double f = require_number("flattening", flattening, 0.0, 0.9)
    cdef long long least = require_integer("enough", enough, 0, 1 << 62)
    cdef const long long[::1] weight = require_array("worth", worth, "int64", 1)
    cdef Py_ssize_t n = len(state), m = weight.shape[0], k, i, j
    require_integer("worth.shape[0]", m, 1, 1 << 30)
    cdef const long long[::1] late = require_array("since", since, "int64", (m,))
    cdef long long[::1] last = require_array("newest", newest, "int64", (n,), out=True)
    require_array("covariance", covariance, "float64", (n, 6, 6))
    if n == 0:
        return
    cdef const double[:, ::1] x = require_array("state", state, "float64", (n, 6))
    cdef const double[:, :, ::1] p = covariance
    cdef const long long[:, ::1] when = require_array("last_hit", last_hit, "int64", (n, m))
    cdef const long long[:, ::1] many = require_array("hits", hits, "int64", (n, m))
    cdef const unsigned char[:, ::1] goes = require_array("moved", moved, "uint8", (n, m))
    cdef double[:, ::1] out = require_array(
        "numbers", numbers, "float64", (n, 4), out=True, apart_from=(state, covariance)
    )
    cdef long long[:, ::1] count = require_array(
        "counts", counts, "int64", (n, 3), out=True, apart_from=(last_hit, hits)
    )
    cdef double speed, scale, total
    with nogil:
        for k in range(n):
            speed = sqrt(x[k, 3] * x[k, 3] + x[k, 4] * x[k, 4] + x[k, 5] * x[k, 5])
            scale = speed if speed > 1e-9 else 1e-9
            total = 0.0
            for i in range(3):
                for j in range(3):
                    total += x[k, 3 + i] / scale * p[k, 3 + i, 3 + j] * (x[k, 3 + j] / scale)
            out[k, 0] = speed
            out[k, 1] = sqrt(total) if total > 0.0 else 0.0
            out[k, 2] = p[k, 0, 0] + p[k, 1, 1] + p[k, 2, 2]
            out[k, 3] = height_over(&x[k, 0], a, f)
            last[k] = when[k, 0]
            for i in range(3):
                count[k, i] = 0
            for i in range(m):
                if when[k, i] > last[k]:
                    last[k] = when[k, i]
                if when[k, i] >= late[i]:
                    count[k, 0] += weight[i]
                if many[k, i] >= least:
                    count[k, 1] += weight[i]
                    if goes[k, i]:
                        count[k, 2] += weight[i]
