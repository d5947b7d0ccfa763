"""What flashed takes no part in the background: about it the frame is taken out of the background again.

A particle's hit stands in one frame alone. Held back as far as its score tells it would still leave a dark place where
the background is young, for its own track fills the ring that it is scored by, and it raises the noise of all that have
it in their rings. So the mean, the noise and the age about it become again what they were before the frame. Ground that
the frame showed for the first time stays.
"""

from libc.math cimport rint

from lookdown.kernels.extract cimport Plot

from lookdown.kernels.checks import require_array, require_integer
from lookdown.kernels.extract import PLOT_DTYPE
from lookdown.kernels.moving import require_field


cdef struct Grids:
    const float* mean
    const float* noise
    const unsigned char* age
    float* new_mean
    float* new_noise
    unsigned char* new_age
    Py_ssize_t rows
    Py_ssize_t cols
    Py_ssize_t row_step
    Py_ssize_t col_step
    int oldest


cdef void put_back(const Grids* x, Py_ssize_t r, Py_ssize_t c, Py_ssize_t reach) noexcept nogil:
    """Put back what lies about a place of the new grid, as far as the old one reaches."""
    cdef Py_ssize_t first = max(r - reach, 0, -x.row_step), last = min(r + reach + 1, x.rows, x.rows - x.row_step)
    cdef Py_ssize_t left = max(c - reach, 0, -x.col_step), right = min(c + reach + 1, x.cols, x.cols - x.col_step)
    cdef Py_ssize_t i, j, here, old
    for i in range(first, last):
        for j in range(left, right):
            here = i * x.cols + j
            old = here + x.row_step * x.cols + x.col_step
            if 0 < x.age[old] <= x.oldest:
                x.new_mean[here] = x.mean[old]
                x.new_noise[here] = x.noise[old]
                x.new_age[here] = x.age[old]


def retract_flashes(
    plots, flashed, reach, oldest, field, row_step, col_step, mean, noise, age, new_mean, new_noise, new_age
):
    """Take a frame out of the background again about plots that flashed.

    Parameters
    ----------
    plots : ndarray of PLOT_DTYPE, shape (n,)
        Plots of the frame.
    flashed : ndarray of uint8, shape (n,)
        Not 0 for those that are meant.
    reach : int
        How far about their peaks, along rows and along columns, 0 to 255 [px].
    oldest : int
        Age up to which a place may be spoilt, 0 to 255 [frames].
    field : ndarray of float32, shape (n_tiles, m_tiles, 2)
        Displacement (row, col) from the frame to the old grid, per tile [px].
    row_step, col_step : int
        Pixels by which the new grid lies further along the displacement: new (0, 0) is old (row_step, col_step).
    mean, noise : ndarray of float32, shape (rows, cols)
        Background before the frame [frame unit, frame unit^2].
    age : ndarray of uint8, shape (rows, cols)
        Frames that it held.
    new_mean, new_noise : ndarray of float32, shape (rows, cols)
        Background with the frame, changed in place.
    new_age : ndarray of uint8, shape (rows, cols)
        Frames that it holds, changed in place.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const Plot[::1] p = require_array("plots", plots, PLOT_DTYPE, 1)
    cdef const unsigned char[::1] meant = require_array("flashed", flashed, "uint8", plots.shape)
    cdef Py_ssize_t far = require_integer("reach", reach, 0, 255)
    cdef const float[:, ::1] b = require_array("mean", mean, "float32", 2)
    cdef const float[:, ::1] v = require_array("noise", noise, "float32", mean.shape)
    cdef const unsigned char[:, ::1] w = require_array("age", age, "uint8", mean.shape)
    cdef const float[:, :, ::1] f = require_field(field, b.shape[0], b.shape[1])
    cdef Grids grids
    inputs = (mean, noise, field)
    cdef float[:, ::1] nm = require_array("new_mean", new_mean, "float32", mean.shape, out=True, apart_from=inputs)
    cdef float[:, ::1] nn = require_array(
        "new_noise", new_noise, "float32", mean.shape, out=True, apart_from=(*inputs, new_mean)
    )
    cdef unsigned char[:, ::1] na = require_array("new_age", new_age, "uint8", mean.shape, out=True, apart_from=(age,))
    grids.mean, grids.noise, grids.age = &b[0, 0], &v[0, 0], &w[0, 0]
    grids.new_mean, grids.new_noise, grids.new_age = &nm[0, 0], &nn[0, 0], &na[0, 0]
    grids.rows, grids.cols = b.shape[0], b.shape[1]
    grids.oldest = require_integer("oldest", oldest, 0, 255)
    grids.row_step = require_integer("row_step", row_step, -1_000_000, 1_000_000)
    grids.col_step = require_integer("col_step", col_step, -1_000_000, 1_000_000)
    cdef Py_ssize_t tile_rows = (grids.rows + f.shape[0] - 1) // f.shape[0]
    cdef Py_ssize_t tile_cols = (grids.cols + f.shape[1] - 1) // f.shape[1]
    cdef Py_ssize_t k, r, c
    cdef const float* moved
    with nogil:
        for k in range(p.shape[0]):
            if meant[k]:
                r = min(max(p[k].peak_row, 0), grids.rows - 1)
                c = min(max(p[k].peak_col, 0), grids.cols - 1)
                moved = &f[r // tile_rows, c // tile_cols, 0]
                put_back(
                    &grids, r + <Py_ssize_t>rint(moved[0]) - grids.row_step,
                    c + <Py_ssize_t>rint(moved[1]) - grids.col_step, far,
                )
