"""Learn: what the plots of one report tell of the errors that they share, and how far each lies from its track.

With ``P`` the covariance of a track at given errors and ``G`` the derivative of its state by them (`fold`)::

    S = H P H' + R        U = H G + [own columns] s I        J = sum of U' S^-1 U        b = sum of U' S^-1 y

``J`` is the information on the errors and ``J^-1 b`` their estimate by these plots alone (Friedland 1969, IEEE Trans.
AC-14, 359-367). Plots of tracks that are not sure get their ``S`` and add nothing.
"""

from libc.math cimport sqrt

from lookdown.kernels.checks import require_array, require_integer

cdef enum:
    STATES = 8  # numbers of a state, at most


def learn(rows, sure, jacobian, own, shared, innovation, noise, covariance, cross, scratch, spread, information, pull):
    """Add up what plots tell of shared errors.

    Parameters
    ----------
    rows : ndarray of int64, shape (q,)
        Track of each plot.
    sure : ndarray of uint8, shape (q,)
        1 for plots that the errors are learnt from.
    jacobian : ndarray of float64, shape (q, 2, e)
        Derivative of the measurement by the state, e = 6 to 8.
    own : int
        First of the two errors that belong to the sensor.
    shared : ndarray of float64, shape (q,)
        One sigma of the sensor's error, in units of the measurement.
    innovation : ndarray of float64, shape (q, 2)
        Measured less predicted.
    noise : ndarray of float64, shape (q, 2, 2)
        Covariance of each plot.
    covariance, cross : ndarray of float64, shapes (n, e, e) and (n, e, m)
        ``P`` and ``G`` of the tracks.
    scratch : ndarray of float64, shape (2, m)
        Overwritten.
    spread : ndarray of float64, shape (q, 2, 2)
        ``S`` of each plot.
    information, pull : ndarray of float64, shapes (m, m) and (m,)
        ``J`` and ``b``.

    Returns
    -------
    int
        Sure plots left out, because their ``S`` is not positive definite.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const long long[::1] r = require_array("rows", rows, "int64", 1)
    require_array("cross", cross, "float64", 3)
    cdef Py_ssize_t q = r.shape[0], n = cross.shape[0], e = cross.shape[1], m = cross.shape[2], k, i, j, a, b
    require_integer("cross.shape[1]", e, 6, STATES)
    if m < 2:
        raise ValueError(f"cross: wanted two errors at least, got {m}; give two a sensor")
    cdef Py_ssize_t column = require_integer("own", own, 0, m - 2)
    require_array("covariance", covariance, "float64", (n, e, e))
    cdef const unsigned char[::1] tells = require_array("sure", sure, "uint8", (q,))
    require_array("jacobian", jacobian, "float64", (q, 2, e))
    cdef const double[::1] s = require_array("shared", shared, "float64", (q,))
    require_array("noise", noise, "float64", (q, 2, 2))
    cdef double[:, ::1] u = require_array("scratch", scratch, "float64", (2, m), out=True)
    require_array("spread", spread, "float64", (q, 2, 2), out=True, apart_from=(noise,))
    cdef double[:, ::1] total = require_array("information", information, "float64", (m, m), out=True)
    cdef double[::1] sum_ = require_array("pull", pull, "float64", (m,), out=True)
    information[:] = 0.0
    pull[:] = 0.0
    if q == 0:
        return 0
    if rows.min() < 0 or rows.max() >= n:
        raise ValueError(f"rows: wanted rows from 0 to {n - 1}, got {rows.min()} to {rows.max()}")
    cdef const double[:, :, ::1] h = jacobian
    cdef const double[:, ::1] y = require_array("innovation", innovation, "float64", (q, 2))
    cdef const double[:, :, ::1] z = noise
    cdef const double[:, :, ::1] p = covariance
    cdef const double[:, :, ::1] g = cross
    cdef double[:, :, ::1] about = spread
    cdef double w[2 * STATES]
    cdef double one, first, second, slope, root
    cdef Py_ssize_t t, refused = 0
    with nogil:
        for k in range(q):
            t = r[k]
            for i in range(2):
                for j in range(e):
                    one = 0.0
                    for a in range(e):
                        one += h[k, i, a] * p[t, a, j]
                    w[STATES * i + j] = one
            for i in range(2):
                for j in range(i + 1):
                    one = 0.0
                    for a in range(e):
                        one += w[STATES * i + a] * h[k, j, a]
                    about[k, i, j] = one + z[k, i, j]
            about[k, 0, 1] = about[k, 1, 0]
            if not tells[k]:
                continue
            # S = L L'; both U and y are divided by L, so that sums are squares.
            first = about[k, 0, 0]
            if not first > 0.0:
                refused += 1
                continue
            first = sqrt(first)
            slope = about[k, 1, 0] / first
            root = about[k, 1, 1] - slope * slope
            if not root > 0.0:
                refused += 1
                continue
            second = sqrt(root)
            for b in range(m):
                for i in range(2):
                    one = s[k] if b == column + i else 0.0
                    for a in range(e):
                        one += h[k, i, a] * g[t, a, b]
                    u[i, b] = one
                u[0, b] = u[0, b] / first
                u[1, b] = (u[1, b] - slope * u[0, b]) / second
            one = y[k, 0] / first
            root = (y[k, 1] - slope * one) / second
            for a in range(m):
                sum_[a] += u[0, a] * one + u[1, a] * root
                for b in range(a + 1):
                    total[a, b] += u[0, a] * u[0, b] + u[1, a] * u[1, b]
        for a in range(m):
            for b in range(a):
                total[b, a] = total[a, b]
    return refused
