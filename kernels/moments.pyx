"""Moments: a mixture of states made one, with the mean and the covariance of the mixture.

    x = sum of w_j x_j        P = sum of w_j (P_j + (x_j - x) (x_j - x)')

(Bar-Shalom, Li, Kirubarajan 2001, eq. 1.4.16-7.) Joint association makes one state of a track's updates with each plot
of its gate; interacting models mix their states by it.
"""

from lookdown.kernels.checks import require_array

cdef enum:
    MOST = 12


def match_moments(start, which, weight, states, covariances, state, covariance):
    """Make each mixture one state.

    Parameters
    ----------
    start : ndarray of int64, shape (n + 1,)
        Where each mixture's components begin and end in ``which`` and ``weight``.
    which : ndarray of int64, shape (c,)
        Component of each place.
    weight : ndarray of float64, shape (c,)
        Its weight; those of a mixture sum to 1.
    states, covariances : ndarray of float64, shapes (m, d) and (m, d, d)
        Components, d up to 12.
    state, covariance : ndarray of float64, shapes (n, d) and (n, d, d)
        Mixtures; one without components is left as it is.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or an index is out of its range.
    """
    cdef const long long[::1] begin = require_array("start", start, "int64", 1)
    cdef const long long[::1] index = require_array("which", which, "int64", 1)
    cdef Py_ssize_t n = begin.shape[0] - 1, c = index.shape[0], m = len(states), d, k, a, i, j, one
    require_array("weight", weight, "float64", (c,))
    require_array("covariances", covariances, "float64", 3)
    d = covariances.shape[1]
    if not 1 <= d <= MOST:
        raise ValueError(f"covariances: wanted 1 to {MOST} numbers a state, got {d}; leave some out")
    require_array("covariances", covariances, "float64", (m, d, d))
    require_array("covariance", covariance, "float64", (n, d, d), out=True, apart_from=(covariances,))
    if n < 0 or begin[0] != 0 or c != begin[n] or (n > 0 and (start[1:] < start[:n]).any()):
        raise ValueError(f"start: wanted places that ascend from 0 to {c}; give each mixture its own stretch")
    if c == 0:
        return
    if which.min() < 0 or which.max() >= m:
        raise ValueError(f"which: wanted components from 0 to {m - 1}, got {which.min()} to {which.max()}")
    cdef const double[::1] w = weight
    cdef const double[:, ::1] x = require_array("states", states, "float64", (m, d))
    cdef const double[:, :, ::1] p = covariances
    cdef double[:, ::1] y = require_array("state", state, "float64", (n, d), out=True, apart_from=(states,))
    cdef double[:, :, ::1] s = covariance
    cdef double away[12]
    with nogil:
        for k in range(n):
            if begin[k] == begin[k + 1]:
                continue
            for i in range(d):
                y[k, i] = 0.0
                for j in range(d):
                    s[k, i, j] = 0.0
            for a in range(begin[k], begin[k + 1]):
                one = index[a]
                for i in range(d):
                    y[k, i] += w[a] * x[one, i]
            for a in range(begin[k], begin[k + 1]):
                one = index[a]
                for i in range(d):
                    away[i] = x[one, i] - y[k, i]
                for i in range(d):
                    for j in range(d):
                        s[k, i, j] += w[a] * (p[one, i, j] + away[i] * away[j])
