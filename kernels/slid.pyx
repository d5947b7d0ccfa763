"""Which plots are what a layer's slide leaves: their residual is that of a displacement along one direction.

Where a layer slides against its background by a small ``t`` along a unit vector ``e``, the residual is ``t g`` with
``g = e . grad(background)``. Of the squares of the residual about a plot that explains

    (sum r g)^2 / (sum g^2 sum r^2)

with ``t = sum r g / sum g^2`` above 0. A mover is no part of the background: its own light has no gradient there.
"""

from lookdown.kernels.extract cimport Plot

from lookdown.kernels.checks import require_array, require_integer, require_number
from lookdown.kernels.extract import PLOT_DTYPE


cdef inline double background_at(
    const float[:, ::1] frame, const float[:, ::1] residual, Py_ssize_t r, Py_ssize_t c
) noexcept nogil:
    return <double>frame[r, c] - residual[r, c]


cdef bint is_slid(
    const Plot* plot, const float[:, ::1] frame, const float[:, ::1] residual, double down, double along,
    Py_ssize_t reach, double share
) noexcept nogil:
    cdef Py_ssize_t rows = frame.shape[0], cols = frame.shape[1], r, c
    cdef double rg = 0, gg = 0, rr = 0, g, x
    for r in range(max(plot.peak_row - reach, 1), min(plot.peak_row + reach + 1, rows - 1)):
        for c in range(max(plot.peak_col - reach, 1), min(plot.peak_col + reach + 1, cols - 1)):
            x = residual[r, c]
            g = down * (background_at(frame, residual, r + 1, c) - background_at(frame, residual, r - 1, c))
            g += along * (background_at(frame, residual, r, c + 1) - background_at(frame, residual, r, c - 1))
            rg += x * g
            gg += g * g
            rr += x * x
    return rg > 0 and rg * rg > share * gg * rr


def find_slid(plots, frame, residual, row, col, reach, share, slid):
    """Tell which plots the slide of a layer explains.

    Parameters
    ----------
    plots : ndarray of PLOT_DTYPE, shape (n,)
        Plots of a frame.
    frame, residual : ndarray of float32, shape (rows, cols)
        Calibrated frame, and what it left over the background.
    row, col : float
        Direction from frame to background in which the layer lies off, of any length up to 1e9.
    reach : int
        How far about the peak of a plot is looked, along rows and columns, 0 to 64 [px].
    share : float
        Part of the squares that must be explained, 0 to 1.
    slid : ndarray of uint8, shape (n,)
        1 where more than that is.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const Plot[::1] p = require_array("plots", plots, PLOT_DTYPE, 1)
    cdef const float[:, ::1] x = require_array("frame", frame, "float32", 2)
    cdef const float[:, ::1] y = require_array("residual", residual, "float32", frame.shape)
    cdef double down = require_number("row", row, -1e9, 1e9), along = require_number("col", col, -1e9, 1e9)
    cdef Py_ssize_t far = require_integer("reach", reach, 0, 64), k
    cdef double part = require_number("share", share, 0, 1)
    cdef unsigned char[::1] out = require_array("slid", slid, "uint8", plots.shape, out=True)
    with nogil:
        for k in range(p.shape[0]):
            out[k] = is_slid(&p[k], x, y, down, along, far, part)
