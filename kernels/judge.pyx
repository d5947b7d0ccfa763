"""What tells a plot from a mover: a spot as narrow as a pixel, ground that only just came into view.

A list of plots in, a byte a plot out; `lookdown.flight.confirm` says what follows from them. `aim_plots` says where
and how strong the partners of plots must be (``partners.pyx``), `keep_plots` takes out what is no mover.
"""

from libc.math cimport copysignf, fabsf, rint, rintf

from lookdown.kernels.extract cimport Plot
from lookdown.kernels.soon cimport SOON, prefetch

from lookdown.kernels.checks import require_array, require_integer, require_number
from lookdown.kernels.extract import PLOT_DTYPE

cdef enum:
    LANES = 8  # samples of a row that are compared together

cdef double BEYOND_PX = 0.1  # so little beyond the border of a background its edge still tells what is there


cdef inline Py_ssize_t pixel_of(float place) noexcept nogil:
    """The pixel of a place; far outside for one that is none."""
    return <Py_ssize_t>rintf(place) if fabsf(place) < 1e9 else -1


cdef inline bint is_inside(const Plot* plot, Py_ssize_t rows, Py_ssize_t cols) noexcept nogil:
    """Whether the peak has neighbours all around."""
    return 0 < plot.peak_row < rows - 1 and 0 < plot.peak_col < cols - 1


cdef bint is_lone(
    const Plot* plot, const float* x, const float* filtered, Py_ssize_t rows, Py_ssize_t cols, float narrow,
    float light, float noise
) noexcept nogil:
    cdef Py_ssize_t at = plot.peak_row * cols + plot.peak_col
    cdef float limit, sign
    if not is_inside(plot, rows, cols):
        return False
    sign = <float>((filtered[at] > 0) - (filtered[at] < 0))
    limit = light + noise / max(plot.snr, <float>1e-6)
    return x[at] * sign > max(narrow, limit) * fabsf(filtered[at])


