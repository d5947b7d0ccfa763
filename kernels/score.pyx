"""Frame to score in one pass: subtract the background, filter, whiten, row after row while all of it is in the cache.

The same functions as `subtract_background`, `matched_filter` and `whiten`, one after the other, and so the same bits;
between filter and whitening the border is scaled to the noise that replicated edges leave there. At 1024 x 1024 the
three on their own wait for memory half of the time.
"""

from lookdown.kernels.moving cimport Subtraction, subtract_next
from lookdown.kernels.suppress cimport Filtering, filter_row
from lookdown.kernels.whiten cimport Whitening, half_in_blocks, whiten_next, whiten_start

from lookdown.kernels.checks import require_array, require_number, require_odd, require_scratch
from lookdown.kernels.moving import moving_scratch_size, require_field
from lookdown.kernels.suppress import filter_scratch_size, require_taps
from lookdown.kernels.whiten import whiten_scratch_size


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


cdef void score_frame(
    const Subtraction* subtraction, const Filtering* filtering, Whitening* whitening, const float* edge,
    Py_ssize_t n_edge
) noexcept nogil:
    cdef Py_ssize_t rows = subtraction.rows, blocks = (rows + 1) // 2, r, filtered = 0, whitened = 0
    for r in range(rows + 1):
        subtract_next(subtraction, r)
        # Done are the rows before r; a filtered row needs `half_down` of them below it.
        while filtered < rows and min(filtered + filtering.half_down, rows - 1) < r:
            filter_row(filtering, filtered)
            scale_border(filtering.y + filtered * filtering.cols, filtered, rows, filtering.cols, edge, n_edge)
            filtered += 1
        while whitened < blocks and min(2 * whitened + 1, rows - 1) < filtered:
            whiten_next(whitening, whitened)
            whitened += 1
    for r in range(whitening.half):
        whiten_next(whitening, blocks + r)


def score_scratch_size(cols, taps, window):
    """Floats of scratch that `score_background` needs."""
    return moving_scratch_size(cols) + filter_scratch_size(cols, taps) + whiten_scratch_size(cols, window)


def score_background(
    frame, mean, noise, age, field, blur, variance_floor, taps, edge, window, guard, scratch,
    residual, predicted, filtered, variance, z
):
    """Score a frame against its background, ring and memory.

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
    scratch : ndarray of float32
        At least `score_scratch_size` elements.
    residual, predicted : ndarray of float32, shape (rows, cols)
        As `subtract_background` gives them [frame unit, frame unit^2].
    filtered : ndarray of float32, shape (rows, cols)
        Filtered residual [frame unit].
    variance, z : ndarray of float32, shape (rows, cols)
        As `whiten` gives them [frame unit^2, 1].

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
    inputs = [frame, mean, noise, field, taps, edge]
    outputs = {"residual": residual, "predicted": predicted, "filtered": filtered, "variance": variance, "z": z}
    for name, array in outputs.items():
        require_array(name, array, "float32", frame.shape, out=True, apart_from=tuple(inputs))
        inputs.append(array)
    cdef float[:, ::1] y = residual, p = predicted, g = filtered, s = variance, u = z
    cdef Py_ssize_t cols = x.shape[1], half = half_in_blocks(require_odd("window", window, 3, 255))
    cdef Py_ssize_t guard_half = half_in_blocks(require_odd("guard", guard, 1, 253))
    if guard_half >= half:
        raise ValueError(f"guard: wanted at least a block of 2 pixels less than half the window, got {guard}, {window}")
    cdef float[::1] work = require_scratch(
        scratch, score_scratch_size(cols, taps.size, window), tuple(inputs)
    )
    cdef float least = require_number("variance_floor", variance_floor, 0, 1e30)
    cdef Subtraction subtraction
    subtraction.frame, subtraction.mean, subtraction.noise, subtraction.age = &x[0, 0], &b[0, 0], &v[0, 0], &w[0, 0]
    subtraction.field, subtraction.n, subtraction.m = &f[0, 0, 0], f.shape[0], f.shape[1]
    subtraction.rows, subtraction.cols, subtraction.variance_floor = x.shape[0], cols, least
    subtraction.gradient_factor = 0.25 * require_number("blur", blur, 0, 10) ** 2
    subtraction.scratch, subtraction.residual, subtraction.predicted = &work[0], &y[0, 0], &p[0, 0]
    cdef Filtering filtering
    filtering.x, filtering.y, filtering.rows, filtering.cols = &y[0, 0], &g[0, 0], x.shape[0], cols
    filtering.down = filtering.along = &t[0]
    filtering.half_down = filtering.half_along = t.shape[0] // 2
    filtering.padded = &work[0] + <Py_ssize_t>moving_scratch_size(cols)
    cdef Whitening whitening
    whitening.x, whitening.predicted, whitening.rows, whitening.cols = &g[0, 0], &p[0, 0], x.shape[0], cols
    whitening.half, whitening.guard_half, whitening.variance_floor = half, guard_half, least
    whitening.variance, whitening.z = &s[0, 0], &u[0, 0]
    cdef float* rest = filtering.padded + <Py_ssize_t>filter_scratch_size(cols, taps.size)
    cdef const float* edges = &e[0] if e.shape[0] > 0 else NULL
    with nogil:
        whiten_start(&whitening, rest)
        score_frame(&subtraction, &filtering, &whitening, edges, e.shape[0])
