"""Constant false alarm rate test on square-law radar cells by an ordered statistic: OS.

The noise about a cell x is the k-th smallest of the N cells of its ring (Rohling 1983, IEEE Trans. AES 19): a few
strong cells in the ring, a neighbour or an edge of clutter, do not lift it. Nothing is sorted: with the multiplier a

    x > a * (k-th smallest)   exactly when   at least k cells of the ring have a * cell < x,

both in float32, for rounding keeps the order of products. So hits are those of ``numpy.partition`` to the last cell.

Most cells are told without looking at their ring. For a level L, ``count(cell < L)`` over the window is a sum of ones,
which slides without error; where it stays below k, the k-th smallest is at least L, and x <= a * L is no hit. L is a
quantile of each tile of the image; whatever it is, results are the same, a good one leaves one cell in fifty. For these
the ring is counted, until its answer is certain.
"""

from libc.string cimport memchr, memset

from lookdown.kernels.boxsum cimport row_sums, row_sums_size
from lookdown.kernels.ringsum cimport whole
from lookdown.kernels.rows cimport BytesOut, RowIn, RowOut, cloned, row_stride

from lookdown.kernels.checks import require_array, require_cells, require_scratch

cdef extern from *:
    """
    typedef const int *__restrict__ lookdown_ranks_in;
    """
    ctypedef const int* RanksIn "lookdown_ranks_in"

cdef enum:
    TILE_ROWS = 32
    TILE_COLS = 128
    SAMPLES = 128  # cells of a tile that its level is taken from
    OPEN = 1  # a cell whose ring must be counted

cdef double PRUDENCE = 0.75  # part of the share of cells that a hit asks for: the sample and the window scatter


cdef struct Test:
    const float* x
    const float* multipliers
    const int* ranks
    unsigned char* hits
    Py_ssize_t rows
    Py_ssize_t cols
    Py_ssize_t half_rows
    Py_ssize_t half_cols
    Py_ssize_t guard_rows  # half of the guard
    Py_ssize_t guard_cols


cdef union Bits:
    float value
    unsigned int bits


