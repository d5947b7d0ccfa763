"""The strongest plots of many, in a heap of fixed capacity whose weakest plot is on top once it is full."""

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


cdef inline void order(Plot* plots, Py_ssize_t n) noexcept nogil:
    """Heap sort, strongest first."""
    cdef Plot weakest
    cdef Py_ssize_t i
    for i in range(n // 2 - 1, -1, -1):
        sink(plots, n, i)
    for i in range(n - 1, 0, -1):
        weakest = plots[0]
        plots[0] = plots[i]
        plots[i] = weakest
        sink(plots, i, 0)
