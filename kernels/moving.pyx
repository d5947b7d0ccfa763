"""Background in a moving frame: subtract it where it went, renew it where it came from.

The mean, its noise and its age lie on an anchor grid that follows the ground in whole pixels only, so the mean is
never resampled onto itself and does not blur. A displacement ``d`` per tile says where a pixel of the frame lies on
the grid. `subtract_background` resamples the mean to the frame by cubic convolution (Keys 1981, IEEE Trans. ASSP 29),

    residual[x]  = frame[x] - mean(x + d)
    predicted[x] = noise(x + d) (1 + 1 / age) + (blur |grad mean|)^2 + floor

where the gradient term is what an error of registration of ``blur`` pixels leaves. `renew_background` moves the grid
by a whole step and brings the residual back by linear interpolation::

    mean  <- mean(+step) + residual(- (d - step)) / (age + 1)
    noise <- noise(+step) + (min(variance, 9 noise) - noise) / age

Ground that was never seen has age 0: no residual, ``predicted`` -1, and the frame itself becomes its mean. What the
frame does not show stays as it was.
"""

from libc.math cimport INFINITY, floor, rint
from libc.string cimport memchr

from lookdown.kernels.rows cimport BytesOut, RowIn, RowOut, cloned

from lookdown.kernels.checks import require_array, require_integer, require_number, require_scratch

cdef extern from *:
    """
    typedef const unsigned char *__restrict__ lookdown_bytes_in;
    """
    ctypedef const unsigned char* BytesIn "lookdown_bytes_in"

cdef enum:
    OUTLIER = 9  # a variance beyond this multiple of the noise is a mover's or an edge's, and is clipped to it


cdef double BEYOND_PX = 0.1  # so little beyond the border of a frame its edge still tells what is there


cdef struct Tile:
    # A displacement in whole pixels, its taps, and the columns it holds for.
    Py_ssize_t row
    Py_ssize_t col
    Py_ssize_t near_row
    Py_ssize_t near_col
    float[4] row_taps
    float[4] col_taps
    double down
    double along
    Py_ssize_t first
    Py_ssize_t last


