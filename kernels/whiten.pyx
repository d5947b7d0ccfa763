"""Whitening by the noise of the place: how many sigmas a filtered residual stands above the ring about it.

    z = (x - m) / sqrt(max(predicted, s^2 + floor))

with m and s^2 the mean and variance of the ring (a ``window`` square without its ``guard`` square), and ``predicted``
the variance that the background's memory expects here. The ring follows what is new in this frame, the memory has many
more samples: the larger of both counts. Where ``predicted`` is negative nothing is known and z is 0.

The ring is made of blocks of 2 x 2 pixels and is the same for the four pixels of a block: a quarter of the sums, for a
ring that lies half a pixel off. Sums are those of x less a typical level, in float32 through a dozen stages and never
by subtraction, so that nothing drifts and a star spoils only rings that hold it; a variance below 1e-6 of the mean
square is their rounding and counts as that much.
"""

from libc.math cimport fabsf, sqrtf
from libc.string cimport memcpy, memset

from lookdown.kernels.boxsum cimport row_sums, row_sums_size, typical_level
from lookdown.kernels.ringsum cimport (
    advance, aligned, gather_ring, kept_row, renew_sums, ring_sums, ring_sums_size, whole
)
from lookdown.kernels.rows cimport RowIn, RowOut, row_stride
from lookdown.kernels.tiles cimport own_row, row_of, whole_image
from lookdown.kernels.wide cimport cloned_wide

from lookdown.kernels.checks import require_array, require_number, require_odd, require_scratch


cdef cloned_wide block_row(
    RowIn upper, RowIn lower, float pivot, RowOut first, RowOut second, Py_ssize_t n
) noexcept nogil:
    """Sums over 2 x 2 pixels, and over their squares."""
    cdef Py_ssize_t i
    cdef float a, b, c, d
    for i in range(n):
        a = upper[2 * i] - pivot
        b = upper[2 * i + 1] - pivot
        c = lower[2 * i] - pivot
        d = lower[2 * i + 1] - pivot
        first[i] = (a + b) + (c + d)
        second[i] = (a * a + b * b) + (c * c + d * d)


cdef cloned_wide ring_row(
    RowIn left, RowIn right, RowIn middle, RowIn left2, RowIn right2, RowIn middle2, RowIn share, RowIn level,
    RowOut mean, RowOut variance, Py_ssize_t n
) noexcept nogil:
    """Mean and variance of the ring from the sums over its parts."""
    cdef Py_ssize_t i
    cdef float m, square, s, rounding
    for i in range(n):
        m = ((left[i] + right[i]) + middle[i]) * share[i]
        square = ((left2[i] + right2[i]) + middle2[i]) * share[i]
        s = square - m * m
        rounding = <float>1e-6 * square
        variance[i] = s if s > rounding else rounding
        mean[i] = m + level[i]


cdef cloned_wide whiten_row(
    RowIn x, RowIn mean, RowIn spread, RowIn predicted, float variance_floor, float limit, RowOut z, Py_ssize_t n,
    int* beyond
) noexcept nogil:
    """Score a row and say whether a score is beyond the limit."""
    cdef Py_ssize_t i
    cdef int found = 0
    cdef float known, v, zero = 0, least = 1e-30  # literals would make the arithmetic double
    for i in range(n):
        known = predicted[i]
        v = spread[i] + variance_floor
        v = v if v > known else known
        v = (x[i] - mean[i]) / sqrtf(v if v > least else least)
        v = v if known >= zero else zero
        z[i] = v
        found |= fabsf(v) > limit
    beyond[0] = found


cdef cloned_wide double_row(RowIn x, RowOut out, Py_ssize_t n) noexcept nogil:
    """Each value twice."""
    cdef Py_ssize_t i
    for i in range(n):
        out[2 * i] = x[i]
        out[2 * i + 1] = x[i]


cdef inline Py_ssize_t pixels_within(Py_ssize_t centre, Py_ssize_t half, Py_ssize_t pixels) noexcept nogil:
    """How many pixels the blocks ``centre - half`` to ``centre + half`` hold of a line of ``pixels``."""
    return min(2 * (centre + half + 1), pixels) - max(2 * (centre - half), 0)


