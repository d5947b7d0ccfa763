"""Scores to calibrated SNR, block by block: ``snr = least (|z| / level)^power`` with level and power of the block.

Below ``level`` the map is a straight line, ``least |z| / level``: what lies there is noise whatever its tail, and a
multiplication is all that most pixels take.
"""

from libc.math cimport fabsf, powf
from libc.stdint cimport uint64_t
from libc.string cimport memset

from lookdown.kernels.beyond cimport AT_ONCE, CHUNK, lowest_bit, marked
from lookdown.kernels.rows cimport BytesOut, RowIn, RowOut
from lookdown.kernels.wide cimport cloned_wide

from lookdown.kernels.checks import require_array, require_integer, require_number

cdef cloned_wide scale_row(RowIn z, RowIn factor, float least, RowOut out, BytesOut marks, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = z[i] * factor[i]
        marks[i] = fabsf(out[i]) > least


cdef void raise_marked(
    const unsigned char* marks, Py_ssize_t first, Py_ssize_t n, Py_ssize_t side, const float* power, float least,
    float* y
) noexcept nogil:
    """Raise what is marked of a row from column ``first`` on to the power of its block."""
    cdef Py_ssize_t at = 0, c, end = side - first % side  # of the block's columns
    cdef uint64_t bits
    cdef float size
    power += first // side
    while at < n:
        bits = marked(marks + at)
        while bits != 0:
            c = at + lowest_bit(bits)
            bits &= bits - 1
            while c >= end:
                power += 1
                end += side
            if power[0] != 1:
                size = least * powf(fabsf(y[c]) / least, power[0])
                y[c] = size if y[c] > 0 else -size
        at += AT_ONCE


cdef void map_chunk(
    const float* z, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t first, Py_ssize_t side, const float* level,
    const float* power, Py_ssize_t m, float least, float* out
) noexcept nogil:
    """Map the columns from ``first`` on, as many as are marked together."""
    cdef float[CHUNK] factor
    cdef unsigned char[CHUNK] marks
    cdef Py_ssize_t r, c, block, end, n = min(cols - first, <Py_ssize_t>CHUNK)
    cdef float one_factor
    cdef float* y
    memset(marks, 0, sizeof(marks))
    for r in range(rows):
        if r % side == 0:
            block = (r // side) * m + first // side
            c, end = 0, side - first % side
            while c < n:
                one_factor = least / level[block] if level[block] > 0 else 0
                while c < min(end, n):
                    factor[c] = one_factor
                    c += 1
                block += 1
                end += side
        y = out + r * cols + first
        scale_row(z + r * cols + first, factor, least, y, marks, n)
        raise_marked(marks, first, n, side, power + (r // side) * m, least, y)


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
    cdef Py_ssize_t part
    with nogil:
        for part in range((x.shape[1] + CHUNK - 1) // CHUNK):
            map_chunk(
                &x[0, 0], x.shape[0], x.shape[1], part * CHUNK, block, &t[0, 0], &b[0, 0], t.shape[1], smallest,
                &y[0, 0],
            )
