"""Close: pairs of tracks near each other, by the variance of their places, that may follow one mover.

Two tracks are a pair when ``d^2 < reach (v1 + v2)``, ``v`` the sum of the variances of a place; two live ones only
when also ``d^2 < merge^2``. Of two tracks the one of greater variance looks for the other, so that a track of which
little is known costs its own search and no other: along one axis, in order, as far as ``d^2 = 2 reach v``.
"""

from lookdown.kernels.checks import require_array, require_integer, require_number

cdef double WIDER = 1.0 + 1e-9  # than the bound, so that rounding leaves no pair out


cdef bint is_close(
    const double* one, const double* other, double reach2, bint both_live, double merge2
) noexcept nogil:
    cdef double x = one[0] - other[0], y = one[1] - other[1], z = one[2] - other[2], square = x * x + y * y + z * z
    return square < reach2 and (not both_live or square < merge2)


def find_close(state, variance, status, hits, least_hits, reach, merge2, order, pairs):
    """Find pairs of tracks close to each other.

    Parameters
    ----------
    state : ndarray of float64, shape (n, 6)
        Positions first [m].
    variance : ndarray of float64, shape (n,)
        Sum of the variances of each position [m^2].
    status : ndarray of uint8, shape (n,)
        0 for tentative tracks; others are live.
    hits : ndarray of int64, shape (n,)
        Hits of each track.
    least_hits : int
        Tentative tracks with less are left out.
    reach : float
        Greatest squared distance over the sum of both variances.
    merge2 : float
        Greatest squared distance of two live tracks [m^2].
    order : ndarray of int64, shape (n,)
        All tracks in ascending order of the first number of their states.
    pairs : ndarray of int64, shape (capacity, 2)
        Pairs found, each once, the lower row first.

    Returns
    -------
    int
        Pairs found. If it is more than the capacity, call again with that much room.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const double[::1] v = require_array("variance", variance, "float64", 1)
    cdef Py_ssize_t n = v.shape[0], place, other, step, i, j, room, found = 0
    cdef const unsigned char[::1] is_live = require_array("status", status, "uint8", (n,))
    cdef const long long[::1] many = require_array("hits", hits, "int64", (n,))
    cdef long long least = require_integer("least_hits", least_hits, 0, 1 << 62)
    cdef double wide = require_number("reach", reach, 0.0, 1e9), both = require_number("merge2", merge2, 0.0, 1e30)
    cdef const long long[::1] at = require_array("order", order, "int64", (n,))
    cdef long long[:, ::1] pair = require_array("pairs", pairs, "int64", (len(pairs), 2), out=True, apart_from=(order,))
    room = pair.shape[0]
    if n == 0:
        return 0
    cdef const double[:, ::1] x = require_array("state", state, "float64", (n, 6))
    for place in range(n):
        if not 0 <= at[place] < n:
            raise ValueError(f"order: wanted rows from 0 to {n - 1}, got {at[place]}; take it from numpy.argsort")
    cdef double farthest, along
    with nogil:
        for place in range(n):
            i = at[place]
            if not is_live[i] and many[i] < least:
                continue
            farthest = 2.0 * wide * v[i] * WIDER
            for step in range(-1, 2, 2):
                other = place + step
                while 0 <= other < n:
                    j = at[other]
                    along = x[j, 0] - x[i, 0]
                    if not along * along < farthest:
                        break
                    if (v[j] < v[i] or (v[j] == v[i] and step > 0)) and (is_live[j] or many[j] >= least):
                        if is_close(&x[i, 0], &x[j, 0], wide * (v[i] + v[j]), is_live[i] and is_live[j], both):
                            if found < room:
                                pair[found, 0], pair[found, 1] = min(i, j), max(i, j)
                            found += 1
                    other += step
    return found
