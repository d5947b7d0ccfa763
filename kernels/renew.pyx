"""The background takes a frame in: mean, noise and age of the moving grid (see `lookdown.kernels.moving`).

`renew_background` moves the grid by a whole step and brings the residual back by linear interpolation::

    mean  <- mean(+step) + residual(- (d - step)) / (age + 1)
    noise <- noise(+step) + (min(variance, 9 noise) - noise) / age

Ground that was never seen takes the frame itself as its mean. What the frame does not show stays as it was.
"""

from libc.string cimport memset

from lookdown.kernels.rows cimport BytesIn, BytesOut, RowIn, RowOut
from lookdown.kernels.tiles cimport (
    Run, alike, clamp, displacement, plan_of, plan_row, resample_run, row_of, whole_image
)
from lookdown.kernels.wide cimport cloned_wide

from lookdown.kernels.checks import require_array, require_integer, require_scratch
from lookdown.kernels.moving import moving_scratch_size, require_field

cdef enum:
    OUTLIER = 9  # a variance beyond this multiple of the noise is a mover's or an edge's, and is clipped to it
    ALIKE = 32  # pixels of one age from which on they take a loop of their own


cdef double BEYOND_PX = 0.1  # so little beyond the border of a frame its edge still tells what is there


cdef cloned_wide renew_row(
    RowIn residual, RowIn variance, RowIn mean, RowIn noise, BytesIn age, int limit,
    RowOut new_mean, RowOut new_noise, BytesOut new_age, Py_ssize_t n
) noexcept nogil:
    """Renew ``n`` pixels that were seen before."""
    cdef Py_ssize_t i
    cdef float one = 1, endless = 1e30  # as literals they would make the arithmetic double
    cdef float w, v, most
    cdef int seen
    for i in range(n):
        seen = age[i]
        w = <float>seen
        v = variance[i]
        # The first variance is taken as it is, later ones are clipped.
        most = OUTLIER * noise[i] if seen > 1 else endless
        v = v if v < most else most
        new_mean[i] = mean[i] + residual[i] * (one / (w + one))
        new_noise[i] = noise[i] + (v - noise[i]) * (one / w)
        seen += 1
        new_age[i] = <unsigned char>(seen if seen < limit else limit)


cdef cloned_wide renew_alike(
    RowIn residual, RowIn variance, RowIn mean, RowIn noise, float share, float noise_share, float more,
    RowOut new_mean, RowOut new_noise, Py_ssize_t n
) noexcept nogil:
    """`renew_row` for pixels of one age; ``more`` is endless at age 1, else 0."""
    cdef Py_ssize_t i
    cdef float v, most
    for i in range(n):
        v = variance[i]
        most = OUTLIER * noise[i] + more
        v = v if v < most else most
        new_mean[i] = mean[i] + residual[i] * share
        new_noise[i] = noise[i] + (v - noise[i]) * noise_share


cdef inline bint is_shown(double place, Py_ssize_t n) noexcept nogil:
    """Whether a place on a line of ``n`` pixels lies within the frame."""
    return -BEYOND_PX <= place <= n - 1 + BEYOND_PX


cdef float linear_at(const Renewal* s, const Run* run, Py_ssize_t r, Py_ssize_t c) noexcept nogil:
    """The frame between the four neighbours of a place, edges replicated."""
    cdef const float* a = row_of(&s.frame, r + run.row)
    cdef const float* b = row_of(&s.frame, r + run.row + 1)
    cdef Py_ssize_t i = clamp(c + run.col, s.cols), j = clamp(c + run.col + 1, s.cols)
    cdef Py_ssize_t here = c if s.plan.m > 1 else 0, there = min(c + 1, run.last - 1) if s.plan.m > 1 else 0
    cdef const float* down = s.plan.row_taps + here
    cdef const float* next_down = s.plan.row_taps + there
    cdef const float* along = s.plan.col_taps + here
    return along[0] * (down[0] * a[i] + down[s.cols] * b[i]) + along[s.cols] * (
        next_down[0] * a[j] + next_down[s.cols] * b[j]
    )


cdef void renew_pixel(const Renewal* s, const Run* run, Py_ssize_t r, Py_ssize_t c, const float* back) noexcept nogil:
    """Renew any pixel of the new grid: seen or not, shown by the frame or not."""
    cdef Py_ssize_t q = r + s.row_step, here = r * s.cols + c, old = q * s.cols + c + s.col_step
    cdef bint known = 0 <= q < s.rows and 0 <= c + s.col_step < s.cols and s.age[old] > 0
    cdef bint shown = (
        is_shown(r + displacement(&s.plan, c, 0), s.rows) and is_shown(c + displacement(&s.plan, c, 1), s.cols)
    )
    cdef float variance = row_of(&s.variance, r + run.near_row)[clamp(c + run.near_col, s.cols)]
    if known and shown:
        renew_row(
            back + c, &variance, s.mean + old, s.noise + old, s.age + old, s.limit,
            s.new_mean + here, s.new_noise + here, s.new_age + here, 1,
        )
    else:
        s.new_mean[here] = s.mean[old] if known else linear_at(s, run, r, c)
        s.new_noise[here] = s.noise[old] if known else variance
        s.new_age[here] = s.age[old] if known else shown


