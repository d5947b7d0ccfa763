"""Fields of displacements, one a tile: put together from what is known, measured, and learnt from residuals."""

from libc.math cimport INFINITY, fabs, isfinite, sqrt

from lookdown.kernels.checks import require_array, require_number


def sum_field(base, local, row_step, col_step, out):
    """Add what each tile has learnt to a predicted field, on a grid that has followed the ground; return its range.

    Parameters
    ----------
    base : ndarray of float64, shape (n, m, 2)
        Predicted displacement (row, col), NaN where nothing is known [px].
    local : ndarray of float64, shape (n, m, 2)
        What each tile adds [px].
    row_step, col_step : float
        How far the grid has followed, within 1e9 [px].
    out : ndarray of float64, shape (n, m, 2)
        ``(base - step) + local`` [px].

    Returns
    -------
    low_row, high_row, low_col, high_col : float
        Range of the field along rows and columns; infinite if a displacement is not finite [px].

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const double[:, :, ::1] x = require_field64("base", base)
    cdef const double[:, :, ::1] more = require_array("local", local, "float64", base.shape)
    cdef double[2] followed
    followed[0] = require_number("row_step", row_step, -1e9, 1e9)
    followed[1] = require_number("col_step", col_step, -1e9, 1e9)
    cdef double[:, :, ::1] y = require_array("out", out, "float64", base.shape, out=True)
    cdef double[2] low
    cdef double[2] high
    cdef Py_ssize_t i, j, k
    cdef double value
    with nogil:
        for k in range(2):
            low[k] = INFINITY
            high[k] = -INFINITY
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                for k in range(2):
                    value = (x[i, j, k] - followed[k]) + more[i, j, k]
                    y[i, j, k] = value
                    low[k] = min(low[k], value) if isfinite(value) else -INFINITY
                    high[k] = max(high[k], value) if isfinite(value) else INFINITY
    return low[0], high[0], low[1], high[1]


def place_field(base, row, col, out):
    """Add one displacement to a field, as kernels take it, and tell how unlike its tiles are.

    Parameters
    ----------
    base : ndarray of float64, shape (n, m, 2)
        Displacement (row, col) of each tile, finite [px].
    row, col : float
        What is added, within 1e9 [px].
    out : ndarray of float32, shape (n, m, 2)
        The sum [px].

    Returns
    -------
    step : float
        Largest difference between neighbouring tiles along an axis, of either component [px].
    low_row, high_row : float
        Range of the displacements along rows [px].

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const double[:, :, ::1] x = require_field64("base", base)
    if base.size == 0:
        raise ValueError(f"base: wanted at least one tile, got shape {base.shape}; a frame is one")
    cdef double[2] more
    more[0] = require_number("row", row, -1e9, 1e9)
    more[1] = require_number("col", col, -1e9, 1e9)
    cdef float[:, :, ::1] y = require_array("out", out, "float32", base.shape, out=True, apart_from=(base,))
    cdef float step = 0, low = INFINITY, high = -INFINITY
    cdef Py_ssize_t i, j, k
    with nogil:
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                for k in range(2):
                    y[i, j, k] = <float>(x[i, j, k] + more[k])
                    if i > 0:
                        step = max(step, <float>fabs(y[i, j, k] - y[i - 1, j, k]))
                    if j > 0:
                        step = max(step, <float>fabs(y[i, j, k] - y[i, j - 1, k]))
                low = min(low, y[i, j, 0])
                high = max(high, y[i, j, 0])
    return step, low, high


def learn_field(normals, prior_px, local):
    """Take one least-squares step with the normal equations of each tile, held by a prior.

    Parameters
    ----------
    normals : ndarray of float64, shape (n, m, 5)
        Sums of each tile, as `lookdown.kernels.local_shift.tile_normals` gives them [1/px^2, 1/px].
    prior_px : float
        One sigma of what a tile may move in a frame, above 0 [px].
    local : ndarray of float64, shape (n, m, 2)
        Displacement (row, col) of each tile; the steps are added [px].

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or the number is out of its range.
    """
    require_array("normals", normals, "float64", 3)
    if normals.shape[2] != 5:
        raise ValueError(f"normals: wanted shape (n, m, 5), got {normals.shape}; give what tile_normals wrote")
    cdef const double[:, :, ::1] sums = normals
    cdef double prior = require_number("prior_px", prior_px, 1e-6, 1e6) ** -2, rr, rc, cc, determinant
    cdef double[:, :, ::1] y = require_array("local", local, "float64", (*normals.shape[:2], 2), out=True)
    cdef Py_ssize_t i, j
    with nogil:
        for i in range(sums.shape[0]):
            for j in range(sums.shape[1]):
                rr = sums[i, j, 0] + prior
                rc = sums[i, j, 1]
                cc = sums[i, j, 2] + prior
                determinant = rr * cc - rc * rc
                y[i, j, 0] += (cc * sums[i, j, 3] - rc * sums[i, j, 4]) / determinant
                y[i, j, 1] += (rr * sums[i, j, 4] - rc * sums[i, j, 3]) / determinant


