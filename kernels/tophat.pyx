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


cdef cloned_wide least_row(
    RowIn a, RowIn b, RowIn c, RowIn d, RowIn e, RowOut out, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    cdef float x, y
    for i in range(n):
        x = a[i] if a[i] < b[i] else b[i]
        y = c[i] if c[i] < d[i] else d[i]
        x = x if x < y else y
        out[i] = x if x < e[i] else e[i]


cdef cloned_wide most_row(
    RowIn a, RowIn b, RowIn c, RowIn d, RowIn e, RowOut out, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    cdef float x, y
    for i in range(n):
        x = a[i] if a[i] > b[i] else b[i]
        y = c[i] if c[i] > d[i] else d[i]
        x = x if x > y else y
        out[i] = x if x > e[i] else e[i]


cdef cloned_wide less_row(RowIn x, RowIn y, RowOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = x[i] - y[i]


cdef inline Py_ssize_t within(Py_ssize_t row, Py_ssize_t rows) noexcept nogil:
    # The nearest row that exists is one of the square's: to see it twice changes neither least nor most.
    return min(max(row, 0), rows - 1)


cdef void extreme_row(
    bint least, const float* a, const float* b, const float* c, const float* d, const float* e, float* padded,
    float* out, Py_ssize_t n
) noexcept nogil:
    """Least or most of the squares about a row of pixels, from the five rows that they reach over."""
    cdef Py_ssize_t k
    cdef float* middle = padded + HALF
    if least:
        least_row(a, b, c, d, e, middle, n)
    else:
        most_row(a, b, c, d, e, middle, n)
    for k in range(HALF):
        padded[k] = middle[0]
        middle[n + k] = middle[n - 1]
    if least:
        least_row(padded, padded + 1, padded + 2, padded + 3, padded + 4, out, n)
    else:
        most_row(padded, padded + 1, padded + 2, padded + 3, padded + 4, out, n)


cdef void top_hat(
    const float* x, Py_ssize_t rows, Py_ssize_t cols, bint white, float* scratch, float* y
) noexcept nogil:
    cdef Py_ssize_t r, k, done = 0, width = row_stride(cols + 2 * HALF)
    cdef float* padded = scratch + SIDE * width
    cdef float* opened = padded + width
    cdef Row[SIDE] at
    for r in range(rows):
        while done <= within(r + HALF, rows):
            for k in range(SIDE):
                at[k] = x + within(done + k - HALF, rows) * cols
            extreme_row(white, at[0], at[1], at[2], at[3], at[4], padded, scratch + (done % SIDE) * width, cols)
            done += 1
        for k in range(SIDE):
            at[k] = scratch + (within(r + k - HALF, rows) % SIDE) * width
        extreme_row(not white, at[0], at[1], at[2], at[3], at[4], padded, opened, cols)
        if white:
            less_row(x + r * cols, opened, y + r * cols, cols)
        else:
            less_row(opened, x + r * cols, y + r * cols, cols)


def top_hat_scratch_size(cols):
    """Floats of scratch that `white_top_hat` and `black_top_hat` need for ``cols`` columns."""
    return (SIDE + 2) * row_stride(cols + 2 * HALF)


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