def find_lone(plots, residual, filtered, narrow, light, noise, lone):
    """Tell which plots have about as much of their light in their peak pixel as a single pixel has.

    Parameters
    ----------
    plots : ndarray of PLOT_DTYPE, shape (n,)
        Plots of a frame.
    residual, filtered : ndarray of float32, shape (rows, cols)
        Residual before and after the matched filter.
    narrow : float
        Value before the filter over that after it beyond which a spot may be a pixel's, above 0.
    light : float
        The same of a point of light in the middle of a pixel, above 0.
    noise : float
        How far noise may take it beyond that at a snr of 1, from 0 on.
    lone : ndarray of uint8, shape (n,)
        1 where the value is beyond both ``narrow`` and ``light + noise / snr``; 0 at the border.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const Plot[::1] p = require_array("plots", plots, PLOT_DTYPE, 1)
    cdef const float[:, ::1] y = require_array("filtered", filtered, "float32", 2)
    cdef const float[:, ::1] x = require_array("residual", residual, "float32", filtered.shape)
    cdef float least = require_number("narrow", narrow, 1e-6, 1e6), of_light = require_number("light", light, 1e-6, 1e6)
    cdef float spread = require_number("noise", noise, 0.0, 1e6)
    cdef unsigned char[::1] out = require_array("lone", lone, "uint8", plots.shape, out=True)
    cdef Py_ssize_t k
    with nogil:
        for k in range(p.shape[0]):
            if k + SOON < p.shape[0] and is_inside(&p[k + SOON], y.shape[0], y.shape[1]):
                prefetch(&x[p[k + SOON].peak_row, p[k + SOON].peak_col])
                prefetch(&y[p[k + SOON].peak_row, p[k + SOON].peak_col])
            out[k] = is_lone(&p[k], &x[0, 0], &y[0, 0], y.shape[0], y.shape[1], least, of_light, spread)


cdef Py_ssize_t ground_of(
    const Plot* plot, const unsigned char[:, ::1] age, const float[:, :, ::1] field, Py_ssize_t row_step,
    Py_ssize_t col_step
) noexcept nogil:
    """Where on its grid the background of a plot lies; -1 where there is none."""
    cdef Py_ssize_t rows = age.shape[0], cols = age.shape[1]
    cdef Py_ssize_t height = (rows + field.shape[0] - 1) // field.shape[0]
    cdef Py_ssize_t width = (cols + field.shape[1] - 1) // field.shape[1]
    cdef Py_ssize_t r = min(max(pixel_of(plot.row), 0), rows - 1), c = min(max(pixel_of(plot.col), 0), cols - 1)
    cdef const float* moved = &field[r // height, c // width, 0]
    if not (
        -BEYOND_PX <= r + moved[0] <= rows - 1 + BEYOND_PX and -BEYOND_PX <= c + moved[1] <= cols - 1 + BEYOND_PX
    ):
        return -1
    r += pixel_of(moved[0]) - row_step
    c += pixel_of(moved[1]) - col_step
    return r * cols + c if 0 <= r < rows and 0 <= c < cols else -1


def find_young(plots, age, field, row_step, col_step, youngest, young):
    """Tell which plots lie on ground without background, or with a young one.

    Parameters
    ----------
    plots : ndarray of PLOT_DTYPE, shape (n,)
        Plots of a frame.
    age : ndarray of uint8, shape (rows, cols)
        Frames that each place of the background holds, the present one included.
    field : ndarray of float32, shape (n_tiles, m_tiles, 2)
        Displacement from the frame to the background before its grid moved, per tile [px].
    row_step, col_step : int
        How far the grid has moved since [px].
    youngest : int
        Age up to which ground is young, 0 to 255 [frames].
    young : ndarray of uint8, shape (n,)
        1 where it is, and where the background before its grid moved did not reach.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const Plot[::1] p = require_array("plots", plots, PLOT_DTYPE, 1)
    cdef const unsigned char[:, ::1] old = require_array("age", age, "uint8", 2)
    cdef const float[:, :, ::1] tiles = require_array("field", field, "float32", 3)
    cdef Py_ssize_t down = require_integer("row_step", row_step, -(2**31), 2**31 - 1)
    cdef Py_ssize_t along = require_integer("col_step", col_step, -(2**31), 2**31 - 1)
    cdef int limit = require_integer("youngest", youngest, 0, 255)
    cdef unsigned char[::1] out = require_array("young", young, "uint8", plots.shape, out=True)
    cdef Py_ssize_t[SOON] grounds
    cdef Py_ssize_t k, at, n = p.shape[0]
    if not (0 < tiles.shape[0] <= old.shape[0] and 0 < tiles.shape[1] <= old.shape[1] and tiles.shape[2] == 2):
        raise ValueError(f"field: wanted 1 to {age.shape} tiles of (row, col), got {field.shape}; see `Registration`")
    with nogil:
        for k in range(n + SOON):
            if k >= SOON:
                at = grounds[k % SOON]
                out[k - SOON] = at < 0 or (&old[0, 0])[at] <= limit
            if k < n:
                grounds[k % SOON] = at = ground_of(&p[k], old, tiles, down, along)
                if at >= 0:
                    prefetch(&old[0, 0] + at)


cdef bint all_below(
    const unsigned short[:, ::1] raw, Py_ssize_t top, Py_ssize_t bottom, Py_ssize_t left, Py_ssize_t right, int limit
) noexcept nogil:
    """Whether all samples of some rows and columns, and of some beside them, lie below a limit: quickly seen."""
    cdef Py_ssize_t i, j, begin
    cdef unsigned short[LANES] most
    cdef const unsigned short* row
    while left <= right:
        begin = min(max(left, 0), raw.shape[1] - LANES)
        for j in range(LANES):
            most[j] = 0
        for i in range(top, bottom):
            row = &raw[i, begin]
            for j in range(LANES):
                most[j] = row[j] if row[j] > most[j] else most[j]
        for j in range(LANES):
            if most[j] >= limit:
                return False
        left += LANES
    return True


