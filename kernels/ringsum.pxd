"""Sums over a ring of cells without subtraction: no drift, and a NaN or a strong cell spoils only rings that hold it.

A ring is a window without its guard. Seen down the columns it is a band of rows above the guard, the guard's rows and
a band below. Each is put together from sums over 2, 4, 8 ... rows that end at a row, which are kept as long as the
window is high: a row that comes in adds one row to each of them. Cells outside the frame count as zero.
"""

from libc.string cimport memcpy, memset

from lookdown.kernels.boxsum cimport Row, add_four, add_rows, add_three, add_to
from lookdown.kernels.rows cimport RowIn, RowOut, cloned, row_stride


cdef enum:
    MOST_PARTS = 16  # two bands of up to 255 rows


cdef extern from *:
    """
    #if defined(__GNUC__)
    #define LOOKDOWN_PREFETCH(address) __builtin_prefetch(address)
    #else
    #define LOOKDOWN_PREFETCH(address) ((void)(address))
    #endif
    """
    void prefetch "LOOKDOWN_PREFETCH" (const void* address) noexcept nogil


cdef inline Py_ssize_t whole(Py_ssize_t n) noexcept nogil:
    """Columns rounded up to whole vectors: scratch rows have that room."""
    return n + 15 - (n + 15) % 16


