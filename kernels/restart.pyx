"""A young background starts anew where a frame contradicts it.

What stood in the first frame of a place (a particle's hit, a mover) would stay in its mean for as long as the memory
lasts. As long as two frames at most make up the mean of a place, a score beyond the limit means that one of the two was
wrong, and nothing says which: its age becomes 0, and the mean begins with the next frame. So a background holds what
two frames in a row agree on.
"""

from libc.math cimport fabsf, rint

from lookdown.kernels.rows cimport RowIn, cloned

from lookdown.kernels.checks import require_array, require_integer, require_number
from lookdown.kernels.moving import require_field

cdef extern from *:
    """
    typedef int *__restrict__ lookdown_strong_out;
    """
    ctypedef int* StrongOut "lookdown_strong_out"

cdef enum:
    BLOCK = 64


cdef cloned count_strong(RowIn z, float limit, StrongOut count, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef int found = 0
    for i in range(n):
        found += fabsf(z[i]) > limit
    count[0] = found


def restart_young(z, strong, field, row_step, col_step, limit, oldest, age):
    """Set the age of places to 0 whose young background a frame contradicts.

    Parameters
    ----------
    z : ndarray of float32, shape (rows, cols)
        Score of the frame against its background.
    strong : ndarray of uint8, shape (rows,)
        0 for rows without a score beyond the limit; only the others are looked through.
    field : ndarray of float32, shape (n, m, 2)
        Displacement (row, col) from frame to background before the grid moved, per tile [px].
    row_step, col_step : int
        How far the grid of the background has moved since, along the displacement [px].
    limit : float
        Score beyond which frame and background contradict each other, above 0.
    oldest : int
        Age up to which a background is young, the frame included, 0 to 255.
    age : ndarray of uint8, shape (rows, cols)
        Frames that each place of the background holds, the frame included; changed in place.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const float[:, ::1] x = require_array("z", z, "float32", 2)
    cdef const float[:, :, ::1] f = require_field(field, x.shape[0], x.shape[1])
    cdef const unsigned char[::1] told = require_array("strong", strong, "uint8", (z.shape[0],))
    cdef Py_ssize_t rows = x.shape[0], cols = x.shape[1]
    cdef Py_ssize_t down = require_integer("row_step", row_step, -1000000, 1000000)
    cdef Py_ssize_t along = require_integer("col_step", col_step, -1000000, 1000000)
    cdef float most = require_number("limit", limit, 1e-6, 1e6)
    cdef int young = require_integer("oldest", oldest, 0, 255)
    cdef unsigned char[:, ::1] w = require_array("age", age, "uint8", z.shape, out=True, apart_from=(z, strong))
    cdef Py_ssize_t tile_rows = (rows + f.shape[0] - 1) // f.shape[0], tile_cols = (cols + f.shape[1] - 1) // f.shape[1]
    cdef Py_ssize_t r, c, part, first, last, q, p
    cdef int count
    with nogil:
        for r in range(rows):
            if not told[r]:
                continue
            count_strong(&x[r, 0], most, &count, cols)
            if count == 0:
                continue
            for part in range((cols + BLOCK - 1) // BLOCK):
                first = part * BLOCK
                last = min(first + BLOCK, cols)
                count_strong(&x[r, first], most, &count, last - first)
                if count == 0:
                    continue
                for c in range(first, last):
                    if fabsf(x[r, c]) > most:
                        q = r + <Py_ssize_t>rint(f[r // tile_rows, c // tile_cols, 0]) - down
                        p = c + <Py_ssize_t>rint(f[r // tile_rows, c // tile_cols, 1]) - along
                        if 0 <= q < rows and 0 <= p < cols and w[q, p] <= young:
                            w[q, p] = 0
