"""Frame to score to background in one pass: all stages go down the frame together, what they share stays in the cache.

Row after row the background is subtracted, the residual filtered, the score taken over ring and memory; what stands out
is held back, and the frame enters the background some rows behind. The functions are those of `subtract_background`,
`matched_filter`, `whiten`, `hold_back` and `renew_background`, and so are the bits, but for the level that is taken off
before a ring is summed (here that of the residual over the whole frame).

A call may take a band of the rows alone, so that several threads share a frame. What a band needs of the rows beside it
(the ring about its rows, the rows that its background comes from) it computes for itself and keeps in its own scratch;
each row is summed in the same order whatever the band, so bands give the bytes of the whole frame.
"""

from libc.math cimport ceil, floor
from libc.string cimport memcpy

from lookdown.kernels.hold cimport hold_pixels
from lookdown.kernels.moving cimport (
    Range, Subtraction, plan_subtraction, range_of, subtract_from, subtract_next
)
from lookdown.kernels.renew cimport Renewal, renew_next
from lookdown.kernels.ringsum cimport prefetch_row
from lookdown.kernels.suppress cimport Filtering, filter_row, filter_two
from lookdown.kernels.tiles cimport (
    Image, band_of_image, clamp, last_rows, own_row, plan_of, plan_size, row_of, whole_image
)
from lookdown.kernels.whiten cimport Whitening, half_in_blocks, whiten_from, whiten_next, whiten_start

from lookdown.kernels.checks import (
    require_array, require_band, require_integer, require_number, require_odd, require_scratch
)
from lookdown.kernels.moving import moving_scratch_size, require_field
from lookdown.kernels.suppress import filter_scratch_size, require_taps
from lookdown.kernels.whiten import whiten_scratch_size

cdef enum:
    LEVEL_SAMPLES = 1024  # pixels that the level of the residual comes from, about

MOST_REACH_PX = 28
"""How far a displacement may lie from the step of the grid, down the frame [px]."""


