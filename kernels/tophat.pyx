"""Top-hats of 5 x 5 pixels: what is smaller than the square and brighter, or darker, than all about it.

The white top-hat is the frame less its opening (least of the square, then most of that), the black one the closing
(most, then least) less the frame (Meyer 1979, "Iterative image transformations for an automatic screening of cervical
smears", J. Histochem. Cytochem. 27; Serra 1982). Least and most of a square come from its columns, then its rows. What
lies outside the frame does not count. A single image suffices: nothing is remembered and nothing has to be registered.
"""

from lookdown.kernels.rows cimport Row, RowIn, RowOut, row_stride
from lookdown.kernels.wide cimport cloned_wide

from lookdown.kernels.checks import require_array, require_scratch

cdef enum:
    HALF = 2  # of the square
    SIDE = 5


cdef cloned_wide least_down(
    RowIn a, RowIn b, RowIn c, RowIn d, RowIn e, RowIn f, RowOut upper, RowOut lower, Py_ssize_t n
) noexcept nogil:
    """Least of five rows and of the five one further down, which share four."""
    cdef Py_ssize_t i
    cdef float x, y
    for i in range(n):
        x = b[i] if b[i] < c[i] else c[i]
        y = d[i] if d[i] < e[i] else e[i]
        x = x if x < y else y
        upper[i] = x if x < a[i] else a[i]
        lower[i] = x if x < f[i] else f[i]


