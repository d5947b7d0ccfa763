"""The shift between two frames, by clipped least squares on image gradients, to hundredths of a pixel.

With W the reference resampled at the present estimate, ``frame - W = W_row d_row + W_col d_col + bias`` to first order
(Lucas and Kanade 1981, IJCAI). The normal equations use the gradient g of the frame on one side and that of W on the
other, ``sum g e = (sum g W'^T) d``: their noises are independent, so noise neither biases the step nor passes for
texture, as it does when one gradient is squared (instrumental variables; Fuller 1987, Measurement Error Models, 2.4).
The step repeats until it is small, at first on fewer rows. Pixels whose error exceeds ``clip`` times the rms of the
step before stay out, so movers and flashes do not pull. The covariance is ``s^2 A^-1 B A^-T`` with A = sum g W'^T and
B = sum g g^T.
"""

from libc.float cimport FLT_MAX
from libc.math cimport fabs, fabsf, floor, isfinite, sqrt
from libc.string cimport memset

from lookdown.kernels.interpolate cimport blend_four, cubic_slopes, cubic_taps
from lookdown.kernels.rows cimport RowIn, RowOut, row_stride
from lookdown.kernels.wide cimport cloned_wide

from lookdown.kernels.checks import require_array, require_integer, require_number, require_scratch

cdef enum:
    N_SUMS = 12  # rows of column sums that `accumulate_row` fills
    MAX_STEPS = 12
    FEWEST_PIXELS = 64
    COARSE = 4  # the first steps look at every so many of the rows
    FEWEST_COARSE_ROWS = 16

cdef double CONVERGED_PX = 0.02  # what a step leaves behind is some hundredths of it
cdef double LONGEST_STEP_PX = 2.0
cdef double COARSE_SIGMA_PX = 0.1  # worst sigma with which a step on few rows is taken
cdef double NEAR_PX = 0.25  # after a step no longer than this all rows are looked at
cdef double WORST_SIGMA_PX = 0.3  # beyond it the frames have no common texture


cdef cloned_wide accumulate_row(
    RowIn above, RowIn frame, RowIn below, RowIn values, RowIn slopes, float ta, float tb, float tc, float td,
    float da, float db, float dc, float dd, float bias, float limit, RowOut grwr, RowOut grwc, RowOut gcwr, RowOut gcwc,
    RowOut gre, RowOut gce, RowOut grgr, RowOut grgc, RowOut gcgc, RowOut first, RowOut second, RowOut used,
    Py_ssize_t n
) noexcept nogil:
    """Add the products of one row to sums by column; ``values`` and ``slopes`` start one column before the frame's."""
    cdef Py_ssize_t i
    cdef float zero = 0, one = 1, half = 0.5
    cdef float e, gr, gc, wr, wc, use
    for i in range(n):
        e = frame[i] - ((ta * values[i] + tb * values[i + 1]) + (tc * values[i + 2] + td * values[i + 3])) - bias
        wc = (da * values[i] + db * values[i + 1]) + (dc * values[i + 2] + dd * values[i + 3])
        wr = (ta * slopes[i] + tb * slopes[i + 1]) + (tc * slopes[i + 2] + td * slopes[i + 3])
        gr = half * (below[i] - above[i])
        gc = half * (frame[i + 1] - frame[i - 1])
        use = one if fabsf(e) <= limit else zero
        # One test for all: a NaN or infinity in any of them is one in this sum.
        use = use if fabsf(gr + gc + wr + wc) <= FLT_MAX else zero
        e = e if use > zero else zero
        gr = gr if use > zero else zero
        gc = gc if use > zero else zero
        wr = wr if use > zero else zero
        wc = wc if use > zero else zero
        grwr[i] += gr * wr
        grwc[i] += gr * wc
        gcwr[i] += gc * wr
        gcwc[i] += gc * wc
        gre[i] += gr * e
        gce[i] += gc * e
        grgr[i] += gr * gr
        grgc[i] += gr * gc
        gcgc[i] += gc * gc
        first[i] += e
        second[i] += e * e
        used[i] += use


