"""Texels in memory: a texture and its coarser levels, and the part of it that a tile reads."""

from libc.stdint cimport uint16_t

cdef enum:
    MOST_LEVELS = 16
    SCOUT = 4  # level at which a tile is seen to be without cloud
    LINE_TEXELS = 32  # texels in a line of the cache


cdef extern from *:
    """
    #define lookdown_prefetch(address) __builtin_prefetch(address, 0, 2)  /* past the first cache, which is too small */
    """
    void lookdown_prefetch(const void* address) noexcept nogil


cdef struct Levels:
    const uint16_t* values[MOST_LEVELS]
    Py_ssize_t size[MOST_LEVELS]
    Py_ssize_t n
    float offset  # a value is the offset plus a step times the number that stands for it
    float step


cdef struct Box:  # of texels, and the coarsest level within
    float top
    float bottom
    float left
    float right
    float level


cdef inline float finest(const uint16_t* values, Py_ssize_t size, float row, float col) noexcept nogil:
    """Read between four texels; the place must lie within the texture."""
    cdef Py_ssize_t i = <Py_ssize_t>row, j = <Py_ssize_t>col
    cdef const uint16_t* at = values + i * size + j
    row -= <float>i
    col -= <float>j
    cdef float upper = at[0] + col * <float>(<int>at[1] - <int>at[0])
    cdef float lower = at[size] + col * <float>(<int>at[size + 1] - <int>at[size])
    return upper + row * (lower - upper)


cdef inline float folded(float place, float last) noexcept nogil:
    """Fold a place into the texture, as in a mirror; what is no number goes to the border."""
    cdef float period = <float>2.0 * last
    cdef float turns = place / period
    if not <float>-1e6 < turns < <float>1e6:
        return 0.0
    place = place - period * <float><int>turns
    place = place if place >= 0 else -place
    place = place if place <= last else period - place
    return place if place < last else last * <float>0.9999999


cdef inline float any_level(const Levels* levels, float row, float col, float level) noexcept nogil:
    """Read at any place, between two levels."""
    cdef Py_ssize_t coarse
    cdef float ratio, size, value = 0.0, weight
    cdef Py_ssize_t k
    if not level > 0:
        size = levels.size[0] - 1
        return levels.offset + levels.step * finest(
            levels.values[0], levels.size[0], folded(row, size), folded(col, size)
        )
    level = level if level < levels.n - 1 else <float>(levels.n - 1)
    coarse = <Py_ssize_t>level
    for k in range(2):
        weight = level - coarse if k else <float>1.0 - (level - coarse)
        if weight <= 0 or coarse + k >= levels.n:
            continue
        size = levels.size[coarse + k]
        ratio = size / levels.size[0]
        value += weight * finest(
            levels.values[coarse + k], levels.size[coarse + k],
            folded((row + <float>0.5) * ratio - <float>0.5, size - 1),
            folded((col + <float>0.5) * ratio - <float>0.5, size - 1),
        )
    return levels.offset + levels.step * value


cdef inline bint is_within(Box box, Py_ssize_t size) noexcept nogil:
    cdef float last = size - 1
    return 0 <= box.top and box.bottom < last and 0 <= box.left and box.right < last


cdef inline bint is_empty(const Levels* levels, Box box) noexcept nogil:
    """Whether a texture without negative values is 0 all over a tile: a coarse level, a mean, is 0 there."""
    cdef float ratio
    cdef Py_ssize_t size, i, j
    if levels.n <= SCOUT:
        return False
    size = levels.size[SCOUT]
    ratio = <float>size / levels.size[0]
    box.top, box.bottom = box.top * ratio - <float>1.0, box.bottom * ratio + <float>1.0
    box.left, box.right = box.left * ratio - <float>1.0, box.right * ratio + <float>1.0
    if not is_within(box, size):
        return False
    for i in range(<Py_ssize_t>box.top, <Py_ssize_t>box.bottom + 1):
        for j in range(<Py_ssize_t>box.left, <Py_ssize_t>box.right + 1):
            if levels.values[SCOUT][i * size + j] != 0:
                return False
    return True


cdef inline void call_up(const Levels* levels, Box box) noexcept nogil:
    """Have the memory send the texels of a tile that comes soon, for to wait takes long."""
    cdef Py_ssize_t size = levels.size[0], i, j
    if not is_within(box, size):
        return
    for i in range(<Py_ssize_t>box.top, <Py_ssize_t>box.bottom + 2):
        j = <Py_ssize_t>box.left
        while j <= <Py_ssize_t>box.right + 1:
            lookdown_prefetch(levels.values[0] + i * size + j)
            j += LINE_TEXELS
