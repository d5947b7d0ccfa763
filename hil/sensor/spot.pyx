"""Point targets on a focal plane: spots integrated over each pixel, so that flux is kept wherever they fall.

A Gaussian spot is the product of differences of error functions. Any other spot is a table of its integral over all
that lies below and left of a place: a pixel's share is the difference of its four corners, read linearly between the
table's nodes; what one pixel loses to the linear reading its neighbour gains.
"""

from libc.math cimport M_SQRT1_2, erf, isfinite, lrint

from lookdown.kernels.checks import require_array, require_number

cdef enum:
    MOST_REACH = 32


cdef void gaussian_shares(double centre, long first, long n, double sigma, double* shares) noexcept nogil:
    """Shares of n pixels from a first one."""
    cdef double scale = M_SQRT1_2 / sigma
    cdef double below, above = erf((first - 0.5 - centre) * scale)
    cdef long i
    for i in range(n):
        below = above
        above = erf((first + i + 0.5 - centre) * scale)
        shares[i] = 0.5 * (above - below)


cdef inline double integral(const double[:, ::1] table, double row, double col, double per_px) noexcept nogil:
    """Read the table at an offset from the spot's centre; its middle is offset 0, beyond its ends it stays."""
    cdef long last = table.shape[0] - 1
    cdef double r = row * per_px + 0.5 * last, c = col * per_px + 0.5 * last
    r = min(max(r, 0.0), <double>last)
    c = min(max(c, 0.0), <double>last)
    cdef long i = min(<long>r, last - 1), j = min(<long>c, last - 1)
    r -= i
    c -= j
    return (
        (table[i, j] * (1.0 - c) + table[i, j + 1] * c) * (1.0 - r)
        + (table[i + 1, j] * (1.0 - c) + table[i + 1, j + 1] * c) * r
    )


cdef bint inside(double centre, long reach, long size, long* first, long* last) noexcept nogil:
    """Range of pixels that a spot reaches; false if there are none."""
    if not isfinite(centre) or not -1e6 < centre < 1e6:
        return False
    first[0] = max(lrint(centre) - reach, 0)
    last[0] = min(lrint(centre) + reach, size - 1)
    return first[0] <= last[0]


def add_gaussian(image, rows, cols, electrons, sigma_px):
    """Add Gaussian spots to an image in place; what falls outside is lost, a spot without a place adds nothing.

    Parameters
    ----------
    image : ndarray of float32, shape (rows, cols)
        Electrons, changed in place [e-].
    rows, cols, electrons : ndarray of float64, shape (n,)
        Centres [px] and signals of whole spots; below 0 if darker than the background [e-].
    sigma_px : float
        One sigma of the spots [px].

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or ``sigma_px`` is not 0.05 to 5.
    """
    cdef float[:, ::1] x = require_array("image", image, "float32", 2, out=True)
    cdef const double[::1] row = require_array("rows", rows, "float64", 1)
    cdef const double[::1] col = require_array("cols", cols, "float64", rows.shape)
    cdef const double[::1] signal = require_array("electrons", electrons, "float64", rows.shape)
    cdef double sigma = require_number("sigma_px", sigma_px, 0.05, 5.0)
    cdef long reach = <long>(6.0 * sigma) + 2, first_row, last_row, first_col, last_col, i, j
    cdef Py_ssize_t k
    cdef double down[2 * MOST_REACH + 1]
    cdef double across[2 * MOST_REACH + 1]
    with nogil:
        for k in range(row.shape[0]):
            if not inside(row[k], reach, x.shape[0], &first_row, &last_row):
                continue
            if not inside(col[k], reach, x.shape[1], &first_col, &last_col):
                continue
            gaussian_shares(row[k], first_row, last_row - first_row + 1, sigma, down)
            gaussian_shares(col[k], first_col, last_col - first_col + 1, sigma, across)
            for i in range(last_row - first_row + 1):
                for j in range(last_col - first_col + 1):
                    x[first_row + i, first_col + j] += <float>(signal[k] * down[i] * across[j])


def add_tabled(image, rows, cols, electrons, table, per_px):
    """Add spots of any shape to an image in place; as `add_gaussian`, but for the shape.

    Parameters
    ----------
    image, rows, cols, electrons
        As for `add_gaussian`.
    table : ndarray of float64, shape (n, n)
        Integral of the spot over all rows and columns below; centred, its last value is 1 [1].
    per_px : float
        Steps of the table a pixel [1/px].

    Raises
    ------
    ValueError
        If an array has another type, shape or layout.
    """
    cdef float[:, ::1] x = require_array("image", image, "float32", 2, out=True)
    cdef const double[::1] row = require_array("rows", rows, "float64", 1)
    cdef const double[::1] col = require_array("cols", cols, "float64", rows.shape)
    cdef const double[::1] signal = require_array("electrons", electrons, "float64", rows.shape)
    cdef const double[:, ::1] below = require_array("table", table, "float64", (table.shape[0], table.shape[0]))
    cdef double steps = require_number("per_px", per_px, 1.0, 256.0)
    cdef long reach = <long>(0.5 * (below.shape[0] - 1) / steps + 0.5)
    cdef long first_row, last_row, first_col, last_col, i, j
    cdef double[2 * MOST_REACH + 2] before  # along the edge above a row of pixels, at each edge between columns
    cdef double corner, left
    cdef Py_ssize_t k
    if reach > MOST_REACH:
        raise ValueError(f"table: wanted a spot of at most {2 * MOST_REACH} pixels, got {2 * reach}; cut its wings off")
    with nogil:
        for k in range(row.shape[0]):
            if not inside(row[k], reach, x.shape[0], &first_row, &last_row):
                continue
            if not inside(col[k], reach, x.shape[1], &first_col, &last_col):
                continue
            for j in range(last_col - first_col + 2):
                before[j] = integral(below, first_row - 0.5 - row[k], first_col + j - 0.5 - col[k], steps)
            for i in range(first_row, last_row + 1):
                left = 0.0
                for j in range(last_col - first_col + 2):
                    corner = integral(below, i + 0.5 - row[k], first_col + j - 0.5 - col[k], steps)
                    if j > 0:
                        x[i, first_col + j - 1] += <float>(signal[k] * ((corner - before[j]) - left))
                    left = corner - before[j]
                    before[j] = corner
