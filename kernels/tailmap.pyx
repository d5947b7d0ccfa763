"""Scores to calibrated SNR, block by block: ``snr = least (|z| / level)^power`` with level and power of the block.

Below ``level`` the map is a straight line, ``least |z| / level``: what lies there is noise whatever its tail, and a
multiplication is all that most pixels take.
"""

from libc.math cimport fabsf, powf

from lookdown.kernels.rows cimport RowIn, RowOut, cloned

from lookdown.kernels.checks import require_array, require_integer, require_number

cdef extern from *:
    """
    typedef int *__restrict__ lookdown_beyond_out;
    """
    ctypedef int* BeyondOut "lookdown_beyond_out"


cdef cloned scale_segment(RowIn z, float factor, float least, RowOut out, BeyondOut count, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef int found = 0
    for i in range(n):
        out[i] = z[i] * factor
        found += fabsf(out[i]) > least
    count[0] = found


cdef void map_all(
    const float* z, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t side, const float* level, const float* power,
    Py_ssize_t m, float least, float* out
) noexcept nogil:
    cdef Py_ssize_t r, j, c, first, last
    cdef float* y
    cdef float size, exponent
    cdef int count
    for r in range(rows):
        for j in range(m):
            first = j * side
            last = min(first + side, cols)
            y = out + r * cols
            size = level[(r // side) * m + j]
            scale_segment(z + r * cols + first, least / size if size > 0 else 0, least, y + first, &count, last - first)
            exponent = power[(r // side) * m + j]
            if count == 0 or exponent == 1:
                continue
            for c in range(first, last):
                size = fabsf(y[c])
                if size > least:
                    size = least * powf(size / least, exponent)
                    y[c] = size if y[c] > 0 else -size


def map_scores(z, side, level, power, least, out):
    """Turn scores into calibrated SNR.

    Parameters
    ----------
    z : ndarray of float32, shape (rows, cols)
        Score.
    side : int
        Side of a block, 4 to 1024 [px].
    level : ndarray of float32, shape (ceil(rows / side), ceil(cols / side))
        Score of each block whose SNR is ``least``; SNR is 0 in a block where it is not above 0.
    power : ndarray of float32, of the same shape
        Power by which SNR grows beyond it.
    least : float
        SNR at the level, above 0.
    out : ndarray of float32, shape (rows, cols)
        SNR, with the sign of the score.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const float[:, ::1] x = require_array("z", z, "float32", 2)
    cdef Py_ssize_t block = require_integer("side", side, 4, 1024)
    shape = (x.shape[0] + block - 1) // block, (x.shape[1] + block - 1) // block
    cdef const float[:, ::1] t = require_array("level", level, "float32", shape)
    cdef const float[:, ::1] b = require_array("power", power, "float32", shape)
    cdef float smallest = require_number("least", least, 1e-6, 1e6)
    cdef float[:, ::1] y = require_array("out", out, "float32", z.shape, out=True, apart_from=(z, level, power))
    with nogil:
        map_all(&x[0, 0], x.shape[0], x.shape[1], block, &t[0, 0], &b[0, 0], t.shape[1], smallest, &y[0, 0])
