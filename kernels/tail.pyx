"""Histogram of a score's size: what the calibration of its tail rests on."""

from libc.math cimport fabsf
from libc.string cimport memset

from lookdown.kernels.checks import require_array, require_integer, require_number


cdef void count_levels(
    const float* z, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t step, float per_unit, int* counts, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t r, c, k
    cdef float level, most = n - 1
    memset(counts, 0, n * sizeof(int))
    r = 0
    while r < rows:
        # The first column wanders with the row, so that no fixed set of columns speaks for all.
        c = (r // step) % step
        while c < cols:
            level = fabsf(z[r * cols + c]) * per_unit
            if level > 0:
                k = <Py_ssize_t>(level if level < most else most)
                counts[k] += 1
            c += step
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
