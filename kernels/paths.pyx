"""Refinement of straight paths through a window of scores: place, velocity and summed score of what the bank noticed.

From the best cell of the bank at a pixel, the sum along a line through continuous places

    F(x, v) = sum_t w s_t(x + v (t - t_mid)) / sqrt(n)

is driven to its maximum: a parabola through three points along each of the four coordinates, halved steps where it
does not rise. At a Gaussian spot the four are uncorrelated when the line is counted from the middle of the window.

Scores between pixels come from the four nearest along each axis (third-degree Lagrange), divided by the sigma that
noise has there: filtered noise of correlation ``c`` from pixel to pixel has ``c^(d^2)`` at d pixels (Gaussian
point-spread function), so that F has the same sigma at all places, 1, and none is favoured. Scores that were limited
are taken back for that and limited again between the pixels: the flat top of a strong spot would favour places where
noise is divided by less than 1.

Then the strongest path takes the scores about it away from the others, which are refined without, and so on (CLEAN,
Hogbom 1974, Astron. Astrophys. Suppl. 15, 417): the fan of paths that cross a strong mover at other velocities falls.
A path whose sum comes from few frames crosses something faster than the bank; it is left out and takes nothing.
"""

from libc.math cimport copysignf, exp, fabsf, floorf, logf, sqrt, sqrtf

from lookdown.kernels.interpolate cimport cubic_taps

import numpy as np

from lookdown.kernels.checks import require_array, require_number

cdef enum:
    PHASES = 64  # places between two pixels
    MOST_FRAMES = 32
    MOST_TURNS = 12
    HALVINGS = 3
    LARGEST = 1024  # integer up to which scores are taken back to what they were before they were limited

INT16 = np.dtype(np.int16)
UINT32 = np.dtype(np.uint32)

PATH_DTYPE = np.dtype(
    [
        ("row", "<f4"),  # place in the middle of the window, in pixels of the result of the bank [px]
        ("col", "<f4"),
        ("row_velocity", "<f4"),  # [px/frame]
        ("col_velocity", "<f4"),
        ("score", "<f4"),  # sum by sqrt(n), negative if dark [sigma]
        ("spread", "<f4"),  # variance of the scores of the frames used about their mean [sigma^2]
        ("n_used", "<i4"),  # frames in which the path lies inside and that are not left out
    ]
)
"""One refined path."""

cdef packed struct Path:
    float row
    float col
    float row_velocity
    float col_velocity
    float score
    float spread
    int n_used


cdef struct Window:
    const short* frames
    const int* order
    const int* at
    Py_ssize_t n
    Py_ssize_t rows
    Py_ssize_t cols
    float unit  # of an integer [sigma]
    float[PHASES + 1][4] taps
    float[LARGEST + 1] plain  # score of an integer, before it was limited [sigma]
    float limit  # size up to which a score counts in full [sigma]
    float beyond  # what an e-fold beyond it adds [sigma]
    unsigned int left_out  # bit t: frame t does not count
    float sign


cdef void make_taps(Window* w, double correlation) noexcept nogil:
    cdef double[4] lag
    cdef double variance
    cdef Py_ssize_t k, i, j
    lag[0] = 1.0
    lag[1] = correlation
    lag[2] = correlation ** 4
    lag[3] = correlation ** 9
    for k in range(PHASES + 1):
        cubic_taps(<double>k / PHASES, w.taps[k])
        variance = 0
        for i in range(4):
            for j in range(4):
                variance += w.taps[k][i] * w.taps[k][j] * lag[i - j if i > j else j - i]
        for i in range(4):
            w.taps[k][i] = <float>(w.taps[k][i] / sqrt(variance))


cdef void make_scores(Window* w) noexcept nogil:
    cdef Py_ssize_t k
    cdef double score
    for k in range(LARGEST + 1):
        score = k * w.unit
        if score > w.limit:
            score = w.limit * exp(min((score - w.limit) / w.beyond, 20.0))
        w.plain[k] = <float>score


cdef inline float plain_score(Window* w, short x) noexcept nogil:
    return w.plain[min(x, LARGEST)] if x >= 0 else -w.plain[min(-<int>x, LARGEST)]


