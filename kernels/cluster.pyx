"""Clusters of hits in a range-Doppler map: cells that touch, corners included, belong to one target.

Hits come as the sorted flat indices of their cells, so the cost goes with their number, not with the map's. Each is
joined with the earlier ones beside it and above it (union by the smaller index, paths halved: Tarjan 1975, J. ACM 22);
the first and the last row touch as well, for Doppler folds over.
"""

from libc.stdint cimport int32_t, int64_t

from lookdown.kernels.checks import require_array, require_integer


cdef int32_t root(int32_t* parent, int32_t i) noexcept nogil:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


cdef void join(int32_t* parent, int32_t a, int32_t b) noexcept nogil:
    a = root(parent, a)
    b = root(parent, b)
    if a < b:
        parent[b] = a
    elif b < a:
        parent[a] = b


cdef Py_ssize_t join_above(
    const int64_t* cells, Py_ssize_t i, Py_ssize_t k, int64_t row, int64_t column, int64_t cols, int32_t* parent
) noexcept nogil:
    """Join hit i, in a column, with those of another row that touch it; k is the first that may, and is returned."""
    cdef int64_t first = row * cols + max(column - 1, 0), last = row * cols + min(column + 1, cols - 1)
    cdef Py_ssize_t m
    while cells[k] < first and k < i:
        k += 1
    m = k
    while m < i and cells[m] <= last:
        join(parent, <int32_t>i, <int32_t>m)
        m += 1
    return k


def label_clusters(cells, rows, cols, labels):
    """Tell which hits of a map belong together.

    Parameters
    ----------
    cells : ndarray of int64, shape (n,)
        Flat indices ``row * cols + column`` of the hits, ascending; rows are Doppler bins, which fold over.
    rows, cols : int
        Size of the map.
    labels : ndarray of int32, shape (n,)
        Number of each hit's cluster, from 0, in the order of their first hits.

    Returns
    -------
    int
        How many clusters there are.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or the indices do not ascend within the map.
    """
    cdef const int64_t[::1] at = require_array("cells", cells, "int64", 1)
    cdef int32_t[::1] label = require_array("labels", labels, "int32", cells.shape, out=True, apart_from=(cells,))
    cdef int64_t height = require_integer("rows", rows, 1, 1 << 24), width = require_integer("cols", cols, 1, 1 << 24)
    cdef Py_ssize_t n = at.shape[0], i, above = 0, across = 0
    cdef int64_t row, column, before = -1
    cdef int32_t found = 0
    cdef int32_t* parent
    if n == 0:
        return 0
    for i in range(n):
        if not before < at[i] < height * width:
            raise ValueError(f"cells: wanted indices that ascend within {rows} x {cols}, got {at[i]} at {i}")
        before = at[i]
    parent = &label[0]
    with nogil:
        for i in range(n):
            parent[i] = <int32_t>i
            row = at[i] // width
            column = at[i] - row * width
            if i and at[i - 1] == at[i] - 1 and column:
                join(parent, <int32_t>i, <int32_t>(i - 1))
            if row:
                above = join_above(&at[0], i, above, row - 1, column, width, parent)
            if row == height - 1 and height > 2:
                across = join_above(&at[0], i, across, 0, column, width, parent)
        # Every root is the first hit of its cluster, so numbers can take the place of the links from the front.
        for i in range(n):
            if parent[i] == i:
                parent[i] = -1 - found
                found += 1
            else:
                parent[i] = parent[parent[i]]
        for i in range(n):
            parent[i] = -1 - parent[i]
    return found
