"""What is gathered of connected pixels, run by run, and the plot that comes of it.

Formulas of place and sigma stand in ``extract.pyx``.
"""

from libc.math cimport fabsf, isfinite

from lookdown.kernels.extract cimport Plot
from lookdown.kernels.spot cimport refine_axis, spread

cdef enum:
    IS_DARK = 1
    AT_EDGE = 2
    IS_SATURATED = 4
    NEAR_BAD = 8
    COMPACT = 7  # largest extent of a plot whose place is that of its peak [pixel]


cdef struct Run:
    Py_ssize_t first
    Py_ssize_t last
    Py_ssize_t component
    Py_ssize_t dark


cdef struct Component:
    Py_ssize_t parent  # itself while it is a root
    Py_ssize_t last_row
    Py_ssize_t first_row
    Py_ssize_t first_col
    Py_ssize_t last_col
    Py_ssize_t n_pixels
    Py_ssize_t peak  # flat index
    Py_ssize_t flags
    double flux  # sum of its residual
    double weight  # sums over its pixels of |residual|, and of that times row, column and their products
    double weight_row
    double weight_col
    double weight_row_row
    double weight_col_col
    double weight_row_col
    double sum_row  # sums of row, column and their squares
    double sum_col
    double square_row
    double square_col
    float score  # largest |z|


cdef struct Frame:
    const float* z
    const float* residual
    const unsigned short* samples
    const int* bad
    Py_ssize_t rows
    Py_ssize_t cols
    Py_ssize_t n_bad
    Py_ssize_t bad_row  # row that the next are for; -1 before the first
    Py_ssize_t[4] bad_starts  # places in the list where the row above, the row, that below and the next begin
    Py_ssize_t saturation
    float threshold


cdef inline Py_ssize_t bad_from(const Frame* frame, Py_ssize_t flat, Py_ssize_t low, Py_ssize_t high) noexcept nogil:
    """Place in the list, between two, of the first bad pixel from a flat index on."""
    cdef Py_ssize_t middle
    while low < high:
        middle = (low + high) >> 1
        if frame.bad[middle] < flat:
            low = middle + 1
        else:
            high = middle
    return low


