"""Peaks of a score by block and size, and how often sizes occur about each block: the tail of clutter, place by place.

A peak is a pixel whose ``|z|`` exceeds that of its eight neighbours. Peaks are counted, not pixels, because a target is
one peak however wide it is, while noise and clutter have as many as there is room for. Bins are even in ``ln |z|``::

    bin = floor(ln(|z| / least) per_e),    |z| > least
"""

from libc.math cimport exp, fabsf, logf
from libc.stdint cimport uint64_t
from libc.string cimport memset

from lookdown.kernels.beyond cimport AT_ONCE, CHUNK, lowest_bit, marked
from lookdown.kernels.rows cimport BytesOut, RowIn, RowOut
from lookdown.kernels.wide cimport cloned_wide

from lookdown.kernels.checks import require_array, require_band, require_integer, require_number

cdef extern from *:
    """
    typedef double *__restrict__ lookdown_bins_out;
    typedef const double *__restrict__ lookdown_bins_in;
    """
    ctypedef double* BinsOut "lookdown_bins_out"
    ctypedef const double* BinsIn "lookdown_bins_in"

cdef enum:
    MOST_BINS = 256  # of a block, where levels are sought


cdef cloned_wide fade(RowOut counts, float keep, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        counts[i] = counts[i] * keep


cdef cloned_wide sizes_row(RowIn z, RowOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = fabsf(z[i])


cdef cloned_wide largest_row(RowIn size, RowOut out, Py_ssize_t n) noexcept nogil:
    """Largest of each pixel and its neighbours in the row, of which there is one more on either side."""
    cdef Py_ssize_t i
    cdef float most
    for i in range(n):
        most = size[i - 1] if size[i - 1] > size[i] else size[i]
        out[i] = most if most > size[i + 1] else size[i + 1]


cdef cloned_wide mark_peaks(
    RowIn above, RowIn size, RowIn below, float least, BytesOut marks, Py_ssize_t n
) noexcept nogil:
    """Mark peaks, given the largest of three in the rows above and below. Of equal ones the first in raster order."""
    cdef Py_ssize_t i
    cdef float before, behind
    for i in range(n):
        before = above[i] if above[i] > size[i - 1] else size[i - 1]
        before = before if before > least else least
        behind = below[i] if below[i] > size[i + 1] else size[i + 1]
        marks[i] = (size[i] > before) & (size[i] >= behind)


cdef void count_marks(
    const unsigned char* marks, const float* sizes, Py_ssize_t first, Py_ssize_t n, Py_ssize_t side, float least,
    float per_e, float* counts, Py_ssize_t n_bins
) noexcept nogil:
    """Count the marked ones of a row from column ``first`` on into the bins of its row of blocks."""
    cdef Py_ssize_t at = 0, c, k, last = n_bins - 1, end = side - first % side  # of the block's columns
    cdef uint64_t bits
    cdef float bin
    counts += first // side * n_bins
    while at < n:
        bits = marked(marks + at)
        while bits != 0:
            c = at + lowest_bit(bits)
            bits &= bits - 1
            while c >= end:
                counts += n_bins
                end += side
            bin = logf(sizes[c] / least) * per_e  # may be infinite
            k = <Py_ssize_t>bin if bin < <float>last else last
            counts[k] += 1
        at += AT_ONCE


cdef void count_all(
    const float* z, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t first_row, Py_ssize_t last_row, Py_ssize_t side,
    float least, float per_e, float* counts, Py_ssize_t m, Py_ssize_t n_bins, float keep
) noexcept nogil:
    cdef Py_ssize_t r, part, first, size, before, first_block = first_row // side
    cdef unsigned char[CHUNK] marks
    # Sizes of two rows, with a neighbour on either side, and the largest of three of three rows; 0 is no neighbour.
    cdef float[2][CHUNK + 2] sizes
    cdef float[3][CHUNK] largest
    fade(counts + first_block * m * n_bins, keep, ((last_row + side - 1) // side - first_block) * m * n_bins)
    for part in range((cols + CHUNK - 1) // CHUNK):
        first = part * CHUNK
        size = min(cols - first, <Py_ssize_t>CHUNK)
        before = 1 if first > 0 else 0
        memset(marks, 0, sizeof(marks))
        memset(sizes, 0, sizeof(sizes))
        memset(largest, 0, sizeof(largest))
        for r in range(max(first_row - 1, 0), last_row + 1):
            if r < rows:
                sizes_row(
                    z + r * cols + first - before, &sizes[r % 2][1 - before], min(cols - first, size + 1) + before
                )
                largest_row(&sizes[r % 2][1], largest[r % 3], size)
            else:
                memset(largest[r % 3], 0, size * sizeof(float))
            if r > first_row:
                mark_peaks(largest[(r + 1) % 3], &sizes[(r + 1) % 2][1], largest[r % 3], least, marks, size)
                count_marks(
                    marks, &sizes[(r + 1) % 2][1], first, size, side, least, per_e,
                    counts + (r - 1) // side * m * n_bins, n_bins,
                )


def count_peaks(z, side, least, per_e, keep, first_row, last_row, counts):
    """Let what was counted fade, and add the peaks of a frame.

    Parameters
    ----------
    z : ndarray of float32, shape (rows, cols)
        Score; 0 where unknown, never NaN.
    side : int
        Side of a block, 4 to 1024 [px].
    least : float
        Size from which on peaks count, above 0.
    per_e : float
        Bins to a factor of e, above 0.
    keep : float
        Factor of what was counted before, 0 to 1.
    first_row, last_row : int
        The band: rows whose peaks are counted, from ``first_row`` to before ``last_row``, a multiple of ``side`` or the
        end of the frame each. The blocks of other rows stay as they are.
    counts : ndarray of float32, shape (ceil(rows / side), ceil(cols / side), n)
        Peaks of each block by size, changed in place; the last bin takes all beyond.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const float[:, ::1] x = require_array("z", z, "float32", 2)
    cdef Py_ssize_t block = require_integer("side", side, 4, 1024)
    cdef float smallest = require_number("least", least, 1e-6, 1e6)
    cdef float bins_per_e = require_number("per_e", per_e, 1e-3, 1e3)
    cdef float kept = require_number("keep", keep, 0, 1)
    require_array("counts", counts, "float32", 3, out=True, apart_from=(z,))
    cdef Py_ssize_t n = (x.shape[0] + block - 1) // block, m = (x.shape[1] + block - 1) // block
    if counts.shape[0] != n or counts.shape[1] != m or counts.shape[2] < 2:
        raise ValueError(f"counts: wanted shape ({n}, {m}, 2 or more), got {counts.shape}; give bins to each block")
    cdef Py_ssize_t first, last
    first, last = require_band(first_row, last_row, x.shape[0], block)
    cdef float[:, :, ::1] bins = counts
    with nogil:
        count_all(
            &x[0, 0], x.shape[0], x.shape[1], first, last, block, smallest, bins_per_e, &bins[0, 0, 0], m,
            bins.shape[2], kept,
        )


def sum_peaks(counts, sums):
    """Add the peaks of all blocks, bin by bin.

    Parameters
    ----------
    counts : ndarray of float32, shape (rows, cols, n)
        Peaks of each block by size.
    sums : ndarray of float64, shape (n,)
        Those of all blocks together.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout.
    """
    cdef const float[:, :, ::1] bins = require_array("counts", counts, "float32", 3)
    cdef double[::1] out = require_array("sums", sums, "float64", (counts.shape[2],), out=True)
    cdef Py_ssize_t i, j, k
    with nogil:
        for k in range(out.shape[0]):
            out[k] = 0
        for i in range(bins.shape[0]):
            for j in range(bins.shape[1]):
                for k in range(out.shape[0]):
                    out[k] += bins[i, j, k]


cdef inline double within(double beyond, double inside, double wanted) noexcept nogil:
    """Part of a bin, from its lower edge, below the level that ``wanted`` peaks exceed."""
    cdef double part = (beyond + inside - wanted) / inside if inside > 0 else 0
    return min(max(part, 0), 1)


cdef cloned_wide add_three_bins(RowIn a, RowIn b, RowIn c, BinsOut sums, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        sums[i] = (<double>a[i] + b[i]) + c[i]


cdef cloned_wide add_columns(BinsIn prior, BinsIn a, BinsIn b, BinsIn c, BinsOut sums, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        sums[i] = prior[i] + ((a[i] + b[i]) + c[i])


cdef inline double sum_of_eight(const double* x) noexcept nogil:
    return ((x[0] + x[1]) + (x[2] + x[3])) + ((x[4] + x[5]) + (x[6] + x[7]))


cdef void find_levels(
    const float* counts, const double* prior, Py_ssize_t n, Py_ssize_t m, Py_ssize_t n_bins, float least, float per_e,
    const float* inner, const float* outer, float* inner_level, float* outer_level
) noexcept nogil:
    cdef Py_ssize_t i, j, k, at, last
    cdef double beyond, inside, next_level
    cdef bint searching
    # Bins of three columns of three blocks each, of which the next block keeps two; and what lies beyond the frame.
    cdef double[3][MOST_BINS] columns
    cdef double[MOST_BINS] around
    cdef double[MOST_BINS] no_column
    cdef float[MOST_BINS] no_block
    memset(no_column, 0, sizeof(no_column))
    memset(no_block, 0, sizeof(no_block))
    for i in range(n):
        for j in range(-1, m):
            if j + 1 < m:
                at = (i * m + j + 1) * n_bins
                add_three_bins(
                    counts + at - m * n_bins if i > 0 else &no_block[0], counts + at,
                    counts + at + m * n_bins if i + 1 < n else &no_block[0], columns[(j + 1) % 3], n_bins,
                )
            if j < 0:
                continue
            add_columns(
                prior, &columns[(j + 2) % 3][0] if j > 0 else &no_column[0], columns[j % 3],
                &columns[(j + 1) % 3][0] if j + 1 < m else &no_column[0], around, n_bins,
            )
            at = i * m + j
            inner_level[at] = outer_level[at] = least
            beyond = 0
            searching = True
            last = n_bins
            while last > 0:
                # Largest sizes first, eight bins at a time as long as no level lies among them.
                next_level = min(inner[at], outer[at]) if searching else inner[at]
                if last >= 8:
                    inside = sum_of_eight(around + last - 8)
                    if beyond + inside < next_level:
                        beyond += inside
                        last -= 8
                        continue
                for k in range(last - 1, max(last - 8, 0) - 1, -1):
                    inside = around[k]
                    if searching and beyond + inside >= outer[at]:
                        outer_level[at] = <float>(least * exp((k + within(beyond, inside, outer[at])) / per_e))
                        searching = False
                    if beyond + inside >= inner[at]:
                        inner_level[at] = <float>(least * exp((k + within(beyond, inside, inner[at])) / per_e))
                        last = 0
                        break
                    beyond += inside
                last = max(last - 8, 0)


def peak_levels(counts, prior, least, per_e, inner, outer, inner_level, outer_level):
    """Find the sizes that wanted numbers of peaks exceed, in the square of 3 x 3 blocks about each block.

    Parameters
    ----------
    counts : ndarray of float32, shape (n, m, k)
        Peaks by block and size, as `count_peaks` keeps them; k up to 256.
    prior : ndarray of float64, shape (k,)
        Peaks by size that are added to those of each square.
    least, per_e : float
        Bins, as for `count_peaks`.
    inner, outer : ndarray of float32, shape (n, m)
        Peaks that exceed the levels sought.
    inner_level, outer_level : ndarray of float32, shape (n, m)
        The levels; ``least`` where fewer peaks were counted.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    require_array("counts", counts, "float32", 3)
    shape = counts.shape[:2]
    cdef const float[:, :, ::1] bins = counts
    cdef const double[::1] more = require_array("prior", prior, "float64", 1)
    if prior.shape[0] != counts.shape[2] or counts.size == 0:
        raise ValueError(f"prior: wanted {counts.shape[2]} bins, got {prior.shape[0]}; give one a bin of counts")
    if counts.shape[2] > MOST_BINS:
        raise ValueError(f"counts: wanted up to {MOST_BINS} bins, got {counts.shape[2]}; make them wider")
    cdef float smallest = require_number("least", least, 1e-6, 1e6)
    cdef float bins_per_e = require_number("per_e", per_e, 1e-3, 1e3)
    cdef const float[:, ::1] a = require_array("inner", inner, "float32", shape)
    cdef const float[:, ::1] b = require_array("outer", outer, "float32", shape)
    inputs = (counts, prior, inner, outer)
    cdef float[:, ::1] p = require_array("inner_level", inner_level, "float32", shape, out=True, apart_from=inputs)
    cdef float[:, ::1] q = require_array(
        "outer_level", outer_level, "float32", shape, out=True, apart_from=(*inputs, inner_level)
    )
    with nogil:
        find_levels(
            &bins[0, 0, 0], &more[0], bins.shape[0], bins.shape[1], bins.shape[2], smallest, bins_per_e,
            &a[0, 0], &b[0, 0], &p[0, 0], &q[0, 0],
        )
