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
from libc.stdint cimport uint64_t
from libc.string cimport memset

from lookdown.kernels.beyond cimport AT_ONCE, lowest_bit, marked
from lookdown.kernels.rows cimport BytesOut, RowIn, cloned

from lookdown.kernels.checks import require_array, require_integer, require_number

cdef enum:
    BEND = 2  # a path may bend, and places are whole pixels [px]
    MOST_REACH = 64
    MOST_WIDE = 192  # of a row within reach, in words of marks


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


cdef float strongest(
    const float* x, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t r, Py_ssize_t c, float sign
) noexcept nogil:
    """Strongest of a polarity about a place; endless beyond the border, where nothing speaks against it."""
    cdef Py_ssize_t _i, j
    cdef float[2 * BEND + 1] most
    cdef const float* row
    if r - BEND < 0 or c - BEND < 0 or r + BEND >= rows or c + BEND >= cols:
        return INFINITY
    row = x + (r - BEND) * cols + c - BEND
    for j in range(2 * BEND + 1):
        most[j] = -INFINITY
    for _i in range(2 * BEND + 1):
        # Column by column, so that none waits for the one before it.
        for j in range(2 * BEND + 1):
            most[j] = max(most[j], sign * row[j])
        row += cols
    for j in range(1, 2 * BEND + 1):
        most[0] = max(most[0], most[j])
    return most[0]


cdef cloned mark_peaks(
    RowIn above, RowIn row, RowIn below, float sign, float least, BytesOut marks, Py_ssize_t n
) noexcept nogil:
    """Mark what has the least size and no larger neighbour; there is a neighbour on either side of the row."""
    cdef Py_ssize_t i
    cdef float size
    for i in range(n):
        size = sign * row[i]
        marks[i] = (
            (size >= least)
            & (size >= sign * row[i - 1]) & (size >= sign * row[i + 1])
            & (size >= sign * above[i - 1]) & (size >= sign * above[i]) & (size >= sign * above[i + 1])
            & (size >= sign * below[i - 1]) & (size >= sign * below[i]) & (size >= sign * below[i + 1])
        )


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


cdef bint has_partner(const Maps* x, const int* place, float sign, float least, bint strict) noexcept nogil:
    cdef Py_ssize_t r = place[0], c = place[1], cols = x.cols, i, j, k, n
    cdef Py_ssize_t left = c - x.reach, right = c + x.reach + 1
    cdef unsigned char[MOST_WIDE] marks
    cdef const float* row
    cdef float size
    cdef uint64_t bits
    if r + x.reach < 0 or c + x.reach < 0 or r - x.reach >= x.rows or c - x.reach >= x.cols:
        return True
    if x.older != NULL and r - x.reach > 0 and left > 0 and r + x.reach + 1 < x.rows and right < cols:
        # Almost always: neighbours all around. Peaks are few, and a branch for each pixel is guessed wrong too often.
        n = right - left
        memset(marks, 0, (n + AT_ONCE - 1) // AT_ONCE * AT_ONCE)
        for i in range(r - x.reach, r + x.reach + 1):
            row = x.before + i * cols + left
            mark_peaks(row - cols, row, row + cols, sign, least, marks, n)
            k = 0
            while k < n:
                bits = marked(marks + k)
                while bits != 0:
                    if goes_on(x, place, i, left + k + lowest_bit(bits), sign, least, strict):
                        return True
                    bits &= bits - 1
                k += AT_ONCE
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


def find_partners(before, older, oldest, places, least, strict, together, three, reach, found):
    """Look for what stood out before at the places of plots.

    Parameters
    ----------
    before : ndarray of float32, shape (rows, cols)
        Calibrated SNR of the frame before, with its sign.
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
    cdef Py_ssize_t k, n = s.shape[0]
    require_array("places", places, "int32", (n, 6))
    cdef const unsigned char[::1] harder = require_array("strict", strict, "uint8", (n,))
    cdef unsigned char[::1] y = require_array("found", found, "uint8", (n,), out=True)
    p = places
    with nogil:
        for k in range(n):
            y[k] = has_partner(&maps, &p[k, 0], 1 if s[k] > 0 else -1, s[k] if s[k] > 0 else -s[k], harder[k])
