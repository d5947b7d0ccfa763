"""Plots from a scored frame: connected pixels over the threshold, their place, sigma, amplitude and extent.

One pass over the rows. Hits of a row are cut in runs; a run joins the components of the row above that it touches
(8-connected, bright and dark apart), by union-find over the components that are still open. A component that no run
of the present row touches is closed and becomes a plot, so memory depends on the columns alone and time on the pixels
and runs (He, Chao and Suzuki 2008, IEEE Trans. Image Processing 17, run-based labelling). Of more plots than fit, the
strongest stay.

The place of a compact plot is the vertex of a parabola through the logarithms of three sums S-, S0, S+ of the residual
about its peak, each weighted 1 2 1 across: exact for a Gaussian spot. With ``D = 2 ln S0 - ln S- - ln S+``::

    offset = (ln S+ - ln S-) / (2 D)        sigma^2 = 1 / (snr^2 D) + floor^2

On a matched-filtered residual that sigma is the Cramer-Rao bound (Winick 1986, J. Opt. Soc. Am. A 3, 1809), for 1/D is
the squared width of the spot there. A plot wider than 7 pixels takes the centroid weighted by the residual over its
pixels, with ``sigma^2 = noise^2 sum (row - centroid)^2 / (sum of weights)^2 + floor^2``.
"""

from libc.math cimport fabsf
from libc.stdint cimport uint64_t
from libc.string cimport memset

from lookdown.kernels.beyond cimport AT_ONCE, lowest_bit, marked
from lookdown.kernels.component cimport Component, Frame, Run, measure, merge, open_component
from lookdown.kernels.extract cimport Plot
from lookdown.kernels.rows cimport BytesOut, RowIn, cloned
from lookdown.kernels.soon cimport prefetch
from lookdown.kernels.strongest cimport insert, order

import numpy as np

from lookdown.kernels.checks import require_array, require_integer, require_number

PLOT_DTYPE = np.dtype(
    [
        ("row", "<f4"),  # place, first pixel centre is 0 [pixel]
        ("col", "<f4"),
        ("sigma_row_px", "<f4"),  # one sigma of the place [pixel]
        ("sigma_col_px", "<f4"),
        ("amplitude", "<f4"),  # residual at the peak, negative if dark [frame unit]
        ("snr", "<f4"),  # largest |z| of the plot [1]
        ("n_pixels", "<u2"),  # pixels over the threshold, at most 65535
        ("flags", "<u2"),  # the constants below
        ("n_rows", "<u2"),  # extent of the pixels over the threshold [pixel]
        ("n_cols", "<u2"),
        ("covariance_px2", "<f4"),  # of the errors of row and column [pixel^2]
        ("flux", "<f4"),  # its light: sum of the residual over its pixels, or that of the fitted spot [frame unit]
        ("moment_row_px2", "<f4"),  # second moments about the centroid, weighted by |residual|, of its pixels [pixel^2]
        ("moment_col_px2", "<f4"),
        ("moment_row_col_px2", "<f4"),
        ("peak_row", "<i4"),  # pixel of the largest |z| [pixel]
        ("peak_col", "<i4"),
    ]
)
"""One plot in pixels of its frame."""

DARK = 1  # darker than its surroundings
EDGE = 2  # touches the border of the frame
SATURATED = 4  # holds a saturated pixel
NEAR_BAD_PIXEL = 8  # holds or touches a replaced pixel
MERGED = 32  # shares its connected pixels with other plots, which a fit has told apart
EXTENDED = 256  # a fit has shown that its light is not that of points
UNFITTED = 512  # too weak for a fit in a frame with many: its place is the closed form's

cdef enum:
    RUN_WORDS = 4  # int64 words of scratch that hold one Run
    COMPONENT_WORDS = 20
    KEY_WORDS = 2  # and the keys of one plot for the sort


cdef cloned seek_hit(RowIn z, float threshold, Py_ssize_t n, int* found) noexcept nogil:
    """Whether any of ``n`` pixels is a hit."""
    cdef Py_ssize_t i
    cdef int any_hit = 0
    for i in range(n):
        any_hit |= fabsf(z[i]) > threshold
    found[0] = any_hit


