"""Constant false alarm rate test on a ring: is a pixel larger than its surroundings allow by chance?

Cell averaging with mean and variance (Finn and Johnson 1968, RCA Review 29, for a Gaussian level): the ring holds the
N cells of a ``window`` x ``window`` square without the ``guard`` x ``guard`` square about the pixel; at the border of
the frame N is what is left of it. With the ring's mean m and unbiased standard deviation s, in white Gaussian noise

    (x - m) / (s sqrt(1 + 1/N))   follows Student's t with N - 1 degrees of freedom,

so one side exceeds ``k = t^-1(N - 1; Pfa) sqrt(1 + 1/N)`` with probability Pfa. A normal threshold in its place is 26 %
off in Pfa at N = 264 and 1e-4. The score here is ``z = (x - m) / s * design / k``, where k belongs to the false-alarm
probability of a standard normal beyond ``design``: ``|z| > design`` has the same Pfa at every pixel, border included,
and z stays linear in the amplitude.

The quantile of t comes from Wallace (1959), Annals of Mathematical Statistics 30, inverted: ``t = sqrt(v (exp((z / c)^2
/ v) - 1))``, ``c = (8 v + 1) / (8 v + 3)``, v = N - 1.
"""

from libc.float cimport FLT_MAX
from libc.math cimport expm1, fabsf, sqrtf
from libc.string cimport memset

from lookdown.kernels.boxsum cimport (
    ColumnSums, cells_within, column_sums, column_sums_size, next_sums, row_sums, row_sums_size, typical_level
)
from lookdown.kernels.rows cimport RowIn, RowOut, cloned, row_stride

from lookdown.kernels.checks import require_array, require_number, require_odd, require_scratch