cdef cloned count_below(RowIn x, float level, int* count, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef int total = 0
    for i in range(n):
        total += x[i] < level
    count[0] = total


cdef cloned count_hits(RowIn x, float multiplier, float cell, int* count, Py_ssize_t n) noexcept nogil:
    """Add how many cells, times the multiplier, are smaller than the cell under test."""
    cdef Py_ssize_t i
    cdef int total = 0
    for i in range(n):
        total += multiplier * x[i] < cell
    count[0] += total


cdef cloned add_below(RowIn x, float level, float sign, RowOut sums, Py_ssize_t n) noexcept nogil:
    """Take a row into the column counts, or out of them."""
    cdef Py_ssize_t i
    for i in range(n):
        sums[i] += sign if x[i] < level else 0


cdef cloned move_below(RowIn new, RowIn old, float level, RowOut sums, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef float one, other
    for i in range(n):
        one = 1 if new[i] < level else 0
        other = 1 if old[i] < level else 0
        sums[i] += one - other


cdef cloned sift_row(
    RowIn x, RowIn count, RowIn multiplier, RanksIn rank, float level, BytesOut open_cells, Py_ssize_t n
) noexcept nogil:
    """Write 1 where the level does not exclude a hit."""
    cdef Py_ssize_t i
    for i in range(n):
        open_cells[i] = (x[i] > multiplier[i] * level) | (count[i] >= <float>rank[i])


cdef float quantile(float* samples, Py_ssize_t n, Py_ssize_t wanted) noexcept nogil:
    """Return about the largest number below which fewer than ``wanted`` of the samples lie.

    The bits of positive floats are in the order of the floats, so halving between them takes 16 steps to 1 part in 128.
    """
    cdef Bits low, high, middle
    cdef int count
    low.value = 0
    high.value = 3e38
    for _ in range(16):
        middle.bits = low.bits + (high.bits - low.bits) // 2
        count_below(samples, middle.value, &count, n)
        if count < wanted:
            low = middle
        else:
            high = middle
    return low.value


cdef unsigned char count_ring(
    const Test* t, Py_ssize_t row, Py_ssize_t col, float multiplier, int rank
) noexcept nogil:
    """Count the ring of one cell, until there are enough or there cannot be."""
    cdef Py_ssize_t r, first = max(col - t.half_cols, 0), last = min(col + t.half_cols, t.cols - 1)
    cdef Py_ssize_t top = max(row - t.half_rows, 0), bottom = min(row + t.half_rows, t.rows - 1)
    cdef Py_ssize_t inner_first = max(col - t.guard_cols, 0), inner_last = min(col + t.guard_cols, t.cols - 1)
    cdef float cell = t.x[row * t.cols + col]
    cdef int count = 0
    cdef const float* x
    cdef Py_ssize_t left = (bottom - top + 1) * (last - first + 1)
    for r in range(top, bottom + 1):
        x = t.x + r * t.cols
        if row - t.guard_rows <= r <= row + t.guard_rows:
            count_hits(x + first, multiplier, cell, &count, inner_first - first)
            count_hits(x + inner_last + 1, multiplier, cell, &count, last - inner_last)
        else:
            count_hits(x + first, multiplier, cell, &count, last - first + 1)
        left -= last - first + 1
        if count >= rank:
            return 1
        if count + left < rank:
            return 0
    return 0


cdef float tile_level(
    const Test* t, Py_ssize_t top, Py_ssize_t bottom, Py_ssize_t start, Py_ssize_t stop, float* samples
) noexcept nogil:
    """Level below which somewhat fewer cells of the tile lie than a hit asks for, by a sample."""
    cdef Py_ssize_t n = stop - start, cells = (bottom - top) * n, stride = (cells // SAMPLES) | 1, k, taken = 0
    cdef Py_ssize_t window = (2 * t.half_rows + 1) * (2 * t.half_cols + 1)
    cdef Py_ssize_t line = min((t.rows - 1) // 2, t.half_rows)
    cdef double share = t.ranks[line * t.cols + t.cols // 2] / <double>window
    k = stride // 2
    while k < cells and taken < SAMPLES:
        samples[taken] = t.x[(top + k // n) * t.cols + start + k % n]
        taken += 1
        k += stride
    return quantile(samples, taken, <Py_ssize_t>(PRUDENCE * share * taken) + 1)


cdef void test_tile(
    const Test* t, Py_ssize_t top, Py_ssize_t bottom, Py_ssize_t start, Py_ssize_t stop, float* scratch
) noexcept nogil:
    cdef Py_ssize_t n = stop - start, first = max(start - t.half_cols, 0)
    cdef Py_ssize_t reach = min(stop + t.half_cols, t.cols) - first, before = t.half_cols - (start - first)
    cdef Py_ssize_t window_cols = 2 * t.half_cols + 1, width = row_stride(whole(n + window_cols) + 16)
    cdef Py_ssize_t row, r, col, new, old, at
    cdef float* sums = scratch
    cdef float* count = sums + width
    cdef float* work = count + width
    cdef float level = tile_level(t, top, bottom, start, stop, count)
    cdef const float* x = t.x + first
    cdef unsigned char* hits
    cdef unsigned char* found
    memset(sums, 0, width * sizeof(float))
    for r in range(max(top - t.half_rows, 0), min(top + t.half_rows, t.rows)):
        add_below(x + r * t.cols, level, 1, sums + before, reach)
    for row in range(top, bottom):
        new = row + t.half_rows
        old = row - t.half_rows - 1 if row > top else -1
        if new < t.rows and old >= 0:
            move_below(x + new * t.cols, x + old * t.cols, level, sums + before, reach)
        elif new < t.rows:
            add_below(x + new * t.cols, level, 1, sums + before, reach)
        elif old >= 0:
            add_below(x + old * t.cols, level, -1, sums + before, reach)
        row_sums(sums, window_cols, whole(n), work, count)
        at = min(min(row, t.rows - 1 - row), t.half_rows) * t.cols + start
        hits = t.hits + row * t.cols + start
        sift_row(t.x + row * t.cols + start, count, t.multipliers + at, t.ranks + at, level, hits, n)
        found = <unsigned char*>memchr(hits, OPEN, n)
        while found != NULL:
            col = found - hits
            found[0] = count_ring(t, row, start + col, t.multipliers[at + col], t.ranks[at + col])
            found = <unsigned char*>memchr(found + 1, OPEN, n - col - 1)


def ordered_scratch_size(cols, window):
    """Floats of scratch that `ordered_statistic` needs."""
    cdef Py_ssize_t width = whole(min(cols, TILE_COLS) + window[1]) + 16
    return 2 * row_stride(max(width, SAMPLES)) + row_sums_size(width, window[1])


def ordered_statistic(power, window, guard, multipliers, ranks, scratch, hits):
    """Test each cell against a ranked cell of its ring (OS-CFAR).

    Parameters
    ----------
    power : ndarray of float32, shape (rows, cols)
        Square-law cells, 0 or more; columns are range. A NaN counts as larger than all, and is no hit.
    window, guard : tuple of int
        Rows and columns, odd, up to 255; the guard is shorter in one direction at least [cell].
    multipliers : ndarray of float32, shape (min(window rows // 2, (rows - 1) // 2) + 1, cols)
        By number of cells, 0 or more, as `thresholds.ordered_tables` gives [1]; infinite where nothing can be a hit.
    ranks : ndarray of int32, shape as multipliers
        k, 1 or more, as `thresholds.ordered_tables` gives; where there are fewer cells nothing can be a hit.
    scratch : ndarray of float32
        At least `ordered_scratch_size` elements; its content does not matter.
    hits : ndarray of uint8, shape (rows, cols)
        1 where the cell is above its threshold, else 0.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or there is no ring.
    """
    cdef Test t
    t.half_rows, t.half_cols, t.guard_rows, t.guard_cols, lines = require_cells(power, window, guard)
    cdef const float[:, ::1] x = power
    t.rows = x.shape[0]
    t.cols = x.shape[1]
    shape = (lines, t.cols)
    cdef const float[:, ::1] a = require_array("multipliers", multipliers, "float32", shape)
    cdef const int[:, ::1] k = require_array("ranks", ranks, "int32", shape)
    inputs = (power, multipliers, ranks)
    cdef unsigned char[:, ::1] h = require_array("hits", hits, "uint8", power.shape, out=True, apart_from=inputs)
    cdef float[::1] s = require_scratch(scratch, ordered_scratch_size(t.cols, window), (*inputs, hits))
    cdef Py_ssize_t top = 0, start
    t.x = &x[0, 0]
    t.multipliers = &a[0, 0]
    t.ranks = &k[0, 0]
    t.hits = &h[0, 0]
    with nogil:
        while top < t.rows:
            start = 0
            while start < t.cols:
                test_tile(&t, top, min(top + TILE_ROWS, t.rows), start, min(start + TILE_COLS, t.cols), &s[0])
                start += TILE_COLS
            top += TILE_ROWS
