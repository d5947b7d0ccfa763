"""Tiles of a frame: fields between their corners, from row to row by differences.

Fields are linear from corner to corner. Places on the textures bend as well, by half the second difference of the
corners about (`find_bends`): sights do so in low and wide views, where a straight line would miss by up to 0.03 px
in the middle of a tile.
"""

from lookdown.hil.texels cimport Box

cdef enum:
    TALL = 8
    WIDE = 16
    GROUND_ROW = 0
    GROUND_COL = 1
    GROUND_SCALE = 2
    HAZE = 3
    PATH = 4
    CLOUD_ROW = 5
    CLOUD_COL = 6
    CLOUD_SCALE = 7
    GLINT_SCALE = 8
    LEVEL = 9
    FIELDS = 12  # ten, and two unused: whole vectors


cdef struct Fields:  # of one row
    float of[FIELDS]


cdef struct Tile:
    float left[FIELDS]  # in the first column of the present row
    float step[FIELDS]  # from column to column
    float left_down[FIELDS]  # from row to row
    float step_down[FIELDS]
    float left_bend[FIELDS]  # what left_down grows by from row to row
    float bend[FIELDS]  # factor of k (k - WIDE) in column k of the present row
    float bend_down[FIELDS]  # from row to row
    bint bends
    bint plain_ground
    bint plain_cloud
    bint with_cloud


cdef inline void set_up(Tile* tile, const float* upper, const float* lower) noexcept nogil:
    """Make a tile's fields from those of its left corners and of the right ones, FIELDS further."""
    cdef float below
    cdef int k
    for k in range(FIELDS):
        tile.left[k] = upper[k]
        tile.left_down[k] = (lower[k] - upper[k]) * <float>(1.0 / TALL)
        tile.step[k] = (upper[FIELDS + k] - upper[k]) * <float>(1.0 / WIDE)
        below = (lower[FIELDS + k] - lower[k]) * <float>(1.0 / WIDE)
        tile.step_down[k] = (below - tile.step[k]) * <float>(1.0 / TALL)


cdef inline float abs_of(float value) noexcept nogil:
    return value if value > 0 else -value


cdef inline void find_bends(
    const float* at, Py_ssize_t step, Py_ssize_t place, Py_ssize_t n, float[FIELDS] bend
) noexcept nogil:
    """Half of the second differences of all fields between corner ``place`` of n + 1, at ``at``, and the next.

    It is a mean of those at the two corners, or what there is of them at the border. Where the two differ by more than
    a factor of two no bend explains the corners (a sight past the Earth is one of them), and none is taken.
    """
    cdef const float* here = at if place > 0 else at + step
    cdef const float* there = at + step if place + 1 < n else at
    cdef float first, second, larger
    cdef int k
    for k in range(FIELDS):
        bend[k] = 0.0
    if n < 2:
        return
    for k in range(FIELDS):
        first = (here - step)[k] - here[k] - (here[k] - (here + step)[k])
        second = (there - step)[k] - there[k] - (there[k] - (there + step)[k])
        larger = abs_of(first) if abs_of(first) > abs_of(second) else abs_of(second)
        bend[k] = <float>0.25 * (first + second) if abs_of(first - second) <= <float>0.5 * larger else <float>0.0


cdef inline void add_bends(
    Tile* tile, const float* upper, Py_ssize_t row, Py_ssize_t rows, Py_ssize_t col, Py_ssize_t cols
) noexcept nogil:
    """Let a tile's fields bend, if they do by so much that it counts.

    The tile is that of a row and column among so many, with its upper left corner at ``upper``.
    """
    cdef Py_ssize_t line = (cols + 1) * FIELDS
    cdef float down[FIELDS]
    cdef float next_bend[FIELDS]
    cdef int k
    find_bends(upper, FIELDS, col, cols, tile.bend)
    find_bends(upper, line, row, rows, down)
    tile.bends = misses(tile, tile.bend, down, GROUND_ROW) or misses(tile, tile.bend, down, CLOUD_ROW)
    if not tile.bends:
        for k in range(FIELDS):
            tile.bend[k] = tile.bend_down[k] = tile.left_bend[k] = 0.0
        return
    find_bends(upper + line, FIELDS, col, cols, next_bend)
    for k in range(FIELDS):
        tile.bend[k] *= <float>(1.0 / (WIDE * WIDE))
        tile.bend_down[k] = (next_bend[k] * <float>(1.0 / (WIDE * WIDE)) - tile.bend[k]) * <float>(1.0 / TALL)
        # r (r - TALL) by differences: its first is 1 - TALL, which grows by 2.
        down[k] *= <float>(1.0 / (TALL * TALL))
        tile.left_down[k] += down[k] * <float>(1 - TALL)
        tile.left_bend[k] = <float>2.0 * down[k]


cdef inline bint misses(const Tile* tile, const float* across, const float* down, int field) noexcept nogil:
    """Whether straight lines would miss the places by more than 1/500 pixel."""
    cdef float miss = 0.0, width = 0.0, height = 0.0
    cdef int k
    for k in range(field, field + 2):
        miss += <float>0.25 * (abs_of(across[k]) + abs_of(down[k]))
        width += abs_of(tile.step[k])
        height += abs_of(tile.left_down[k])
    return miss > <float>0.002 * (width if width < height else height)


cdef inline float sag(const Tile* tile, int field) noexcept nogil:
    """How far a place lies from where it would be without bends, at most [texel]."""
    cdef float first = abs_of(tile.bend[field]), last = abs_of(tile.bend[field] + <float>TALL * tile.bend_down[field])
    return <float>(0.25 * WIDE * WIDE) * (first if first > last else last) + (
        <float>(0.125 * TALL * TALL) * abs_of(tile.left_bend[field])
    )


cdef inline Box box_of(const float* upper, const float* lower, int row) noexcept nogil:
    """Part of a texture that a tile reads; its left corners are given, the right ones lie FIELDS further."""
    cdef Box box
    cdef int col = row + 1
    box.top = min(min(upper[row], upper[FIELDS + row]), min(lower[row], lower[FIELDS + row]))
    box.bottom = max(max(upper[row], upper[FIELDS + row]), max(lower[row], lower[FIELDS + row]))
    box.left = min(min(upper[col], upper[FIELDS + col]), min(lower[col], lower[FIELDS + col]))
    box.right = max(max(upper[col], upper[FIELDS + col]), max(lower[col], lower[FIELDS + col]))
    box.level = max(max(upper[LEVEL], upper[FIELDS + LEVEL]), max(lower[LEVEL], lower[FIELDS + LEVEL]))
    return box


cdef inline Box reach_of(const Tile* tile, const float* upper, const float* lower, int row) noexcept nogil:
    """Part of a texture that a tile reads at most, with bends and rounding."""
    cdef float rounding = 1.0 / 64  # of places that are added up from row to row [texel]
    cdef Box box = box_of(upper, lower, row)
    cdef float rows = sag(tile, row) + rounding, cols = sag(tile, row + 1) + rounding
    box.top, box.bottom = box.top - rows, box.bottom + rows
    box.left, box.right = box.left - cols, box.right + cols
    return box
