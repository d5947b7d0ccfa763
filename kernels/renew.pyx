"""The background takes a frame in: mean, noise and age of the moving grid (see `lookdown.kernels.moving`).

`renew_background` moves the grid by a whole step and brings the residual back by linear interpolation::

    mean  <- mean(+step) + residual(- (d - step)) / (age + 1)
    noise <- noise(+step) + (min(variance, 9 noise) - noise) / age

Ground that was never seen takes the frame itself as its mean. What the frame does not show stays as it was.
"""

from libc.string cimport memchr

from lookdown.kernels.rows cimport BytesIn, BytesOut, RowIn, RowOut, cloned
from lookdown.kernels.tiles cimport Tile, clamp, tile_at

from lookdown.kernels.checks import require_array, require_integer, require_scratch
from lookdown.kernels.moving import moving_scratch_size, require_field

cdef enum:
    OUTLIER = 9  # a variance beyond this multiple of the noise is a mover's or an edge's, and is clipped to it


cdef double BEYOND_PX = 0.1  # so little beyond the border of a frame its edge still tells what is there


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