cdef cloned mark_hits(RowIn z, float threshold, BytesOut marks, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        marks[i] = fabsf(z[i]) > threshold


cdef Py_ssize_t find_runs(const float* z, Py_ssize_t n, float threshold, Run* runs) noexcept nogil:
    """Cut the hits of one row in runs of one sign."""
    cdef Py_ssize_t block, first, size, c, dark, count = 0
    cdef unsigned char[AT_ONCE] marks
    cdef uint64_t bits
    cdef int found
    for block in range((n + AT_ONCE - 1) // AT_ONCE):
        first = block * AT_ONCE
        size = min(n - first, <Py_ssize_t>AT_ONCE)
        seek_hit(z + first, threshold, size, &found)
        if not found:
            continue
        memset(marks, 0, AT_ONCE)
        mark_hits(z + first, threshold, marks, size)
        bits = marked(marks)
        while bits != 0:
            c = first + lowest_bit(bits)
            bits &= bits - 1
            dark = 1 if z[c] < 0 else 0
            if count == 0 or runs[count - 1].last < c - 1 or runs[count - 1].dark != dark:
                runs[count].first = c
                runs[count].dark = dark
                count += 1
            runs[count - 1].last = c
    return count


cdef inline Py_ssize_t root_of(Component* components, Py_ssize_t i) noexcept nogil:
    while components[i].parent != i:
        components[i].parent = components[components[i].parent].parent
        i = components[i].parent
    return i


cdef Py_ssize_t keep(Frame* frame, Component* one, Plot* plots, Py_ssize_t n, Py_ssize_t capacity) noexcept nogil:
    """Add the plot of a component, in place of the weakest if there is no room; returns how many are kept."""
    cdef Plot plot
    if capacity == 0 or (n == capacity and one.score < plots[0].snr):
        return n
    plot = measure(frame, one)
    return insert(plots, n, capacity, &plot)


cdef struct Pool:
    # Components that are open, and the numbers of those that are free.
    Component* components
    Py_ssize_t* free
    Py_ssize_t* merged  # joined to another one during this row: free once no run points to them
    Py_ssize_t n_free
    Py_ssize_t n_merged


cdef void join_run(Frame* frame, Pool* pool, Py_ssize_t row, Run* run, Run* before, Py_ssize_t n) noexcept nogil:
    """Put a run in the component of the runs above that it touches, which become one; or open a new one."""
    cdef Component fresh
    cdef Py_ssize_t i = 0, root, component = -1
    open_component(frame, &fresh, -1, row, run)
    while i < n and before[i].first <= run.last + 1:
        if before[i].dark == run.dark:
            root = root_of(pool.components, before[i].component)
            if component < 0:
                component = root
                merge(&pool.components[root], &fresh)
            elif root != component:
                merge(&pool.components[component], &pool.components[root])
                pool.merged[pool.n_merged] = root
                pool.n_merged += 1
        i += 1
    if component < 0:
        pool.n_free -= 1
        component = pool.free[pool.n_free]
        fresh.parent = component
        pool.components[component] = fresh
    run.component = component


cdef Py_ssize_t scan(
    Frame* frame, Py_ssize_t* scratch, Plot* plots, Py_ssize_t capacity, Py_ssize_t* n_written
) noexcept nogil:
    """Go through the rows; returns how many components there were."""
    cdef Py_ssize_t cols = frame.cols, r, i, above, count, n_before = 0, n_found = 0
    cdef Run* before = <Run*>scratch
    cdef Run* runs = before + cols
    cdef Run* spare
    cdef Component* one
    cdef const float* peak
    cdef Pool pool
    pool.free = scratch + 2 * cols * RUN_WORDS
    pool.merged = pool.free + 2 * cols
    pool.components = <Component*>(pool.merged + 2 * cols)
    pool.n_free = 2 * cols
    pool.n_merged = 0
    for i in range(2 * cols):
        pool.free[i] = i
    n_written[0] = 0
    for r in range(frame.rows + 1):
        count = find_runs(frame.z + r * cols, cols, frame.threshold, runs) if r < frame.rows else 0
        for i in range(count):
            # Residual and samples are read here and there alone: all these reads wait for memory at once, not in turn.
            peak = frame.residual + r * cols + runs[i].first
            prefetch(peak)
            if frame.samples != NULL:
                prefetch(frame.samples + r * cols + runs[i].first)
            if r > 0:
                prefetch(peak - cols)
            if r + 1 < frame.rows:
                prefetch(peak + cols)
        above = 0
        for i in range(count):
            while above < n_before and before[above].last < runs[i].first - 1:
                above += 1
            join_run(frame, &pool, r, &runs[i], before + above, n_before - above)
        for i in range(count):
            runs[i].component = root_of(pool.components, runs[i].component)
        for i in range(n_before):
            one = &pool.components[before[i].component]
            if one.parent == before[i].component and one.last_row < r:
                n_found += 1
                n_written[0] = keep(frame, one, plots, n_written[0], capacity)
                one.last_row = r  # another run of it must not close it twice
                pool.free[pool.n_free] = before[i].component
                pool.n_free += 1
        for i in range(pool.n_merged):
            pool.free[pool.n_free] = pool.merged[i]
            pool.n_free += 1
        pool.n_merged = 0
        spare = before
        before = runs
        runs = spare
        n_before = count
    order(plots, n_written[0], <uint64_t*>scratch)  # the components are done with it
    return n_found


def extract_scratch_size(cols, capacity):
    """Elements of scratch that `extract_plots` needs for frames with ``cols`` columns and ``capacity`` plots."""
    return max(2 * cols * (RUN_WORDS + COMPONENT_WORDS + 2), KEY_WORDS * capacity)


def extract_plots(z, residual, threshold, samples, saturation, bad, scratch, plots_out):
    """Write the plots of a scored frame, strongest first.

    Parameters
    ----------
    z : ndarray of float32, shape (rows, cols)
        Calibrated score [1]; NaN is no hit.
    residual : ndarray of float32, shape (rows, cols)
        What was scored, best matched-filtered: gives place and amplitude [frame unit].
    threshold : float
        Pixels with ``|z| > threshold`` are hits, above 0.
    samples : ndarray of uint16, shape (rows, cols), or None
        Raw samples for the flag SATURATED [DN]; None leaves it out.
    saturation : int
        Sample that counts as saturated, and all above it [DN].
    bad : ndarray of int32, shape (n,)
        Flat indices of the replaced pixels, strictly increasing, for the flag NEAR_BAD_PIXEL.
    scratch : ndarray of int64
        At least `extract_scratch_size` elements; its content does not matter.
    plots_out : ndarray of PLOT_DTYPE, shape (capacity,)
        Plots by falling snr, then by row and column; those beyond the capacity are the weakest and left out.

    Returns
    -------
    n_found : int
        Plots there were.
    n_written : int
        Plots written, ``min(n_found, capacity)``.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const float[:, ::1] score = require_array("z", z, "float32", 2)
    cdef const float[:, ::1] x = require_array("residual", residual, "float32", z.shape)
    cdef const int[::1] listed = require_array("bad", bad, "int32", 1)
    cdef const unsigned short[:, ::1] raw
    cdef Plot[::1] plots = require_array("plots_out", plots_out, PLOT_DTYPE, 1, out=True)
    cdef long long[::1] words = require_array("scratch", scratch, "int64", 1, out=True)
    cdef Frame frame
    cdef Py_ssize_t n_found, n_written
    cdef Py_ssize_t needed = extract_scratch_size(score.shape[1], plots.shape[0])
    if words.shape[0] < needed:
        raise ValueError(
            f"scratch: wanted at least {needed} int64, got {words.shape[0]}; "
            "see extract_scratch_size"
        )
    frame.z = &score[0, 0]
    frame.residual = &x[0, 0]
    frame.rows = score.shape[0]
    frame.cols = score.shape[1]
    frame.threshold = require_number("threshold", threshold, 1e-6, 1e30)
    frame.bad = &listed[0]
    frame.n_bad = listed.shape[0]
    frame.bad_row = -1
    frame.saturation = require_integer("saturation", saturation, 0, 65536)
    frame.samples = NULL
    if samples is not None:
        raw = require_array("samples", samples, "uint16", z.shape)
        frame.samples = &raw[0, 0]
    with nogil:
        n_found = scan(&frame, <Py_ssize_t*>&words[0], &plots[0], plots.shape[0], &n_written)
    return n_found, n_written