cdef void sum_blocks(
    const float* upper, const float* lower, float pivot, Py_ssize_t cols, float* first, float* second
) noexcept nogil:
    """`block_row` for any number of columns; ``lower`` is NULL below the last row."""
    cdef Py_ssize_t c, n = cols // 2
    cdef float a, b
    if lower != NULL:
        block_row(upper, lower, pivot, first, second, n)
    else:
        for c in range(n):
            a = upper[2 * c] - pivot
            b = upper[2 * c + 1] - pivot
            first[c] = a + b
            second[c] = a * a + b * b
    if cols % 2:
        a = upper[cols - 1] - pivot
        b = lower[cols - 1] - pivot if lower != NULL else 0
        first[n] = a + b
        second[n] = a * a + b * b


cdef Py_ssize_t sums_width(Py_ssize_t cols, Py_ssize_t half) noexcept nogil:
    """Blocks of a row with those beyond its ends that rings reach."""
    return whole((cols + 1) // 2 + 2 * half)


cdef void whiten_start(Whitening* f, float* scratch) noexcept nogil:
    """Lay the scratch out."""
    cdef Py_ssize_t wide = sums_width(f.cols, f.half), window = 2 * f.half + 1, guard = 2 * f.guard_half + 1, k
    scratch = aligned(scratch)
    for k in range(2):
        f.sums[k] = ring_sums(wide, window, guard, scratch)
        f.sums[k].last = whiten_from(f) - 1
        scratch += ring_sums_size(wide, window, guard)
    f.rows_of = scratch
    # Sums of the last few columns run on into what follows a row.
    memset(scratch, 0, rows_of_size(f.cols, f.half) * sizeof(float))
    f.rows_before = f.guard_rows_before = -1


cdef Py_ssize_t whiten_from(const Whitening* f) noexcept nogil:
    """The step to begin with: that of the first row of blocks in the ring about the first one that is finished."""
    return max(f.first - f.half, 0)


cdef void fill_share(Whitening* f, Py_ssize_t q, float* share, float* level) noexcept nogil:
    """One over the number of ring pixels of each block of row ``q``, and what was taken off them; 0 without any."""
    cdef Py_ssize_t row_count = pixels_within(q, f.half, f.rows), c, count
    cdef Py_ssize_t guard_row_count = pixels_within(q, f.guard_half, f.rows)
    if row_count == f.rows_before and guard_row_count == f.guard_rows_before:
        return
    for c in range((f.cols + 1) // 2):
        count = row_count * pixels_within(c, f.half, f.cols) - guard_row_count * pixels_within(
            c, f.guard_half, f.cols
        )
        share[c] = 1 / <float>count if count > 0 else 0
        level[c] = f.pivot if count > 0 else 0
    f.rows_before = row_count
    f.guard_rows_before = guard_row_count


cdef void whiten_next(Whitening* f, Py_ssize_t b) noexcept nogil:
    """Take step ``b``: add the row of blocks ``b``, if there is one, and finish the row ``half`` before it."""
    cdef Py_ssize_t cols = f.cols, n = (cols + 1) // 2, n_rows = (f.rows + 1) // 2, half = f.half
    cdef Py_ssize_t guard = 2 * f.guard_half + 1, band = half - f.guard_half, lag = half + f.guard_half + 1
    cdef Py_ssize_t wide = sums_width(cols, half), width = row_stride(wide + 16), q, r, k
    cdef float* outer = f.rows_of
    cdef float* full = outer + width
    cdef float* side = full + width
    cdef float* centre = side + 2 * width
    cdef float* mean = centre + 2 * width
    cdef float* spread = mean + width
    cdef float* share = spread + width
    cdef float* level = share + width
    cdef float* mean_row = level + width
    cdef float* spread_row = mean_row + 2 * width
    cdef float* work = spread_row + 2 * width
    advance(&f.sums[0])
    advance(&f.sums[1])
    if b < n_rows:
        sum_blocks(
            row_of(&f.x, 2 * b), row_of(&f.x, 2 * b + 1) if 2 * b + 1 < f.rows else NULL, f.pivot, cols,
            kept_row(&f.sums[0], 0, b) + half, kept_row(&f.sums[1], 0, b) + half,
        )
    else:
        for k in range(2):
            memset(kept_row(&f.sums[k], 0, b), 0, wide * sizeof(float))
    renew_sums(&f.sums[0], 1)
    renew_sums(&f.sums[1], 1)
    q = b - half
    if q < f.first:
        return
    fill_share(f, q, share, level)
    for k in range(2):
        gather_ring(&f.sums[k], q, outer, full)
        row_sums(full, band, n + lag, work, side + k * width)
        row_sums(outer + band, guard, n, work, centre + k * width)
    ring_row(
        side, side + lag, centre, side + width, side + width + lag, centre + width, share, level, mean, spread, n
    )
    double_row(mean, mean_row, n)
    double_row(spread, spread_row, n)
    for r in range(2 * q, min(2 * q + 2, f.rows)):
        whiten_row(
            row_of(&f.x, r), mean_row, spread_row, row_of(&f.predicted, r), f.variance_floor, f.limit,
            own_row(&f.z, r), cols, &f.beyond[r % 2],
        )
        memcpy(own_row(&f.variance, r), spread_row, cols * sizeof(float))


cdef Py_ssize_t rows_of_size(Py_ssize_t cols, Py_ssize_t half) noexcept nogil:
    cdef Py_ssize_t wide = sums_width(cols, half)
    return 14 * row_stride(wide + 16) + row_sums_size(wide + 16, 2 * half + 1)


cdef Py_ssize_t half_in_blocks(Py_ssize_t side):
    """Half of the odd number of blocks next to a side in pixels."""
    return (side + 1) // 4


def whiten_scratch_size(cols, window):
    """Floats of scratch that `whiten` needs."""
    cdef Py_ssize_t half = half_in_blocks(window), wide = sums_width(cols, half)
    # The levels of the sums are most where the guard is as high as the window.
    return 2 * ring_sums_size(wide, 2 * half + 1, 2 * half + 1) + rows_of_size(cols, half) + 15


def whiten(filtered, predicted, window, guard, variance_floor, scratch, variance, z):
    """Score a filtered residual against ring and memory.

    Parameters
    ----------
    filtered : ndarray of float32, shape (rows, cols)
        Residual after the matched filter, finite.
    predicted : ndarray of float32, shape (rows, cols)
        Variance that is expected, negative where nothing is known [unit^2].
    window, guard : int
        Outer and inner side of the ring, odd, ``1 <= guard < window <= 255``; each is taken as the next odd number
        of blocks: 17 and 7 become 18 and 10 [px].
    variance_floor : float
        Added to the ring's variance, 0 or more [unit^2].
    scratch : ndarray of float32
        At least `whiten_scratch_size` elements.
    variance : ndarray of float32, shape (rows, cols)
        Variance of the ring, without floor [unit^2].
    z : ndarray of float32, shape (rows, cols)
        Score; 0 where nothing is known.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const float[:, ::1] x = require_array("filtered", filtered, "float32", 2)
    cdef const float[:, ::1] p = require_array("predicted", predicted, "float32", filtered.shape)
    cdef Whitening frame
    frame.half = half_in_blocks(require_odd("window", window, 3, 255))
    frame.guard_half = half_in_blocks(require_odd("guard", guard, 1, 253))
    frame.variance_floor = require_number("variance_floor", variance_floor, 0, 1e30)
    if frame.guard_half >= frame.half:
        raise ValueError(f"guard: wanted at least a block of 2 pixels less than half the window, got {guard}, {window}")
    inputs = (filtered, predicted)
    cdef float[:, ::1] v = require_array("variance", variance, "float32", filtered.shape, out=True, apart_from=inputs)
    cdef float[:, ::1] y = require_array("z", z, "float32", filtered.shape, out=True, apart_from=(*inputs, variance))
    cdef float[::1] s = require_scratch(scratch, whiten_scratch_size(x.shape[1], window), (*inputs, variance, z))
    frame.rows, frame.cols, frame.first, frame.limit = x.shape[0], x.shape[1], 0, 0
    frame.x = whole_image(&x[0, 0], frame.rows, frame.cols)
    frame.predicted = whole_image(&p[0, 0], frame.rows, frame.cols)
    frame.variance = whole_image(&v[0, 0], frame.rows, frame.cols)
    frame.z = whole_image(&y[0, 0], frame.rows, frame.cols)
    cdef Py_ssize_t b
    with nogil:
        frame.pivot = typical_level(&x[0, 0], frame.rows * frame.cols)
        whiten_start(&frame, &s[0])
        for b in range((frame.rows + 1) // 2 + frame.half):
            whiten_next(&frame, b)
