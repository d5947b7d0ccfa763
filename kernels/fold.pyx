"""Fold: what tracks share moved into or out of their covariances, one track after the other.

    D = C M        P <- P + sign D C'

With ``M`` the inverse of the covariance of the shared errors and ``sign = -1``, ``C`` the covariance of a state with
them: ``D`` is the derivative of the state by the errors and ``P`` what is left at given errors. With ``M`` that
covariance, ``sign = 1`` and ``C`` the derivative, it is the way back (Friedland 1969, IEEE Trans. AC-14, 359-367).
"""

from lookdown.kernels.checks import require_array, require_integer, require_number


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
    cdef Py_ssize_t n = c.shape[0], e = c.shape[1], m = c.shape[2], k, i, j, a, b
    cdef double weight = require_number("sign", sign, -1.0, 1.0), total
    require_integer("left.shape[1]", e, 1, 12)
    cdef const double[:, ::1] w = require_array("matrix", matrix, "float64", (m, m))
    require_array("product", product, "float64", (n, e, m), out=True, apart_from=(left, covariance))
    require_array("covariance", covariance, "float64", (n, e, e), out=True, apart_from=(left,))
    if n == 0:
        return
    cdef double[:, :, ::1] p = covariance
    cdef double[:, :, ::1] d = product
    with nogil:
        for k in range(n):
            for i in range(e):
                for a in range(m):
                    total = 0.0
                    for b in range(m):
                        total += c[k, i, b] * w[b, a]
                    d[k, i, a] = total
            for i in range(e):
                for j in range(i + 1):
                    total = 0.0
                    for a in range(m):
                        total += d[k, i, a] * c[k, j, a]
                    total = 0.5 * (p[k, i, j] + p[k, j, i]) + weight * total
                    p[k, i, j] = total
                    p[k, j, i] = total