cdef cloned score_row(
    RowIn x, float pivot, RowIn left, RowIn right, RowIn middle, RowIn left2, RowIn right2, RowIn middle2,
    RowIn share, RowIn scale, float variance_floor, RowOut z, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    cdef float mean, square, variance, rounding
    for i in range(n):
        mean = ((left[i] + right[i]) + middle[i]) * share[i]
        square = ((left2[i] + right2[i]) + middle2[i]) * share[i]
        variance = square - mean * mean
        # Below this part of the square the difference is rounding alone.
        rounding = <float>1e-6 * square
        variance = variance if variance > rounding else rounding
        variance = variance if variance > variance_floor else variance_floor
        square = (x[i] - pivot - mean) / sqrtf(variance * scale[i])
        z[i] = square if fabsf(square) <= FLT_MAX else 0


cdef cloned gather_rows(
    RowIn above, RowIn below, RowIn middle, RowOut outer, RowOut full, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        outer[i] = above[i] + below[i]
        full[i] = outer[i] + middle[i]


cdef double squared_factor(Py_ssize_t n, double design) noexcept nogil:
    """``(k / design)^2 n / (n - 1)``: what turns the ring's biased variance into that of the score."""
    cdef double v = n - 1, c = (8 * v + 1) / (8 * v + 3)
    return expm1(design * design / (c * c * v)) * v * (1 + 1.0 / n) / (design * design) * n / v


cdef void fill_factors(
    Py_ssize_t row_count, Py_ssize_t guard_row_count, Py_ssize_t cols, Py_ssize_t half, Py_ssize_t guard_half,
    double design, float* share, float* scale
) noexcept nogil:
    """Per column: one over the number of ring cells, and the factor of the variance; few cells give a score of 0."""
    cdef Py_ssize_t c, n, before = -1
    for c in range(cols):
        n = row_count * cells_within(c, half, cols) - guard_row_count * cells_within(c, guard_half, cols)
        if n == before:
            share[c] = share[c - 1]
            scale[c] = scale[c - 1]
        else:
            share[c] = 1 / <float>n if n > 0 else 0
            scale[c] = <float>min(squared_factor(n, design), 1e30) if n > 1 else 1e30
        before = n


cdef void score_frame(
    const float* x, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t window, Py_ssize_t guard, double design,
    float variance_floor, float* scratch, float* z
) noexcept nogil:
    cdef Py_ssize_t half = window // 2, guard_half = guard // 2, band = half - guard_half
    cdef Py_ssize_t depth = half + guard_half + 2, width = row_stride(cols + window - 1), lag = half + guard_half + 1
    cdef Py_ssize_t m = row_stride(cols), r, k, q, top, bottom, row_count, guard_row_count
    cdef Py_ssize_t rows_before = -1, guard_rows_before = -1
    cdef float pivot = typical_level(x, rows * cols)
    cdef ColumnSums bands = column_sums(x, rows, cols, band, -half, pivot, scratch)
    cdef ColumnSums middles = column_sums(
        x, rows, cols, guard, -guard_half, pivot, scratch + column_sums_size(cols, band)
    )
    # Column sums over a band of rows, kept until the band above the pixel is the one that was below it.
    cdef float* kept = scratch + column_sums_size(cols, band) + column_sums_size(cols, guard)
    cdef float* middle = kept + 2 * depth * m
    cdef float* outer = middle + 2 * m  # column sums without the guard rows, padded by zeros
    cdef float* full = outer + width  # column sums over all rows of the window, padded by zeros
    cdef float* work = full + width
    cdef float* side = work + row_sums_size(width, window)
    cdef float* centre = side + 2 * width
    cdef float* share = centre + 2 * m
    cdef float* scale = share + m
    memset(outer, 0, 2 * width * sizeof(float))
    for k in range(lag):
        next_sums(&bands, kept + 2 * k * m, kept + (2 * k + 1) * m)
    top = 0
    bottom = lag
    for r in range(rows):
        row_count = cells_within(r, half, rows)
        guard_row_count = cells_within(r, guard_half, rows)
        if row_count != rows_before or guard_row_count != guard_rows_before:
            fill_factors(row_count, guard_row_count, cols, half, guard_half, design, share, scale)
            rows_before = row_count
            guard_rows_before = guard_row_count
        next_sums(&bands, kept + 2 * bottom * m, kept + (2 * bottom + 1) * m)
        next_sums(&middles, middle, middle + m)
        for q in range(2):
            gather_rows(
                kept + (2 * top + q) * m, kept + (2 * bottom + q) * m, middle + q * m, outer + half, full + half, cols
            )
            row_sums(full, band, cols + lag, work, side + q * width)
            row_sums(outer + band, guard, cols, work, centre + q * m)
        score_row(
            x + r * cols, pivot, side, side + lag, centre, side + width, side + width + lag, centre + m,
            share, scale, variance_floor, z + r * cols, cols,
        )
        top = top + 1 if top + 1 < depth else 0
        bottom = bottom + 1 if bottom + 1 < depth else 0


def cfar_scratch_size(cols, window, guard):
    """Floats of scratch that `ca_cfar` needs."""
    half, guard_half = window // 2, guard // 2
    return (
        column_sums_size(cols, half - guard_half)
        + column_sums_size(cols, guard)
        + 2 * (half + guard_half + 2) * row_stride(cols)
        + 4 * row_stride(cols + window - 1)
        + row_sums_size(row_stride(cols + window - 1), window)
        + 6 * row_stride(cols)
    )


def ca_cfar(frame, window, guard, design, sigma_floor, scratch, out):
    """Score each pixel against the ring about it; both signs count.

    Parameters
    ----------
    frame : ndarray of float32, shape (rows, cols)
        Frame or residual.
    window, guard : int
        Outer and inner side of the ring, odd, ``1 <= guard < window <= 255`` [pixel].
    design : float
        Threshold for which the false-alarm probability is exact, 1 to 12 [1]; 5 is 2.9e-7 a side.
    sigma_floor : float
        Smallest standard deviation that is believed, above 0 [frame unit].
    scratch : ndarray of float32
        At least `cfar_scratch_size` elements; its content does not matter.
    out : ndarray of float32, shape (rows, cols)
        Score z [1]; 0 where the ring has fewer than two cells or holds a NaN or infinite pixel.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const float[:, ::1] x = require_array("frame", frame, "float32", 2)
    cdef Py_ssize_t outer = require_odd("window", window, 3, 255)
    cdef Py_ssize_t inner = require_odd("guard", guard, 1, outer - 2)
    cdef double level = require_number("design", design, 1, 12)
    cdef float floor = require_number("sigma_floor", sigma_floor, 1e-15, 1e15)
    cdef float[:, ::1] z = require_array("out", out, "float32", frame.shape, out=True, apart_from=(frame,))
    cdef float[::1] s = require_scratch(scratch, cfar_scratch_size(x.shape[1], outer, inner), (frame, out))
    with nogil:
        score_frame(&x[0, 0], x.shape[0], x.shape[1], outer, inner, level, floor * floor, &s[0], &z[0, 0])
