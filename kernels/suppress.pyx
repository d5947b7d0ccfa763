"""Spatial clutter suppression: separable matched filter and local normalisation.

The matched filter of a point target in white noise is its point-spread function, and that of an optical blur is close
to separable: one symmetric row of taps down the columns and one along the rows. Edges are replicated.

Local normalisation, ``(x - mean) / sigma`` over a box about each pixel, makes the noise of all regions alike (Reed and
Yu 1990, IEEE Trans. ASSP 38, with a local mean and a diagonal covariance).
"""

from libc.float cimport FLT_MAX
from libc.math cimport fabsf, sqrtf
from libc.string cimport memset

from lookdown.kernels.boxsum cimport (
    ColumnSums, cells_within, column_sums, column_sums_size, next_sums, row_sums, row_sums_size, typical_level
)
from lookdown.kernels.rows cimport Row, RowIn, RowOut, row_stride
from lookdown.kernels.tiles cimport own_row, row_of, whole_image
from lookdown.kernels.wide cimport cloned_wide

from lookdown.kernels.checks import require_array, require_number, require_odd, require_scratch


cdef cloned_wide scale_row(RowIn x, float tap, RowOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = tap * x[i]


cdef cloned_wide add_pair(RowIn a, RowIn b, float tap, RowOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] += tap * (a[i] + b[i])


cdef cloned_wide blend_three(RowIn m, RowIn a, RowIn b, float tm, float ta, RowOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = tm * m[i] + ta * (a[i] + b[i])


cdef cloned_wide blend_five(
    RowIn m, RowIn a, RowIn b, RowIn c, RowIn d, float tm, float ta, float tc, RowOut out, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = tm * m[i] + ta * (a[i] + b[i]) + tc * (c[i] + d[i])


cdef cloned_wide blend_seven(
    RowIn m, RowIn a, RowIn b, RowIn c, RowIn d, RowIn e, RowIn f, float tm, float ta, float tc, float te,
    RowOut out, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = tm * m[i] + ta * (a[i] + b[i]) + tc * (c[i] + d[i]) + te * (e[i] + f[i])


cdef cloned_wide blend_seven_twice(
    RowIn a, RowIn b, RowIn c, RowIn d, RowIn e, RowIn f, RowIn g, RowIn h, float tm, float ta, float tc, float te,
    RowOut out, RowOut out_below, Py_ssize_t n
) noexcept nogil:
    """`blend_seven` about ``d`` and about ``e``: eight rows are read where two calls read fourteen."""
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = tm * d[i] + ta * (c[i] + e[i]) + tc * (b[i] + f[i]) + te * (a[i] + g[i])
        out_below[i] = tm * e[i] + ta * (d[i] + f[i]) + tc * (c[i] + g[i]) + te * (b[i] + h[i])


cdef void blend_rows(
    Row* lower, Row* upper, const float* taps, Py_ssize_t half, float* out, Py_ssize_t n
) noexcept nogil:
    """``taps[0] lower[0] + sum_k taps[k] (lower[k] + upper[k])``: as many rows as possible in the first pass."""
    cdef Py_ssize_t k
    if half == 0:
        scale_row(lower[0], taps[0], out, n)
    elif half == 1:
        blend_three(lower[0], lower[1], upper[1], taps[0], taps[1], out, n)
    elif half == 2:
        blend_five(lower[0], lower[1], upper[1], lower[2], upper[2], taps[0], taps[1], taps[2], out, n)
    else:
        blend_seven(
            lower[0], lower[1], upper[1], lower[2], upper[2], lower[3], upper[3], taps[0], taps[1], taps[2], taps[3],
            out, n,
        )
    for k in range(4, half + 1):
        add_pair(lower[k], upper[k], taps[k], out, n)


cdef void filter_along(const Filtering* f, Py_ssize_t r, float* padded) noexcept nogil:
    """Finish row ``r``, which was filtered down and stands behind the padding."""
    cdef Row[32] lower
    cdef Row[32] upper
    cdef Py_ssize_t k, cols = f.x.cols
    cdef float* middle = padded + f.half_along
    for k in range(f.half_along):
        padded[k] = middle[0]
        middle[cols + k] = middle[cols - 1]
    for k in range(f.half_along + 1):
        lower[k] = middle - k
        upper[k] = middle + k
    blend_rows(lower, upper, f.along + f.half_along, f.half_along, own_row(&f.y, r), cols)


cdef void filter_row(const Filtering* f, Py_ssize_t r) noexcept nogil:
    """Filter one row."""
    cdef Row[32] lower
    cdef Row[32] upper
    cdef Py_ssize_t k
    for k in range(f.half_down + 1):
        lower[k] = row_of(&f.x, r - k)
        upper[k] = row_of(&f.x, r + k)
    blend_rows(lower, upper, f.down + f.half_down, f.half_down, f.padded + f.half_along, f.x.cols)
    filter_along(f, r, f.padded)


cdef void filter_two(const Filtering* f, Py_ssize_t r) noexcept nogil:
    """Filter a row and the one below it; away from the borders they share what they read."""
    cdef Row[8] x
    cdef const float* taps = f.down + 3
    cdef float* below = f.padded + f.x.cols + 2 * f.half_along
    cdef Py_ssize_t k
    if f.half_down != 3 or r < 3 or r + 4 >= f.x.rows:
        filter_row(f, r)
        filter_row(f, r + 1)
        return
    for k in range(8):
        x[k] = row_of(&f.x, r + k - 3)
    blend_seven_twice(
        x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7], taps[0], taps[1], taps[2], taps[3],
        f.padded + f.half_along, below + f.half_along, f.x.cols,
    )
    filter_along(f, r, f.padded)
    filter_along(f, r + 1, below)


def require_taps(name, taps):
    """Return symmetric filter taps as the kernel needs them, else raise ValueError."""
    require_array(name, taps, "float32", 1)
    require_odd(f"length of {name}", taps.size, 1, 63)
    cdef const float[::1] t = taps
    cdef Py_ssize_t k, last = t.shape[0] - 1
    if not all([t[k] == t[last - k] for k in range(last // 2 + 1)]):
        raise ValueError(f"{name}: wanted symmetric taps, got {taps}; average them with their mirror image")
    return taps


def filter_scratch_size(cols, taps):
    """Floats of scratch that `matched_filter` needs for ``cols`` columns and ``taps`` taps along the rows."""
    return 2 * (cols + taps - 1)  # two rows, padded


def matched_filter(frame, row_taps, col_taps, scratch, out):
    """Filter with a symmetric separable kernel, edges replicated.

    ``out[r, c] = sum_ij row_taps[i] col_taps[j] frame[r + i - half, c + j - half]``

    Parameters
    ----------
    frame : ndarray of float32, shape (rows, cols)
        Frame or residual.
    row_taps : ndarray of float32, shape (n,)
        Taps down the columns, symmetric, odd length up to 63.
    col_taps : ndarray of float32, shape (m,)
        Taps along the rows, symmetric, odd length up to 63.
    scratch : ndarray of float32
        At least `filter_scratch_size` elements; its content does not matter.
    out : ndarray of float32, shape (rows, cols)
        Filtered frame; a NaN spreads over the taps that reach it.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or taps are not symmetric.
    """
    cdef const float[:, ::1] x = require_array("frame", frame, "float32", 2)
    cdef const float[::1] down = require_taps("row_taps", row_taps)
    cdef const float[::1] along = require_taps("col_taps", col_taps)
    inputs = (frame, row_taps, col_taps)
    cdef float[:, ::1] y = require_array("out", out, "float32", frame.shape, out=True, apart_from=inputs)
    cdef float[::1] s = require_scratch(scratch, filter_scratch_size(x.shape[1], along.shape[0]), (*inputs, out))
    cdef Filtering f
    f.x, f.padded = whole_image(&x[0, 0], x.shape[0], x.shape[1]), &s[0]
    f.y = whole_image(&y[0, 0], x.shape[0], x.shape[1])
    f.down, f.half_down, f.along, f.half_along = &down[0], down.shape[0] // 2, &along[0], along.shape[0] // 2
    cdef Py_ssize_t r
    with nogil:
        for r in range(0, f.x.rows - 1, 2):
            filter_two(&f, r)
        if f.x.rows % 2:
            filter_row(&f, f.x.rows - 1)


cdef cloned_wide normalise_row(
    RowIn x, float pivot, RowIn first, RowIn second, RowIn share_of_cols, float share_of_rows, float variance_floor,
    RowOut out, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    cdef float share, mean, square, variance, rounding
    for i in range(n):
        share = share_of_cols[i] * share_of_rows
        mean = first[i] * share
        square = second[i] * share
        variance = square - mean * mean
        # Below this part of the square the difference is rounding alone.
        rounding = <float>1e-6 * square
        variance = variance if variance > rounding else rounding
        variance = variance if variance > variance_floor else variance_floor
        square = (x[i] - pivot - mean) / sqrtf(variance)
        out[i] = square if fabsf(square) <= FLT_MAX else 0


cdef void normalise_frame(
    const float* x, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t window, float variance_floor, float* scratch, float* y
) noexcept nogil:
    cdef Py_ssize_t half = window // 2, width = row_stride(cols + window - 1), r, c
    cdef float pivot = typical_level(x, rows * cols)
    cdef ColumnSums sums = column_sums(x, rows, cols, window, -half, pivot, scratch)
    cdef float* first = scratch + column_sums_size(cols, window)
    cdef float* second = first + width
    cdef float* work = second + width
    cdef float* first_box = work + row_sums_size(cols + window - 1, window)
    cdef float* second_box = first_box + width
    cdef float* share = second_box + width
    memset(first, 0, 2 * width * sizeof(float))
    for c in range(cols):
        share[c] = 1 / <float>cells_within(c, half, cols)
    for r in range(rows):
        next_sums(&sums, first + half, second + half)
        row_sums(first, window, cols, work, first_box)
        row_sums(second, window, cols, work, second_box)
        normalise_row(
            x + r * cols, pivot, first_box, second_box, share, 1 / <float>cells_within(r, half, rows), variance_floor,
            y + r * cols, cols,
        )


def normalise_scratch_size(cols, window):
    """Floats of scratch that `local_normalise` needs."""
    return column_sums_size(cols, window) + 5 * row_stride(cols + window - 1) + row_sums_size(cols + window - 1, window)


def local_normalise(frame, window, sigma_floor, scratch, out):
    """Subtract the mean and divide by the standard deviation of the box about each pixel.

    At the border the box holds the pixels that exist.

    Parameters
    ----------
    frame : ndarray of float32, shape (rows, cols)
        Frame or residual.
    window : int
        Side of the box, odd, 3 to 255 [pixel].
    sigma_floor : float
        Smallest standard deviation that is believed, above 0 [frame unit].
    scratch : ndarray of float32
        At least `normalise_scratch_size` elements; its content does not matter.
    out : ndarray of float32, shape (rows, cols)
        Normalised frame; 0 where the box holds a NaN or infinite pixel.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const float[:, ::1] x = require_array("frame", frame, "float32", 2)
    cdef Py_ssize_t side = require_odd("window", window, 3, 255)
    cdef float floor = require_number("sigma_floor", sigma_floor, 1e-15, 1e15)
    cdef float[:, ::1] y = require_array("out", out, "float32", frame.shape, out=True, apart_from=(frame,))
    cdef float[::1] s = require_scratch(scratch, normalise_scratch_size(x.shape[1], side), (frame, out))
    with nogil:
        normalise_frame(&x[0, 0], x.shape[0], x.shape[1], side, floor * floor, &s[0], &y[0, 0])
