"""Background in a moving frame: subtract it where it went.

The mean, its noise and its age lie on an anchor grid that follows the ground in whole pixels only, so the mean is
never resampled onto itself and does not blur. A displacement ``d`` per tile says where a pixel of the frame lies on
the grid (see `lookdown.kernels.tiles`). `subtract_background` resamples the mean to the frame by cubic convolution
(Keys 1981, IEEE Trans. ASSP 29),

    residual[x]  = frame[x] - mean(x + d)
    predicted[x] = noise(x + d) (1 + 1 / age) + (blur |grad mean|)^2 + floor

where the gradient term is what an error of registration of ``blur`` pixels leaves. `lookdown.kernels.renew` lets the
frame enter the background.

Ground that was never seen has age 0: no residual, ``predicted`` -1.
"""

from libc.math cimport INFINITY, isfinite

from lookdown.kernels.rows cimport BytesIn, RowIn, RowOut
from lookdown.kernels.tiles cimport (
    Plan, Run, alike, own_row, plan_of, plan_row, plan_size, resample_run, whole_image
)
from lookdown.kernels.wide cimport cloned_wide

from lookdown.kernels.checks import require_array, require_number, require_scratch

cdef enum:
    ALIKE = 32  # pixels of one age from which on they take a loop of their own


cdef cloned_wide ages_to_float(BytesIn age, RowOut out, Py_ssize_t n) noexcept nogil:
    """Bytes and floats in one loop are shuffled into each other's lanes: a third of its instructions."""
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = age[i]