cdef bint score_at(Window* w, Py_ssize_t t, float row, float col, float* score) noexcept nogil:
    """Interpolated score of frame t at a place of the result; whether it lies inside."""
    cdef float top = floorf(row), left = floorf(col), total = 0
    cdef Py_ssize_t r = <Py_ssize_t>top + w.at[2 * t], c = <Py_ssize_t>left + w.at[2 * t + 1], i
    cdef const float* down = w.taps[<Py_ssize_t>((row - top) * PHASES + 0.5)]
    cdef const float* along = w.taps[<Py_ssize_t>((col - left) * PHASES + 0.5)]
    cdef const short* x
    if r < 1 or c < 1 or r > w.rows - 3 or c > w.cols - 3:
        return False
    x = w.frames + (w.order[t] * w.rows + r - 1) * w.cols + c - 1
    for i in range(4):
        total += down[i] * (
            (along[0] * plain_score(w, x[0]) + along[1] * plain_score(w, x[1]))
            + (along[2] * plain_score(w, x[2]) + along[3] * plain_score(w, x[3]))
        )
        x += w.cols
    if fabsf(total) > w.limit:
        total = copysignf(w.limit + w.beyond * logf(fabsf(total) / w.limit), total)
    score[0] = total
    return True


cdef float along_line(Window* w, const float* line) noexcept nogil:
    """Sum of the scores along a line (row, col, velocities), of the sign looked for."""
    cdef float total = 0, score, middle = 0.5 * (w.n - 1)
    cdef Py_ssize_t t
    for t in range(w.n):
        if not (w.left_out >> t) & 1 and score_at(
            w, t, line[0] + line[2] * (t - middle), line[1] + line[3] * (t - middle), &score
        ):
            total += score
    return total * w.sign


cdef inline long sum_of_cells(
    Window* w, const int* down, const int* along, Py_ssize_t row, Py_ssize_t col
) noexcept nogil:
    cdef Py_ssize_t t, r, c
    cdef long total = 0
    for t in range(w.n):
        r = row + w.at[2 * t] + down[t]
        c = col + w.at[2 * t + 1] + along[t]
        if not (w.left_out >> t) & 1 and 0 <= r < w.rows and 0 <= c < w.cols:
            total += w.frames[(w.order[t] * w.rows + r) * w.cols + c]
    return total


cdef void best_cells(
    Window* w, const int[:, ::1] paths, const double[::1] velocities, Py_ssize_t row, Py_ssize_t col, float* line
) noexcept nogil:
    """Start of a line: the best cells of the bank at a pixel."""
    cdef Py_ssize_t i, j, t, best_i = 0, best_j = 0, n = paths.shape[0]
    cdef long total, best = -1
    cdef float shift
    for i in range(n):
        for j in range(n):
            total = sum_of_cells(w, &paths[i, 0], &paths[j, 0], row, col)
            if total > best or -total > best:
                best = total if total >= 0 else -total
                w.sign = 1 if total >= 0 else -1
                best_i = i
                best_j = j
    line[0] = row
    line[1] = col
    for t in range(w.n):
        shift = 1.0 / w.n
        line[0] += paths[best_i, t] * shift
        line[1] += paths[best_j, t] * shift
    line[2] = <float>velocities[best_i]
    line[3] = <float>velocities[best_j]


cdef float climb(Window* w, float most_velocity, float* line) noexcept nogil:
    """Drive a line to the next maximum of its sum; returns the sum."""
    cdef float[4] step
    cdef float[4] trial
    cdef float[4] move
    cdef float here = along_line(w, line), there, ahead, behind, curvature
    cdef Py_ssize_t _turn, k, _half
    cdef bint risen
    step[0] = step[1] = 0.5
    step[2] = step[3] = 0.5 / sqrtf((w.n * w.n - 1) / 12.0)
    for _turn in range(MOST_TURNS):
        for k in range(4):
            trial[k] = line[k]
        for k in range(4):
            trial[k] = line[k] + step[k]
            ahead = along_line(w, trial)
            trial[k] = line[k] - step[k]
            behind = along_line(w, trial)
            trial[k] = line[k]
            curvature = 2 * here - ahead - behind
            if curvature > 1e-4 * fabsf(here):
                move[k] = 0.5 * (ahead - behind) / curvature
                move[k] = min(max(move[k], -1.0), 1.0) * step[k]
            else:
                move[k] = 0.5 * step[k] if ahead > behind else -0.5 * step[k]
        risen = False
        for _half in range(HALVINGS):
            for k in range(4):
                trial[k] = line[k] + move[k]
                move[k] *= 0.5
            for k in range(2, 4):
                trial[k] = min(max(trial[k], -most_velocity), most_velocity)
            there = along_line(w, trial)
            if there > here:
                risen = True
                break
        if not risen:
            if step[0] < 0.2:
                break
            for k in range(4):
                step[k] *= 0.5
            continue
        for k in range(4):
            line[k] = trial[k]
        if there - here < 1e-4 * there and step[0] < 0.3:
            here = there
            break
        if there - here < 1e-2 * there:
            for k in range(4):
                step[k] = max(0.5 * step[k], 0.25 * (0.5 if k < 2 else 0.5 / sqrtf((w.n * w.n - 1) / 12.0)))
        here = there
    return here