cdef inline bint is_near_bad(Frame* frame, Py_ssize_t row, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Whether a bad pixel lies in the run or touches it."""
    cdef Py_ssize_t k, start, at
    if frame.bad_row != row:
        # Runs come row by row: where the rows about it begin in the list is sought once.
        frame.bad_row = row
        at = 0
        for k in range(4):
            at = bad_from(frame, (row - 1 + k) * frame.cols, at, frame.n_bad)
            frame.bad_starts[k] = at
    first = max(first - 1, 0)
    last = min(last + 1, frame.cols - 1)
    for k in range(3):
        start = (row - 1 + k) * frame.cols
        at = bad_from(frame, start + first, frame.bad_starts[k], frame.bad_starts[k + 1])
        if at < frame.bad_starts[k + 1] and frame.bad[at] <= start + last:
            return True
    return False


cdef inline void open_component(
    Frame* frame, Component* one, Py_ssize_t itself, Py_ssize_t row, Run* run
) noexcept nogil:
    """Make a component of one run."""
    cdef Py_ssize_t c, n = run.last - run.first + 1
    cdef const float* z = frame.z + row * frame.cols
    cdef const float* residual = frame.residual + row * frame.cols
    cdef const unsigned short* samples = frame.samples + row * frame.cols if frame.samples != NULL else NULL
    cdef double weight
    one.parent = itself
    one.first_row = one.last_row = row
    one.first_col = run.first
    one.last_col = run.last
    one.n_pixels = n
    one.flags = IS_DARK if run.dark else 0
    if row == 0 or row == frame.rows - 1 or run.first == 0 or run.last == frame.cols - 1:
        one.flags |= AT_EDGE
    if frame.n_bad > 0 and is_near_bad(frame, row, run.first, run.last):
        one.flags |= NEAR_BAD
    one.score = -1
    one.flux = one.weight = one.weight_col = one.weight_col_col = one.sum_col = one.square_col = 0
    for c in range(run.first, run.last + 1):
        if fabsf(z[c]) > one.score:
            one.score = fabsf(z[c])
            one.peak = row * frame.cols + c
        one.flux += residual[c]
        weight = fabsf(residual[c])
        one.weight += weight
        weight *= c
        one.weight_col += weight
        one.weight_col_col += weight * c
        one.sum_col += c
        one.square_col += <double>c * c
        if samples != NULL and samples[c] >= frame.saturation:
            one.flags |= IS_SATURATED
    one.weight_row = one.weight * row
    one.weight_row_row = one.weight_row * row
    one.weight_row_col = one.weight_col * row
    one.sum_row = <double>n * row
    one.square_row = <double>n * row * row


cdef inline void merge(Component* into, Component* other) noexcept nogil:
    """Add another component, or a run below, to a component."""
    other.parent = into.parent
    into.last_row = max(into.last_row, other.last_row)
    into.first_row = min(into.first_row, other.first_row)
    into.first_col = min(into.first_col, other.first_col)
    into.last_col = max(into.last_col, other.last_col)
    into.n_pixels += other.n_pixels
    into.flags |= other.flags
    into.flux += other.flux
    into.weight += other.weight
    into.weight_row += other.weight_row
    into.weight_col += other.weight_col
    into.weight_row_row += other.weight_row_row
    into.weight_col_col += other.weight_col_col
    into.weight_row_col += other.weight_row_col
    into.sum_row += other.sum_row
    into.sum_col += other.sum_col
    into.square_row += other.square_row
    into.square_col += other.square_col
    if other.score > into.score or (other.score == into.score and other.peak < into.peak):
        into.score = other.score
        into.peak = other.peak


cdef inline Plot measure(Frame* frame, Component* one) noexcept nogil:
    """The plot of a closed component."""
    cdef Plot plot
    cdef Py_ssize_t cols = frame.cols, row = one.peak // cols, col = one.peak % cols
    cdef const float* peak = frame.residual + one.peak
    cdef float sign = -1 if one.flags & IS_DARK else 1
    cdef float offset_row, offset_col, sigma
    cdef double noise, centre_row, centre_col, n = one.n_pixels
    cdef bint weighted = one.weight > 0 and isfinite(one.weight)
    plot.amplitude = peak[0]
    plot.snr = one.score
    plot.n_pixels = <unsigned short>min(one.n_pixels, 65535)
    plot.n_rows = <unsigned short>min(one.last_row - one.first_row + 1, 65535)
    plot.n_cols = <unsigned short>min(one.last_col - one.first_col + 1, 65535)
    plot.flags = <unsigned short>one.flags
    plot.flux = <float>one.flux
    plot.peak_row = <int>row
    plot.peak_col = <int>col
    plot.covariance_px2 = plot.moment_row_px2 = plot.moment_col_px2 = plot.moment_row_col_px2 = 0
    centre_row = centre_col = 0
    if weighted:
        centre_row = one.weight_row / one.weight
        centre_col = one.weight_col / one.weight
        plot.moment_row_px2 = <float>max(one.weight_row_row / one.weight - centre_row * centre_row, 0.0)
        plot.moment_col_px2 = <float>max(one.weight_col_col / one.weight - centre_col * centre_col, 0.0)
        plot.moment_row_col_px2 = <float>(one.weight_row_col / one.weight - centre_row * centre_col)
    if plot.n_rows <= COMPACT and plot.n_cols <= COMPACT or not weighted:
        refine_axis(
            peak, cols, 1, row > 0, row < frame.rows - 1, col > 0, col < cols - 1, sign, plot.snr,
            &offset_row, &sigma,
        )
        plot.sigma_row_px = sigma
        refine_axis(
            peak, 1, cols, col > 0, col < cols - 1, row > 0, row < frame.rows - 1, sign, plot.snr,
            &offset_col, &sigma,
        )
        plot.sigma_col_px = sigma
        plot.row = row + offset_row
        plot.col = col + offset_col
    else:
        plot.row = <float>centre_row
        plot.col = <float>centre_col
        noise = fabsf(plot.amplitude) / plot.snr / one.weight
        plot.sigma_row_px = <float>spread(noise, n, one.sum_row, one.square_row, centre_row)
        plot.sigma_col_px = <float>spread(noise, n, one.sum_col, one.square_col, centre_col)
    return plot