cdef cloned_wide most_down(
    RowIn a, RowIn b, RowIn c, RowIn d, RowIn e, RowIn f, RowOut upper, RowOut lower, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    cdef float x, y
    for i in range(n):
        x = b[i] if b[i] > c[i] else c[i]
        y = d[i] if d[i] > e[i] else e[i]
        x = x if x > y else y
        upper[i] = x if x > a[i] else a[i]
        lower[i] = x if x > f[i] else f[i]


# Along a row; x has two more pixels behind, so that out[i] is of the five from x[i] on.

cdef cloned_wide least_along(RowIn x, RowOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef float y, z
    for i in range(n):
        y = x[i] if x[i] < x[i + 1] else x[i + 1]
        z = x[i + 2] if x[i + 2] < x[i + 3] else x[i + 3]
        y = y if y < z else z
        y = y if y < x[i + 4] else x[i + 4]
        out[i] = y


cdef cloned_wide most_along(RowIn x, RowOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef float y, z
    for i in range(n):
        y = x[i] if x[i] > x[i + 1] else x[i + 1]
        z = x[i + 2] if x[i + 2] > x[i + 3] else x[i + 3]
        y = y if y > z else z
        y = y if y > x[i + 4] else x[i + 4]
        out[i] = y


cdef cloned_wide height_along(RowIn x, RowIn frame, RowOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef float y, z
    for i in range(n):
        y = x[i] if x[i] > x[i + 1] else x[i + 1]
        z = x[i + 2] if x[i + 2] > x[i + 3] else x[i + 3]
        y = y if y > z else z
        y = y if y > x[i + 4] else x[i + 4]
        out[i] = frame[i] - y


cdef cloned_wide depth_along(RowIn x, RowIn frame, RowOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef float y, z
    for i in range(n):
        y = x[i] if x[i] < x[i + 1] else x[i + 1]
        z = x[i + 2] if x[i + 2] < x[i + 3] else x[i + 3]
        y = y if y < z else z
        y = y if y < x[i + 4] else x[i + 4]
        out[i] = y - frame[i]


cdef inline Py_ssize_t within(Py_ssize_t row, Py_ssize_t rows) noexcept nogil:
    # The nearest row that exists is one of the square's: to see it twice changes neither least nor most.
    return min(max(row, 0), rows - 1)


cdef void extremes_down(
    bint least, const float* x, Py_ssize_t width, Py_ssize_t turn, Py_ssize_t r, Py_ssize_t rows, float* upper,
    float* lower, Py_ssize_t n
) noexcept nogil:
    """Least or most down the columns about rows ``r`` and ``r + 1`` of ``x``, which comes round after ``turn`` rows.

    ``upper`` and ``lower`` repeat their ends twice on either side.
    """
    cdef Py_ssize_t k
    cdef Row[SIDE + 1] at
    for k in range(SIDE + 1):
        at[k] = x + within(r + k - HALF, rows) % turn * width
    if least:
        least_down(at[0], at[1], at[2], at[3], at[4], at[5], upper + HALF, lower + HALF, n)
    else:
        most_down(at[0], at[1], at[2], at[3], at[4], at[5], upper + HALF, lower + HALF, n)
    for k in range(HALF):
        upper[k], upper[n + HALF + k] = upper[HALF], upper[n + HALF - 1]
        lower[k], lower[n + HALF + k] = lower[HALF], lower[n + HALF - 1]


cdef void top_hat(
    const float* x, Py_ssize_t rows, Py_ssize_t cols, bint white, float* scratch, float* y
) noexcept nogil:
    """Two rows at a time, and of the least (most, if not ``white``) of squares those six rows that are needed."""
    cdef Py_ssize_t r, k, done = 0, width = row_stride(cols + 2 * HALF)
    cdef float* padded = scratch + (SIDE + 1) * width
    for r in range(0, rows, 2):
        while done <= within(r + HALF + 1, rows):
            extremes_down(white, x, cols, rows, done, rows, padded, padded + width, cols)
            for k in range(min(rows - done, 2)):
                if white:
                    least_along(padded + k * width, scratch + (done + k) % (SIDE + 1) * width, cols)
                else:
                    most_along(padded + k * width, scratch + (done + k) % (SIDE + 1) * width, cols)
            done += 2
        extremes_down(not white, scratch, width, SIDE + 1, r, rows, padded, padded + width, cols)
        for k in range(min(rows - r, 2)):
            if white:
                height_along(padded + k * width, x + (r + k) * cols, y + (r + k) * cols, cols)
            else:
                depth_along(padded + k * width, x + (r + k) * cols, y + (r + k) * cols, cols)


def top_hat_scratch_size(cols):
    """Floats of scratch that `white_top_hat` and `black_top_hat` need for ``cols`` columns."""
    return (SIDE + 3) * row_stride(cols + 2 * HALF)


cdef filtered(frame, bint white, scratch, out):
    cdef const float[:, ::1] x = require_array("frame", frame, "float32", 2)
    cdef float[:, ::1] y = require_array("out", out, "float32", frame.shape, out=True, apart_from=(frame,))
    cdef float[::1] s = require_scratch(scratch, top_hat_scratch_size(x.shape[1]), (frame, out))
    with nogil:
        top_hat(&x[0, 0], x.shape[0], x.shape[1], white, &s[0], &y[0, 0])


def white_top_hat(frame, scratch, out):
    """Keep what is brighter than all about it and fits into 5 x 5 pixels: ``frame - opening``.

    Parameters
    ----------
    frame : ndarray of float32, shape (rows, cols)
        Calibrated frame, without NaN.
    scratch : ndarray of float32
        At least `top_hat_scratch_size` elements; its content does not matter.
    out : ndarray of float32, shape (rows, cols)
        Height over the opening, 0 or more [frame unit].

    Raises
    ------
    ValueError
        If an array has another type, shape or layout.
    """
    filtered(frame, True, scratch, out)


def black_top_hat(frame, scratch, out):
    """Keep what is darker than all about it and fits into 5 x 5 pixels: ``closing - frame``.

    Parameters
    ----------
    frame : ndarray of float32, shape (rows, cols)
        Calibrated frame, without NaN.
    scratch : ndarray of float32
        At least `top_hat_scratch_size` elements; its content does not matter.
    out : ndarray of float32, shape (rows, cols)
        Depth under the closing, 0 or more [frame unit].

    Raises
    ------
    ValueError
        If an array has another type, shape or layout.
    """
    filtered(frame, False, scratch, out)