cdef bint is_clipped(
    const Plot* plot, const unsigned short[:, ::1] raw, int saturation, const float[:, ::1] frame,
    const float[:, ::1] mean, const float[:, :, ::1] field, Py_ssize_t row_step, Py_ssize_t col_step, float share,
    Py_ssize_t reach
) noexcept nogil:
    cdef Py_ssize_t rows = raw.shape[0], cols = raw.shape[1], i, j, p, q
    cdef Py_ssize_t height = (rows + field.shape[0] - 1) // field.shape[0]
    cdef Py_ssize_t width = (cols + field.shape[1] - 1) // field.shape[1]
    cdef Py_ssize_t r = min(max(pixel_of(plot.row), 0), rows - 1), c = min(max(pixel_of(plot.col), 0), cols - 1)
    cdef const float* moved = &field[r // height, c // width, 0]
    cdef Py_ssize_t down = pixel_of(moved[0]) - row_step, along = pixel_of(moved[1]) - col_step
    if cols >= LANES and all_below(raw, max(r - reach, 0), min(r + reach + 1, rows), c - reach, c + reach, saturation):
        return False
    for i in range(max(r - reach, 0), min(r + reach + 1, rows)):
        for j in range(max(c - reach, 0), min(c + reach + 1, cols)):
            p = i + down
            q = j + along
            if raw[i, j] >= saturation and 0 <= p < rows and 0 <= q < cols and mean[p, q] >= share * frame[i, j]:
                return True
    return False


cdef void call_samples(const Plot* plot, const unsigned short[:, ::1] raw, Py_ssize_t reach) noexcept nogil:
    """Ask memory for the samples about a plot."""
    cdef Py_ssize_t r = pixel_of(plot.row), c = min(max(pixel_of(plot.col), 0), raw.shape[1] - 1), i
    for i in range(max(r - reach, 0), min(r + reach + 1, raw.shape[0])):
        prefetch(&raw[i, c])


def find_clipped(
    plots, raw, saturation, frame, mean, field, row_step, col_step, share, reach, clipped
):
    """Tell which plots lie beside ground that is brighter than the detector can tell.

    Parameters
    ----------
    plots : ndarray of PLOT_DTYPE, shape (n,)
        Plots of a frame.
    raw : ndarray of uint16, shape (rows, cols)
        Raw samples [DN].
    saturation : int
        Sample from which on a pixel is saturated, 1 to 65536 [DN].
    frame : ndarray of float32, shape (rows, cols)
        Calibrated frame, 0 without light [frame unit].
    mean : ndarray of float32, shape (rows, cols)
        Background on its grid [frame unit].
    field, row_step, col_step
        Where the grid lies, as for `find_young`.
    share : float
        Part of a saturated pixel's value that the background has at least where the ground is saturated, 0 to 1.
    reach : int
        How far beside such ground, along rows and columns, 0 to 64 [px].
    clipped : ndarray of uint8, shape (n,)
        1 where it is. A mover that is saturated itself stands on ground that is not.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const Plot[::1] p = require_array("plots", plots, PLOT_DTYPE, 1)
    cdef const unsigned short[:, ::1] samples = require_array("raw", raw, "uint16", 2)
    cdef int most = require_integer("saturation", saturation, 1, 65536)
    cdef const float[:, ::1] x = require_array("frame", frame, "float32", raw.shape)
    cdef const float[:, ::1] ground = require_array("mean", mean, "float32", raw.shape)
    cdef const float[:, :, ::1] tiles = require_array("field", field, "float32", 3)
    cdef Py_ssize_t down = require_integer("row_step", row_step, -(2**31), 2**31 - 1)
    cdef Py_ssize_t along = require_integer("col_step", col_step, -(2**31), 2**31 - 1)
    cdef float part = require_number("share", share, 0.0, 1.0)
    cdef Py_ssize_t far = require_integer("reach", reach, 0, 64), k
    cdef unsigned char[::1] out = require_array("clipped", clipped, "uint8", plots.shape, out=True)
    if not (
        0 < tiles.shape[0] <= samples.shape[0] and 0 < tiles.shape[1] <= samples.shape[1] and tiles.shape[2] == 2
    ):
        raise ValueError(f"field: wanted 1 to {raw.shape} tiles of (row, col), got {field.shape}; see `Registration`")
    with nogil:
        for k in range(p.shape[0]):
            if k + SOON < p.shape[0]:
                call_samples(&p[k + SOON], samples, far)
            out[k] = is_clipped(&p[k], samples, most, x, ground, tiles, down, along, part, far)


cdef inline int whole(double place) noexcept nogil:
    return <int>rint(min(max(place, -1e9), 1e9))


def aim_plots(
    plots, row_shift, col_shift, older_row_shift, older_col_shift, oldest_row_shift, oldest_col_shift, share, places,
    least
):
    """Say where partners of plots are looked for and how strong they must be.

    Parameters
    ----------
    plots : ndarray of PLOT_DTYPE, shape (n,)
        Plots of a frame.
    row_shift, col_shift : float
        Where the middle of the frame lies in the frame before [px].
    older_row_shift, older_col_shift : float
        Where the middle of that one lies in the one before it [px].
    oldest_row_shift, oldest_col_shift : float
        And where the middle of that one lies in the one before it [px].
    share : float
        Part of a plot's snr that a partner must have, 0 to 1.
    places : ndarray of int32, shape (n, 6)
        Where each plot's ground lay: (row, col) in the frame before and in the two older ones [px].
    least : ndarray of float32, shape (n,)
        ``share`` of the snr, with the sign of the amplitude.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const Plot[::1] p = require_array("plots", plots, PLOT_DTYPE, 1)
    cdef double down = require_number("row_shift", row_shift, -1e9, 1e9)
    cdef double along = require_number("col_shift", col_shift, -1e9, 1e9)
    cdef double older_down = require_number("older_row_shift", older_row_shift, -1e9, 1e9)
    cdef double older_along = require_number("older_col_shift", older_col_shift, -1e9, 1e9)
    cdef double oldest_down = require_number("oldest_row_shift", oldest_row_shift, -1e9, 1e9)
    cdef double oldest_along = require_number("oldest_col_shift", oldest_col_shift, -1e9, 1e9)
    cdef float part = require_number("share", share, 0.0, 1.0)
    cdef int[:, ::1] to
    cdef float[::1] size = require_array("least", least, "float32", plots.shape, out=True)
    cdef Py_ssize_t k
    if plots.shape[0] == 0:
        return
    to = require_array("places", places, "int32", (plots.shape[0], 6), out=True)
    with nogil:
        for k in range(p.shape[0]):
            to[k, 0] = whole(p[k].row + down)
            to[k, 1] = whole(p[k].col + along)
            to[k, 2] = whole(p[k].row + down + older_down)
            to[k, 3] = whole(p[k].col + along + older_along)
            to[k, 4] = whole(p[k].row + down + older_down + oldest_down)
            to[k, 5] = whole(p[k].col + along + older_along + oldest_along)
            size[k] = copysignf(part * p[k].snr, p[k].amplitude)


def keep_plots(plots, kept):
    """Take plots out in place; those that stay move up and keep their order.

    Parameters
    ----------
    plots : ndarray of PLOT_DTYPE, shape (n,)
        Plots.
    kept : ndarray of uint8, shape (n,)
        Not 0 for those that stay.

    Returns
    -------
    int
        How many stay.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout.
    """
    cdef Plot[::1] p = require_array("plots", plots, PLOT_DTYPE, 1, out=True)
    cdef const unsigned char[::1] stays = require_array("kept", kept, "uint8", plots.shape)
    cdef Py_ssize_t k, n = 0
    with nogil:
        for k in range(p.shape[0]):
            if stays[k]:
                if n < k:
                    p[n] = p[k]
                n += 1
    return n
