"""Whitening by the noise of the place: how many sigmas a filtered residual stands above the ring about it.

    z = (x - m) / sqrt(max(predicted, s^2 + floor))

with m and s^2 the mean and variance of the ring (a ``window`` square without its ``guard`` square), and ``predicted``
the variance that the background's memory expects here. The ring follows what is new in this frame, the memory has many
more samples: the larger of both counts. Where ``predicted`` is negative nothing is known and z is 0.

The ring is made of blocks of 2 x 2 pixels and is the same for the four pixels of a block: a quarter of the sums, for a
ring that lies half a pixel off. Sums run along columns and rows in float64, so nothing drifts.
"""

from libc.math cimport sqrtf
from libc.string cimport memcpy, memset

from lookdown.kernels.rows cimport RowIn, RowOut, cloned

from lookdown.kernels.checks import require_array, require_number, require_odd, require_scratch

cdef extern from *:
    """
    typedef double *__restrict__ lookdown_sums_out;
    typedef const double *__restrict__ lookdown_sums_in;
    """
    ctypedef double* SumsOut "lookdown_sums_out"
    ctypedef const double* SumsIn "lookdown_sums_in"


cdef cloned block_row(RowIn upper, RowIn lower, RowOut first, RowOut second, Py_ssize_t n) noexcept nogil:
    """Sums over 2 x 2 pixels, and over their squares."""
    cdef Py_ssize_t i
    cdef float a, b, c, d
    for i in range(n):
        a = upper[2 * i]
        b = upper[2 * i + 1]
        c = lower[2 * i]
        d = lower[2 * i + 1]
        first[i] = (a + b) + (c + d)
        second[i] = (a * a + b * b) + (c * c + d * d)


