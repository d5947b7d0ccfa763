"""Velocity bank by shift and add: for each pixel the largest sum of scores along any of many straight paths.

A path runs through ``n = 2^L`` frames. Two frames make a pair, two pairs a four, and so on: a cell of the bank at
level ``l`` is one straight path of ``2^l`` frames along one axis, made of the cell ``child`` of level ``l - 1`` twice,
the first half shifted by ``first`` pixels and the second by ``second``. Rows and columns have the same cells, and every
pair of them is a velocity. So the sums of short paths serve many long ones: with 16 frames and +-2 pixels a frame 2287
additions a pixel instead of 15 x 961 (the dyadic tree of Brady 1998, SIAM J. Comput. 27, 107, for lines in an image;
Taylor 1974, Astron. Astrophys. Suppl. 15, 367, for one axis).

    best(x) = max over row cells i and column cells j of | sum_t score_t(x + at_t + (path_i(t), path_j(t))) |

with scores outside a frame 0. Tiles of pixels go down the tree depth first, so that all sums of a tile stay in the
cache; each level computes, for each cell, just the skewed region that the paths above it reach.

All numbers are integers (int16): the result is exact, and it cannot overflow as long as n times the largest score is
below 32768.
"""

from libc.string cimport memset, memcpy

from lookdown.kernels.rows cimport RowIn, cloned

import numpy as np

from lookdown.kernels.checks import require_array, require_integer, require_number

cdef extern from *:
    """
    typedef const short *__restrict__ lookdown_short_in;
    typedef short *__restrict__ lookdown_short_out;
    """
    ctypedef const short* ShortIn "lookdown_short_in"
    ctypedef short* ShortOut "lookdown_short_out"

cdef enum:
    TILE_ROWS = 32
    TILE_COLS = 128
    LANES = 16  # rows of buffers are whole vectors
    MOST_LEVELS = 5
    MOST_FRAMES = 32
    MOST_CELLS = 256  # of one level and axis
    MOST_REACH = 512  # of a path from its middle [px]

ctypedef const short* Image