cdef void renew_run(const Renewal* s, const Run* run, Py_ssize_t r, const float* back) noexcept nogil:
    """Renew the columns of one run: in the frame's and the old grid's middle in long loops, elsewhere one by one."""
    cdef Py_ssize_t q = r + s.row_step, here = r * s.cols, c = run.first, n, old, age, i
    cdef Py_ssize_t left = min(max(run.first, -s.col_step, -run.col), run.last)
    cdef Py_ssize_t right = max(min(run.last, s.cols - s.col_step, s.cols - 1 - run.col), left)
    cdef const float* variance = row_of(&s.variance, r + run.near_row) + run.near_col
    if not (0 <= q < s.rows and 0 <= r + run.row and r + run.row + 1 < s.rows):
        left = right = run.last
    while c < run.last:
        old = q * s.cols + c + s.col_step
        if not left <= c < right:
            renew_pixel(s, run, r, c, back)
            c += 1
            continue
        age = s.age[old]
        n = alike(s.age + old, right - c)
        if age > 0 and (n >= ALIKE or c + n == right):
            renew_alike(
                back + c, variance + c, s.mean + old, s.noise + old, 1 / <float>(age + 1), 1 / <float>age,
                <float>(1e30 if age == 1 else 0), s.new_mean + here + c, s.new_noise + here + c, n,
            )
            memset(s.new_age + here + c, <int>min(age + 1, s.limit), n)
        elif age > 0:
            # As far as the next pixel that was never seen.
            i = n
            n = min(ALIKE, right - c)
            while i < n and s.age[old + i] > 0:
                i += 1
            n = i
            renew_row(
                back + c, variance + c, s.mean + old, s.noise + old, s.age + old, s.limit,
                s.new_mean + here + c, s.new_noise + here + c, s.new_age + here + c, n,
            )
        else:
            for i in range(n):
                renew_pixel(s, run, r, c + i, back)
        c += n


cdef void renew_next(Renewal* s, Py_ssize_t r) noexcept nogil:
    """Renew row ``r`` of the new grid."""
    cdef Py_ssize_t j
    cdef float* work = s.scratch
    cdef float* back = work + s.cols + 4
    plan_row(&s.plan, r)
    for j in range(s.plan.count):
        resample_run(&s.plan, &s.residual, r, &s.plan.runs[j], work, back)
        renew_run(s, &s.plan.runs[j], r, back)


def renew_background(
    frame, residual, variance, mean, noise, age, field, row_step, col_step, age_limit, scratch,
    new_mean, new_noise, new_age
):
    """Let a frame enter the background, on a grid that moved by a whole step.

    Parameters
    ----------
    frame, residual : ndarray of float32, shape (rows, cols)
        Calibrated frame, and what `subtract_background` left of it.
    variance : ndarray of float32, shape (rows, cols)
        Local variance of the filtered residual [frame unit^2].
    mean, noise : ndarray of float32, shape (rows, cols)
        Background before this frame.
    age : ndarray of uint8, shape (rows, cols)
        Frames that it has seen.
    field : ndarray of float32, shape (n, m, 2)
        Displacement from frame to the old grid, as of `subtract_background` [px].
    row_step, col_step : int
        Pixels by which the new grid lies further along the displacement: new (0, 0) is old (row_step, col_step).
    age_limit : int
        Frames that the background remembers, 1 to 255.
    scratch : ndarray of float32
        At least `moving_scratch_size` elements.
    new_mean, new_noise : ndarray of float32, shape (rows, cols)
        Background with this frame.
    new_age : ndarray of uint8, shape (rows, cols)
        Frames that it has seen.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const float[:, ::1] x = require_array("frame", frame, "float32", 2)
    cdef const float[:, ::1] d = require_array("residual", residual, "float32", frame.shape)
    cdef const float[:, ::1] u = require_array("variance", variance, "float32", frame.shape)
    cdef const float[:, ::1] b = require_array("mean", mean, "float32", frame.shape)
    cdef const float[:, ::1] v = require_array("noise", noise, "float32", frame.shape)
    cdef const unsigned char[:, ::1] w = require_array("age", age, "uint8", frame.shape)
    cdef const float[:, :, ::1] f = require_field(field, frame.shape[0], frame.shape[1])
    cdef Py_ssize_t down = require_integer("row_step", row_step, -1_000_000, 1_000_000)
    cdef Py_ssize_t along = require_integer("col_step", col_step, -1_000_000, 1_000_000)
    cdef int limit = require_integer("age_limit", age_limit, 1, 255)
    inputs = (frame, residual, variance, mean, noise, field)
    cdef float[:, ::1] y = require_array("new_mean", new_mean, "float32", frame.shape, out=True, apart_from=inputs)
    cdef float[:, ::1] z = require_array(
        "new_noise", new_noise, "float32", frame.shape, out=True, apart_from=(*inputs, new_mean)
    )
    cdef unsigned char[:, ::1] a = require_array("new_age", new_age, "uint8", frame.shape, out=True, apart_from=(age,))
    cdef float[::1] work = require_scratch(
        scratch, moving_scratch_size(x.shape[1]), (*inputs, new_mean, new_noise)
    )
    cdef Renewal step
    cdef Py_ssize_t rows = x.shape[0], cols = x.shape[1], r
    step.frame, step.residual = whole_image(&x[0, 0], rows, cols), whole_image(&d[0, 0], rows, cols)
    step.variance = whole_image(&u[0, 0], rows, cols)
    step.mean, step.noise, step.age = &b[0, 0], &v[0, 0], &w[0, 0]
    step.rows, step.cols, step.row_step, step.col_step, step.limit = rows, cols, down, along, limit
    step.scratch, step.new_mean, step.new_noise, step.new_age = &work[0], &y[0, 0], &z[0, 0], &a[0, 0]
    with nogil:
        step.plan = plan_of(
            &f[0, 0, 0], f.shape[0], f.shape[1], rows, cols, -1, down, along, False, &work[0] + 2 * cols + 8
        )
        for r in range(rows):
            renew_next(&step, r)