cdef cloned add_blocks(RowIn x, double sign, SumsOut sums, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        sums[i] += sign * x[i]


cdef cloned ring_row(
    SumsIn outer_before, SumsIn outer_after, SumsIn inner_before, SumsIn inner_after,
    SumsIn outer_before2, SumsIn outer_after2, SumsIn inner_before2, SumsIn inner_after2,
    RowIn share, RowOut mean, RowOut variance, Py_ssize_t n
) noexcept nogil:
    """Mean and variance of the ring from running sums before and after its two squares."""
    cdef Py_ssize_t i
    cdef double m, s
    for i in range(n):
        m = ((outer_after[i] - outer_before[i]) - (inner_after[i] - inner_before[i])) * share[i]
        s = ((outer_after2[i] - outer_before2[i]) - (inner_after2[i] - inner_before2[i])) * share[i]
        mean[i] = <float>m
        s = s - m * m
        variance[i] = <float>(s if s > 0 else 0)


cdef cloned whiten_row(
    RowIn x, RowIn mean, RowIn spread, RowIn predicted, float variance_floor, RowOut z, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    cdef float known, v, zero = 0, least = 1e-30  # literals would make the arithmetic double
    for i in range(n):
        known = predicted[i]
        v = spread[i] + variance_floor
        v = v if v > known else known
        v = (x[i] - mean[i]) / sqrtf(v if v > least else least)
        z[i] = v if known >= zero else zero


cdef cloned double_row(RowIn x, RowOut out, Py_ssize_t n) noexcept nogil:
    """Each value twice."""
    cdef Py_ssize_t i
    for i in range(n):
        out[2 * i] = x[i]
        out[2 * i + 1] = x[i]


cdef inline Py_ssize_t pixels_within(Py_ssize_t centre, Py_ssize_t half, Py_ssize_t pixels) noexcept nogil:
    """How many pixels the blocks ``centre - half`` to ``centre + half`` hold of a line of ``pixels``."""
    return min(2 * (centre + half + 1), pixels) - max(2 * (centre - half), 0)


cdef void run_sums(const double* x, Py_ssize_t n, Py_ssize_t margin, double* out) noexcept nogil:
    """Running sums of four rows with ``margin`` constant values before and after.

    ``out[margin + i] = x[0] + ... + x[i - 1]``; the four chains of additions run side by side.
    """
    cdef Py_ssize_t i, width = n + 2 * margin + 1
    cdef double* a = out
    cdef double* b = out + width
    cdef double* c = out + 2 * width
    cdef double* d = out + 3 * width
    cdef double sa = 0, sb = 0, sc = 0, sd = 0
    for i in range(margin):
        a[i] = b[i] = c[i] = d[i] = 0
    for i in range(n):
        a[margin + i] = sa
        b[margin + i] = sb
        c[margin + i] = sc
        d[margin + i] = sd
        sa += x[i]
        sb += x[n + i]
        sc += x[2 * n + i]
        sd += x[3 * n + i]
    for i in range(margin + n, width):
        a[i] = sa
        b[i] = sb
        c[i] = sc
        d[i] = sd


cdef void sum_blocks(
    const float* upper, const float* lower, Py_ssize_t cols, float* first, float* second
) noexcept nogil:
    """`block_row` for any number of columns; ``lower`` is NULL below the last row."""
    cdef Py_ssize_t c, n = cols // 2
    cdef float a, b
    if lower != NULL:
        block_row(upper, lower, first, second, n)
    else:
        for c in range(n):
            first[c] = upper[2 * c] + upper[2 * c + 1]
            second[c] = upper[2 * c] * upper[2 * c] + upper[2 * c + 1] * upper[2 * c + 1]
    if cols % 2:
        a = upper[cols - 1]
        b = lower[cols - 1] if lower != NULL else 0
        first[n] = a + b
        second[n] = a * a + b * b


cdef void whiten_start(Whitening* f, float* scratch) noexcept nogil:
    """Lay the scratch out; the sums are doubles and start at the first whole one."""
    cdef Py_ssize_t n = (f.cols + 1) // 2
    if <size_t>scratch % sizeof(double):
        scratch += 1
    f.sums = <double*>scratch
    f.rows_of = scratch + 2 * (4 * n + 4 * (n + 2 * f.half + 1))
    f.rows_before = f.guard_rows_before = -1
    memset(f.sums, 0, 4 * n * sizeof(double))


cdef void whiten_next(Whitening* f, Py_ssize_t b) noexcept nogil:
    """Take step ``b``: add the row of blocks ``b``, if there is one, and finish the row ``half`` before it."""
    cdef Py_ssize_t cols = f.cols, n = (cols + 1) // 2, n_rows = (f.rows + 1) // 2, half = f.half
    cdef Py_ssize_t guard_half = f.guard_half, depth = 2 * half + 1, width = n + 2 * half + 1
    cdef Py_ssize_t q, c, r, k, count, row_count, guard_row_count
    cdef double* sums = f.sums
    cdef float* mean = f.rows_of
    cdef float* spread = mean + n
    cdef float* mean_row = spread + n
    cdef float* spread_row = mean_row + 2 * n
    cdef float* share = spread_row + 2 * n
    cdef float* blocks = share + n  # `depth` rows of sums and of sums of squares
    cdef double* running = sums + 4 * n
    cdef const float* row
    if b < n_rows:
        row = f.x + 2 * b * cols
        sum_blocks(
            row, row + cols if 2 * b + 1 < f.rows else NULL, cols,
            blocks + 2 * (b % depth) * n, blocks + (2 * (b % depth) + 1) * n,
        )
        for k in range(2):
            add_blocks(blocks + (2 * (b % depth) + k) * n, 1, sums + k * n, n)
    q = b - half
    if q < 0:
        return
    # The inner square follows the outer one, out of the same rows of blocks.
    if q == 0:
        for c in range(min(guard_half + 1, n_rows)):
            for k in range(2):
                add_blocks(blocks + (2 * (c % depth) + k) * n, 1, sums + (2 + k) * n, n)
    elif q + guard_half < n_rows:
        for k in range(2):
            add_blocks(blocks + (2 * ((q + guard_half) % depth) + k) * n, 1, sums + (2 + k) * n, n)
    if q - guard_half - 1 >= 0:
        for k in range(2):
            add_blocks(blocks + (2 * ((q - guard_half - 1) % depth) + k) * n, -1, sums + (2 + k) * n, n)
    row_count = pixels_within(q, half, f.rows)
    guard_row_count = pixels_within(q, guard_half, f.rows)
    for c in range(n if row_count != f.rows_before or guard_row_count != f.guard_rows_before else 0):
        count = row_count * pixels_within(c, half, cols) - guard_row_count * pixels_within(c, guard_half, cols)
        share[c] = 1 / <float>count if count > 0 else 0
    f.rows_before = row_count
    f.guard_rows_before = guard_row_count
    run_sums(sums, n, half, running)
    ring_row(
        running, running + 2 * half + 1,
        running + 2 * width + half - guard_half, running + 2 * width + half + guard_half + 1,
        running + width, running + width + 2 * half + 1,
        running + 3 * width + half - guard_half, running + 3 * width + half + guard_half + 1,
        share, mean, spread, n,
    )
    double_row(mean, mean_row, n)
    double_row(spread, spread_row, n)
    for r in range(2 * q, min(2 * q + 2, f.rows)):
        whiten_row(
            f.x + r * cols, mean_row, spread_row, f.predicted + r * cols, f.variance_floor, f.z + r * cols, cols
        )
        memcpy(f.variance + r * cols, spread_row, cols * sizeof(float))
    if q - half >= 0:
        for k in range(2):
            add_blocks(blocks + (2 * ((q - half) % depth) + k) * n, -1, sums + k * n, n)


cdef Py_ssize_t half_in_blocks(Py_ssize_t side):
    """Half of the odd number of blocks next to a side in pixels."""
    return (side + 1) // 4


def whiten_scratch_size(cols, window):
    """Floats of scratch that `whiten` needs."""
    n, half = (cols + 1) // 2, half_in_blocks(window)
    return 2 * (4 * n + 4 * (n + 2 * half + 1)) + 7 * n + 2 * (2 * half + 1) * n + 2


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
    frame.x = &x[0, 0]
    frame.predicted = &p[0, 0]
    frame.rows = x.shape[0]
    frame.cols = x.shape[1]
    frame.variance = &v[0, 0]
    frame.z = &y[0, 0]
    cdef Py_ssize_t b
    with nogil:
        whiten_start(&frame, &s[0])
        for b in range((frame.rows + 1) // 2 + frame.half):
            whiten_next(&frame, b)