cdef cloned quantise_rows(RowIn x, float scale, float most, ShortOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef float y
    for i in range(n):
        y = x[i] * scale
        y = y if y < most else most
        y = y if y > -most else -most
        # Ties and all else round half away from zero; a comparison is false for NaN, which ends as -most.
        out[i] = <short>(y + 0.5 if y >= 0 else y - 0.5)


cdef cloned add_images(
    Image a, Py_ssize_t a_stride, Image b, Py_ssize_t b_stride, ShortOut out, Py_ssize_t stride,
    Py_ssize_t rows, Py_ssize_t cols
) noexcept nogil:
    cdef Py_ssize_t _r, i
    for _r in range(rows):
        for i in range(cols):
            out[i] = <short>(a[i] + b[i])
        a += a_stride
        b += b_stride
        out += stride


cdef cloned top_four(
    Image a0, Image b0, Image a1, Image b1, Image a2, Image b2, Image a3, Image b3, Py_ssize_t stride,
    ShortOut high, ShortOut low, Py_ssize_t rows
) noexcept nogil:
    """Raise the largest and lower the smallest sum by four more."""
    # The size of each sum would take a negation, for which GCC 12 widens to 32 bits.
    cdef Py_ssize_t _r, i
    cdef short s0, s1, s2, s3, t0, t2
    for _r in range(rows):
        for i in range(TILE_COLS):
            s0 = <short>(a0[i] + b0[i])
            s1 = <short>(a1[i] + b1[i])
            s2 = <short>(a2[i] + b2[i])
            s3 = <short>(a3[i] + b3[i])
            t0 = s0 if s0 > s1 else s1
            t2 = s2 if s2 > s3 else s3
            s0 = s0 if s0 < s1 else s1
            s2 = s2 if s2 < s3 else s3
            t0 = t0 if t0 > t2 else t2
            s0 = s0 if s0 < s2 else s2
            high[i] = t0 if t0 > high[i] else high[i]
            low[i] = s0 if s0 < low[i] else low[i]
        a0 += stride
        b0 += stride
        a1 += stride
        b1 += stride
        a2 += stride
        b2 += stride
        a3 += stride
        b3 += stride
        high += TILE_COLS
        low += TILE_COLS


cdef void write_size(const short* high, const short* low, short* best, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        best[i] = high[i] if high[i] > -low[i] else -low[i]


cdef struct Level:
    int n_cells
    int n_images  # sums of this level in a window
    int reach  # by which the region of an image exceeds the tile
    Py_ssize_t stride
    Py_ssize_t size  # of one image
    short* images
    int[MOST_CELLS] child
    int[MOST_CELLS] first
    int[MOST_CELLS] second
    int[MOST_CELLS] parents_from  # cells of the next level made of this one
    int[MOST_CELLS] parents_to
    int[MOST_CELLS][MOST_FRAMES] low  # where the region of an image starts, from the tile's
    int[MOST_CELLS][MOST_FRAMES] high


cdef struct Plan:
    int n_levels  # without that of the frames, which is level 0
    Level[MOST_LEVELS + 1] levels


cdef Py_ssize_t make_plan(const int* n_cells, int n_levels, const int[:, ::1] links, Plan* plan) noexcept nogil:
    """Derive regions from the links; returns how many shorts of buffer a tile needs."""
    cdef int level, c, j, k = 0, n = 1 << n_levels, low, high
    cdef Py_ssize_t size = 2 * TILE_ROWS * TILE_COLS
    cdef Level* one
    cdef Level* below
    plan.n_levels = n_levels
    plan.levels[0].n_cells = 1
    for level in range(n_levels + 1):
        one = &plan.levels[level]
        one.n_images = n >> level
        if level > 0:
            one.n_cells = n_cells[level - 1]
        for c in range(one.n_cells):
            one.parents_from[c] = 0
            one.parents_to[c] = 0
            for j in range(one.n_images):
                one.low[c][j] = MOST_REACH * 8
                one.high[c][j] = -MOST_REACH * 8
            if level > 0:
                one.child[c] = links[k, 0]
                one.first[c] = links[k, 1]
                one.second[c] = links[k, 2]
                k += 1
    one = &plan.levels[n_levels]
    for c in range(one.n_cells):
        one.low[c][0] = one.high[c][0] = 0
    for level in range(n_levels, 0, -1):
        one = &plan.levels[level]
        below = &plan.levels[level - 1]
        for c in range(one.n_cells):
            if below.parents_to[one.child[c]] == 0:
                below.parents_from[one.child[c]] = c
            below.parents_to[one.child[c]] = c + 1
            for j in range(one.n_images):
                low = one.low[c][j]
                high = one.high[c][j]
                k = one.child[c]
                below.low[k][2 * j] = min(below.low[k][2 * j], low + one.first[c])
                below.high[k][2 * j] = max(below.high[k][2 * j], high + one.first[c])
                below.low[k][2 * j + 1] = min(below.low[k][2 * j + 1], low + one.second[c])
                below.high[k][2 * j + 1] = max(below.high[k][2 * j + 1], high + one.second[c])
    for level in range(n_levels):
        one = &plan.levels[level]
        one.reach = 0
        for c in range(one.n_cells):
            for j in range(one.n_images):
                one.reach = max(one.reach, one.high[c][j] - one.low[c][j])
        one.stride = (TILE_COLS + one.reach + LANES - 1) // LANES * LANES
        # Regions are computed in whole vectors, which may read this far beyond the last row of the level below.
        one.size = (TILE_ROWS + one.reach) * one.stride + 2 * LANES
        size += one.n_images * one.size
    return size


cdef void load_tile(
    Plan* plan, const short[:, :, ::1] frames, const int[::1] order, const int[:, ::1] at, Py_ssize_t row,
    Py_ssize_t col
) noexcept nogil:
    """Copy what the paths of a tile reach of each frame; 0 outside."""
    cdef Level* raw = &plan.levels[0]
    cdef Py_ssize_t rows = frames.shape[1], cols = frames.shape[2], t, r, source, start, first, last
    cdef short* out
    for t in range(raw.n_images):
        out = raw.images + t * raw.size
        memset(out, 0, raw.size * sizeof(short))
        start = col + at[t, 1] + raw.low[0][t]
        first = max(0, -start)
        last = min(raw.stride, cols - start)
        if last <= first:
            continue
        for r in range(TILE_ROWS + raw.high[0][t] - raw.low[0][t]):
            source = row + at[t, 0] + raw.low[0][t] + r
            if 0 <= source < rows:
                memcpy(
                    out + r * raw.stride + first, &frames[order[t], source, start + first],
                    (last - first) * sizeof(short),
                )


cdef inline Image half_of(
    Level* below, Py_ssize_t image, int row_child, int col_child, int row, int col
) noexcept nogil:
    """Where the region (row, col from the tile) starts in an image of the level below."""
    return (
        below.images + image * below.size + (row - below.low[row_child][image]) * below.stride
        + col - below.low[col_child][image]
    )


cdef void raise_top(Plan* plan, int p, int q, short* high) noexcept nogil:
    """All velocities of the top made of the cells p (rows) and q (columns) of the level below."""
    cdef Level* top = &plan.levels[plan.n_levels]
    cdef Level* below = &plan.levels[plan.n_levels - 1]
    cdef int i, j, n = 0, k
    cdef short* low = high + TILE_ROWS * TILE_COLS
    cdef Image[4] a
    cdef Image[4] b
    for i in range(below.parents_from[p], below.parents_to[p]):
        for j in range(below.parents_from[q], below.parents_to[q]):
            a[n] = half_of(below, 0, p, q, top.first[i], top.first[j])
            b[n] = half_of(below, 1, p, q, top.second[i], top.second[j])
            n += 1
            if n == 4:
                top_four(a[0], b[0], a[1], b[1], a[2], b[2], a[3], b[3], below.stride, high, low, TILE_ROWS)
                n = 0
    if n > 0:
        for k in range(n, 4):
            a[k] = a[0]
            b[k] = b[0]
        top_four(a[0], b[0], a[1], b[1], a[2], b[2], a[3], b[3], below.stride, high, low, TILE_ROWS)


cdef void make_sums(Plan* plan, int level, int p, int q) noexcept nogil:
    """Make the sums of the cells p (rows) and q (columns) of a level from those of their children."""
    cdef Level* one = &plan.levels[level]
    cdef Level* below = &plan.levels[level - 1]
    cdef int child_p = one.child[p], child_q = one.child[q], row, col
    cdef Py_ssize_t k, cols
    for k in range(one.n_images):
        row = one.low[p][k]
        col = one.low[q][k]
        cols = TILE_COLS + one.high[q][k] - col
        add_images(
            half_of(below, 2 * k, child_p, child_q, row + one.first[p], col + one.first[q]), below.stride,
            half_of(below, 2 * k + 1, child_p, child_q, row + one.second[p], col + one.second[q]), below.stride,
            one.images + k * one.size, one.stride,
            TILE_ROWS + one.high[p][k] - row, (cols + LANES - 1) // LANES * LANES,
        )


cdef void visit_cells(Plan* plan, short* high) noexcept nogil:
    """Walk the tree of one tile, depth first."""
    cdef int[MOST_LEVELS] p, q
    cdef int level = 0, last = plan.n_levels - 1
    cdef Level* below
    p[0] = q[0] = 0
    while True:
        if level > 0:
            make_sums(plan, level, p[level], q[level])
        if level < last:
            below = &plan.levels[level]
            level += 1
            p[level] = below.parents_from[p[level - 1]]
            q[level] = below.parents_from[q[level - 1]]
            continue
        raise_top(plan, p[level], q[level], high)
        while level > 0:
            below = &plan.levels[level - 1]
            q[level] += 1
            if q[level] < below.parents_to[q[level - 1]]:
                break
            q[level] = below.parents_from[q[level - 1]]
            p[level] += 1
            if p[level] < below.parents_to[p[level - 1]]:
                break
            level -= 1
        if level == 0:
            return


cdef void stack_frames(
    Plan* plan, const short[:, :, ::1] frames, const int[::1] order, const int[:, ::1] at, short* buffers,
    short[:, ::1] out
) noexcept nogil:
    cdef Py_ssize_t rows = frames.shape[1], cols = frames.shape[2], row, col, r, level, down, along
    cdef short* high = buffers
    cdef short* low = high + TILE_ROWS * TILE_COLS
    buffers += 2 * TILE_ROWS * TILE_COLS
    for level in range(plan.n_levels):
        plan.levels[level].images = buffers
        buffers += plan.levels[level].n_images * plan.levels[level].size
    for down in range((rows + TILE_ROWS - 1) // TILE_ROWS):
        row = down * TILE_ROWS
        for along in range((cols + TILE_COLS - 1) // TILE_COLS):
            col = along * TILE_COLS
            load_tile(plan, frames, order, at, row, col)
            # Sizes are never below 0, so both may start there.
            memset(high, 0, 2 * TILE_ROWS * TILE_COLS * sizeof(short))
            visit_cells(plan, high)
            for r in range(min(TILE_ROWS, rows - row)):
                write_size(high + r * TILE_COLS, low + r * TILE_COLS, &out[row + r, col], min(TILE_COLS, cols - col))


def require_bank(n_cells, links):
    """Hold the tables of a bank to their bounds; ValueError names what does not fit."""
    require_array("n_cells", n_cells, "int32", 1)
    levels = n_cells.size
    if not 1 <= levels <= MOST_LEVELS or not ((n_cells >= 1) & (n_cells <= MOST_CELLS)).all():
        raise ValueError(f"n_cells: wanted 1 to {MOST_LEVELS} levels of 1 to {MOST_CELLS} cells, got {n_cells}")
    require_array("links", links, "int32", (int(n_cells.sum()), 3))
    first_of_level = np.cumsum(n_cells) - n_cells
    last = np.repeat([1, *n_cells[:levels - 1]], n_cells)
    rising = np.diff(links[:, 0], prepend=0)
    rising[first_of_level] = 0
    if (links[:, 0] < 0).any() or (links[:, 0] >= last).any() or (rising < 0).any():
        raise ValueError("links: wanted children of the level below, in rising order; make the tables with flight.bank")
    # Every cell has to serve, or its region would be empty.
    for level in range(1, levels):
        start = first_of_level[level]
        used = np.unique(links[start:start + n_cells[level], 0])
        if used.size != n_cells[level - 1]:
            raise ValueError(f"links: wanted every cell of level {level} used, got {used.size} of {n_cells[level - 1]}")
    largest = np.abs(links[:, 1:]).max(initial=0)
    if largest > MOST_REACH // MOST_LEVELS:
        raise ValueError(f"links: wanted shifts of at most {MOST_REACH // MOST_LEVELS} px, got {largest}")


cdef class _PlanHolder:
    """Memory of a plan; it is too large for the stack of a small thread."""

    cdef Plan plan


def stack_scratch_size(n_cells, links):
    """Elements of int16 scratch that `stack_velocities` needs for a bank."""
    require_bank(n_cells, links)
    cdef const int[::1] counts = n_cells
    cdef const int[:, ::1] table = links
    cdef _PlanHolder holder = _PlanHolder()
    return make_plan(&counts[0], counts.shape[0], table, &holder.plan)


def stack_velocities(frames, order, at, n_cells, links, scratch, best):
    """Write, for each pixel, the largest size of a sum of scores over all velocities of a bank.

    Parameters
    ----------
    frames : ndarray of int16, shape (n, rows, cols)
        Scores of 2, 4, 8, 16 or 32 frames in any order, ``n * max(|score|) <= 32767``.
    order : ndarray of int32, shape (n,)
        Which of ``frames`` is the first in time, the second, ...
    at : ndarray of int32, shape (n, 2)
        Pixel (row, col) of each frame in time that lies at pixel (0, 0) of the result [px].
    n_cells : ndarray of int32, shape (levels,)
        Cells of each level along one axis, pairs of frames first; ``n = 2 ** levels``.
    links : ndarray of int32, shape (n_cells.sum(), 3)
        Child and the two shifts [px] of each cell, level by level (see `lookdown.flight.bank`).
    scratch : ndarray of int16
        At least `stack_scratch_size` elements.
    best : ndarray of int16, shape (rows, cols)
        Largest size of a sum.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a table points beyond its bounds.
    """
    require_bank(n_cells, links)
    cdef const short[:, :, ::1] x = require_array("frames", frames, INT16, 3)
    cdef Py_ssize_t n = 1 << n_cells.size
    if x.shape[0] != n or x.shape[1] < 1 or x.shape[2] < 1:
        raise ValueError(f"frames: wanted {n} frames of at least one pixel for this bank, got shape {frames.shape}")
    cdef const int[::1] slots = require_array("order", order, "int32", (n,))
    if sorted(order.tolist()) != list(range(n)):
        raise ValueError(f"order: wanted each of 0 to {n - 1} once, got {order}")
    cdef const int[:, ::1] places = require_array("at", at, "int32", (n, 2))
    if np.abs(at).max() > 1 << 20:
        raise ValueError(f"at: wanted displacements below {1 << 20} px, got {np.abs(at).max()}; start a new window")
    cdef short[::1] buffers = require_array("scratch", scratch, INT16, 1, out=True, apart_from=(frames,))
    cdef short[:, ::1] out = require_array(
        "best", best, INT16, (x.shape[1], x.shape[2]), out=True, apart_from=(frames, scratch)
    )
    cdef const int[::1] counts = n_cells
    cdef const int[:, ::1] table = links
    cdef _PlanHolder holder = _PlanHolder()
    cdef Py_ssize_t size = make_plan(&counts[0], counts.shape[0], table, &holder.plan)
    if buffers.shape[0] < size:
        raise ValueError(f"scratch: wanted at least {size} int16, got {scratch.size}; see stack_scratch_size")
    with nogil:
        stack_frames(&holder.plan, x, slots, places, &buffers[0], out)


INT16 = np.dtype(np.int16)


def quantise(z, per_unit, most, out):
    """Turn scores into integers: ``clip(round(z * per_unit), -most, most)``, halves away from zero.

    Parameters
    ----------
    z : ndarray of float32, shape (rows, cols)
        Scores, finite [1].
    per_unit : float
        Integers to one unit of z.
    most : int
        Largest size, 1 to 32767.
    out : ndarray of int16, shape (rows, cols)
        The result.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const float[:, ::1] x = require_array("z", z, "float32", 2)
    cdef float scale = require_number("per_unit", per_unit, 1e-6, 1e6)
    cdef float largest = require_integer("most", most, 1, 32767)
    cdef short[:, ::1] y = require_array("out", out, INT16, z.shape, out=True)
    with nogil:
        quantise_rows(&x[0, 0], scale, largest, &y[0, 0], x.shape[0] * x.shape[1])
