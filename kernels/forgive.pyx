"""What was counted of plots is taken out of the counts again.

A tail is read from counts of sizes, of peaks block by block and of pixels of the whole frame. What is known not to be
clutter that stays must not lift it: the peaks of targets (`forgive_peaks`), the pixels of what was there in one frame
alone (`forgive_pixels`). `lookdown.flight.tail` says which.
"""

from libc.math cimport ceil, fabsf, log, pow, rint
from libc.string cimport memset

from lookdown.kernels.extract cimport Plot

from lookdown.kernels.checks import require_array, require_integer, require_number
from lookdown.kernels.extract import PLOT_DTYPE

cdef double ROUNDED = 1e-3  # of a bin: the size comes back from the snr with an error of rounding


cdef inline Py_ssize_t block_of(float place, Py_ssize_t side, Py_ssize_t n) noexcept nogil:
    if not place > 0:
        return 0
    return min(<Py_ssize_t>(min(place, <float>1e9)) // side, n - 1)


cdef bint claim(unsigned char[:, ::1] taken, Py_ssize_t row, Py_ssize_t col) noexcept nogil:
    """Take a block, unless it or one beside it is taken."""
    cdef Py_ssize_t i, j
    for i in range(max(row - 1, 0), min(row + 2, taken.shape[0])):
        for j in range(max(col - 1, 0), min(col + 2, taken.shape[1])):
            if taken[i, j]:
                return False
    taken[row, col] = 1
    return True


cdef void take_peak(float* bins, Py_ssize_t n, double size, double least, double per_e) noexcept nogil:
    cdef Py_ssize_t k
    if size > least:
        k = min(<Py_ssize_t>(log(size / least) * per_e + ROUNDED), n - 1)
        bins[k] = max(bins[k] - 1, <float>0)


def forgive_peaks(plots, confirmed, own_px, side, gauss, quantile, power, least, per_e, taken, counts):
    """Take the peaks of targets out of the counts of their blocks.

    The strongest confirmed plot of 3 x 3 blocks is a target, and the plots about it are its parts.

    Parameters
    ----------
    plots : ndarray of PLOT_DTYPE, shape (n,)
        Plots of a frame, strongest first; snr is calibrated.
    confirmed : ndarray of uint8, shape (m,)
        Whether each of the first m plots is confirmed; only those may be targets.
    own_px : float
        Distance up to which plots are parts of a target, above 0 [px].
    side : int
        Side of a block, 4 to 1024 [px].
    gauss : float
        Snr of the level ``quantile``, above 0.
    quantile, power : ndarray of float32, shape (rows, cols) of blocks
        The size of a plot is ``quantile (snr / gauss)^(1 / power)``.
    least, per_e : float
        Size at which bins begin, above 0, and bins to a factor of e.
    taken : ndarray of uint8, of the shape of ``quantile``
        Scratch.
    counts : ndarray of float32, shape (rows, cols, bins)
        Peaks of each block by size, changed in place.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const Plot[::1] p = require_array("plots", plots, PLOT_DTYPE, 1)
    cdef const unsigned char[::1] sure = require_array("confirmed", confirmed, "uint8", 1)
    cdef float own = require_number("own_px", own_px, 1e-3, 1e6)
    cdef Py_ssize_t block = require_integer("side", side, 4, 1024), i, j, row, col, n = p.shape[0]
    cdef double level = require_number("gauss", gauss, 1e-6, 1e6), smallest = require_number("least", least, 1e-6, 1e6)
    cdef double bins_per_e = require_number("per_e", per_e, 1e-3, 1e3)
    cdef const float[:, ::1] q = require_array("quantile", quantile, "float32", 2)
    cdef const float[:, ::1] b = require_array("power", power, "float32", quantile.shape)
    cdef unsigned char[:, ::1] marks = require_array("taken", taken, "uint8", quantile.shape, out=True)
    cdef float[:, :, ::1] bins = require_array("counts", counts, "float32", 3, out=True)
    cdef float down, along
    if confirmed.shape[0] > n:
        raise ValueError(f"confirmed: wanted at most {n}, one a plot, got {confirmed.shape[0]}; leave out the rest")
    if counts.shape[:2] != quantile.shape or counts.shape[2] < 1:
        raise ValueError(f"counts: wanted bins to each of {quantile.shape} blocks, got {counts.shape}; see count_peaks")
    with nogil:
        memset(&marks[0, 0], 0, marks.shape[0] * marks.shape[1])
        for i in range(sure.shape[0]):
            if not sure[i] or not claim(
                marks, block_of(p[i].row, block, q.shape[0]), block_of(p[i].col, block, q.shape[1])
            ):
                continue
            for j in range(n):
                down = p[j].row - p[i].row
                along = p[j].col - p[i].col
                if down * down + along * along <= own * own:
                    row = block_of(p[j].row, block, q.shape[0])
                    col = block_of(p[j].col, block, q.shape[1])
                    take_peak(
                        &bins[row, col, 0], bins.shape[2], q[row, col] * pow(p[j].snr / level, 1.0 / b[row, col]),
                        smallest, bins_per_e,
                    )


cdef void forgive_square(
    const float[:, ::1] z, Py_ssize_t row, Py_ssize_t col, Py_ssize_t half, Py_ssize_t step, float per_unit,
    double[::1] history
) noexcept nogil:
    cdef Py_ssize_t k, c, begin, most = history.shape[0] - 1
    cdef float size
    for k in range(max(<Py_ssize_t>ceil((row - half) / <double>step), 0), z.shape[0]):
        if k * step > min(row + half, z.shape[0] - 1):
            return
        begin = k % step
        c = max(<Py_ssize_t>ceil((col - half - begin) / <double>step), 0) * step + begin
        while c <= min(col + half, z.shape[1] - 1):
            size = fabsf(z[k * step, c]) * per_unit
            if size > 0:
                history[<Py_ssize_t>(min(size, <float>most))] -= 1
            c += step


def forgive_pixels(z, plots, confirmed, half, step, per_unit, history):
    """Take the pixels about plots that are not confirmed out of a history of sizes.

    Parameters
    ----------
    z : ndarray of float32, shape (rows, cols)
        Score that was counted (``tail_histogram``).
    plots : ndarray of PLOT_DTYPE, shape (n,)
        Plots of the frame.
    confirmed : ndarray of uint8, shape (m,)
        Whether each of the first m plots is confirmed; the pixels of the others among them are taken out.
    half : int
        Half the side of the square that goes, 0 to 64 [px].
    step : int
        Raster of the pixels that were counted, 1 to 64 [px].
    per_unit : float
        Bins to a unit of score, above 0.
    history : ndarray of float64, shape (n_bins,)
        Pixels by size, changed in place; what would fall below 0 becomes 0.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const float[:, ::1] x = require_array("z", z, "float32", 2)
    cdef const Plot[::1] p = require_array("plots", plots, PLOT_DTYPE, 1)
    cdef const unsigned char[::1] sure = require_array("confirmed", confirmed, "uint8", 1)
    cdef Py_ssize_t reach = require_integer("half", half, 0, 64), raster = require_integer("step", step, 1, 64), k
    cdef float bins_per_unit = require_number("per_unit", per_unit, 1e-3, 1e6)
    cdef double[::1] counted = require_array("history", history, "float64", 1, out=True)
    if confirmed.shape[0] > plots.shape[0]:
        raise ValueError(
            f"confirmed: wanted at most {plots.shape[0]}, one a plot, got {confirmed.shape[0]}; leave out the rest"
        )
    if history.shape[0] < 2:
        raise ValueError(f"history: wanted at least 2 bins, got {history.shape[0]}; see tail_histogram")
    with nogil:
        for k in range(sure.shape[0]):
            if not sure[k] and fabsf(p[k].row) < 1e9 and fabsf(p[k].col) < 1e9:
                forgive_square(
                    x, <Py_ssize_t>rint(p[k].row), <Py_ssize_t>rint(p[k].col), reach, raster, bins_per_unit, counted
                )
        for k in range(counted.shape[0]):
            counted[k] = max(counted[k], 0.0)
