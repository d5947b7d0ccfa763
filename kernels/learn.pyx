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


cdef inline void spread_one(
    Py_ssize_t e, const double* h, const double* p, const double* z, double* s
) noexcept nogil:
    """``S = H P H' + R`` of a plot; rows of P one after the other, so that the inner loop runs along memory."""
    cdef double w[2 * STATES]
    cdef double one
    cdef Py_ssize_t i, j, a
    for i in range(2):
        for j in range(e):
            w[STATES * i + j] = 0.0
        for a in range(e):
            one = h[e * i + a]
            for j in range(e):
                w[STATES * i + j] += one * p[e * a + j]
    for i in range(2):
        for j in range(i + 1):
            one = 0.0
            for a in range(e):
                one += w[STATES * i + a] * h[e * j + a]
            s[2 * i + j] = one + z[2 * i + j]
    s[1] = s[2]


cdef inline void see_errors(
    Py_ssize_t e, Py_ssize_t m, const double* h, const double* g, Py_ssize_t column, double shared, double* u
) noexcept nogil:
    """``U = H G + [own columns] s I`` of a plot."""
    cdef double one
    cdef Py_ssize_t i, a, b
    for i in range(2):
        for b in range(m):
            u[m * i + b] = shared if b == column + i else 0.0
        for a in range(e):
            one = h[e * i + a]
            for b in range(m):
                u[m * i + b] += one * g[m * a + b]


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
    cdef Py_ssize_t q = r.shape[0], n = cross.shape[0], e = cross.shape[1], m = cross.shape[2], k, a, b
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
    for k in range(q):
        if not 0 <= r[k] < n:
            raise ValueError(f"rows: wanted rows from 0 to {n - 1}, got {rows.min()} to {rows.max()}")
    cdef const double[:, :, ::1] h = jacobian
    cdef const double[:, ::1] y = require_array("innovation", innovation, "float64", (q, 2))
    cdef const double[:, :, ::1] z = noise
    cdef const double[:, :, ::1] p = covariance
    cdef const double[:, :, ::1] g = cross
    cdef double[:, :, ::1] about = spread
    cdef double one, first, second, slope, root
    cdef Py_ssize_t t, refused = 0
    with nogil:
        for k in range(q):
            t = r[k]
            if e == 6:  # told to the compiler, which then unrolls
                spread_one(6, &h[k, 0, 0], &p[t, 0, 0], &z[k, 0, 0], &about[k, 0, 0])
            else:
                spread_one(e, &h[k, 0, 0], &p[t, 0, 0], &z[k, 0, 0], &about[k, 0, 0])
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
            if e == 6 and m == 6:
                see_errors(6, 6, &h[k, 0, 0], &g[t, 0, 0], column, s[k], &u[0, 0])
            else:
                see_errors(e, m, &h[k, 0, 0], &g[t, 0, 0], column, s[k], &u[0, 0])
            for b in range(m):
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
