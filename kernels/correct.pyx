"""Correct: tracks updated with their own plots, by the Kalman gain, with errors that several plots share considered.

With ``z = h(x) + s b + n`` and the covariance ``C`` of the state with the shared errors (Schmidt 1966), ``C_j`` its
columns for the error ``b`` of this sensor::

    K = (P H' + s C_j) S^-1     x <- x + K y     P <- P - K S K'     C <- C - K (H C + [own columns] s I)

``S`` is factored (Cholesky); a track whose ``S`` is not positive definite is left as it was and counted.
"""

from libc.math cimport sqrt

from lookdown.kernels.checks import require_array, require_integer

cdef enum:
    MOST = 3  # numbers of a measurement


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


cdef bint correct_one(
    double* x, double* p, double* c, Py_ssize_t m, const double* h, Py_ssize_t d, Py_ssize_t own, double shared,
    const double* innovation, const double* s
) noexcept nogil:
    cdef double root[9]
    cdef double w[18]  # (P H' + s C_j) L^-T
    cdef double y[3]
    cdef double seen[3]
    cdef double total
    cdef Py_ssize_t i, j, k
    if not factor(s, d, root):
        return False
    for i in range(6):
        for j in range(d):
            total = 0.0
            for k in range(6):
                total += p[6 * i + k] * h[6 * j + k]
            w[3 * i + j] = total + (shared * c[m * i + own + j] if own >= 0 else 0.0)
        solve_row(root, d, w + 3 * i)
    for j in range(d):
        y[j] = innovation[j]
    solve_row(root, d, y)
    for k in range(m):
        for j in range(d):
            total = shared if own >= 0 and k == own + j else 0.0
            for i in range(6):
                total += h[6 * j + i] * c[m * i + k]
            seen[j] = total
        solve_row(root, d, seen)
        for i in range(6):
            for j in range(d):
                c[m * i + k] -= w[3 * i + j] * seen[j]
    for i in range(6):
        for j in range(d):
            x[i] += w[3 * i + j] * y[j]
        for j in range(i + 1):
            total = 0.5 * (p[6 * i + j] + p[6 * j + i])
            for k in range(d):
                total = total - w[3 * i + k] * w[3 * j + k]
            p[6 * i + j] = total
            p[6 * j + i] = total
    return True


def correct(rows, jacobian, own, shared, innovation, spread, state, covariance, cross):
    """Update tracks, each with its own plot.

    Parameters
    ----------
    rows : ndarray of int64, shape (q,)
        Which tracks, each at most once.
    jacobian : ndarray of float64, shape (q, d, 6) or (1, d, 6)
        Derivative of the measurement by the state, d = 1 to 3; one for all if there is one.
    own : int
        First of the d columns of ``cross`` that belong to the sensor's error, -1 for none.
    shared : ndarray of float64, shape (q,)
        One sigma of the sensor's error, in units of the measurement.
    innovation : ndarray of float64, shape (q, d)
        Measured less predicted.
    spread : ndarray of float64, shape (q, d, d)
        Covariance of the innovation.
    state, covariance, cross : ndarray of float64, shapes (n, 6), (n, 6, 6), (n, 6, m)
        Tracks; changed in place.

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
    cdef Py_ssize_t q = r.shape[0], n = len(state), d, m, k, column, one
    cdef Py_ssize_t refused = 0
    require_array("cross", cross, "float64", 3, out=True)
    m = cross.shape[2]
    require_array("cross", cross, "float64", (n, 6, m), out=True, apart_from=(state, covariance))
    require_array("covariance", covariance, "float64", (n, 6, 6), out=True, apart_from=(state,))
    cdef const double[:, :, ::1] h = require_array("jacobian", jacobian, "float64", 3)
    d = h.shape[1]
    require_integer("jacobian.shape[1]", d, 1, MOST)
    require_array("jacobian", jacobian, "float64", (1 if h.shape[0] == 1 else q, d, 6))
    column = require_integer("own", own, -1, max(m - d, -1))
    cdef const double[::1] a = require_array("shared", shared, "float64", (q,))
    require_array("spread", spread, "float64", (q, d, d))
    if q == 0:
        return 0
    cdef const double[:, ::1] y = require_array("innovation", innovation, "float64", (q, d))
    cdef double[:, ::1] x = require_array("state", state, "float64", (n, 6), out=True)
    if rows.min() < 0 or rows.max() >= n:
        raise ValueError(f"rows: wanted rows from 0 to {n - 1}, got {rows.min()} to {rows.max()}")
    cdef const double[:, :, ::1] s = spread
    cdef double[:, :, ::1] p = covariance
    cdef double[:, :, ::1] c = cross
    cdef double none = 0.0
    cdef double* shared_covariance = &none
    one = 0 if h.shape[0] == 1 else 1
    with nogil:
        for k in range(q):
            if m:
                shared_covariance = &c[r[k], 0, 0]
            if not correct_one(
                &x[r[k], 0], &p[r[k], 0, 0], shared_covariance, m, &h[k * one, 0, 0], d, column, a[k], &y[k, 0],
                &s[k, 0, 0]
            ):
                refused += 1
    return refused
