"""Partners: whether what stands out in a frame stood out in the frames before, nearby and along a line.

A mover shines in every frame; a particle's hit or a flash of the sea in one. A plot at x, of SNR s, is confirmed if the
frame before has a peak of the same polarity at some x + d (both relative to the background), ``|d_row|``, ``|d_col|``
up to ``reach``, of at least ``share s``, and the frame before that one has half as much within 2 px of x + 2 d: while a
background settles, SNR grows from frame to frame. Noise has that somewhere within reach of nearly any plot, but seldom
much of it in both: together they must show ``together share s``. Where flashes come thick, two of them lie on a line
with a third now and then; there (``strict``) the frame before those two must go on along the line, within 2 px of
x + 3 d, and all three show ``three share s``.
"""

from libc.math cimport INFINITY
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset

from lookdown.kernels.beyond cimport lowest_bit
from lookdown.kernels.rows cimport BytesOut, RowIn, RowOut, cloned
from lookdown.kernels.soon cimport SOON, prefetch

from lookdown.kernels.checks import require_array, require_integer, require_number

cdef enum:
    BEND = 2  # a path may bend, and places are whole pixels [px]
    LINE = 16  # floats that memory hands over at once
    LANES = 8  # columns whose strongest is found together
    MOST_REACH = 64
    STRIP = 32  # columns that are looked at together, one bit each


cdef float FADED = 0.5  # part of the least SNR of a partner that the older frame must show


cdef struct Maps:
    const float* before
    const float* older  # NULL, and then oldest, too
    const float* oldest
    Py_ssize_t rows
    Py_ssize_t cols
    float together
    float three
    Py_ssize_t reach


cdef inline float at(const float* x, Py_ssize_t cols, Py_ssize_t r, Py_ssize_t c, float sign) noexcept nogil:
    return sign * x[r * cols + c]


cdef float strongest_of_few(const float* corner, Py_ssize_t cols, float sign) noexcept nogil:
    """The same in a frame narrower than a register."""
    cdef Py_ssize_t i, j
    cdef float most = -INFINITY
    for i in range(2 * BEND + 1):
        for j in range(2 * BEND + 1):
            most = max(most, sign * corner[i * cols + j])
    return most


cdef float strongest(
    const float* x, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t r, Py_ssize_t c, float sign
) noexcept nogil:
    """Strongest of a polarity about a place; endless beyond the border, where nothing speaks against it."""
    cdef Py_ssize_t _i, j, begin = min(c - BEND, cols - LANES), beside = c - BEND - begin
    cdef float[LANES] most
    cdef const float* row
    if r - BEND < 0 or c - BEND < 0 or r + BEND >= rows or c + BEND >= cols:
        return INFINITY
    if cols < LANES:
        return strongest_of_few(x + (r - BEND) * cols + c - BEND, cols, sign)
    row = x + (r - BEND) * cols + begin
    for j in range(LANES):
        most[j] = sign * row[j]
    for _i in range(2 * BEND):
        # Column by column, so that none waits for the one before it; three more, so that they fill registers.
        row += cols
        for j in range(LANES):
            most[j] = max(most[j], sign * row[j])
    return max(max(max(most[beside], most[beside + 1]), max(most[beside + 2], most[beside + 3])), most[beside + 4])


cdef inline uint32_t bits_of(const unsigned char* marks) noexcept nogil:
    """Bits of the marks of a strip, the first lowest."""
    cdef uint64_t[4] eight
    cdef uint64_t gather = 0x0102040810204080  # moves the bit of byte k to bit 56 + k
    cdef uint32_t bits = 0
    cdef Py_ssize_t k
    memcpy(eight, marks, STRIP)
    if eight[0] | eight[1] | eight[2] | eight[3] == 0:  # most of the time
        return 0
    for k in range(4):
        bits |= <uint32_t>(eight[k] * gather >> 56) << 8 * k
    return bits


cdef cloned largest_row(RowIn row, float sign, RowOut largest) noexcept nogil:
    """Largest of each pixel of a strip and its neighbours in the row, of which there is one more on either side."""
    cdef Py_ssize_t i
    cdef float beside
    for i in range(STRIP):
        beside = sign * row[i - 1] if sign * row[i - 1] > sign * row[i + 1] else sign * row[i + 1]
        largest[i] = beside if beside > sign * row[i] else sign * row[i]


