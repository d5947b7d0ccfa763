"""Sift: which plots of a focal plane can be used, one after the other.

The air is the shell about the Earth up to some height. On axes scaled so that its outside is a unit sphere, a line of
sight meets it if the point of the line nearest to the middle lies within, and ahead.
"""

from libc.math cimport fabs, isfinite, isinf

from lookdown.kernels.checks import require_array

IN_AIR, NO_COVARIANCE, IN_SPACE, NOT_FINITE = range(4)

cdef enum:
    WORDS = 8  # of a plot, seven real numbers first: x, y, their sigmas, amplitude, snr, correlation
    REALS = 6  # of these must be finite


cdef double WIDEST = 10.0  # tangent of a line of sight


def sift_sights(words, axes, start, half_axes, verdict):
    """Tell which plots can be used.

    Parameters
    ----------
    words : ndarray of float32, shape (n, 8)
        Plots: tangents x and y, their sigmas, amplitude, signal-to-noise ratio, correlation of x and y, one other word.
    axes : ndarray of float64, shape (3, 3)
        Sensor axes as columns; the third is the boresight.
    start : ndarray of float64, shape (3,)
        Where the sensor is, over ``half_axes`` [1].
    half_axes : ndarray of float64, shape (3,)
        Of the outside of the air [m].
    verdict : ndarray of uint8, shape (n,)
        ``IN_AIR`` for plots that can be used; ``NO_COVARIANCE`` for sigmas of 0 or less, a correlation of 1 or more, or
        such that are not finite; ``NOT_FINITE`` for other numbers that are not, or tangents of 10 and more;
        ``IN_SPACE`` for lines that do not meet the air.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout.
    """
    cdef Py_ssize_t n = len(words), k, i
    cdef const double[:, ::1] a = require_array("axes", axes, "float64", (3, 3))
    cdef const double[::1] o = require_array("start", start, "float64", (3,))
    cdef const double[::1] e = require_array("half_axes", half_axes, "float64", (3,))
    cdef unsigned char[::1] out = require_array("verdict", verdict, "uint8", (n,), out=True)
    if n == 0:
        return
    cdef const float[:, ::1] w = require_array("words", words, "float32", (n, WORDS))
    cdef unsigned char air = IN_AIR, spoilt = NO_COVARIANCE, space = IN_SPACE, wild = NOT_FINITE
    cdef double step[3]
    cdef double along, length, square, one
    cdef bint good
    with nogil:
        for k in range(n):
            good = w[k, 2] > 0.0 and w[k, 3] > 0.0 and fabs(w[k, 6]) < 1.0
            if not good or isinf(w[k, 2]) or isinf(w[k, 3]):
                out[k] = spoilt
                continue
            good = True
            for i in range(REALS):
                good = good and isfinite(w[k, i])
            if not good or not fabs(w[k, 0]) < WIDEST or not fabs(w[k, 1]) < WIDEST:
                out[k] = wild
                continue
            along, length, square = 0.0, 0.0, 0.0
            for i in range(3):
                step[i] = (w[k, 0] * a[i, 0] + w[k, 1] * a[i, 1] + a[i, 2]) / e[i]
                along = along - step[i] * o[i]
                length = length + step[i] * step[i]
            along = along / length
            for i in range(3):
                one = o[i] + along * step[i]
                square = square + one * one
            out[k] = air if along > 0.0 and square <= 1.0 else space