cdef cloned blend(
    RowIn a, RowIn b, RowIn c, RowIn d, float ta, float tb, float tc, float td, RowOut out, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = (ta * a[i] + tb * b[i]) + (tc * c[i] + td * d[i])


cdef void set_taps(double t, bint cubic, float* taps) noexcept nogil:
    """Weights of the pixels at -1, 0, 1, 2 for a place ``t`` in 0 to 1."""
    if cubic:
        taps[0] = <float>(t * (-0.5 + t * (1.0 - 0.5 * t)))
        taps[1] = <float>(1.0 + t * t * (-2.5 + 1.5 * t))
        taps[2] = <float>(t * (0.5 + t * (2.0 - 1.5 * t)))
        taps[3] = <float>(t * t * (-0.5 + 0.5 * t))
    else:
        taps[0] = 0
        taps[1] = <float>(1 - t)
        taps[2] = <float>t
        taps[3] = 0


cdef Tile tile_at(double down, double along, bint cubic, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef Tile tile
    tile.row = <Py_ssize_t>floor(down)
    tile.col = <Py_ssize_t>floor(along)
    tile.near_row = <Py_ssize_t>rint(down)
    tile.near_col = <Py_ssize_t>rint(along)
    set_taps(down - floor(down), cubic, tile.row_taps)
    set_taps(along - floor(along), cubic, tile.col_taps)
    tile.down = down
    tile.along = along
    tile.first = first
    tile.last = last
    return tile


cdef inline Py_ssize_t clamp(Py_ssize_t i, Py_ssize_t n) noexcept nogil:
    return 0 if i < 0 else (n - 1 if i >= n else i)


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
    """Floats of scratch that `subtract_background` and `renew_background` need."""
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


cdef cloned renew_row(
    RowIn upper, RowIn lower, RowIn upper_next, RowIn lower_next, float up, float low, float here, float there,
    RowIn variance, RowIn mean, RowIn noise, BytesIn age, int limit,
    RowOut new_mean, RowOut new_noise, BytesOut new_age, Py_ssize_t n
) noexcept nogil:
    """Renew ``n`` pixels; the residual comes from two rows and their next columns, with the weights of each."""
    cdef Py_ssize_t i
    cdef float one = 1, endless = 1e30  # as literals they would make the arithmetic double
    cdef float w, v, most, residual
    cdef int seen
    for i in range(n):
        seen = age[i]
        w = <float>seen
        v = variance[i]
        # The first variance is taken as it is, later ones are clipped; an age of 0 is filled in by the caller.
        most = OUTLIER * noise[i] if seen > 1 else endless
        v = v if v < most else most
        residual = here * (up * upper[i] + low * lower[i]) + there * (up * upper_next[i] + low * lower_next[i])
        new_mean[i] = mean[i] + residual / (w + one)
        new_noise[i] = noise[i] + (v - noise[i]) / (w if w > one else one)
        seen += 1
        new_age[i] = <unsigned char>(seen if seen < limit else limit)


cdef inline bint is_shown(double place, Py_ssize_t n) noexcept nogil:
    """Whether a place on a line of ``n`` pixels lies within the frame."""
    return -BEYOND_PX <= place <= n - 1 + BEYOND_PX


cdef float linear_at(
    const float* x, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t r, Py_ssize_t c, const Tile* t
) noexcept nogil:
    """``x[r + shift, c + shift]`` between its four neighbours, edges replicated."""
    cdef const float* a = x + clamp(r + t.row, rows) * cols
    cdef const float* b = x + clamp(r + t.row + 1, rows) * cols
    cdef Py_ssize_t i = clamp(c + t.col, cols), j = clamp(c + t.col + 1, cols)
    return t.col_taps[1] * (t.row_taps[1] * a[i] + t.row_taps[2] * b[i]) + t.col_taps[2] * (
        t.row_taps[1] * a[j] + t.row_taps[2] * b[j]
    )


cdef void renew_segment(
    const float* frame, const float* residual, const float* variance, const float* mean, const float* noise,
    const unsigned char* age, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t r, const Tile* t, Py_ssize_t row_step,
    Py_ssize_t col_step, int limit, float* new_mean, float* new_noise, unsigned char* new_age
) noexcept nogil:
    """Renew the columns of one tile in row ``r`` of the new grid: what is known and shown in one go, then the rest."""
    cdef Py_ssize_t q = r + row_step, start = r * cols, c, left, right, first, end, next_col, old
    cdef const float* upper = residual + clamp(r + t.row, rows) * cols
    cdef const float* lower = residual + clamp(r + t.row + 1, rows) * cols
    cdef const float* spread = variance + clamp(r + t.near_row, rows) * cols
    cdef bint shown, known
    # What of the old grid lies under this tile.
    left = min(max(-col_step, t.first), t.last)
    right = min(max(cols - col_step, left), t.last)
    if not 0 <= q < rows:
        left = right = t.last
    c = left
    while c < right:
        # In the middle of the frame all neighbours exist; at its border each pixel goes alone.
        end = min(right, cols - 1 - max(t.col, t.near_col))
        if c + min(t.col, t.near_col) < 0 or end <= c:
            end = c + 1
        next_col = clamp(c + t.col + 1, cols)
        old = q * cols + c + col_step
        renew_row(
            upper + clamp(c + t.col, cols), lower + clamp(c + t.col, cols), upper + next_col, lower + next_col,
            t.row_taps[1], t.row_taps[2], t.col_taps[1], t.col_taps[2],
            spread + clamp(c + t.near_col, cols), mean + old, noise + old, age + old, limit,
            new_mean + start + c, new_noise + start + c, new_age + start + c, end - c,
        )
        c = end
    # Done are the columns from `first` to `end` - 1 that are shown and seen; zeros of the age stand mostly at borders.
    first = left
    end = right
    while first < end and not (
        is_shown(r + t.down, rows) and is_shown(first + t.along, cols) and age[q * cols + first + col_step] > 0
    ):
        first += 1
    while end > first and not (is_shown(end - 1 + t.along, cols) and age[q * cols + end - 1 + col_step] > 0):
        end -= 1
    if end > first and memchr(age + q * cols + first + col_step, 0, end - first) != NULL:
        end = first
    c = t.first - 1
    while c + 1 < t.last:
        c += 1
        if c == first and end > first:
            c = end - 1
            continue
        shown = is_shown(r + t.down, rows) and is_shown(c + t.along, cols)
        old = q * cols + c + col_step
        known = left <= c < right and age[old] > 0
        if known and shown:
            continue
        new_mean[start + c] = mean[old] if known else linear_at(frame, rows, cols, r, c, t)
        new_noise[start + c] = noise[old] if known else spread[clamp(c + t.near_col, cols)]
        new_age[start + c] = age[old] if known else shown


cdef void renew_frame(
    const float* frame, const float* residual, const float* variance, const float* mean, const float* noise,
    const unsigned char* age, const float* field, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t n, Py_ssize_t m,
    Py_ssize_t row_step, Py_ssize_t col_step, int limit, float* new_mean, float* new_noise,
    unsigned char* new_age
) noexcept nogil:
    cdef Py_ssize_t tile_rows = (rows + n - 1) // n, tile_cols = (cols + m - 1) // m, r, j, first
    cdef const float* at
    cdef Tile tile
    for r in range(rows):
        for j in range(m):
            first = j * tile_cols
            if first < cols:
                at = field + ((r // tile_rows) * m + j) * 2
                tile = tile_at(
                    <double>row_step - at[0], <double>col_step - at[1], False, first, min(first + tile_cols, cols)
                )
                renew_segment(
                    frame, residual, variance, mean, noise, age, rows, cols, r, &tile, row_step, col_step, limit,
                    new_mean, new_noise, new_age,
                )


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
    require_scratch(scratch, moving_scratch_size(x.shape[1]), (*inputs, new_mean, new_noise))
    with nogil:
        renew_frame(
            &x[0, 0], &d[0, 0], &u[0, 0], &b[0, 0], &v[0, 0], &w[0, 0], &f[0, 0, 0], x.shape[0], x.shape[1],
            f.shape[0], f.shape[1], down, along, limit, &y[0, 0], &z[0, 0], &a[0, 0],
        )