cdef void measure(Window* w, const float* line, Path* path) noexcept nogil:
    """Sum and spread of the scores along a line."""
    cdef float middle = 0.5 * (w.n - 1), score
    cdef double total = 0, square = 0
    cdef Py_ssize_t t, n = 0
    for t in range(w.n):
        if not (w.left_out >> t) & 1 and score_at(
            w, t, line[0] + line[2] * (t - middle), line[1] + line[3] * (t - middle), &score
        ):
            total += score
            square += score * score
            n += 1
    path.row = line[0]
    path.col = line[1]
    path.row_velocity = line[2]
    path.col_velocity = line[3]
    path.score = <float>(total / sqrt(<double>w.n))
    path.spread = <float>(max(square - total * total / n, 0.0) / (n - 1)) if n > 1 else 0
    path.n_used = <int>n


cdef bint is_uneven(Path* path, Py_ssize_t n, float uneven, float even_mean) noexcept nogil:
    """Whether the sum of a path comes from few of its frames."""
    if 2 * path.n_used < n:
        return True
    return fabsf(path.score) * sqrtf(<float>n) / path.n_used < even_mean and path.spread > uneven


cdef unsigned int frames_near(Path* one, Path* other, Py_ssize_t n, float near) noexcept nogil:
    """Frames in which two paths lie within a distance, bit t for frame t."""
    cdef float row = one.row - other.row, col = one.col - other.col, middle = 0.5 * (n - 1), down, along
    cdef float row_velocity = one.row_velocity - other.row_velocity
    cdef float col_velocity = one.col_velocity - other.col_velocity
    cdef unsigned int bits = 0
    cdef Py_ssize_t t
    for t in range(n):
        down = row + row_velocity * (t - middle)
        along = col + col_velocity * (t - middle)
        if down * down + along * along < near * near:
            bits |= <unsigned int>1 << t
    return bits


cdef inline Py_ssize_t count_bits(unsigned int bits) noexcept nogil:
    cdef Py_ssize_t n = 0
    while bits:
        bits &= bits - 1
        n += 1
    return n


cdef void refine(
    Window* w, const int[:, ::1] cells, const double[::1] speeds, float most_velocity, const int* place,
    unsigned int left_out, Path* path
) noexcept nogil:
    cdef float[4] line
    w.left_out = left_out
    best_cells(w, cells, speeds, place[0], place[1], line)
    climb(w, most_velocity, line)
    measure(w, line, path)


cdef Py_ssize_t separate(
    Window* w, const int[:, ::1] cells, const double[::1] speeds, float most_velocity, const int* places,
    Py_ssize_t n_places, float own, float uneven, float even_mean, unsigned int* left_out, Path* work, Path* out
) noexcept nogil:
    """Take the strongest path, then the strongest of what it leaves; returns how many there are."""
    cdef Py_ssize_t k, strongest, n_found = 0
    cdef unsigned int bits
    for k in range(n_places):
        left_out[k] = 0
        refine(w, cells, speeds, most_velocity, places + 2 * k, 0, &work[k])
    while True:
        strongest = -1
        for k in range(n_places):
            # No use is made of n_used of a path that is closed: -1 marks it.
            if work[k].n_used >= 0 and (
                strongest < 0 or fabsf(work[k].score) > fabsf(work[strongest].score)
            ):
                strongest = k
        if strongest < 0:
            return n_found
        # Refined without some frames a path moves, perhaps to where others of its frames are taken.
        bits = 0
        for k in range(n_found):
            bits |= frames_near(&work[strongest], &out[k], w.n, own)
        if bits & ~left_out[strongest]:
            left_out[strongest] |= bits
            if 2 * (w.n - count_bits(left_out[strongest])) < w.n:
                work[strongest].n_used = -1
            else:
                refine(
                    w, cells, speeds, most_velocity, places + 2 * strongest, left_out[strongest], &work[strongest]
                )
        elif is_uneven(&work[strongest], w.n, uneven, even_mean):
            work[strongest].n_used = -1
        else:
            out[n_found] = work[strongest]
            work[strongest].n_used = -1
            n_found += 1


