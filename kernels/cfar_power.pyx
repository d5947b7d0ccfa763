"""Constant false alarm rate tests on square-law radar cells: CA, GO and SO.

The noise about a cell x is estimated from the N cells of a ``window`` without its ``guard``, both odd (rows, columns);
at the border of the image N is what is left of it. With S the sum of the ring and a the multiplier for N cells,

    CA  x > (a / N) S             cell averaging (Finn and Johnson 1968, RCA Review 29);
    GO  x > (a / N1) S1 and x > (a / N2) S2   greatest of (Hansen and Sawyers 1980, IEEE Trans. AES 16);
    SO  x > (a / N1) S1 or x > (a / N2) S2    smallest of (Trunk 1978, IEEE Trans. AES 14).

S1 and S2 are the halves before and after the guard along a row of the image (range): all rows of the window, without
the columns of the guard. The factors ``a / N`` for a wanted Pfa stand in a table of one row for each distance to the
nearer of upper and lower border, up to half the window, and one column for each column of the image; `thresholds.py`
makes it.

Exact: a hit is what float64 makes of the same float32 cells and factors, with the ring summed row by row. Sums run in
float32 over cells that are not negative, so a sum of d stages is within ``d 2^-24`` of the truth; the few cells that
lie closer to their threshold are decided again in float64. This holds where the ring's sum times the factor stays below
3e38. A NaN in a ring gives no hit there (SO: the other half decides alone), and spoils no other ring.
"""

from libc.stdlib cimport labs
from libc.string cimport memchr, memset

from lookdown.kernels.boxsum cimport row_sums, row_sums_size
from lookdown.kernels.ringsum cimport (
    RingSums, advance, aligned, gather_ring, kept_row, prefetch_row, renew_sums, ring_sums, ring_sums_size, strip_of,
    whole
)
from lookdown.kernels.rows cimport BytesOut, RowIn, RowOut, cloned, row_stride

from lookdown.kernels.checks import require_array, require_cells, require_scratch

cdef enum:
    AVERAGE = 0
    GREATEST = 1
    SMALLEST = 2
    POSSIBLE = 1
    STRIP = 256  # most columns that are done at a time; measured

cdef extern from *:
    """
    /* Products of sums as small as this are not rounded to 24 bits. */
    #define LOOKDOWN_TINY 1e-36f
    """
    const float TINY "LOOKDOWN_TINY"


cdef struct Test:
    int mode
    const float* x
    const float* factors
    unsigned char* hits
    Py_ssize_t rows
    Py_ssize_t cols
    Py_ssize_t half_rows
    Py_ssize_t half_cols
    Py_ssize_t guard_rows  # half of the guard
    Py_ssize_t guard_cols
    Py_ssize_t classes  # rows of the table of factors


cdef cloned enter_row(RowIn x, RowIn before, RowOut row, RowOut pair, Py_ssize_t n) noexcept nogil:
    """Take a row into the sums, alone and together with the row before it."""
    cdef Py_ssize_t i
    for i in range(n):
        row[i] = x[i]
        pair[i] = x[i] + before[i]


cdef cloned sift_average(
    RowIn x, RowIn left, RowIn right, RowIn centre, RowIn factor, float below, BytesOut hits, Py_ssize_t n
) noexcept nogil:
    """Write 1 where there may be a hit, whatever the sum was rounded by."""
    cdef Py_ssize_t i
    for i in range(n):
        hits[i] = x[i] + TINY > (((left[i] + right[i]) + centre[i]) * factor[i]) * below


