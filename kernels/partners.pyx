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


from lookdown.kernels.checks import require_array, require_integer, require_number

cdef enum:
    BEND = 2  # a path may bend, and places are whole pixels [px]


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
    cdef Py_ssize_t i, j
    cdef float most = -INFINITY
    if r - BEND < 0 or c - BEND < 0 or r + BEND >= rows or c + BEND >= cols:
        return INFINITY
    for i in range(r - BEND, r + BEND + 1):
        for j in range(c - BEND, c + BEND + 1):
            most = max(most, at(x, cols, i, j, sign))
    return most


cdef bint has_partner(const Maps* x, const int* place, float sign, float least, bint strict) noexcept nogil:
    cdef Py_ssize_t r = place[0], c = place[1], i, j, u, v
    cdef float size, second, third
    cdef bint peak
    if r + x.reach < 0 or c + x.reach < 0 or r - x.reach >= x.rows or c - x.reach >= x.cols:
        return True
    for i in range(max(r - x.reach, 0), min(r + x.reach + 1, x.rows)):
        for j in range(max(c - x.reach, 0), min(c + x.reach + 1, x.cols)):
            size = at(x.before, x.cols, i, j, sign)
            if size < least:
                continue
            if x.older == NULL:
                return True
            peak = True
            for u in range(max(i - 1, 0), min(i + 2, x.rows)):
                for v in range(max(j - 1, 0), min(j + 2, x.cols)):
                    peak = peak and at(x.before, x.cols, u, v, sign) <= size
            if not peak:
                continue
            second = strongest(x.older, x.rows, x.cols, place[2] + 2 * (i - r), place[3] + 2 * (j - c), sign)
            if second < max(FADED * least, x.together * least - size):
                continue
            if not strict or x.oldest == NULL:
                return True
            third = strongest(x.oldest, x.rows, x.cols, place[4] + 3 * (i - r), place[5] + 3 * (j - c), sign)
            if third >= max(FADED * least, x.three * least - size - second):
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
    maps.reach = require_integer("reach", reach, 0, 64)
    cdef Py_ssize_t k, n = s.shape[0]
    require_array("places", places, "int32", (n, 6))
    cdef const unsigned char[::1] harder = require_array("strict", strict, "uint8", (n,))
    cdef unsigned char[::1] y = require_array("found", found, "uint8", (n,), out=True)
    p = places
    with nogil:
        for k in range(n):
            y[k] = has_partner(&maps, &p[k, 0], 1 if s[k] > 0 else -1, s[k] if s[k] > 0 else -s[k], harder[k])
