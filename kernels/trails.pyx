"""Trails: plots beside a stronger one of the other polarity leave the list.

Plot i goes if some plot j, itself a trail or not, has the other sign of amplitude, ``snr_i < share snr_j`` and lies
within ``reach`` of it. Plots that are strong enough to have a trail are laid in the cells of a grid of that size, so
that only those in the 3 x 3 cells about one are compared with it; cells share the buckets of a hash table as large as
the list (Teschner et al. 2003, VMV, 47), which costs a comparison too many now and then and changes nothing.
"""

from libc.math cimport INFINITY, floor
from libc.string cimport memset

from lookdown.kernels.extract cimport Plot

from lookdown.kernels.checks import require_array, require_number
from lookdown.kernels.extract import PLOT_DTYPE

cdef double CELL = 1.01  # side of a cell [reach]; rounding must not put two cells between neighbours
cdef double FARTHEST = 1e9  # cell that all places beyond it count as; NaN is near to nothing


cdef inline int cell_of(float place, float reach) noexcept nogil:
    cdef double cell = floor(place / (CELL * reach))
    if not cell > -FARTHEST:
        return <int>-FARTHEST
    return <int>(cell if cell < FARTHEST else FARTHEST)


cdef inline unsigned int bucket_of(int row, int col, unsigned int mask) noexcept nogil:
    cdef unsigned int mixed = (<unsigned int>row * 73856093u) ^ (<unsigned int>col * 19349663u)
    return (mixed ^ (mixed >> 15)) & mask


cdef unsigned int n_buckets(Py_ssize_t n) noexcept nogil:
    """Power of two from n on."""
    cdef unsigned int size = 1
    while size < n:
        size *= 2
    return size


cdef bint is_trail(
    const Plot* plots, Py_ssize_t i, const int* first, const int* following, unsigned int mask, float reach, float share
) noexcept nogil:
    cdef int row = cell_of(plots[i].row, reach), col = cell_of(plots[i].col, reach), down, along, k
    cdef float d_row, d_col
    cdef bint dark = plots[i].amplitude < 0
    for down in range(-1, 2):
        for along in range(-1, 2):
            k = first[bucket_of(row + down, col + along, mask)]
            while k >= 0:
                d_row = plots[i].row - plots[k].row
                d_col = plots[i].col - plots[k].col
                if (
                    dark != (plots[k].amplitude < 0)
                    and d_row * d_row + d_col * d_col <= reach * reach
                    and plots[i].snr < share * plots[k].snr
                ):
                    return True
                k = following[k]
    return False


cdef Py_ssize_t remove(Plot* plots, Py_ssize_t n, float reach, float share, int* words) noexcept nogil:
    cdef unsigned int size = n_buckets(n), at
    cdef int* first = words
    cdef int* following = words + size
    cdef int* trail = following + n
    cdef Py_ssize_t k, n_kept = 0, n_dark = 0, n_laid = 0
    cdef float weakest = INFINITY
    for k in range(n):
        n_dark += plots[k].amplitude < 0
        weakest = min(plots[k].snr, weakest)
    if n_dark == 0 or n_dark == n:
        return n
    memset(first, 0xFF, size * sizeof(int))
    for k in range(n):
        if not weakest < share * plots[k].snr:  # leaves no trail that is a plot
            continue
        n_laid += 1
        at = bucket_of(cell_of(plots[k].row, reach), cell_of(plots[k].col, reach), size - 1)
        following[k] = first[at]
        first[at] = <int>k
    if n_laid == 0:
        return n
    for k in range(n):
        trail[k] = is_trail(plots, k, first, following, size - 1, reach, share)
    for k in range(n):
        if not trail[k]:
            if n_kept < k:
                plots[n_kept] = plots[k]
            n_kept += 1
    return n_kept


def trails_scratch_size(capacity):
    """Elements of scratch that `remove_trails` needs for up to ``capacity`` plots."""
    return n_buckets(capacity) + 2 * capacity


def remove_trails(plots, reach_px, share, scratch):
    """Take plots out that lie beside a stronger one of the other polarity.

    Parameters
    ----------
    plots : ndarray of PLOT_DTYPE, shape (n,)
        Plots; those that stay move up and keep their order.
    reach_px : float
        Farthest a trail lies from what left it, above 0 [px].
    share : float
        Part of the snr of the stronger that a trail stays below, 0 to 1.
    scratch : ndarray of int32
        At least `trails_scratch_size` elements; its content does not matter.

    Returns
    -------
    int
        How many stay.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> plots = np.zeros(3, PLOT_DTYPE)
    >>> plots["col"], plots["snr"], plots["amplitude"] = [50, 46, 90], [9, 5, 5], [40, -25, -20]
    >>> remove_trails(plots, 5.0, 0.7, np.zeros(trails_scratch_size(3), np.int32)), plots["col"][:2].tolist()
    (2, [50.0, 90.0])
    """
    cdef Plot[::1] p = require_array("plots", plots, PLOT_DTYPE, 1, out=True)
    cdef int[::1] words = require_array("scratch", scratch, "int32", 1, out=True)
    cdef float reach = require_number("reach_px", reach_px, 1e-3, 1e6)
    cdef float part = require_number("share", share, 0.0, 1.0)
    cdef Py_ssize_t n = p.shape[0], n_kept
    if words.shape[0] < trails_scratch_size(n):
        raise ValueError(
            f"scratch: wanted at least {trails_scratch_size(n)} int32, got {words.shape[0]}; see trails_scratch_size"
        )
    if n == 0:
        return 0
    with nogil:
        n_kept = remove(&p[0], n, reach, part, &words[0])
    return n_kept