cdef void scale_border(
    float* row, Py_ssize_t r, Py_ssize_t rows, Py_ssize_t cols, const float* factor, Py_ssize_t n
) noexcept nogil:
    """Divide what lies ``k`` pixels from a border by ``factor[k]``, for each of the borders."""
    cdef Py_ssize_t k = min(r, rows - 1 - r), c
    if k < n:
        for c in range(cols):
            row[c] /= factor[k]
    for k in range(min(n, (cols + 1) // 2)):
        row[k] /= factor[k]
        if k != cols - 1 - k:
            row[cols - 1 - k] /= factor[k]


cdef float residual_level(const Subtraction* s, const float* field, Py_ssize_t n, Py_ssize_t m) noexcept nogil:
    """Mean of frame less background over some known pixels, to the nearest pixel; 0 if there is none."""
    cdef Py_ssize_t size = s.rows * s.cols, stride = (size // LEVEL_SAMPLES) | 1, k = 0, r, c, p, q, count = 0
    cdef Py_ssize_t tile_rows = (s.rows + n - 1) // n, tile_cols = (s.cols + m - 1) // m
    cdef const float* at
    cdef double total = 0
    while k < size:
        r = k // s.cols
        c = k - r * s.cols
        at = field + ((r // tile_rows) * m + c // tile_cols) * 2
        p = r + <Py_ssize_t>floor(at[0] + 0.5)
        q = c + <Py_ssize_t>floor(at[1] + 0.5)
        if 0 <= p < s.rows and 0 <= q < s.cols and s.age[p * s.cols + q] > 0:
            total += s.frame[k] - s.mean.x[p * s.cols + q]
            count += 1
        k += stride
    return <float>(total / count) if count > 0 else 0


cdef struct Pass:
    Subtraction subtraction
    Filtering filtering
    Whitening whitening
    Renewal renewal
    const float* edge
    Py_ssize_t n_edge
    float limit
    Image held  # what enters the background
    Py_ssize_t reach  # rows below a row of the new grid that its renewal looks at
    Py_ssize_t renewed  # row of the new grid that comes next
    unsigned char* strong  # whether rows have a score beyond the whitening's limit
    Py_ssize_t first  # row of the band
    Py_ssize_t last  # row behind the band
    Py_ssize_t last_block  # row of blocks behind those that are whitened


cdef void whiten_and_renew(Pass* p, Py_ssize_t b) noexcept nogil:
    """Take a step of the whitening; hold back the rows that it finishes, and renew what they suffice for."""
    cdef Py_ssize_t rows = p.subtraction.rows, cols = p.subtraction.cols, r, first, done
    cdef float* held
    whiten_next(&p.whitening, b)
    first = 2 * (b - p.whitening.half)
    if first < 2 * p.whitening.first:
        return
    done = min(first + 2, rows)
    for r in range(first, done):
        held = own_row(&p.held, r)
        memcpy(held, row_of(&p.subtraction.residual, r), cols * sizeof(float))
        if p.first <= r < p.last:
            p.strong[r] = 1 if p.whitening.beyond[r % 2] else 0
        if p.whitening.beyond[r % 2]:
            hold_pixels(row_of(&p.whitening.z, r), p.limit, held, cols)
    while p.renewed < p.last and clamp(p.renewed + p.reach, rows) < done:
        renew_next(&p.renewal, p.renewed)
        p.renewed += 1


cdef void fetch_rows(const Pass* p, Py_ssize_t r) noexcept nogil:
    """Ask for what the steps after ``r`` read and write first: the processor looks no further ahead than a page."""
    cdef const Subtraction* s = &p.subtraction
    cdef Py_ssize_t cols = s.cols, down = p.renewal.row_step, q = clamp(r + 1 + down, s.rows) * cols
    cdef Py_ssize_t new = clamp(p.renewed + 2, s.rows) * cols
    prefetch_row(s.frame + clamp(r + 1, s.rows) * cols, cols)
    prefetch_row(row_of(&s.mean, r + down + 4), cols)
    prefetch_row(s.noise + q, cols)
    prefetch_row(<const float*>(s.age + q), cols // 4)
    if r + 1 < s.rows:
        prefetch_row(row_of(&s.residual, r + 1), cols)
        prefetch_row(row_of(&p.filtering.y, r + 1), cols)
    prefetch_row(p.renewal.new_mean + new, cols)
    prefetch_row(p.renewal.new_noise + new, cols)


cdef void pass_frame(Pass* p) noexcept nogil:
    cdef Py_ssize_t rows = p.subtraction.rows, cols = p.subtraction.cols, r, k, n, b = whiten_from(&p.whitening)
    # Steps of the whitening take a row of blocks as long as there are any in the last rings.
    cdef Py_ssize_t last_step = p.last_block + p.whitening.half, last_taken = min(last_step, (rows + 1) // 2)
    cdef Py_ssize_t filtered = 2 * b, last_filtered = min(2 * last_taken, rows)
    for r in range(subtract_from(&p.subtraction), min(last_filtered + p.filtering.half_down, rows) + 1):
        fetch_rows(p, r)
        subtract_next(&p.subtraction, r)
        # Done are the rows before r; a filtered row needs `half_down` of them below it. They go in twos, as the blocks.
        while filtered < last_filtered and min(filtered + 1 + p.filtering.half_down, rows - 1) < r:
            n = min(last_filtered - filtered, 2)
            if n == 2:
                filter_two(&p.filtering, filtered)
            else:
                filter_row(&p.filtering, filtered)
            for k in range(filtered, filtered + n):
                scale_border(own_row(&p.filtering.y, k), k, rows, cols, p.edge, p.n_edge)
            filtered += n
        while b < last_taken and min(2 * b + 1, rows - 1) < filtered:
            whiten_and_renew(p, b)
            b += 1
    while b < last_step:
        whiten_and_renew(p, b)
        b += 1


cdef Py_ssize_t rows_kept(Py_ssize_t taps, Py_ssize_t window):
    """Rows of residual, predicted variance and filtered residual that are needed at once."""
    return 2 * (taps // 2) + 2 * half_in_blocks(window) + 6


def score_scratch_size(cols, taps, window):
    """Floats of scratch that `score_and_renew` needs."""
    return (
        moving_scratch_size(cols) + filter_scratch_size(cols, taps) + whiten_scratch_size(cols, window)
        + plan_size(cols) + 2 * cols + 8 + (2 * (2 * MOST_REACH_PX + 8) + 3 * rows_kept(taps, window) + 2) * cols
    )


def score_and_renew(
    frame, mean, noise, age, field, blur, variance_floor, taps, edge, window, guard, hold_limit, strong_limit, row_step,
    col_step, age_limit, first_row, last_row, scratch, residual, predicted, filtered, z, strong, new_mean, new_noise,
    new_age
):
    """Score a frame against its background, ring and memory, and let it enter the background.

    Parameters
    ----------
    frame : ndarray of float32, shape (rows, cols)
        Calibrated frame.
    mean, noise, age, field, blur
        Background and where it went, as for `subtract_background`.
    variance_floor : float
        Smallest variance that is believed, at least 0 [frame unit^2].
    taps : ndarray of float32, shape (n,)
        Filter down the columns and along the rows, symmetric, odd length up to 63.
    edge : ndarray of float32, shape (m,)
        Sigma of white noise after the filter, from the border inwards, over its value inside; all above 0.
    window, guard : int
        Sides of the ring, as for `whiten` [px].
    hold_limit : float
        Score up to which a residual enters the background as it is, as for `hold_back`.
    strong_limit : float
        Score beyond which ``strong`` tells of it, above 0.
    row_step, col_step, age_limit
        As for `renew_background`; displacements lie within `MOST_REACH_PX` rows of the step.
    first_row, last_row : int
        The band: rows of the outputs that are written, from ``first_row`` to before ``last_row``, an even number or the
        end of the frame each; 0 and rows for the whole frame.
    scratch : ndarray of float32
        At least `score_scratch_size` elements.
    residual : ndarray of float32, shape (rows, cols)
        As `subtract_background` gives it [frame unit].
    predicted : ndarray of float32, shape (rows, cols), or None
        The same [frame unit^2]; None if nobody asks for it, which spares its way to memory.
    filtered : ndarray of float32, shape (rows, cols)
        Filtered residual [frame unit].
    z : ndarray of float32, shape (rows, cols)
        Score, as `whiten` gives it [1].
    strong : ndarray of uint8, shape (rows,)
        1 for rows with a score beyond the smaller of ``hold_limit`` and ``strong_limit``, 0 for the others.
    new_mean, new_noise, new_age
        As `renew_background` gives them.

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
    cdef const float[::1] t = require_taps("taps", taps)
    cdef const float[::1] e = require_array("edge", edge, "float32", 1)
    if not (edge > 0).all():
        raise ValueError(f"edge: wanted factors above 0, got {edge}; give sigmas over the sigma inside")
    cdef Py_ssize_t rows = x.shape[0], cols = x.shape[1], half = half_in_blocks(require_odd("window", window, 3, 255))
    cdef Py_ssize_t guard_half = half_in_blocks(require_odd("guard", guard, 1, 253))
    if guard_half >= half:
        raise ValueError(f"guard: wanted at least a block of 2 pixels less than half the window, got {guard}, {window}")
    cdef Py_ssize_t first, last
    first, last = require_band(first_row, last_row, rows, 2)
    inputs = [frame, mean, noise, field, taps, edge]
    outputs = {"residual": residual, "filtered": filtered, "z": z, "new_mean": new_mean, "new_noise": new_noise}
    if predicted is not None:
        outputs["predicted"] = predicted
    for name, array in outputs.items():
        require_array(name, array, "float32", frame.shape, out=True, apart_from=tuple(inputs))
        inputs.append(array)
    require_array("strong", strong, "uint8", (frame.shape[0],), out=True, apart_from=(age,))
    require_array("new_age", new_age, "uint8", frame.shape, out=True, apart_from=(age, strong))
    cdef float[:, ::1] y = residual, g = filtered, u = z, nm = new_mean, nn = new_noise
    cdef float[:, ::1] p = residual if predicted is None else predicted
    cdef unsigned char[:, ::1] na = new_age
    cdef unsigned char[::1] told = strong
    cdef float[::1] work = require_scratch(scratch, score_scratch_size(cols, taps.size, window), tuple(inputs))
    cdef float least = require_number("variance_floor", variance_floor, 0, 1e30)
    cdef Py_ssize_t down = require_integer("row_step", row_step, -1_000_000, 1_000_000)
    cdef Py_ssize_t along = require_integer("col_step", col_step, -1_000_000, 1_000_000)
    cdef Range range = range_of(&f[0, 0, 0], f.shape[0] * f.shape[1], 0)
    cdef Py_ssize_t reach = <Py_ssize_t>floor(down - range.low) + 1, back = <Py_ssize_t>ceil(range.high - down)
    if reach - 1 > MOST_REACH_PX or back > MOST_REACH_PX:
        raise ValueError(
            f"field: wanted rows within {MOST_REACH_PX} px of row_step {row_step}, got {range.low:.1f} to "
            f"{range.high:.1f}; lay the background on a new grid"
        )
    cdef float* free = &work[0]
    cdef Py_ssize_t depth = rows_kept(t.shape[0], window), held_depth = min(reach + back + 4, rows)
    cdef Pass all
    cdef Subtraction* s = &all.subtraction
    s.frame, s.noise, s.age, s.rows, s.cols = &x[0, 0], &v[0, 0], &w[0, 0], rows, cols
    s.mean = whole_image(&b[0, 0], rows, cols)
    s.gradient_factor, s.variance_floor = 0.25 * require_number("blur", blur, 0, 10) ** 2, least
    s.residual = band_of_image(&y[0, 0], rows, cols, first, last, free, depth)
    free += depth * cols
    s.predicted = last_rows(free, rows, cols, depth)
    if predicted is not None:
        s.predicted = band_of_image(&p[0, 0], rows, cols, first, last, free, depth)
    free += depth * cols
    plan_subtraction(s, &f[0, 0, 0], f.shape[0], f.shape[1], free)
    free += <Py_ssize_t>moving_scratch_size(cols)
    cdef Filtering* filtering = &all.filtering
    filtering.x, filtering.y = s.residual, band_of_image(&g[0, 0], rows, cols, first, last, free, depth)
    free += depth * cols
    filtering.down = filtering.along = &t[0]
    filtering.half_down = filtering.half_along = t.shape[0] // 2
    filtering.padded = free
    free += <Py_ssize_t>filter_scratch_size(cols, taps.size)
    all.edge, all.n_edge = &e[0] if e.shape[0] > 0 else NULL, e.shape[0]
    all.limit = require_number("hold_limit", hold_limit, 1e-6, 1e6)
    all.strong, all.first = &told[0], first
    all.reach, all.renewed, all.last = reach, first, last
    # Rows from the highest to the lowest that a row's renewal looks at, and two that come at a time.
    all.held = last_rows(free, rows, cols, held_depth)
    free += held_depth * cols
    cdef Whitening* whitening = &all.whitening
    whitening.x, whitening.predicted, whitening.rows, whitening.cols = filtering.y, s.predicted, rows, cols
    whitening.z = band_of_image(&u[0, 0], rows, cols, first, last, free, 2)
    free += 2 * cols
    whitening.half, whitening.guard_half, whitening.variance_floor = half, guard_half, least
    whitening.limit = min(all.limit, <float>require_number("strong_limit", strong_limit, 1e-6, 1e6))
    whitening.variance = last_rows(free, rows, cols, held_depth)
    free += held_depth * cols
    # The renewal looks at rows above and below those of the band; the rings of these reach further still.
    whitening.first = min(clamp(first - back, rows), first) // 2
    all.last_block = max(clamp(last - 1 + reach, rows), last - 1) // 2 + 1
    s.first = max(2 * whiten_from(whitening) - filtering.half_down, 0)
    cdef Renewal* renewal = &all.renewal
    renewal.frame = whole_image(&x[0, 0], rows, cols)
    renewal.residual, renewal.variance = all.held, whitening.variance
    renewal.mean, renewal.noise, renewal.age, renewal.rows, renewal.cols = &b[0, 0], &v[0, 0], &w[0, 0], rows, cols
    renewal.row_step, renewal.col_step = down, along
    renewal.limit = require_integer("age_limit", age_limit, 1, 255)
    renewal.new_mean, renewal.new_noise, renewal.new_age = &nm[0, 0], &nn[0, 0], &na[0, 0]
    renewal.scratch = free
    free += 2 * cols + 8
    renewal.plan = plan_of(&f[0, 0, 0], f.shape[0], f.shape[1], rows, cols, -1, down, along, False, free)
    free += plan_size(cols)
    with nogil:
        whitening.pivot = residual_level(s, &f[0, 0, 0], f.shape[0], f.shape[1])
        whiten_start(whitening, free)
        pass_frame(&all)
