"""Histogram of a score's size: what the calibration of its tail rests on."""

from libc.math cimport fabsf
from libc.string cimport memset

from lookdown.kernels.rows cimport RowIn, cloned

from lookdown.kernels.checks import require_array, require_integer, require_number


cdef extern from *:
    """
    typedef int *__restrict__ lookdown_bin_out;
    """
    ctypedef int* BinOut "lookdown_bin_out"

cdef enum:
    AT_ONCE = 256  # pixels that are gathered, then given their bins together


cdef cloned find_bins(RowIn z, float per_unit, float most, BinOut bins, Py_ssize_t n) noexcept nogil:
    """The bin of each score, -1 for those that do not count."""
    cdef Py_ssize_t i
    cdef float level, zero = 0
    cdef int k
    for i in range(n):
        level = fabsf(z[i]) * per_unit
        k = <int>(level if level < most else most)
        bins[i] = k if level > zero else -1


cdef void count_levels(
    const float* z, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t step, float per_unit, int* counts, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t r, c, k, i
    cdef float[AT_ONCE] some
    cdef int[AT_ONCE] bins
    memset(counts, 0, n * sizeof(int))
    r = 0
    while r < rows:
        # The first column wanders with the row, so that no fixed set of columns speaks for all.
        c = (r // step) % step
        while c < cols:
            k = min((cols - c + step - 1) // step, <Py_ssize_t>AT_ONCE)
            for i in range(k):
                some[i] = z[r * cols + c + i * step]
            find_bins(some, per_unit, <float>(n - 1), bins, k)
            for i in range(k):
                if bins[i] >= 0:
                    counts[bins[i]] += 1
            c += k * step
        r += step


def tail_histogram(z, step, per_unit, counts):
    """Count ``|z|`` of every ``step``-th pixel of every ``step``-th row in bins of ``1 / per_unit``.

    Parameters
    ----------
    z : ndarray of float32, shape (rows, cols)
        Score; 0 and NaN mean unknown and do not count.
    step : int
        Stride along rows and columns, 1 to 64 [px].
    per_unit : float
        Bins to one unit of z, above 0.
    counts : ndarray of int32, shape (n,)
        Pixels in each bin; the last one takes all beyond.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const float[:, ::1] x = require_array("z", z, "float32", 2)
    cdef Py_ssize_t stride = require_integer("step", step, 1, 64)
    cdef float scale = require_number("per_unit", per_unit, 1e-3, 1e6)
    cdef int[::1] bins = require_array("counts", counts, "int32", 1, out=True)
    if bins.shape[0] == 0:
        raise ValueError("counts: wanted at least one bin, got none; give a longer array")
    with nogil:
        count_levels(&x[0, 0], x.shape[0], x.shape[1], stride, scale, &bins[0], bins.shape[0])


cdef double level_of(const double* history, Py_ssize_t n, double wanted) noexcept nogil:
    """Level in bins that ``wanted`` of what was counted exceed, linear within a bin; 0 if there are not so many."""
    cdef double beyond = 0, before
    cdef Py_ssize_t k
    for k in range(n - 1, -1, -1):
        before = beyond
        beyond += history[k]
        if beyond >= wanted:
            return k + (beyond - wanted) / max(beyond - before, 1e-12)
    return 0


def tail_levels(counts, keep, outer, ratio, history):
    """Let a history of sizes fade, add those of a frame, and return the levels that two shares of it exceed.

    Parameters
    ----------
    counts : ndarray of int32, shape (n,)
        Pixels of the frame in each bin, as `tail_histogram` gives them.
    keep : float
        Factor of what was counted before, 0 to 1.
    outer : float
        Share of all that exceeds the outer level, 0 to 1.
    ratio : float
        How many times as many exceed the inner one, 1 to 1 / ``outer``.
    history : ndarray of float64, shape (n,)
        Pixels of all frames by size, changed in place.

    Returns
    -------
    outer_level, inner_level : float
        The levels [bins]; 0 if the outer share is less than a pixel.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const int[::1] x = require_array("counts", counts, "int32", 1)
    if counts.shape[0] == 0:
        raise ValueError("counts: wanted at least one bin, got none; give a longer array")
    cdef double kept = require_number("keep", keep, 0, 1), p = require_number("outer", outer, 1e-9, 1)
    cdef double more = require_number("ratio", ratio, 1, 1 / p)
    cdef double[::1] y = require_array("history", history, "float64", counts.shape, out=True)
    cdef double total = 0, outer_level = 0, inner_level = 0
    cdef Py_ssize_t k, n = x.shape[0]
    with nogil:
        for k in range(n - 1, -1, -1):
            y[k] = y[k] * kept + x[k]
            total += y[k]
        if total * p >= 1:
            outer_level = level_of(&y[0], n, total * p)
            inner_level = level_of(&y[0], n, more * (total * p))
    return outer_level, inner_level
