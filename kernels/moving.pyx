"""Background in a moving frame: subtract it where it went.

The mean, its noise and its age lie on an anchor grid that follows the ground in whole pixels only, so the mean is
never resampled onto itself and does not blur. A displacement ``d`` per tile says where a pixel of the frame lies on
the grid. `subtract_background` resamples the mean to the frame by cubic convolution (Keys 1981, IEEE Trans. ASSP 29),

    residual[x]  = frame[x] - mean(x + d)
    predicted[x] = noise(x + d) (1 + 1 / age) + (blur |grad mean|)^2 + floor

where the gradient term is what an error of registration of ``blur`` pixels leaves. `lookdown.kernels.renew` lets the
frame enter the background.

Ground that was never seen has age 0: no residual, ``predicted`` -1.
"""

from libc.math cimport INFINITY

from lookdown.kernels.rows cimport BytesIn, RowIn, RowOut, cloned
from lookdown.kernels.tiles cimport Tile, clamp, tile_at

from lookdown.kernels.checks import require_array, require_number, require_scratch


cdef cloned blend(
    RowIn a, RowIn b, RowIn c, RowIn d, float ta, float tb, float tc, float td, RowOut out, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = (ta * a[i] + tb * b[i]) + (tc * c[i] + td * d[i])


cdef void resample_row(
    const float* x, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t r, const Tile* t, float* work, float* out
) noexcept nogil:
    """``out[c] = x[r + shift, c + shift]`` for the columns of a tile, edges replicated; ``work`` holds a row and 4."""
    cdef Py_ssize_t n = t.last - t.first, start = t.first + t.col - 1, k, e
    # Of the n + 3 columns that the tile reads, those from `left` to `right` - 1 exist.
    cdef Py_ssize_t left = min(max(-start, 0), n + 3), right = max(min(cols - start, n + 3), left)
    cdef const float* a = x + clamp(r + t.row - 1, rows) * cols
    cdef const float* b = x + clamp(r + t.row, rows) * cols
    cdef const float* c = x + clamp(r + t.row + 1, rows) * cols
    cdef const float* d = x + clamp(r + t.row + 2, rows) * cols
    cdef const float* taps = &t.row_taps[0]
    if right > left:
        k = start + left
        blend(a + k, b + k, c + k, d + k, taps[0], taps[1], taps[2], taps[3], work + left, right - left)
    for k in range(left):
        blend(a, b, c, d, taps[0], taps[1], taps[2], taps[3], work + k, 1)
    e = cols - 1
    for k in range(right, n + 3):
        blend(a + e, b + e, c + e, d + e, taps[0], taps[1], taps[2], taps[3], work + k, 1)
    taps = &t.col_taps[0]
    blend(work, work + 1, work + 2, work + 3, taps[0], taps[1], taps[2], taps[3], out + t.first, n)


cdef cloned ages_to_float(BytesIn age, RowOut out, Py_ssize_t n) noexcept nogil:
    """Bytes and floats in one loop are shuffled into each other's lanes: a third of its instructions."""
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = age[i]


cdef cloned subtract_row(
    RowIn frame, RowIn mean, RowIn above, RowIn below, RowIn left, RowIn right, RowIn noise, RowIn age,
    float gradient_factor, float variance_floor, RowOut residual, RowOut predicted, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    # Float names stand for small constants: a literal would make the arithmetic double.
    cdef float zero = 0, one = 1, unknown = -1, endless = INFINITY
    cdef float w, along, down, variance, rest, most, largest
    for i in range(n):
        w = age[i]
        down = below[i] - above[i]
        along = right[i] - left[i]
        rest = frame[i] - mean[i]
        variance = noise[i] * (w + one) / (w if w > one else one) + gradient_factor * (down * down + along * along)
        variance = variance + variance_floor
        # Choices between constants, then limits: a choice between results is a branch on aarch64, and no NEON.
        most = endless if w >= one else zero
        largest = endless if w >= one else unknown
        rest = most if rest > most else rest
        residual[i] = -most if rest < -most else rest
        predicted[i] = largest if variance > largest else variance


cdef void subtract_segment(
    const float* frame, const float* above, const float* mean, const float* below, const float* noise,
    const unsigned char* age, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t r, const Tile* t, float gradient_factor,
    float variance_floor, float* ages, float* residual, float* predicted
) noexcept nogil:
    """Finish the columns of one tile in row ``r``; frame, residual, predicted and the mean's rows start at column 0."""
    cdef Py_ssize_t q = r + t.near_row, c
    cdef Py_ssize_t left = clamp(-t.near_col, t.last + 1), right = cols - t.near_col
    left = min(max(left, t.first), t.last)
    right = min(max(right, left), t.last)
    if not 0 <= q < rows:
        left = right = t.last
    for c in range(t.first, left):
        residual[c] = 0
        predicted[c] = -1
    for c in range(right, t.last):
        residual[c] = 0
        predicted[c] = -1
    if right > left:
        ages_to_float(age + q * cols + left + t.near_col, ages, right - left)
        subtract_row(
            frame + left, mean + left, above + left, below + left, mean + left - 1, mean + left + 1,
            noise + q * cols + left + t.near_col, ages,
            gradient_factor, variance_floor, residual + left, predicted + left, right - left,
        )


cdef void subtract_next(const Subtraction* s, Py_ssize_t r) noexcept nogil:
    """Take step ``r`` of 0 to ``rows``: resample the mean for row ``r``, finish the row before."""
    cdef Py_ssize_t tile_rows = (s.rows + s.n - 1) // s.n, tile_cols = (s.cols + s.m - 1) // s.m, j, q, first
    cdef Py_ssize_t width = s.cols + 2, cols = s.cols
    cdef float* work = s.scratch + 3 * width
    cdef float* ages = work + cols + 4
    cdef float* row
    cdef float* above
    cdef float* below
    cdef const float* at
    cdef Tile tile
    # Three rows of the resampled mean stand at once, for the gradient; the row below is made first.
    if r < s.rows:
        row = s.scratch + (r % 3) * width + 1
        for j in range(s.m):
            first = j * tile_cols
            if first < cols:
                at = s.field + ((r // tile_rows) * s.m + j) * 2
                tile = tile_at(at[0], at[1], True, first, min(first + tile_cols, cols))
                resample_row(s.mean, s.rows, cols, r, &tile, work, row)
        (row - 1)[0] = row[0]
        row[cols] = row[cols - 1]
    if r == 0:
        return
    q = r - 1
    row = s.scratch + (q % 3) * width + 1
    above = s.scratch + ((q + 2) % 3) * width + 1 if q > 0 else row
    below = s.scratch + (r % 3) * width + 1 if r < s.rows else row
    for j in range(s.m):
        first = j * tile_cols
        if first < cols:
            at = s.field + ((q // tile_rows) * s.m + j) * 2
            tile = tile_at(at[0], at[1], True, first, min(first + tile_cols, cols))
            subtract_segment(
                s.frame + q * cols, above, row, below, s.noise, s.age, s.rows, cols, q, &tile,
                s.gradient_factor, s.variance_floor, ages, s.residual + q * cols, s.predicted + q * cols,
            )


def require_field(field, rows, cols):
    """Return a field of displacements if it is float32 (n, m, 2), finite and within a frame's size."""
    require_array("field", field, "float32", 3)
    if field.shape[2] != 2 or not 0 < field.shape[0] <= rows or not 0 < field.shape[1] <= cols:
        raise ValueError(f"field: wanted shape (n, m, 2), n and m from 1 to {rows}, {cols}; got {field.shape}")
    # A field of a few hundred numbers: this costs microseconds.
    if not (abs(field) <= 2 * max(rows, cols)).all():
        raise ValueError(f"field: wanted finite, within twice the frame [px], got {abs(field).max()}; start anew")
    return field


def moving_scratch_size(cols):
    """Floats of scratch that `subtract_background` needs, and any kernel that takes its scratch."""
    return 5 * cols + 16


def subtract_background(frame, mean, noise, age, field, blur, variance_floor, scratch, residual, predicted):
    """Subtract the background where it went and predict the noise of what is left.

    Parameters
    ----------
    frame : ndarray of float32, shape (rows, cols)
        Calibrated frame.
    mean, noise : ndarray of float32, shape (rows, cols)
        Background on the anchor grid and the variance of the filtered residual there [frame unit, frame unit^2].
    age : ndarray of uint8, shape (rows, cols)
        Frames that each pixel of the grid has seen.
    field : ndarray of float32, shape (n, m, 2)
        Displacement (row, col) from frame to grid, per tile of ``ceil(rows / n)`` x ``ceil(cols / m)`` pixels [px].
    blur : float
        Error of registration, one sigma, 0 to 10 [px].
    variance_floor : float
        Smallest variance that is believed, at least 0 [frame unit^2].
    scratch : ndarray of float32
        At least `moving_scratch_size` elements.
    residual : ndarray of float32, shape (rows, cols)
        Frame less background, 0 where there is none.
    predicted : ndarray of float32, shape (rows, cols)
        Predicted variance of the filtered residual, -1 where there is no background [frame unit^2].

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const float[:, ::1] x = require_array("frame", frame, "float32", 2)
    cdef const float[:, ::1] b = require_array("mean", mean, "float32", frame.shape)
    cdef const float[:, ::1] v = require_array("noise", noise, "float32", frame.shape)
    cdef const unsigned char[:, ::1] w = require_array("age", age, "uint8", frame.shape)
    cdef const float[:, :, ::1] f = require_field(field, frame.shape[0], frame.shape[1])
    cdef float factor = 0.25 * require_number("blur", blur, 0, 10) ** 2
    cdef float least = require_number("variance_floor", variance_floor, 0, 1e30)
    inputs = (frame, mean, noise, field)
    cdef float[:, ::1] y = require_array("residual", residual, "float32", frame.shape, out=True, apart_from=inputs)
    cdef float[:, ::1] p = require_array(
        "predicted", predicted, "float32", frame.shape, out=True, apart_from=(*inputs, residual)
    )
    cdef float[::1] s = require_scratch(scratch, moving_scratch_size(x.shape[1]), (*inputs, residual, predicted))
    cdef Subtraction step
    step.frame, step.mean, step.noise, step.age = &x[0, 0], &b[0, 0], &v[0, 0], &w[0, 0]
    step.field, step.n, step.m = &f[0, 0, 0], f.shape[0], f.shape[1]
    step.rows, step.cols, step.gradient_factor, step.variance_floor = x.shape[0], x.shape[1], factor, least
    step.scratch, step.residual, step.predicted = &s[0], &y[0, 0], &p[0, 0]
    cdef Py_ssize_t r
    with nogil:
        for r in range(step.rows + 1):
            subtract_next(&step, r)
