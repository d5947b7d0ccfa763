"""Constant false alarm rate test on a ring: is a pixel larger than its surroundings allow by chance?

Cell averaging with mean and variance (Finn and Johnson 1968, RCA Review 29, for a Gaussian level): the ring holds the
N cells of a ``window`` x ``window`` square without the ``guard`` x ``guard`` square about the pixel; at the border of
the frame N is what is left of it. With the ring's mean m and unbiased standard deviation s, in white Gaussian noise

    (x - m) / (s sqrt(1 + 1/N))   follows Student's t with N - 1 degrees of freedom,

so one side exceeds ``k = t^-1(N - 1; Pfa) sqrt(1 + 1/N)`` with probability Pfa. A normal threshold in its place is 26 %
off in Pfa at N = 264 and 1e-4. The score here is ``z = (x - m) / s * design / k``, where k belongs to the false-alarm
probability of a standard normal beyond ``design``: ``|z| > design`` has the same Pfa at every pixel, border included,
and z stays linear in the amplitude.

Sums of x less a level, and of its square, run in float32 through at most 40 stages and never by subtraction: they are
within 40 2^-24 of the sum of magnitudes, wherever in the frame, and z within 1e-5 (1 + |z|) where the ring's mean lies
within a few s of the level.

The quantile of t comes from Wallace (1959), Annals of Mathematical Statistics 30, inverted: ``t = sqrt(v (exp((z / c)^2
/ v) - 1))``, ``c = (8 v + 1) / (8 v + 3)``, v = N - 1.
"""

from libc.float cimport FLT_MAX
from libc.math cimport expm1, fabsf, sqrtf
from libc.string cimport memset

from lookdown.kernels.boxsum cimport cells_within, row_sums, row_sums_size, typical_level
from lookdown.kernels.ringsum cimport (
    RingSums, advance, aligned, gather_ring, kept_row, prefetch_row, renew_sums, ring_sums, ring_sums_size, strip_of,
    whole
)
from lookdown.kernels.rows cimport RowIn, RowOut, cloned, row_stride

from lookdown.kernels.checks import require_array, require_number, require_odd, require_scratch

cdef enum:
    STRIP = 384  # most columns that are done at a time; measured


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


cdef cloned enter_row(
    RowIn x, float pivot, RowIn before, RowIn before2, RowOut first, RowOut second, RowOut pair, RowOut pair2,
    Py_ssize_t n
) noexcept nogil:
    """Take a row into both sums, alone and together with the row before it."""
    cdef Py_ssize_t i
    cdef float d
    for i in range(n):
        d = x[i] - pivot
        first[i] = d
        pair[i] = d + before[i]
        d = d * d
        second[i] = d
        pair2[i] = d + before2[i]


cdef double squared_factor(Py_ssize_t n, double design) noexcept nogil:
    """``(k / design)^2 n / (n - 1)``: what turns the ring's biased variance into that of the score."""
    cdef double v = n - 1, c = (8 * v + 1) / (8 * v + 3)
    return expm1(design * design / (c * c * v)) * v * (1 + 1.0 / n) / (design * design) * n / v