def refine_paths(
    frames, order, at, paths, velocities, unit, limit, beyond, correlation, places, own, uneven, even_mean, left_out,
    work, out
):
    """Refine the best path of a bank through each of some pixels, and keep those that stand for themselves.

    Parameters
    ----------
    frames, order, at
        As in `lookdown.kernels.stack.stack_velocities`.
    paths : ndarray of int32, shape (n_cells, n)
        Cells of the bank along an axis: place in each frame, from the pixel of the result [px].
    velocities : ndarray of float64, shape (n_cells,)
        Their velocities [px/frame].
    unit : float
        Sigmas of an integer of ``frames``.
    limit, beyond : float
        Scores s beyond ``limit`` are stored as ``limit + beyond ln(s / limit)``, and count so [sigma].
    correlation : float
        Correlation of the scores of neighbouring pixels in noise, 0 to 0.99.
    places : ndarray of int32, shape (n_places, 2)
        Pixels (row, col) of the result.
    own : float
        A path takes the scores within this distance away from weaker ones; 0: from none [px].
    uneven : float
        Variance of a path's scores above which it is left out [sigma^2].
    even_mean : float
        Mean score above which it stays nevertheless [sigma].
    left_out : ndarray of uint32, shape (n_places,)
        Written: the frames that others took from each path, bit t for frame t in time.
    work : ndarray of PATH_DTYPE, shape (n_places,)
        Scratch.
    out : ndarray of PATH_DTYPE, shape (n_places,)
        The paths, in the order in which they were taken: each is the strongest of what those before it left.

    Returns
    -------
    int
        Paths written.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const short[:, :, ::1] x = require_array("frames", frames, INT16, 3)
    cdef Py_ssize_t n = x.shape[0]
    if not 2 <= n <= MOST_FRAMES or x.shape[1] < 1 or x.shape[2] < 1:
        raise ValueError(f"frames: wanted 2 to {MOST_FRAMES} frames of at least one pixel, got shape {frames.shape}")
    cdef const int[::1] slots = require_array("order", order, "int32", (n,))
    if sorted(order.tolist()) != list(range(n)):
        raise ValueError(f"order: wanted each of 0 to {n - 1} once, got {order}")
    cdef const int[:, ::1] shifts = require_array("at", at, "int32", (n, 2))
    if np.abs(at).max() > 1 << 20:
        raise ValueError(f"at: wanted displacements below {1 << 20} px, got {np.abs(at).max()}; start a new window")
    cdef const double[::1] speeds = require_array("velocities", velocities, "float64", 1)
    cdef const int[:, ::1] cells = require_array("paths", paths, "int32", (velocities.size, n))
    if velocities.size < 1 or not np.abs(velocities).max() <= 100 or np.abs(paths).max() > 1 << 20:
        raise ValueError("velocities, paths: wanted at least one cell, below 100 px/frame; make them with flight.bank")
    if not isinstance(places, np.ndarray) or places.ndim != 2 or places.shape[1] != 2:
        raise ValueError(f"places: wanted an array of shape (n, 2), got {getattr(places, 'shape', type(places))}")
    cdef Py_ssize_t n_places = places.shape[0], n_found
    if n_places == 0:
        return 0
    cdef const int[:, ::1] starts = require_array("places", places, "int32", (n_places, 2))
    if np.abs(places).max() > 1 << 20:
        raise ValueError(f"places: wanted pixels below {1 << 20}, got {np.abs(places).max()}; take those of the result")
    cdef unsigned int[::1] masks = require_array("left_out", left_out, UINT32, (n_places,), out=True)
    cdef Path[::1] spare = require_array("work", work, PATH_DTYPE, (n_places,), out=True)
    cdef Path[::1] result = require_array("out", out, PATH_DTYPE, (n_places,), out=True, apart_from=(work,))
    cdef float distance = require_number("own", own, 0.0, 1e3)
    cdef float largest_spread = require_number("uneven", uneven, 0.0, 1e30)
    cdef float enough = require_number("even_mean", even_mean, 0.0, 1e30)
    cdef Window w
    cdef float most_velocity = <float>(np.abs(velocities).max() + 1.0 / n)
    w.frames = &x[0, 0, 0]
    w.order = &slots[0]
    w.at = &shifts[0, 0]
    w.n = n
    w.rows = x.shape[1]
    w.cols = x.shape[2]
    w.unit = require_number("unit", unit, 1e-6, 1e6)
    w.limit = require_number("limit", limit, 1e-3, 1e6)
    w.beyond = require_number("beyond", beyond, 1e-3, 1e6)
    cdef double noise_correlation = require_number("correlation", correlation, 0.0, 0.99)
    with nogil:
        make_taps(&w, noise_correlation)
        make_scores(&w)
        n_found = separate(
            &w, cells, speeds, most_velocity, &starts[0, 0], n_places, distance, largest_spread, enough,
            &masks[0], &spare[0], &result[0],
        )
    return n_found