cdef void solve_symmetric(double[6][6] a, double[6] b) noexcept nogil:
    """Solve ``a x = b`` in place by Cholesky's decomposition; ``a`` is positive definite, its lower half counts."""
    cdef int i, j, k
    for i in range(6):
        for j in range(i + 1):
            for k in range(j):
                a[i][j] -= a[i][k] * a[j][k]
            a[i][j] = sqrt(a[i][i]) if i == j else a[i][j] / a[j][j]
    for i in range(6):
        for k in range(i):
            b[i] -= a[i][k] * b[k]
        b[i] /= a[i][i]
    for i in range(5, -1, -1):
        for k in range(i + 1, 6):
            b[i] -= a[k][i] * b[k]
        b[i] /= a[i][i]


def learn_affine(normals, prior_px, local):
    """Take one least-squares step with the normal equations of all tiles together: an affine displacement of the frame.

    With u = (1, row, col), rows and columns from -0.5 to 0.5 over the tiles, tile by tile ``d = (p . u, q . u)``; p and
    q minimise the squares of all tiles, held by a prior.

    Parameters
    ----------
    normals : ndarray of float64, shape (n, m, 5)
        Sums of each tile, as `lookdown.kernels.local_shift.tile_normals` gives them, changed in place to those about
        the displacement that was found [1/px^2, 1/px].
    prior_px : float
        One sigma of each element of p and q, above 0 [px].
    local : ndarray of float64, shape (n, m, 2)
        Displacement (row, col) of each tile; the affine one is added [px].

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or the number is out of its range.
    """
    require_array("normals", normals, "float64", 3, out=True)
    if normals.shape[2] != 5:
        raise ValueError(f"normals: wanted shape (n, m, 5), got {normals.shape}; give what tile_normals wrote")
    cdef double[:, :, ::1] sums = normals
    cdef double prior = require_number("prior_px", prior_px, 1e-6, 1e6) ** -2
    cdef double[:, :, ::1] y = require_array("local", local, "float64", (*normals.shape[:2], 2), out=True)
    cdef Py_ssize_t i, j, n = sums.shape[0], m = sums.shape[1]
    cdef double[6][6] a
    cdef double[6] b
    cdef double[3] u
    cdef double down, along
    cdef int k, h
    with nogil:
        for k in range(6):
            b[k] = 0
            for h in range(6):
                a[k][h] = prior if k == h else 0
        u[0] = 1
        for i in range(n):
            u[1] = (i + 0.5) / n - 0.5
            for j in range(m):
                u[2] = (j + 0.5) / m - 0.5
                for k in range(3):
                    b[k] += u[k] * sums[i, j, 3]
                    b[3 + k] += u[k] * sums[i, j, 4]
                    for h in range(3):
                        a[k][h] += u[k] * u[h] * sums[i, j, 0]
                        a[3 + k][h] += u[k] * u[h] * sums[i, j, 1]
                        a[3 + k][3 + h] += u[k] * u[h] * sums[i, j, 2]
        solve_symmetric(a, b)
        for i in range(n):
            u[1] = (i + 0.5) / n - 0.5
            for j in range(m):
                u[2] = (j + 0.5) / m - 0.5
                down = b[0] + b[1] * u[1] + b[2] * u[2]
                along = b[3] + b[4] * u[1] + b[5] * u[2]
                y[i, j, 0] += down
                y[i, j, 1] += along
                sums[i, j, 3] -= sums[i, j, 0] * down + sums[i, j, 1] * along
                sums[i, j, 4] -= sums[i, j, 1] * down + sums[i, j, 2] * along


def require_field64(name, field):
    """Return a field of displacements if it is float64 (n, m, 2)."""
    require_array(name, field, "float64", 3)
    if field.shape[2] != 2:
        raise ValueError(f"{name}: wanted shape (n, m, 2), got {field.shape}; give row and column of each tile")
    return field