cdef cloned copy_on(RowOut row, float value, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        row[i] = value


cdef void fill_factors(
    Py_ssize_t row_count, Py_ssize_t guard_row_count, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t cols,
    Py_ssize_t half, Py_ssize_t guard_half, double design, float* share, float* scale
) noexcept nogil:
    """Per column: one over the number of ring cells, and the factor of the variance; few cells give a score of 0."""
    cdef Py_ssize_t c = 0, n, inside = min(stop, cols - half) - start
    while c < stop - start:
        n = row_count * cells_within(start + c, half, cols) - guard_row_count * cells_within(
            start + c, guard_half, cols
        )
        share[c] = 1 / <float>n if n > 0 else 0
        scale[c] = <float>min(squared_factor(n, design), 1e30) if n > 1 else 1e30
        c += 1
        if start + c > half:
            # All columns as far from both borders have as many cells.
            copy_on(share + c, share[c - 1], inside - c)
            copy_on(scale + c, scale[c - 1], inside - c)
            c = max(c, inside)


cdef void score_strip(
    const float* x, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t window,
    Py_ssize_t guard, double design, float variance_floor, float pivot, float* scratch, float* z
) noexcept nogil:
    """Score columns ``start`` to ``stop - 1``; the sums reach half a window further."""
    cdef Py_ssize_t half = window // 2, guard_half = guard // 2, band = half - guard_half, n = stop - start
    cdef Py_ssize_t first = max(start - half, 0), reach = min(stop + half, cols) - first
    cdef Py_ssize_t lag = half + guard_half + 1, before = half - (start - first), wide = whole(n + window - 1)
    cdef Py_ssize_t m = row_stride(whole(n)), width = row_stride(wide + 16)
    cdef Py_ssize_t r, q, last, row_count, guard_row_count, rows_before = -1, guard_rows_before = -1
    cdef RingSums[2] sums  # of x - pivot, and of its square
    sums[0] = ring_sums(wide, window, guard, scratch)
    sums[1] = ring_sums(wide, window, guard, scratch + ring_sums_size(wide, window, guard))
    cdef float* outer = scratch + 2 * ring_sums_size(wide, window, guard)
    cdef float* full = outer + width
    cdef float* work = full + width
    cdef float* side = work + row_sums_size(wide + 16, window)
    cdef float* centre = side + 2 * width
    cdef float* share = centre + 2 * m
    cdef float* scale = share + m
    for last in range(rows + half):
        advance(&sums[0])
        advance(&sums[1])
        if last + 1 < rows:
            prefetch_row(x + (last + 1) * cols + first, reach)
        if 0 <= last - half < rows - 1:
            prefetch_row(z + (last - half + 1) * cols + start, n)
        if last < rows:
            enter_row(
                x + last * cols + first, pivot,
                kept_row(&sums[0], 0, last - 1) + before, kept_row(&sums[1], 0, last - 1) + before,
                kept_row(&sums[0], 0, last) + before, kept_row(&sums[1], 0, last) + before,
                kept_row(&sums[0], 1, last) + before, kept_row(&sums[1], 1, last) + before, reach,
            )
        for q in range(2):
            if last >= rows:
                memset(kept_row(&sums[q], 0, last), 0, wide * sizeof(float))
            renew_sums(&sums[q], 2 if last < rows else 1)
        r = last - half
        if r < 0:
            continue
        row_count = cells_within(r, half, rows)
        guard_row_count = cells_within(r, guard_half, rows)
        if row_count != rows_before or guard_row_count != guard_rows_before:
            fill_factors(
                row_count, guard_row_count, start, stop, cols, half, guard_half, design, share, scale
            )
            rows_before = row_count
            guard_rows_before = guard_row_count
        for q in range(2):
            gather_ring(&sums[q], r, outer, full)
            row_sums(full, band, whole(n + lag), work, side + q * width)
            row_sums(outer + band, guard, whole(n), work, centre + q * m)
        score_row(
            x + r * cols + start, pivot, side, side + lag, centre, side + width, side + width + lag, centre + m,
            share, scale, variance_floor, z + r * cols + start, n,
        )


def cfar_scratch_size(cols, window, guard):
    """Floats of scratch that `ca_cfar` needs."""
    cdef Py_ssize_t n = strip_of(cols, STRIP), wide = whole(n + window - 1)
    return (
        2 * ring_sums_size(wide, window, guard)
        + 4 * row_stride(wide + 16)
        + row_sums_size(wide + 16, window)
        + 4 * row_stride(whole(n))
        + 15
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
    cdef Py_ssize_t rows = x.shape[0], cols = x.shape[1], start = 0, strip = strip_of(cols, STRIP)
    cdef float pivot
    with nogil:
        pivot = typical_level(&x[0, 0], rows * cols)
        while start < cols:
            score_strip(
                &x[0, 0], rows, cols, start, min(start + strip, cols), outer, inner, level, floor * floor, pivot,
                aligned(&s[0]), &z[0, 0],
            )
            start += strip