cdef bint add_up(
    const float* reference, const float* frame, Py_ssize_t rows, Py_ssize_t cols, double row_shift, double col_shift,
    float bias, float limit, Py_ssize_t step, float* scratch, double* totals
) noexcept nogil:
    """Sums over every ``step``-th row of the overlap; False if the frames do not overlap enough."""
    cdef Py_ssize_t row = <Py_ssize_t>floor(row_shift), col = <Py_ssize_t>floor(col_shift)
    # Four taps of the reference and the neighbours of the frame must exist.
    cdef Py_ssize_t first_row = max(1, 1 - row), last_row = min(rows - 2, rows - 3 - row)
    cdef Py_ssize_t first_col = max(1, 1 - col), last_col = min(cols - 2, cols - 3 - col)
    cdef Py_ssize_t n = last_col - first_col + 1, w = row_stride(cols), k, r, i
    cdef float* values = scratch + N_SUMS * w
    cdef float* slopes = values + w
    cdef const float* source
    cdef const float* here
    cdef float[4] down
    cdef float[4] down_slope
    cdef float[4] along
    cdef float[4] along_slope
    cdef double total
    if last_row < first_row or n < 1:
        return False
    cubic_taps(row_shift - row, down)
    cubic_slopes(row_shift - row, down_slope)
    cubic_taps(col_shift - col, along)
    cubic_slopes(col_shift - col, along_slope)
    memset(scratch, 0, N_SUMS * w * sizeof(float))
    for k in range((last_row - first_row) // step + 1):
        r = first_row + k * step
        source = reference + (r + row - 1) * cols + first_col + col - 1
        blend_four(
            source, source + cols, source + 2 * cols, source + 3 * cols, down[0], down[1], down[2], down[3], values,
            n + 3,
        )
        blend_four(
            source, source + cols, source + 2 * cols, source + 3 * cols,
            down_slope[0], down_slope[1], down_slope[2], down_slope[3], slopes, n + 3,
        )
        here = frame + r * cols + first_col
        accumulate_row(
            here - cols, here, here + cols, values, slopes, along[0], along[1], along[2], along[3],
            along_slope[0], along_slope[1], along_slope[2], along_slope[3], bias, limit,
            scratch, scratch + w, scratch + 2 * w, scratch + 3 * w, scratch + 4 * w, scratch + 5 * w, scratch + 6 * w,
            scratch + 7 * w, scratch + 8 * w, scratch + 9 * w, scratch + 10 * w, scratch + 11 * w, n,
        )
    for k in range(N_SUMS):
        total = 0
        for i in range(n):
            total += scratch[k * w + i]
        totals[k] = total
    return totals[11] >= FEWEST_PIXELS


cdef struct Estimate:
    double row
    double col
    double sigma_row
    double sigma_col
    double rms
    Py_ssize_t n_used
    bint good


cdef Estimate register_frames(
    const float* reference, const float* frame, Py_ssize_t rows, Py_ssize_t cols, double row, double col, double clip,
    Py_ssize_t step, float* scratch
) noexcept nogil:
    cdef Estimate found
    cdef double[N_SUMS] s
    cdef double n, determinant, step_row, step_col, length, variance, bias = 0, limit = FLT_MAX
    cdef double a, b, c, d
    cdef Py_ssize_t k
    # Far off, a step is wrong by more than a few rows make it.
    cdef bint coarse = rows // (COARSE * step) >= FEWEST_COARSE_ROWS
    found.good = False
    found.rms = found.sigma_row = found.sigma_col = 0
    found.n_used = 0
    for k in range(MAX_STEPS):
        if not add_up(
            reference, frame, rows, cols, row, col, <float>bias, <float>min(limit, FLT_MAX),
            COARSE * step if coarse else step, scratch, s,
        ):
            if coarse:
                coarse = False
                continue
            break
        n = s[11]
        determinant = s[0] * s[3] - s[1] * s[2]
        variance = s[10] / n - (s[9] / n) * (s[9] / n)
        found.n_used = <Py_ssize_t>n
        found.rms = sqrt(max(variance, 0.0))
        if not (determinant > 0 and isfinite(variance)):
            if coarse:
                coarse = False
                continue
            break
        a = s[3] / determinant
        b = -s[1] / determinant
        c = -s[2] / determinant
        d = s[0] / determinant
        step_row = a * s[4] + b * s[5]
        step_col = c * s[4] + d * s[5]
        variance = max(variance, 0.0)
        found.sigma_row = sqrt(max(variance * (a * a * s[6] + 2 * a * b * s[7] + b * b * s[8]), 0.0))
        found.sigma_col = sqrt(max(variance * (c * c * s[6] + 2 * c * d * s[7] + d * d * s[8]), 0.0))
        if coarse and max(found.sigma_row, found.sigma_col) > COARSE_SIGMA_PX:
            coarse = False
            continue
        length = sqrt(step_row * step_row + step_col * step_col)
        if not isfinite(length):
            break
        if length > LONGEST_STEP_PX:
            step_row *= LONGEST_STEP_PX / length
            step_col *= LONGEST_STEP_PX / length
        row += step_row
        col += step_col
        if not (fabs(row) < rows and fabs(col) < cols):
            break
        # The polynomial's response has a kink at whole pixels, where noise alone can make ever smaller steps cycle.
        if k > 1 and not coarse and length < max(CONVERGED_PX, 0.25 * min(found.sigma_row, found.sigma_col)):
            found.good = found.sigma_row < WORST_SIGMA_PX and found.sigma_col < WORST_SIGMA_PX
            break
        bias += s[9] / n
        # Until the estimate has settled, what looks like an outlier is an edge in the wrong place.
        limit = clip * found.rms if length < 0.5 else FLT_MAX
        coarse = coarse and (k == 0 or length > NEAR_PX)
    found.row = row
    found.col = col
    return found


def register_scratch_size(cols):
    """Floats of scratch that `estimate_shift` needs."""
    return (N_SUMS + 2) * row_stride(cols)


def estimate_shift(reference, frame, initial_row, initial_col, clip, step, scratch):
    """Estimate the shift with ``frame[r, c] = reference[r + row_shift, c + col_shift]``.

    Parameters
    ----------
    reference, frame : ndarray of float32, shape (rows, cols)
        Two frames of one scene; NaN and infinite pixels stay out.
    initial_row, initial_col : float
        Prediction [pixel]; it should be within the size of the texture, about two pixels.
    clip : float
        Pixels whose error exceeds this many times the rms stay out, 1.5 to 1e6; 3 is usual.
    step : int
        Every ``step``-th row is used, 1 to 64; 4 costs a quarter and doubles sigma.
    scratch : ndarray of float32
        At least `register_scratch_size` elements; its content does not matter.

    Returns
    -------
    row_shift, col_shift : float
        Displacement [pixel]; NaN if the frames have no common texture, overlap too little, or no step converged.
    sigma_row, sigma_col : float
        One sigma of it, for errors that are independent from pixel to pixel; NaN likewise [pixel].
    rms : float
        Root mean square of the error of the used pixels [frame unit].
    n_used : int
        Pixels used.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const float[:, ::1] a = require_array("reference", reference, "float32", 2)
    cdef const float[:, ::1] b = require_array("frame", frame, "float32", reference.shape)
    cdef float[::1] s = require_scratch(scratch, register_scratch_size(a.shape[1]), (reference, frame))
    cdef double row = require_number("initial_row", initial_row, -a.shape[0], a.shape[0])
    cdef double col = require_number("initial_col", initial_col, -a.shape[1], a.shape[1])
    cdef double limit = require_number("clip", clip, 1.5, 1e6)
    cdef Py_ssize_t stride = require_integer("step", step, 1, 64)
    cdef Estimate found
    with nogil:
        found = register_frames(&a[0, 0], &b[0, 0], a.shape[0], a.shape[1], row, col, limit, stride, &s[0])
    if not found.good:
        nan = float("nan")
        return nan, nan, nan, nan, found.rms, found.n_used
    return found.row, found.col, found.sigma_row, found.sigma_col, found.rms, found.n_used