cdef cloned mark_peaks(
    RowIn row, float sign, float least, RowIn above, RowIn here, RowIn below, BytesOut marks
) noexcept nogil:
    """Mark what has the least size and no larger neighbour, given the largest of three in each row."""
    cdef Py_ssize_t i
    cdef float size
    for i in range(STRIP):
        size = sign * row[i]
        marks[i] = (size >= least) & (size >= above[i]) & (size >= here[i]) & (size >= below[i])


cdef bint is_peak(
    const float* x, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t r, Py_ssize_t c, float sign, float size
) noexcept nogil:
    """The same for one pixel, which may lie at the border."""
    cdef Py_ssize_t i, j
    for i in range(max(r - 1, 0), min(r + 2, rows)):
        for j in range(max(c - 1, 0), min(c + 2, cols)):
            if not at(x, cols, i, j, sign) <= size:
                return False
    return True


cdef bint goes_on(
    const Maps* x, const int* place, Py_ssize_t i, Py_ssize_t j, float sign, float least, bint strict
) noexcept nogil:
    """Whether the older frames go on along the line from a plot to a peak of the frame before."""
    cdef Py_ssize_t down = i - place[0], along = j - place[1]
    cdef float size = at(x.before, x.cols, i, j, sign), second, third
    second = strongest(x.older, x.rows, x.cols, place[2] + 2 * down, place[3] + 2 * along, sign)
    if second < max(FADED * least, x.together * least - size):
        return False
    if not strict or x.oldest == NULL:
        return True
    third = strongest(x.oldest, x.rows, x.cols, place[4] + 3 * down, place[5] + 3 * along, sign)
    return third >= max(FADED * least, x.three * least - size - second)


cdef bint in_strip(
    const Maps* x, const int* place, Py_ssize_t first, Py_ssize_t last, float sign, float least, bint strict
) noexcept nogil:
    """Whether a peak in the columns from ``first`` to before ``last`` is a partner; all neighbours are in the frame."""
    cdef Py_ssize_t cols = x.cols, top = place[0] - x.reach, i
    cdef Py_ssize_t begin = min(first, cols - 1 - STRIP)
    cdef uint32_t wanted = <uint32_t>((<uint64_t>1 << (last - begin)) - (<uint64_t>1 << (first - begin)))
    cdef float[3][STRIP] largest
    cdef unsigned char[STRIP] marks
    cdef const float* row = x.before + top * cols + begin
    cdef uint32_t bits
    largest_row(row - cols, sign, largest[0])
    largest_row(row, sign, largest[1])
    for i in range(2 * x.reach + 1):
        largest_row(row + cols, sign, largest[(i + 2) % 3])
        mark_peaks(row, sign, least, largest[i % 3], largest[(i + 1) % 3], largest[(i + 2) % 3], marks)
        bits = bits_of(marks) & wanted
        while bits != 0:
            if goes_on(x, place, top + i, begin + lowest_bit(bits), sign, least, strict):
                return True
            bits &= bits - 1
        row += cols
    return False


cdef bint has_partner(const Maps* x, const int* place, float sign, float least, bint strict) noexcept nogil:
    cdef Py_ssize_t r = place[0], c = place[1], cols = x.cols, i, j
    cdef Py_ssize_t left = c - x.reach, right = c + x.reach + 1
    cdef float size
    if r + x.reach < 0 or c + x.reach < 0 or r - x.reach >= x.rows or c - x.reach >= x.cols:
        return True
    if (
        x.older != NULL and r - x.reach > 0 and left > 0 and r + x.reach + 1 < x.rows and right < cols
        and cols >= STRIP + 2
    ):
        # Almost always: neighbours all around. Peaks are few, and a branch for each pixel is guessed wrong too often.
        while left < right:
            if in_strip(x, place, left, min(left + STRIP, right), sign, least, strict):
                return True
            left += STRIP
        return False
    for i in range(max(r - x.reach, 0), min(r + x.reach + 1, x.rows)):
        for j in range(max(left, 0), min(right, cols)):
            size = at(x.before, cols, i, j, sign)
            if size < least:
                continue
            if x.older == NULL:
                return True
            if is_peak(x.before, x.rows, cols, i, j, sign, size) and goes_on(x, place, i, j, sign, least, strict):
                return True
    return False


cdef void call_row(const Maps* x, const float* y, Py_ssize_t r) noexcept nogil:
    """Ask memory for a row."""
    cdef Py_ssize_t c = 0
    if r < x.rows:
        while c < x.cols:
            prefetch(y + r * x.cols + c)
            c += LINE


