"""Temporal median of five frames: a background that a mover, or a flash of one frame or two, does not enter.

The median of five comes from the pairs of four and the fifth, ten minima and maxima and no branch::

    median = med3(e, max(min(a, b), min(c, d)), min(max(a, b), max(c, d)))

(Paeth 1990, "Median finding on a 3x3 grid", Graphics Gems, for networks of this kind). White noise of sigma ``s``
leaves ``0.54 s`` in the median of five, so ``1.13 s`` in the difference of a further frame and it.
"""

from lookdown.kernels.rows cimport RowIn, RowOut
from lookdown.kernels.wide cimport cloned_wide

from lookdown.kernels.checks import require_array


cdef cloned_wide median_row(
    RowIn a, RowIn b, RowIn c, RowIn d, RowIn e, RowOut out, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    cdef float low, high, other_low, other_high, last
    for i in range(n):
        low = a[i] if a[i] < b[i] else b[i]
        high = a[i] if a[i] > b[i] else b[i]
        other_low = c[i] if c[i] < d[i] else d[i]
        other_high = c[i] if c[i] > d[i] else d[i]
        low = low if low > other_low else other_low
        high = high if high < other_high else other_high
        # Now two candidates beside the fifth; the median of five is the median of these three.
        last = e[i]
        other_low = low if low < high else high
        other_high = low if low > high else high
        last = last if last < other_high else other_high
        out[i] = last if last > other_low else other_low


def temporal_median(first, second, third, fourth, fifth, out):
    """Take the median of five frames, pixel by pixel.

    Parameters
    ----------
    first, second, third, fourth, fifth : ndarray of float32, shape (rows, cols)
        Calibrated frames of the same scene, registered, without NaN; their order does not matter.
    out : ndarray of float32, shape (rows, cols)
        The third largest of the five values of each pixel.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout.
    """
    cdef const float[:, ::1] a = require_array("first", first, "float32", 2)
    cdef const float[:, ::1] b = require_array("second", second, "float32", first.shape)
    cdef const float[:, ::1] c = require_array("third", third, "float32", first.shape)
    cdef const float[:, ::1] d = require_array("fourth", fourth, "float32", first.shape)
    cdef const float[:, ::1] e = require_array("fifth", fifth, "float32", first.shape)
    inputs = (first, second, third, fourth, fifth)
    cdef float[:, ::1] y = require_array("out", out, "float32", first.shape, out=True, apart_from=inputs)
    with nogil:
        median_row(&a[0, 0], &b[0, 0], &c[0, 0], &d[0, 0], &e[0, 0], &y[0, 0], a.shape[0] * a.shape[1])