cdef cloned sift_greatest(
    RowIn x, RowIn left, RowIn right, RowIn factor, RowIn factor2, float below, BytesOut hits, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    cdef float cell
    for i in range(n):
        cell = x[i] + TINY
        hits[i] = (cell > (left[i] * factor[i]) * below) & (cell > (right[i] * factor2[i]) * below)


cdef cloned sift_smallest(
    RowIn x, RowIn left, RowIn right, RowIn factor, RowIn factor2, float below, BytesOut hits, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    cdef float cell
    for i in range(n):
        cell = x[i] + TINY
        hits[i] = (cell > (left[i] * factor[i]) * below) | (cell > (right[i] * factor2[i]) * below)


cdef double exact_sum(
    const Test* t, Py_ssize_t row, Py_ssize_t col, Py_ssize_t from_col, Py_ssize_t to_col, bint guarded
) noexcept nogil:
    """Sum in float64, row by row, over the window's rows and columns ``col + from_col`` to ``col + to_col``."""
    cdef Py_ssize_t r, c
    cdef Py_ssize_t first = max(col + from_col, 0), last = min(col + to_col, t.cols - 1)
    cdef double total = 0
    for r in range(max(row - t.half_rows, 0), min(row + t.half_rows, t.rows - 1) + 1):
        for c in range(first, last + 1):
            if not (guarded and labs(r - row) <= t.guard_rows and labs(c - col) <= t.guard_cols):
                total += t.x[r * t.cols + c]
    return total


cdef unsigned char decide(
    const Test* t, Py_ssize_t row, Py_ssize_t col, float left, float right, float centre, float above
) noexcept nogil:
    """The test of a cell that may be a hit: in float32 with its bound, and if that does not tell in float64."""
    cdef Py_ssize_t line = min(min(row, t.rows - 1 - row), t.half_rows)
    cdef const float* factor = t.factors + line * t.cols + col
    cdef double x = t.x[row * t.cols + col]
    cdef bint before, after
    if not x > 0:
        return 0
    if t.mode == AVERAGE:
        if x > ((left + right) + centre) * factor[0] * above + TINY:
            return 1
        return x > factor[0] * exact_sum(t, row, col, -t.half_cols, t.half_cols, True)
    before = x > left * factor[0] * above + TINY
    after = x > right * factor[t.classes * t.cols] * above + TINY
    if (before and after) if t.mode == GREATEST else (before or after):
        return 1
    before = x > factor[0] * exact_sum(t, row, col, -t.half_cols, -t.guard_cols - 1, False)
    after = x > factor[t.classes * t.cols] * exact_sum(t, row, col, t.guard_cols + 1, t.half_cols, False)
    return (before and after) if t.mode == GREATEST else (before or after)


cdef void test_strip(const Test* t, Py_ssize_t start, Py_ssize_t stop, float* scratch) noexcept nogil:
    """Test columns ``start`` to ``stop - 1``; the sums reach half a window further."""
    cdef Py_ssize_t window = 2 * t.half_rows + 1, guard = 2 * t.guard_rows + 1 if t.mode == AVERAGE else window
    cdef Py_ssize_t band = t.half_cols - t.guard_cols, guard_cols = 2 * t.guard_cols + 1, n = stop - start
    cdef Py_ssize_t first = max(start - t.half_cols, 0), reach = min(stop + t.half_cols, t.cols) - first
    cdef Py_ssize_t lag = t.half_cols + t.guard_cols + 1, before = t.half_cols - (start - first)
    cdef Py_ssize_t wide = whole(n + 2 * t.half_cols), width = row_stride(wide + 16)
    cdef Py_ssize_t last, row, col
    cdef RingSums sums = ring_sums(wide, window, guard, scratch)
    cdef float* outer = scratch + ring_sums_size(wide, window, guard)
    cdef float* full = outer + width
    cdef float* side = full + width
    cdef float* centre = side + width
    cdef float* work = centre + width
    # Stages of a sum: down the window, along it, the parts, and the products.
    cdef float bound = <float>(window + 32) * <float>5.9604645e-8, above = 1 + bound, below = 1 - bound
    cdef const float* x
    cdef const float* factor
    cdef unsigned char* hits
    cdef unsigned char* found
    memset(outer, 0, 4 * width * sizeof(float))
    for last in range(t.rows + t.half_rows):
        advance(&sums)
        if last < t.rows:
            if last + 1 < t.rows:
                prefetch_row(t.x + (last + 1) * t.cols + first, reach)
            enter_row(
                t.x + last * t.cols + first, kept_row(&sums, 0, last - 1) + before, kept_row(&sums, 0, last) + before,
                kept_row(&sums, 1, last) + before, reach,
            )
            renew_sums(&sums, 2)
        else:
            memset(kept_row(&sums, 0, last), 0, wide * sizeof(float))
            renew_sums(&sums, 1)
        row = last - t.half_rows
        if row < 0:
            continue
        gather_ring(&sums, row, outer, full)
        if band:
            row_sums(full, band, whole(n + lag), work, side)
        x = t.x + row * t.cols + start
        hits = t.hits + row * t.cols + start
        factor = t.factors + min(min(row, t.rows - 1 - row), t.half_rows) * t.cols + start
        if t.mode == AVERAGE:
            if sums.band:
                row_sums(outer + band, guard_cols, whole(n), work, centre)
            sift_average(x, side, side + lag, centre, factor, below, hits, n)
        elif t.mode == GREATEST:
            sift_greatest(x, side, side + lag, factor, factor + t.classes * t.cols, below, hits, n)
        else:
            sift_smallest(x, side, side + lag, factor, factor + t.classes * t.cols, below, hits, n)
        found = <unsigned char*>memchr(hits, POSSIBLE, n)
        while found != NULL:
            col = found - hits
            found[0] = decide(t, row, start + col, side[col], side[col + lag], centre[col], above)
            found = <unsigned char*>memchr(found + 1, POSSIBLE, n - col - 1)


def power_scratch_size(cols, window, guard):
    """Floats of scratch that `cell_average`, `greatest_of` and `smallest_of` need."""
    cdef Py_ssize_t wide = whole(strip_of(cols, STRIP) + window[1] - 1)
    return (
        max(ring_sums_size(wide, window[0], guard[0]), ring_sums_size(wide, window[0], window[0]))
        + 4 * row_stride(wide + 16)
        + row_sums_size(wide + 16, window[1])
        + 15
    )


cdef test_image(int mode, power, window, guard, factors, scratch, hits):
    cdef Test t
    t.half_rows, t.half_cols, t.guard_rows, t.guard_cols, t.classes = require_cells(
        power, window, guard, halves=mode != AVERAGE
    )
    cdef const float[:, ::1] x = power
    t.mode = mode
    t.rows = x.shape[0]
    t.cols = x.shape[1]
    halves = () if mode == AVERAGE else (2,)
    require_array("factors", factors, "float32", (*halves, t.classes, t.cols))
    cdef const float[::1] f = factors.reshape(-1)
    cdef unsigned char[:, ::1] h = require_array(
        "hits", hits, "uint8", power.shape, out=True, apart_from=(power, factors)
    )
    cdef float[::1] s = require_scratch(
        scratch, power_scratch_size(t.cols, window, guard), (power, factors, hits)
    )
    cdef Py_ssize_t start = 0, strip = strip_of(t.cols, STRIP)
    t.x = &x[0, 0]
    t.factors = &f[0]
    t.hits = &h[0, 0]
    with nogil:
        while start < t.cols:
            test_strip(&t, start, min(start + strip, t.cols), aligned(&s[0]))
            start += strip


def cell_average(power, window, guard, factors, scratch, hits):
    """Test each cell against the mean of its ring (CA-CFAR).

    Parameters
    ----------
    power : ndarray of float32, shape (rows, cols)
        Square-law cells, 0 or more; columns are range.
    window, guard : tuple of int
        Rows and columns, odd, up to 255; the guard is shorter in one direction at least [cell].
    factors : ndarray of float32, shape (min(window rows // 2, (rows - 1) // 2) + 1, cols)
        Multiplier by number of cells, as `thresholds.average_factors` gives [1]; NaN where nothing can be a hit.
    scratch : ndarray of float32
        At least `power_scratch_size` elements; its content does not matter.
    hits : ndarray of uint8, shape (rows, cols)
        1 where the cell is above its threshold, else 0.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or there is no ring.
    """
    test_image(AVERAGE, power, window, guard, factors, scratch, hits)


def greatest_of(power, window, guard, factors, scratch, hits):
    """Test each cell against the greater mean of the halves of its ring (GO-CFAR).

    Parameters
    ----------
    power, window, guard, scratch, hits
        As for `cell_average`; the guard has fewer columns than the window.
    factors : ndarray of float32, shape (2, min(window rows // 2, (rows - 1) // 2) + 1, cols)
        For the half before and for that after, as `thresholds.greatest_factors` gives [1].

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or there are no halves.
    """
    test_image(GREATEST, power, window, guard, factors, scratch, hits)


def smallest_of(power, window, guard, factors, scratch, hits):
    """Test each cell against the smaller mean of the halves of its ring (SO-CFAR).

    Parameters
    ----------
    power, window, guard, scratch, hits
        As for `cell_average`; the guard has fewer columns than the window.
    factors : ndarray of float32, shape (2, min(window rows // 2, (rows - 1) // 2) + 1, cols)
        For the half before and for that after, as `thresholds.smallest_factors` gives [1].

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or there are no halves.
    """
    test_image(SMALLEST, power, window, guard, factors, scratch, hits)