cdef void find_all(
    const Maps* x, const int* places, const float* least, const unsigned char* strict, Py_ssize_t n, int* words,
    unsigned char* found
) noexcept nogil:
    """Go through the plots from the top to the bottom: rows that one has read are in the cache for the next."""
    cdef int* first = words
    cdef int* following = words + x.rows
    cdef Py_ssize_t k, r
    cdef float sign
    memset(first, 0xFF, x.rows * sizeof(int))
    for k in range(n - 1, -1, -1):
        r = min(max(<Py_ssize_t>places[6 * k], 0), x.rows - 1)
        following[k] = first[r]
        first[r] = <int>k
    for r in range(x.rows):
        if n >= x.rows:  # so many that they read nearly all; with few of them it would be wasted
            call_row(x, x.before, r + x.reach + SOON)
            if x.older != NULL:
                call_row(x, x.older, r + 2 * x.reach + SOON)
        k = first[r]
        while k >= 0:
            sign = 1 if least[k] > 0 else -1
            found[k] = has_partner(x, places + 6 * k, sign, sign * least[k], strict[k])
            k = following[k]


def partners_scratch_size(rows, capacity):
    """Elements of scratch that `find_partners` needs for frames of ``rows`` rows and ``capacity`` plots."""
    return rows + capacity


def find_partners(before, older, oldest, places, least, strict, together, three, reach, scratch, found):
    """Look for what stood out before at the places of plots.

    Parameters
    ----------
    before : ndarray of float32, shape (rows, cols)
        Calibrated SNR of the frame before, with its sign, never NaN.
    older : ndarray of float32, shape (rows, cols), or None
        That of the frame before it; without it one partner is enough.
    oldest : ndarray of float32, shape (rows, cols), or None
        That of the frame before that one; without it two are.
    places : ndarray of int32, shape (n, 6)
        Where the background under each plot lay (row, col) in the frame before, the older and the oldest one [px].
    least : ndarray of float32, shape (n,)
        SNR that a partner must have, with the sign of the plot.
    strict : ndarray of uint8, shape (n,)
        Not 0 for plots that need a partner in the oldest frame, too.
    together : float
        Parts of ``least`` that both frames must show together, 1.5 (each its own least alone) to 100.
    three : float
        Parts of ``least`` that the three must show together, 1.5 to 100.
    reach : int
        How far a target may move against the background in a frame, along rows and along columns, 0 to 64 [px].
    scratch : ndarray of int32
        At least `partners_scratch_size` elements; its content does not matter.
    found : ndarray of uint8, shape (n,)
        1 where there is a partner, or where it would lie outside of the frame.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const float[:, ::1] x = require_array("before", before, "float32", 2)
    cdef const float[:, ::1] w, o
    cdef Maps maps
    maps.before, maps.older, maps.oldest = &x[0, 0], NULL, NULL
    maps.rows, maps.cols = x.shape[0], x.shape[1]
    if older is not None:
        w = require_array("older", older, "float32", before.shape)
        maps.older = &w[0, 0]
        if oldest is not None:
            o = require_array("oldest", oldest, "float32", before.shape)
            maps.oldest = &o[0, 0]
    cdef const int[:, ::1] p
    cdef const float[::1] s = require_array("least", least, "float32", 1)
    maps.together = require_number("together", together, 1.5, 100)
    maps.three = require_number("three", three, 1.5, 100)
    maps.reach = require_integer("reach", reach, 0, MOST_REACH)
    cdef Py_ssize_t n = s.shape[0]
    require_array("places", places, "int32", (n, 6))
    cdef const unsigned char[::1] harder = require_array("strict", strict, "uint8", (n,))
    cdef unsigned char[::1] y = require_array("found", found, "uint8", (n,), out=True)
    cdef int[::1] words = require_array("scratch", scratch, "int32", 1, out=True)
    if words.shape[0] < partners_scratch_size(x.shape[0], n):
        raise ValueError(
            f"scratch: wanted at least {partners_scratch_size(x.shape[0], n)} int32, got {words.shape[0]}; "
            "see partners_scratch_size"
        )
    if n == 0:
        return
    p = places
    with nogil:
        find_all(&maps, &p[0, 0], &s[0], &harder[0], n, &words[0], &y[0])