cdef inline Py_ssize_t strip_of(Py_ssize_t cols, Py_ssize_t most) noexcept nogil:
    """Columns that are done at a time, so that the kept rows stay in the nearer caches: strips of about one width."""
    cdef Py_ssize_t strips = (cols + most - 1) // most
    return whole((cols + strips - 1) // strips)


cdef inline float* aligned(float* scratch) noexcept nogil:
    """The first float of scratch on a cache line of its own; costs up to 15 floats."""
    return scratch + (64 - <size_t>scratch % 64) % 64 // sizeof(float)


cdef inline void prefetch_row(const float* row, Py_ssize_t n) noexcept nogil:
    """Ask for a row before it is needed: the processor itself does not look from a strip's row to the next."""
    cdef Py_ssize_t i = 0
    while i < n:
        prefetch(row + i)
        i += 16


cdef struct RingSums:
    Py_ssize_t band  # rows above and below the guard
    Py_ssize_t guard
    Py_ssize_t half  # of the window
    Py_ssize_t depth  # rows that are kept: those of the window, two at least
    Py_ssize_t levels  # level k holds sums over 2^k rows
    Py_ssize_t width
    Py_ssize_t stride
    Py_ssize_t last  # row that came in last
    Py_ssize_t place  # where it is kept
    float* rows


cdef inline Py_ssize_t levels_of(Py_ssize_t window, Py_ssize_t guard) noexcept nogil:
    """How many of the spans 1, 2, 4 ... fit into the band or the guard; two at least."""
    cdef Py_ssize_t longest = max((window - guard) // 2, guard, 2), levels = 0
    while longest:
        longest >>= 1
        levels += 1
    return levels


cdef inline Py_ssize_t ring_sums_size(Py_ssize_t width, Py_ssize_t window, Py_ssize_t guard) noexcept nogil:
    """Floats that one RingSums needs."""
    return levels_of(window, guard) * max(window, 2) * row_stride(width)


cdef inline RingSums ring_sums(Py_ssize_t width, Py_ssize_t window, Py_ssize_t guard, float* scratch) noexcept nogil:
    cdef RingSums sums
    sums.band = (window - guard) // 2
    sums.guard = guard
    sums.half = window // 2
    sums.depth = max(window, 2)
    sums.levels = levels_of(window, guard)
    sums.width = width
    sums.stride = row_stride(width)
    sums.last = -1
    sums.place = sums.depth - 1
    sums.rows = scratch
    memset(scratch, 0, sums.levels * sums.depth * sums.stride * sizeof(float))
    return sums


cdef inline void advance(RingSums* sums) noexcept nogil:
    """Make place for the next row."""
    sums.last += 1
    sums.place = sums.place + 1 if sums.place + 1 < sums.depth else 0


cdef inline float* kept_row(const RingSums* sums, Py_ssize_t level, Py_ssize_t row) noexcept nogil:
    """Sum over the 2^level rows that end at ``row``, one of the last `depth`."""
    cdef Py_ssize_t place = sums.place - (sums.last - row)
    return sums.rows + (level * sums.depth + (place if place >= 0 else place + sums.depth)) * sums.stride


cdef inline void renew_sums(const RingSums* sums, Py_ssize_t level) noexcept nogil:
    """Renew the sums that end at the last row, from ``level`` on; those below stand already."""
    while level < sums.levels:
        add_rows(
            kept_row(sums, level - 1, sums.last), kept_row(sums, level - 1, sums.last - (1 << (level - 1))),
            kept_row(sums, level, sums.last), sums.width,
        )
        level += 1


cdef inline Py_ssize_t add_parts(
    const RingSums* sums, Py_ssize_t last, Py_ssize_t n, Row* parts, Py_ssize_t count
) noexcept nogil:
    """Note the kept rows that make up the ``n`` rows that end at ``last``; return how many parts there are now."""
    cdef Py_ssize_t level = 0
    while n >> level:
        if (n >> level) & 1:
            parts[count] = kept_row(sums, level, last)
            count += 1
            last -= 1 << level
        level += 1
    return count


cdef inline void sum_parts(Row* parts, Py_ssize_t count, Py_ssize_t n, float* out) noexcept nogil:
    cdef Py_ssize_t k
    if count == 1:
        memcpy(out, parts[0], n * sizeof(float))
    elif count == 2:
        add_rows(parts[0], parts[1], out, n)
    elif count == 3:
        add_three(parts[0], parts[1], parts[2], out, n)
    else:
        add_four(parts[0], parts[1], parts[2], parts[3], out, n)
        for k in range(4, count):
            add_to(parts[k], out, n)


# The usual rings in one pass: bands of one or two parts, guards of two; added in the order of `sum_parts`.

cdef inline cloned gather_two(
    RowIn a, RowIn b, RowIn inner, RowIn inner2, RowOut outer, RowOut full, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    cdef float s
    for i in range(n):
        s = a[i] + b[i]
        outer[i] = s
        full[i] = (s + inner[i]) + inner2[i]


cdef inline cloned gather_four(
    RowIn a, RowIn b, RowIn c, RowIn d, RowIn inner, RowIn inner2, RowOut outer, RowOut full, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    cdef float s
    for i in range(n):
        s = (a[i] + b[i]) + (c[i] + d[i])
        outer[i] = s
        full[i] = (s + inner[i]) + inner2[i]


cdef inline void gather_ring(const RingSums* sums, Py_ssize_t row, float* outer, float* full) noexcept nogil:
    """Write the column sums about ``row`` over all rows of the window, and over those without the guard's.

    ``outer`` stays as it is where the guard is as high as the window.
    """
    cdef Row[MOST_PARTS + 1] parts
    cdef Py_ssize_t count, guard_half = sums.guard // 2
    if sums.band:
        count = add_parts(sums, row - guard_half - 1, sums.band, parts, 0)
        count = add_parts(sums, row + sums.half, sums.band, parts, count)
        if count <= 4 and add_parts(sums, row + guard_half, sums.guard, parts, count) == count + 2:
            if count == 2:
                gather_two(parts[0], parts[1], parts[2], parts[3], outer, full, sums.width)
            else:
                gather_four(parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], outer, full, sums.width)
            return
        sum_parts(parts, count, sums.width, outer)
        parts[0] = outer
    count = add_parts(sums, row + guard_half, sums.guard, parts, 1 if sums.band else 0)
    sum_parts(parts, count, sums.width, full)
