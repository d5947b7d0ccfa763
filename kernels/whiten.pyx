"""Whitening by the noise of the place: how many sigmas a filtered residual stands above the ring about it.

    z = (x - m) / sqrt(max(predicted, s^2 + floor))

with m and s^2 the mean and variance of the ring (a ``window`` square without its ``guard`` square), and ``predicted``
the variance that the background's memory expects here. The ring follows what is new in this frame, the memory has many
more samples: the larger of both counts. Where ``predicted`` is negative nothing is known and z is 0.
"""

from libc.float cimport FLT_MAX
from libc.math cimport fabsf, sqrtf
from libc.string cimport memset

from lookdown.kernels.boxsum cimport (
    ColumnSums, add_rows, cells_within, column_sums, column_sums_size, next_sums, row_sums, sample_mean
)
from lookdown.kernels.rows cimport RowIn, RowOut, cloned

from lookdown.kernels.checks import require_array, require_number, require_odd, require_scratch


cdef cloned whiten_row(
    RowIn x, float pivot, RowIn left, RowIn right, RowIn middle, RowIn left2, RowIn right2, RowIn middle2,
    RowIn share, RowIn predicted, float variance_floor, RowOut variance, RowOut z, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    cdef float mean, square, spread, rounding, known
    for i in range(n):
        mean = ((left[i] + right[i]) + middle[i]) * share[i]
        square = ((left2[i] + right2[i]) + middle2[i]) * share[i]
        spread = square - mean * mean
        # Below this part of the square the difference is rounding alone.
        rounding = 1e-6 * square
        spread = spread if spread > rounding else rounding
        variance[i] = spread
        spread = spread + variance_floor
        known = predicted[i]
        spread = spread if spread > known else known
        square = (x[i] - pivot - mean) / sqrtf(spread)
        z[i] = square if known >= 0 and fabsf(square) <= FLT_MAX else 0


cdef void fill_share(
    Py_ssize_t row_count, Py_ssize_t guard_row_count, Py_ssize_t cols, Py_ssize_t half, Py_ssize_t guard_half,
    float* share
) noexcept nogil:
    """Per column one over the number of ring cells, 0 where there is none."""
    cdef Py_ssize_t c, n
    for c in range(cols):
        n = row_count * cells_within(c, half, cols) - guard_row_count * cells_within(c, guard_half, cols)
        share[c] = 1 / <float>n if n > 0 else 0


cdef void whiten_frame(
    const float* x, const float* predicted, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t window, Py_ssize_t guard,
    float variance_floor, float* scratch, float* variance, float* z
) noexcept nogil:
    cdef Py_ssize_t half = window // 2, guard_half = guard // 2, band = half - guard_half
    cdef Py_ssize_t depth = half + guard_half + 2, width = cols + window - 1, lag = half + guard_half + 1
    cdef Py_ssize_t r, k, q, top, bottom, row_count, guard_row_count, rows_before = -1, guard_rows_before = -1
    cdef float pivot = sample_mean(x, rows * cols)
    cdef ColumnSums bands = column_sums(x, rows, cols, band, -half, pivot, scratch)
    cdef ColumnSums middles = column_sums(
        x, rows, cols, guard, -guard_half, pivot, scratch + column_sums_size(cols, band)
    )
    # Column sums over a band of rows, kept until the band above the pixel is the one that was below it.
    cdef float* kept = scratch + column_sums_size(cols, band) + column_sums_size(cols, guard)
    cdef float* middle = kept + 2 * depth * cols
    cdef float* outer = middle + 2 * cols  # column sums without the guard rows, padded by zeros
    cdef float* full = outer + width  # column sums over all rows of the window, padded by zeros
    cdef float* work = full + width
    cdef float* side = work + 2 * width
    cdef float* centre = side + 2 * width
    cdef float* share = centre + 2 * cols
    memset(outer, 0, 2 * width * sizeof(float))
    for k in range(lag):
        next_sums(&bands, kept + 2 * k * cols, kept + (2 * k + 1) * cols)
    top = 0
    bottom = lag
    for r in range(rows):
        row_count = cells_within(r, half, rows)
        guard_row_count = cells_within(r, guard_half, rows)
        if row_count != rows_before or guard_row_count != guard_rows_before:
            fill_share(row_count, guard_row_count, cols, half, guard_half, share)
            rows_before = row_count
            guard_rows_before = guard_row_count
        next_sums(&bands, kept + 2 * bottom * cols, kept + (2 * bottom + 1) * cols)
        next_sums(&middles, middle, middle + cols)
        for q in range(2):
            add_rows(kept + (2 * top + q) * cols, kept + (2 * bottom + q) * cols, outer + half, cols)
            add_rows(outer + half, middle + q * cols, full + half, cols)
            row_sums(full, band, cols + lag, work, side + q * width)
            row_sums(outer + band, guard, cols, work, centre + q * cols)
        whiten_row(
            x + r * cols, pivot, side, side + lag, centre, side + width, side + width + lag, centre + cols,
            share, predicted + r * cols, variance_floor, variance + r * cols, z + r * cols, cols,
        )
        top = top + 1 if top + 1 < depth else 0
        bottom = bottom + 1 if bottom + 1 < depth else 0


def whiten_scratch_size(cols, window, guard):
    """Floats of scratch that `whiten` needs."""
    half, guard_half = window // 2, guard // 2
    return (
        column_sums_size(cols, half - guard_half)
        + column_sums_size(cols, guard)
        + 2 * (half + guard_half + 2) * cols
        + 6 * (cols + window - 1)
        + 5 * cols
    )


def whiten(filtered, predicted, window, guard, variance_floor, scratch, variance, z):
    """Score a filtered residual against ring and memory.

    Parameters
    ----------
    filtered : ndarray of float32, shape (rows, cols)
        Residual after the matched filter.
    predicted : ndarray of float32, shape (rows, cols)
        Variance that is expected, negative where nothing is known [unit^2].
    window, guard : int
        Outer and inner side of the ring, odd, ``1 <= guard < window <= 255`` [px].
    variance_floor : float
        Added to the ring's variance, 0 or more [unit^2].
    scratch : ndarray of float32
        At least `whiten_scratch_size` elements.
    variance : ndarray of float32, shape (rows, cols)
        Variance of the ring, without floor [unit^2].
    z : ndarray of float32, shape (rows, cols)
        Score; 0 where nothing is known or a value is not finite.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const float[:, ::1] x = require_array("filtered", filtered, "float32", 2)
    cdef const float[:, ::1] p = require_array("predicted", predicted, "float32", filtered.shape)
    cdef Py_ssize_t outer = require_odd("window", window, 3, 255)
    cdef Py_ssize_t inner = require_odd("guard", guard, 1, outer - 2)
    cdef float least = require_number("variance_floor", variance_floor, 0, 1e30)
    inputs = (filtered, predicted)
    cdef float[:, ::1] v = require_array("variance", variance, "float32", filtered.shape, out=True, apart_from=inputs)
    cdef float[:, ::1] y = require_array("z", z, "float32", filtered.shape, out=True, apart_from=(*inputs, variance))
    cdef float[::1] s = require_scratch(
        scratch, whiten_scratch_size(x.shape[1], outer, inner), (*inputs, variance, z)
    )
    with nogil:
        whiten_frame(&x[0, 0], &p[0, 0], x.shape[0], x.shape[1], outer, inner, least, &s[0], &v[0, 0], &y[0, 0])