cdef cloned_wide subtract_row(
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


cdef cloned_wide subtract_alike(
    RowIn frame, RowIn mean, RowIn above, RowIn below, RowIn left, RowIn right, RowIn noise, float noise_factor,
    float gradient_factor, float variance_floor, RowOut residual, RowOut predicted, Py_ssize_t n
) noexcept nogil:
    """`subtract_row` for pixels of one age."""
    cdef Py_ssize_t i
    cdef float along, down
    for i in range(n):
        down = below[i] - above[i]
        along = right[i] - left[i]
        residual[i] = frame[i] - mean[i]
        predicted[i] = (
            noise[i] * noise_factor + gradient_factor * (down * down + along * along)
        ) + variance_floor


cdef void subtract_run(
    const Subtraction* s, Py_ssize_t r, const Run* run, const float* above, const float* mean, const float* below,
    float* ages
) noexcept nogil:
    """Finish the columns of one run in row ``r``; the mean's rows start at column 0."""
    cdef Py_ssize_t q = r + run.near_row, cols = s.cols, c = run.first, n, place
    cdef Py_ssize_t left = min(max(-run.near_col, run.first), run.last)
    cdef Py_ssize_t right = min(max(cols - run.near_col, left), run.last)
    cdef const float* frame = s.frame + r * cols
    cdef float* residual = own_row(&s.residual, r)
    cdef float* predicted = own_row(&s.predicted, r)
    if not 0 <= q < s.rows:
        left = right = run.last
    while c < run.last:
        if not left <= c < right:
            residual[c] = 0
            predicted[c] = -1
            c += 1
            continue
        place = q * cols + c + run.near_col
        n = alike(s.age + place, right - c)
        if s.age[place] > 0 and (n >= ALIKE or c + n == right):
            subtract_alike(
                frame + c, mean + c, above + c, below + c, mean + c - 1, mean + c + 1, s.noise + place,
                <float>((s.age[place] + 1.0) / s.age[place]), s.gradient_factor, s.variance_floor,
                residual + c, predicted + c, n,
            )
        else:
            n = max(n, min(ALIKE, right - c)) if s.age[place] > 0 else n
            ages_to_float(s.age + place, ages, n)
            subtract_row(
                frame + c, mean + c, above + c, below + c, mean + c - 1, mean + c + 1, s.noise + place, ages,
                s.gradient_factor, s.variance_floor, residual + c, predicted + c, n,
            )
        c += n


cdef Py_ssize_t subtract_from(const Subtraction* s) noexcept nogil:
    """The step to begin with: the mean of the row above the first one is needed for its gradient."""
    return max(s.first - 1, 0)


cdef void subtract_next(Subtraction* s, Py_ssize_t r) noexcept nogil:
    """Take step ``r``, `subtract_from` to ``rows``: resample the mean for row ``r``, finish the row before."""
    cdef Py_ssize_t width = s.cols + 2, cols = s.cols, j, q
    cdef float* work = s.scratch + 3 * width
    cdef float* ages = work + cols + 4
    cdef float* row
    cdef float* above
    cdef float* below
    cdef Plan* plan
    # Three rows of the resampled mean stand at once, for the gradient; the row below is made first.
    if r < s.rows:
        row = s.scratch + (r % 3) * width + 1
        plan = &s.plans[(r // s.plans[0].tile_rows) % 2]
        plan_row(plan, r)
        for j in range(plan.count):
            resample_run(plan, &s.mean, r, &plan.runs[j], work, row)
        (row - 1)[0] = row[0]
        row[cols] = row[cols - 1]
    q = r - 1
    if q < s.first:
        return
    row = s.scratch + (q % 3) * width + 1
    above = s.scratch + ((q + 2) % 3) * width + 1 if q > 0 else row
    below = s.scratch + (r % 3) * width + 1 if r < s.rows else row
    plan = &s.plans[(q // s.plans[0].tile_rows) % 2]
    for j in range(plan.count):
        subtract_run(s, q, &plan.runs[j], above, row, below, ages)


cdef void plan_subtraction(
    Subtraction* s, const float* field, Py_ssize_t n, Py_ssize_t m, float* scratch
) noexcept nogil:
    """Set what stands in scratch, of `moving_scratch_size` floats."""
    cdef Py_ssize_t k
    for k in range(2):
        s.plans[k] = plan_of(field, n, m, s.rows, s.cols, 1, 0, 0, True, scratch + k * plan_size(s.cols))
    s.scratch = scratch + 2 * plan_size(s.cols)


cdef Range range_of(const float* field, Py_ssize_t n, Py_ssize_t axis) noexcept nogil:
    """Smallest and largest of ``n`` displacements along an axis; infinite if one of them is not finite."""
    cdef Range found
    cdef Py_ssize_t k
    found.low = found.high = field[axis]
    for k in range(n):
        if not isfinite(field[2 * k + axis]):
            found.low = -INFINITY
            found.high = INFINITY
            break
        found.low = min(found.low, <double>field[2 * k + axis])
        found.high = max(found.high, <double>field[2 * k + axis])
    return found


def require_field(field, rows, cols):
    """Return a field of displacements if it is float32 (n, m, 2), finite and within a frame's size."""
    require_array("field", field, "float32", 3)
    if field.shape[2] != 2 or not 0 < field.shape[0] <= rows or not 0 < field.shape[1] <= cols:
        raise ValueError(f"field: wanted shape (n, m, 2), n and m from 1 to {rows}, {cols}; got {field.shape}")
    cdef const float[:, :, ::1] f = field
    cdef Range down = range_of(&f[0, 0, 0], f.shape[0] * f.shape[1], 0)
    cdef Range along = range_of(&f[0, 0, 0], f.shape[0] * f.shape[1], 1)
    most = max(-down.low, down.high, -along.low, along.high)
    if not most <= 2 * max(rows, cols):
        raise ValueError(f"field: wanted finite, within twice the frame [px], got {most}; start anew")
    return field


def moving_scratch_size(cols):
    """Floats of scratch that `subtract_background` needs, and any kernel that takes its scratch."""
    return 5 * cols + 16 + 2 * plan_size(cols)


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
    step.frame, step.noise, step.age = &x[0, 0], &v[0, 0], &w[0, 0]
    step.rows, step.cols, step.gradient_factor, step.variance_floor = x.shape[0], x.shape[1], factor, least
    step.mean = whole_image(&b[0, 0], step.rows, step.cols)
    step.residual, step.predicted = (
        whole_image(&y[0, 0], step.rows, step.cols), whole_image(&p[0, 0], step.rows, step.cols)
    )
    step.first = 0
    cdef Py_ssize_t r
    with nogil:
        plan_subtraction(&step, &f[0, 0, 0], f.shape[0], f.shape[1], &s[0])
        for r in range(step.rows + 1):
            subtract_next(&step, r)
