"""The strongest plots of many: a heap of fixed capacity whose weakest plot is on top, and their order in the end.

The order is a radix sort of keys, the score's bits with the plot's number (Knuth 1998, The Art of Computer Programming
3, 5.2.5): at a few thousand plots a comparing sort of the records would cost as much as finding them.
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset

from lookdown.kernels.extract cimport Plot


cdef inline bint weaker(Plot* a, Plot* b) noexcept nogil:
    """Order of plots: the stronger first, then by row and column."""
    if a.snr != b.snr:
        return a.snr < b.snr
    if a.row != b.row:
        return a.row > b.row
    return a.col > b.col


cdef inline void sink(Plot* plots, Py_ssize_t n, Py_ssize_t place) noexcept nogil:
    """Restore a heap whose weakest plot is on top, after a change at ``place``."""
    cdef Plot moved = plots[place]
    cdef Py_ssize_t child
    while True:
        child = 2 * place + 1
        if child >= n:
            break
        if child + 1 < n and weaker(&plots[child + 1], &plots[child]):
            child += 1
        if not weaker(&plots[child], &moved):
            break
        plots[place] = plots[child]
        place = child
    plots[place] = moved


cdef inline Py_ssize_t insert(Plot* plots, Py_ssize_t n, Py_ssize_t capacity, Plot* plot) noexcept nogil:
    """Add a plot, in place of the weakest if there is no room; returns how many are kept."""
    cdef Py_ssize_t i
    if n < capacity:
        plots[n] = plot[0]
        n += 1
        if n == capacity:
            for i in range(n // 2 - 1, -1, -1):
                sink(plots, n, i)
    elif weaker(&plots[0], plot):
        plots[0] = plot[0]
        sink(plots, n, 0)
    return n


cdef inline void sink_key(Plot* plots, uint64_t* keys, Py_ssize_t n, Py_ssize_t place) noexcept nogil:
    """Restore a heap of keys whose weakest plot is on the bottom."""
    cdef uint64_t moved = keys[place]
    cdef Py_ssize_t child
    while True:
        child = 2 * place + 1
        if child >= n:
            break
        if child + 1 < n and weaker(&plots[<uint32_t>keys[child + 1]], &plots[<uint32_t>keys[child]]):
            child += 1
        if not weaker(&plots[<uint32_t>keys[child]], &plots[<uint32_t>moved]):
            break
        keys[place] = keys[child]
        place = child
    keys[place] = moved


cdef inline void order_ties(Plot* plots, uint64_t* keys, Py_ssize_t n) noexcept nogil:
    """Heap sort of keys with one score."""
    cdef uint64_t weakest
    cdef Py_ssize_t i
    for i in range(n // 2 - 1, -1, -1):
        sink_key(plots, keys, n, i)
    for i in range(n - 1, 0, -1):
        weakest = keys[0]
        keys[0] = keys[i]
        keys[i] = weakest
        sink_key(plots, keys, i, 0)


cdef inline void order(Plot* plots, Py_ssize_t n, uint64_t* keys) noexcept nogil:
    """Sort plots of positive snr, strongest first; ``keys`` has room for twice their number."""
    cdef uint64_t* before = keys
    cdef uint64_t* after = keys + n
    cdef uint64_t* spare
    cdef Py_ssize_t[256] starts
    cdef Py_ssize_t i, start, total, count, place, source
    cdef uint32_t bits
    cdef int shift
    cdef Plot first
    for i in range(n):
        memcpy(&bits, &plots[i].snr, 4)  # of positive floats, the larger has the larger bits
        before[i] = (<uint64_t>(~bits) << 32) | <uint64_t>i
    for shift in range(32, 64, 8):
        memset(starts, 0, sizeof(starts))
        for i in range(n):
            starts[(before[i] >> shift) & 255] += 1
        total = 0
        for i in range(256):
            count = starts[i]
            starts[i] = total
            total += count
        for i in range(n):
            place = (before[i] >> shift) & 255
            after[starts[place]] = before[i]
            starts[place] += 1
        spare = before
        before = after
        after = spare
    start = 0
    for i in range(1, n + 1):
        if i == n or before[i] >> 32 != before[start] >> 32:
            if i - start > 1:
                order_ties(plots, before + start, i - start)
            start = i
    # Each cycle of the permutation in turn; a key that is done points to itself.
    for i in range(n):
        if <uint32_t>before[i] == <uint32_t>i:
            continue
        first = plots[i]
        place = i
        while True:
            source = <uint32_t>before[place]
            before[place] = <uint64_t>place
            if source == i:
                break
            plots[place] = plots[source]
            place = source
        plots[place] = first
