"""Tiles of a frame: fields between their corners, from row to row by differences.

Fields are linear from corner to corner. Places on the textures bend as well, by half the second difference of the
corners about (`bend_between`): sights do so in low and wide views, where a straight line would miss by up to 0.03 px
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
    PLACES = 4  # fields that bend: rows and columns on the ground's texture and on the cloud's


cdef struct Tile:
    float left[FIELDS]  # in the first column of the present row
    float step[FIELDS]  # from column to column
    float left_down[FIELDS]  # from row to row
    float step_down[FIELDS]
    float left_bend[FIELDS]  # what left_down grows by from row to row
    float bend[PLACES]  # factor of k (k - WIDE) in column k of the present row
    float bend_down[PLACES]  # from row to row
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


cdef inline int place_of(int field) noexcept nogil:
    """Which of the fields that bend it is."""
    return field if field < GROUND_SCALE else field - CLOUD_ROW + 2


cdef inline float abs_of(float value) noexcept nogil:
    return value if value > 0 else -value


cdef inline float bend_between(const float* at, Py_ssize_t step, bint before, bint behind) noexcept nogil:
    """Half of a second difference between ``at[0]`` and ``at[step]``, by the neighbours there are.

    Where the two sides differ by more than a factor of two no bend explains the corners (a sight past the Earth is one
    of them), and none is taken.
    """
    cdef float first = 0.0, second = 0.0
    if before:
        first = at[-step] - at[0] - (at[0] - at[step])
    if behind:
        second = at[2 * step] - at[step] - (at[step] - at[0])
    if not before:
        first = second
    if not behind:
        second = first
    cdef float size = abs_of(first) if abs_of(first) > abs_of(second) else abs_of(second)
    return <float>0.25 * (first + second) if abs_of(first - second) <= <float>0.5 * size else <float>0.0


cdef inline void add_bends(
    Tile* tile, const float* upper, Py_ssize_t line, bint above, bint below, bint before, bint behind
) noexcept nogil:
    """Let the places of a tile bend along rows and columns; ``line`` is the length of a row of corners."""
    cdef int fields[PLACES]
    cdef const float* at
    cdef float down, next_bend
    cdef int p, k
    fields[0], fields[1], fields[2], fields[3] = GROUND_ROW, GROUND_COL, CLOUD_ROW, CLOUD_COL
    for k in range(FIELDS):
        tile.left_bend[k] = 0.0
    for p in range(PLACES):
        k = fields[p]
        at = upper + k
        tile.bend[p] = bend_between(at, FIELDS, before, behind) * <float>(1.0 / (WIDE * WIDE))
        next_bend = bend_between(at + line, FIELDS, before, behind) * <float>(1.0 / (WIDE * WIDE))
        tile.bend_down[p] = (next_bend - tile.bend[p]) * <float>(1.0 / TALL)
        # r (r - TALL) by differences: its first is 1 - TALL, which grows by 2.
        down = bend_between(at, line, above, below) * <float>(1.0 / (TALL * TALL))
        tile.left_down[k] += down * <float>(1 - TALL)
        tile.left_bend[k] = <float>2.0 * down


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


cdef inline float sag(const Tile* tile, int field) noexcept nogil:
    """How far a place lies from where it would be without bends, at most [texel]."""
    cdef int p = place_of(field)
    cdef float first = abs_of(tile.bend[p]), last = abs_of(tile.bend[p] + <float>TALL * tile.bend_down[p])
    return <float>(0.25 * WIDE * WIDE) * (first if first > last else last) + (
        <float>(0.125 * TALL * TALL) * abs_of(tile.left_bend[field])
    )


cdef inline Box reach_of(const Tile* tile, const float* upper, const float* lower, int row) noexcept nogil:
    """Part of a texture that a tile reads at most, with bends and rounding."""
    cdef float rounding = 1.0 / 64  # of places that are added up from row to row [texel]
    cdef Box box = box_of(upper, lower, row)
    cdef float rows = sag(tile, row) + rounding, cols = sag(tile, row + 1) + rounding
    box.top, box.bottom = box.top - rows, box.bottom + rows
    box.left, box.right = box.left - cols, box.right + cols
    return box
