"""Correct: tracks updated with their own plots, by the Kalman gain, with errors that several plots share considered.

With ``z = h(x) + s b + n`` and the covariance ``C`` of the state with the shared errors (Schmidt 1966), ``C_j`` its
columns for the error ``b`` of this sensor::

    K = (P H' + s C_j) S^-1     x <- x + K y     P <- P - K S K'     C <- C - K (H C + [own columns] s I)

Where the errors are estimated beside the tracks (Friedland 1969), ``P`` and ``S`` are those at given errors and ``C``
is the derivative of the state by them: the same with ``K = P H' S^-1``.

``S`` is factored (Cholesky); a track whose ``S`` is not positive definite is left as it was and counted.
"""

from libc.math cimport sqrt

from lookdown.kernels.checks import require_array, require_integer

cdef enum:
    MOST = 3  # numbers of a measurement
    STATES = 8  # numbers of a state, at most


cdef bint factor(const double* s, Py_ssize_t d, double* root) noexcept nogil:
    cdef Py_ssize_t i, j, k
    cdef double total
    for i in range(d):
        for j in range(i + 1):
            total = s[i * d + j]
            for k in range(j):
                total = total - root[i * MOST + k] * root[j * MOST + k]
            if i == j:
                if not total > 0.0:
                    return False
                root[i * MOST + i] = sqrt(total)
            else:
                root[i * MOST + j] = total / root[j * MOST + j]
    return True


cdef void solve_row(const double* root, Py_ssize_t d, double* row) noexcept nogil:
    # row <- row L^-T, so that the product of two such rows is w S^-1 w'
    cdef Py_ssize_t i, j
    for i in range(d):
        for j in range(i):
            row[i] = row[i] - root[i * MOST + j] * row[j]
        row[i] = row[i] / root[i * MOST + i]


cdef inline bint correct_one(
    Py_ssize_t n, double* x, double* p, double* c, Py_ssize_t m, const double* h, Py_ssize_t d, Py_ssize_t own,
    double shared, double weight, const double* innovation, const double* s
) noexcept nogil:
    cdef double root[9]
    cdef double w[STATES * MOST]  # (P H' + s C_j) L^-T
    cdef double y[3]
    cdef double seen[3]
    cdef double total
    cdef Py_ssize_t i, j, k
    if not factor(s, d, root):
        return False
    for i in range(n):
        for j in range(d):
            total = 0.0
            for k in range(n):
                total += p[n * i + k] * h[n * j + k]
            w[3 * i + j] = total + (weight * c[m * i + own + j] if own >= 0 else 0.0)
        solve_row(root, d, w + 3 * i)
    for j in range(d):
        y[j] = innovation[j]
    solve_row(root, d, y)
    for k in range(m):
        for j in range(d):
            total = shared if own >= 0 and k == own + j else 0.0
            for i in range(n):
                total += h[n * j + i] * c[m * i + k]
            seen[j] = total
        solve_row(root, d, seen)
        for i in range(n):
            for j in range(d):
                c[m * i + k] -= w[3 * i + j] * seen[j]
    for i in range(n):
        for j in range(d):
            x[i] += w[3 * i + j] * y[j]
        for j in range(i + 1):
            total = 0.5 * (p[n * i + j] + p[n * j + i])
            for k in range(d):
                total = total - w[3 * i + k] * w[3 * j + k]
            p[n * i + j] = total
            p[n * j + i] = total
    return True


def correct(rows, jacobian, own, shared, given, innovation, spread, state, covariance, cross):
    """Update tracks, each with its own plot.

    Parameters
    ----------
    rows : ndarray of int64, shape (q,)
        Which tracks, each at most once.
    jacobian : ndarray of float64, shape (q, d, e) or (1, d, e)
        Derivative of the measurement by the state, d = 1 to 3; one for all if there is one.
    own : int
        First of the d columns of ``cross`` that belong to the sensor's error, -1 for none.
    shared : ndarray of float64, shape (q,)
        One sigma of the sensor's error, in units of the measurement.
    given : bool
        Whether covariances are those at given errors, and ``cross`` the derivative of the state by the errors.
    innovation : ndarray of float64, shape (q, d)
        Measured less predicted.
    spread : ndarray of float64, shape (q, d, d)
        Covariance of the innovation.
    state, covariance, cross : ndarray of float64, shapes (n, e), (n, e, e), (n, e, m)
        Tracks, e = 6 to 8; changed in place.

    Returns
    -------
    int
        Tracks left as they were, because their spread is not positive definite.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const long long[::1] r = require_array("rows", rows, "int64", 1)
    cdef double[:, ::1] x = require_array("state", state, "float64", 2, out=True)
    cdef Py_ssize_t q = r.shape[0], n = x.shape[0], e = x.shape[1], d, m, k, column, one
    cdef Py_ssize_t refused = 0
    require_integer("state.shape[1]", e, 6, STATES)
    require_array("cross", cross, "float64", 3, out=True)
    m = cross.shape[2]
    require_array("cross", cross, "float64", (n, e, m), out=True, apart_from=(state, covariance))
    require_array("covariance", covariance, "float64", (n, e, e), out=True, apart_from=(state,))
    cdef const double[:, :, ::1] h = require_array("jacobian", jacobian, "float64", 3)
    d = h.shape[1]
    require_integer("jacobian.shape[1]", d, 1, MOST)
    require_array("jacobian", jacobian, "float64", (1 if h.shape[0] == 1 else q, d, e))
    column = require_integer("own", own, -1, max(m - d, -1))
    cdef const double[::1] a = require_array("shared", shared, "float64", (q,))
    cdef double considered = 0.0 if given else 1.0
    require_array("spread", spread, "float64", (q, d, d))
    if q == 0:
        return 0
    cdef const double[:, ::1] y = require_array("innovation", innovation, "float64", (q, d))
    for k in range(q):
        if not 0 <= r[k] < n:
            raise ValueError(f"rows: wanted rows from 0 to {n - 1}, got {rows.min()} to {rows.max()}")
    cdef const double[:, :, ::1] s = spread
    cdef double[:, :, ::1] p = covariance
    cdef double[:, :, ::1] c = cross
    cdef double none = 0.0, weight
    cdef double* shared_covariance = &none
    cdef bint good
    one = 0 if h.shape[0] == 1 else 1
    with nogil:
        for k in range(q):
            if m:
                shared_covariance = &c[r[k], 0, 0]
            weight = considered * a[k]
            if e == 6:  # told to the compiler, which then unrolls
                good = correct_one(
                    6, &x[r[k], 0], &p[r[k], 0, 0], shared_covariance, m, &h[k * one, 0, 0], d, column, a[k], weight,
                    &y[k, 0], &s[k, 0, 0]
                )
            else:
                good = correct_one(
                    e, &x[r[k], 0], &p[r[k], 0, 0], shared_covariance, m, &h[k * one, 0, 0], d, column, a[k], weight,
                    &y[k, 0], &s[k, 0, 0]
                )
            if not good:
                refused += 1
    return refused
