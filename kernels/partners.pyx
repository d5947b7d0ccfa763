"""Partners: whether what stands out in a frame stood out in the frames before, nearby and along a line.

A mover shines in every frame; a particle's hit or a flash of the sea in one. A plot at x, of SNR s, is confirmed if the
frame before has a peak of the same polarity at some x + d (both relative to the background), ``|d_row|``, ``|d_col|``
up to ``reach``, of at least ``share s``, and the frame before that one has half as much within 2 px of x + 2 d: while a
background settles, SNR grows from frame to frame. Noise has that somewhere within reach of nearly any plot, but seldom
much of it in both: together they must show ``TOGETHER share s``.
"""

from lookdown.kernels.checks import require_array, require_integer

cdef enum:
    BEND = 2  # a path may bend, and places are whole pixels [px]


cdef float FADED = 0.5  # part of the least SNR of a partner that the older frame must show
cdef float TOGETHER = 3.0  # parts of the least SNR of a partner that both frames must show together


cdef inline float at(const float* x, Py_ssize_t cols, Py_ssize_t r, Py_ssize_t c, float sign) noexcept nogil:
    return sign * x[r * cols + c]


cdef bint goes_on(
    const float* older, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t r, Py_ssize_t c, float sign, float least
) noexcept nogil:
    cdef Py_ssize_t i, j
    # Beyond the border nothing speaks against it.
    if r - BEND < 0 or c - BEND < 0 or r + BEND >= rows or c + BEND >= cols:
        return True
    for i in range(r - BEND, r + BEND + 1):
        for j in range(c - BEND, c + BEND + 1):
            if at(older, cols, i, j, sign) >= least:
                return True
    return False


cdef bint has_partner(
    const float* before, const float* older, Py_ssize_t rows, Py_ssize_t cols, const int* place, float sign,
    float least, Py_ssize_t reach
) noexcept nogil:
    cdef Py_ssize_t r = place[0], c = place[1], i, j, u, v
    cdef float size
    cdef bint peak
    if r + reach < 0 or c + reach < 0 or r - reach >= rows or c - reach >= cols:
        return True
    for i in range(max(r - reach, 0), min(r + reach + 1, rows)):
        for j in range(max(c - reach, 0), min(c + reach + 1, cols)):
            size = at(before, cols, i, j, sign)
            if size < least:
                continue
            if older == NULL:
                return True
            peak = True
            for u in range(max(i - 1, 0), min(i + 2, rows)):
                for v in range(max(j - 1, 0), min(j + 2, cols)):
                    peak = peak and at(before, cols, u, v, sign) <= size
            if peak and goes_on(
                older, rows, cols, place[2] + 2 * (i - r), place[3] + 2 * (j - c), sign,
                max(FADED * least, TOGETHER * least - size),
            ):
                return True
    return False


def find_partners(before, older, places, least, reach, found):
    """Look for what stood out before at the places of plots.

    Parameters
    ----------
    before : ndarray of float32, shape (rows, cols)
        Calibrated SNR of the frame before, with its sign.
    older : ndarray of float32, shape (rows, cols), or None
        That of the frame before it; without it one partner is enough.
    places : ndarray of int32, shape (n, 4)
        Where the background under each plot lay in the frame before (row, col) and in the older one (row, col) [px].
    least : ndarray of float32, shape (n,)
        SNR that a partner must have, with the sign of the plot.
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
    cdef const float[:, ::1] w
    cdef const float* old = NULL
    if older is not None:
        w = require_array("older", older, "float32", before.shape)
        old = &w[0, 0]
    cdef const int[:, ::1] p
    cdef const float[::1] s = require_array("least", least, "float32", 1)
    cdef Py_ssize_t far = require_integer("reach", reach, 0, 64), k, n = s.shape[0]
    require_array("places", places, "int32", (n, 4))
    cdef unsigned char[::1] y = require_array("found", found, "uint8", (n,), out=True)
    p = places
    with nogil:
        for k in range(n):
            y[k] = has_partner(
                &x[0, 0], old, x.shape[0], x.shape[1], &p[k, 0], 1 if s[k] > 0 else -1, s[k] if s[k] > 0 else -s[k], far
            )
