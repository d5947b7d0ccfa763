"""Fold: what tracks share moved into or out of their covariances, one track after the other.

    D = C M        P <- P + sign D C'

With ``M`` the inverse of the covariance of the shared errors and ``sign = -1``, ``C`` the covariance of a state with
them: ``D`` is the derivative of the state by the errors and ``P`` what is left at given errors. With ``M`` that
covariance, ``sign = 1`` and ``C`` the derivative, it is the way back (Friedland 1969, IEEE Trans. AC-14, 359-367).
"""

from lookdown.kernels.checks import require_array, require_integer, require_number


cdef inline void fold_one(
    Py_ssize_t e, Py_ssize_t m, const double* w, double weight, const double* c, double* p, double* d
) noexcept nogil:
    cdef Py_ssize_t i, j, a, b
    cdef double total
    # Rows of the matrix one after the other: the inner loop runs along memory, each sum in the same order.
    for i in range(e):
        for a in range(m):
            d[m * i + a] = 0.0
        for b in range(m):
            total = c[m * i + b]
            for a in range(m):
                d[m * i + a] += total * w[m * b + a]
    for i in range(e):
        for j in range(i + 1):
            total = 0.0
            for a in range(m):
                total += d[m * i + a] * c[m * j + a]
            total = 0.5 * (p[e * i + j] + p[e * j + i]) + weight * total
            p[e * i + j] = total
            p[e * j + i] = total


def fold(matrix, sign, left, covariance, product):
    """Fold shared errors into covariances, or out of them.

    Parameters
    ----------
    matrix : ndarray of float64, shape (m, m)
        ``M``, symmetric.
    sign : float
        1 or -1.
    left : ndarray of float64, shape (n, e, m)
        ``C``, e up to 12.
    covariance : ndarray of float64, shape (n, e, e)
        ``P``; changed in place, symmetric after it.
    product : ndarray of float64, shape (n, e, m)
        ``D``.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const double[:, :, ::1] c = require_array("left", left, "float64", 3)
    cdef Py_ssize_t n = c.shape[0], e = c.shape[1], m = c.shape[2], k
    cdef double weight = require_number("sign", sign, -1.0, 1.0)
    require_integer("left.shape[1]", e, 1, 12)
    cdef const double[:, ::1] w = require_array("matrix", matrix, "float64", (m, m))
    require_array("product", product, "float64", (n, e, m), out=True, apart_from=(left, covariance))
    require_array("covariance", covariance, "float64", (n, e, e), out=True, apart_from=(left,))
    if n == 0:
        return
    cdef double[:, :, ::1] p = covariance
    cdef double[:, :, ::1] d = product
    if m == 0:
        return
    with nogil:
        for k in range(n):
            if e == 6 and m == 6:  # one model and three sensors, told to the compiler, which then unrolls
                fold_one(6, 6, &w[0, 0], weight, &c[k, 0, 0], &p[k, 0, 0], &d[k, 0, 0])
            elif e == 6 and m == 4:
                fold_one(6, 4, &w[0, 0], weight, &c[k, 0, 0], &p[k, 0, 0], &d[k, 0, 0])
            else:
                fold_one(e, m, &w[0, 0], weight, &c[k, 0, 0], &p[k, 0, 0], &d[k, 0, 0])
