"""Where flashes come thick: plots that had no partners are counted by block, and tell what is asked of later ones."""

from libc.math cimport fabsf

from lookdown.kernels.extract cimport Plot

from lookdown.kernels.checks import require_array, require_integer, require_number
from lookdown.kernels.extract import PLOT_DTYPE


cdef inline Py_ssize_t block_of(float place, Py_ssize_t side, Py_ssize_t n) noexcept nogil:
    if not (place > 0 and fabsf(place) < 1e9):
        return 0
    return min(<Py_ssize_t>place // side, n - 1)


def find_thick(plots, flashes, side, limit, thick):
    """Tell which plots lie where flashes come thick.

    Parameters
    ----------
    plots : ndarray of PLOT_DTYPE, shape (n,)
        Plots of a frame.
    flashes : ndarray of float32, shape (rows, cols)
        Flashes of each block.
    side : int
        Side of a block, 4 to 1024 [px].
    limit : float
        Flashes of the 3 x 3 blocks about a plot beyond which they come thick, 0 or more.
    thick : ndarray of uint8, shape (n,)
        1 where they do.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const Plot[::1] p = require_array("plots", plots, PLOT_DTYPE, 1)
    cdef const float[:, ::1] x = require_array("flashes", flashes, "float32", 2)
    cdef Py_ssize_t block = require_integer("side", side, 4, 1024), k, i, j, row, col
    cdef float most = require_number("limit", limit, 0, 1e30), total
    cdef unsigned char[::1] y = require_array("thick", thick, "uint8", plots.shape, out=True)
    with nogil:
        for k in range(p.shape[0]):
            row = block_of(p[k].row, block, x.shape[0])
            col = block_of(p[k].col, block, x.shape[1])
            total = 0
            for i in range(max(row - 1, 0), min(row + 2, x.shape[0])):
                for j in range(max(col - 1, 0), min(col + 2, x.shape[1])):
                    total += x[i, j]
            y[k] = total > most


def count_flashes(plots, found, snr, side, flashes):
    """Count plots without partners by block.

    Parameters
    ----------
    plots : ndarray of PLOT_DTYPE, shape (n,)
        Plots of a frame.
    found : ndarray of uint8, shape (n,)
        Not 0 for those that have partners.
    snr : float
        Least snr of a flash, 0 or more.
    side : int
        Side of a block, 4 to 1024 [px].
    flashes : ndarray of float32, shape (rows, cols)
        Flashes of each block; those of the frame are added.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const Plot[::1] p = require_array("plots", plots, PLOT_DTYPE, 1)
    cdef const unsigned char[::1] has = require_array("found", found, "uint8", plots.shape)
    cdef float least = require_number("snr", snr, 0, 1e30)
    cdef Py_ssize_t block = require_integer("side", side, 4, 1024), k
    cdef float[:, ::1] y = require_array("flashes", flashes, "float32", 2, out=True)
    with nogil:
        for k in range(p.shape[0]):
            if not has[k] and p[k].snr >= least:
                y[block_of(p[k].row, block, y.shape[0]), block_of(p[k].col, block, y.shape[1])] += 1
