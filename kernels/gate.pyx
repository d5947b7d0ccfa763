"""Gate: which plots lie in the gates of which tracks, and how much each speaks for its track, by a hashed grid.

Plots fall into cells as wide as a gate commonly is (twice the geometric mean of the half-widths); cells are hashed into
buckets of one linked list each, so memory grows with the plots alone. A track looks into the cells that its gate's box
meets; one whose box meets more cells than there are plots looks at all plots. A plot in the gate speaks with the
log-likelihood ratio (Blackman, Popoli 1999, 6.2)::

    L = ln(P_D / beta) - d^2 / 2 - ln((2 pi)^(dim / 2) sqrt(det S)),   S = spread + noise,   d^2 = y' S^-1 y < gate
"""

from libc.math cimport exp, fabs, floor, log, sqrt

from lookdown.kernels.checks import require_array, require_number

cdef enum:
    MOST = 3


cdef double LOG_2PI = 1.8378770664093453
cdef double FAR = 1e15  # cells from the origin; beyond it a plot is in none


cdef inline unsigned long long mix(const long long* cell, Py_ssize_t d) noexcept nogil:
    cdef unsigned long long h = 0
    cdef Py_ssize_t i
    for i in range(d):
        h = (h ^ <unsigned long long> cell[i]) * 0x9E3779B97F4A7C15ULL
        h = h ^ (h >> 29)
    return h


cdef inline bint ratio_of(
    const double* at, const double* s, const double* plot, const double* noise, Py_ssize_t d, double gate, double base,
    double* ratio
) noexcept nogil:
    """Whether a plot is in the gate; Cholesky of S, so that 1 to 3 dimensions are one code."""
    cdef double root[9]
    cdef double y[3]
    cdef double total, distance2 = 0.0, determinant = 1.0
    cdef Py_ssize_t i, j, k
    for i in range(d):
        total = plot[i] - at[i]
        y[i] = total
        if not total * total < gate * (s[i * d + i] + noise[i * d + i]):
            return False
    for i in range(d):
        for j in range(i + 1):
            total = s[i * d + j] + noise[i * d + j]
            for k in range(j):
                total = total - root[i * MOST + k] * root[j * MOST + k]
            if i == j:
                if not total > 0.0:
                    return False
                determinant = determinant * total
                root[i * MOST + i] = sqrt(total)
            else:
                root[i * MOST + j] = total / root[j * MOST + j]
        for j in range(i):
            y[i] = y[i] - root[i * MOST + j] * y[j]
        y[i] = y[i] / root[i * MOST + i]
        distance2 = distance2 + y[i] * y[i]
        if not distance2 < gate:
            return False
    ratio[0] = base - 0.5 * (distance2 + log(determinant))
    return True


cdef inline void place_in_order(
    long long* plot_of, double* ratio_of_pair, Py_ssize_t first, Py_ssize_t last, long long plot, double ratio
) noexcept nogil:
    cdef Py_ssize_t k = last
    while k > first and plot_of[k - 1] > plot:
        plot_of[k] = plot_of[k - 1]
        ratio_of_pair[k] = ratio_of_pair[k - 1]
        k -= 1
    plot_of[k] = plot
    ratio_of_pair[k] = ratio


def gate_plots(places, spreads, use, plots, noises, gate, base, cells, heads, start, plot, ratio):
    """Find the plots in each track's gate.

    Parameters
    ----------
    places : ndarray of float64, shape (n, d)
        Predicted measurements, d = 1 to 3.
    spreads : ndarray of float64, shape (n, d, d)
        Their covariances.
    use : ndarray of uint8, shape (n,)
        1 for tracks that may have plots.
    plots : ndarray of float64, shape (k, d)
        Measured.
    noises : ndarray of float64, shape (k, d, d)
        Covariance of each plot.
    gate : float
        Greatest squared distance.
    base : float
        ``ln(P_D / beta)``, ``beta`` the density of false plots in the measurement's units.
    cells : ndarray of int64, shape (k, 4)
        Scratch.
    heads : ndarray of int64, shape (buckets,)
        Scratch; a power of two, best about twice the number of plots.
    start : ndarray of int64, shape (n + 1,)
        Where each track's pairs begin and end.
    plot : ndarray of int64, shape (capacity,)
        Plot of each pair; ascending within a track.
    ratio : ndarray of float64, shape (capacity,)
        L of each pair.

    Returns
    -------
    int
        Pairs found. If it is more than the capacity, none is whole: call again with that much room.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const unsigned char[::1] u = require_array("use", use, "uint8", 1)
    cdef Py_ssize_t n = u.shape[0], count = len(plots), d, i, j, k, room, first, found = 0
    cdef double limit = require_number("gate", gate, 0.0, 1e6), level = require_number("base", base, -1e6, 1e6)
    require_array("spreads", spreads, "float64", 3)
    d = spreads.shape[1]
    if not 1 <= d <= MOST:
        raise ValueError(f"spreads: wanted 1 to {MOST} numbers a measurement, got {d}; gate a part of the measurement")
    require_array("spreads", spreads, "float64", (n, d, d))
    require_array("noises", noises, "float64", (count, d, d))
    cdef long long[::1] head = require_array("heads", heads, "int64", 1, out=True)
    cdef Py_ssize_t buckets = head.shape[0]
    if buckets < 1 or buckets & (buckets - 1):
        raise ValueError(f"heads: wanted a power of two of buckets, got {buckets}; use 1 << (2 * plots).bit_length()")
    cdef long long[::1] begin = require_array("start", start, "int64", (n + 1,), out=True)
    cdef long long[::1] which = require_array("plot", plot, "int64", 1, out=True)
    room = which.shape[0]
    cdef double[::1] value = require_array("ratio", ratio, "float64", (room,), out=True)
    if room < 1:
        raise ValueError("plot: wanted room for at least one pair, got none; give about two a track")
    if n == 0 or count == 0:
        start[:] = 0
        return 0
    cdef const double[:, ::1] at = require_array("places", places, "float64", (n, d))
    cdef const double[:, ::1] z = require_array("plots", plots, "float64", (count, d))
    cdef const double[:, :, ::1] s = spreads
    cdef const double[:, :, ::1] noise = noises
    cdef long long[:, ::1] cell = require_array("cells", cells, "int64", (count, 4), out=True)
    cdef double widest[3]
    cdef double half, most, total = 0.0, side = 1.0, number, one = 0.0
    cdef long long low[3]
    cdef long long high[3]
    cdef long long visit[3]
    cdef Py_ssize_t tracks = 0
    cdef bint inside
    level = level - 0.5 * d * LOG_2PI
    with nogil:
        for i in range(d):
            widest[i] = 0.0
            for j in range(count):
                if noise[j, i, i] > widest[i]:
                    widest[i] = noise[j, i, i]
        for k in range(n):
            most = 0.0
            for i in range(d):
                half = limit * (s[k, i, i] + widest[i])
                most = half if half > most else most
            if u[k] and most > 1e-300 and most < 1e300:
                total += log(most)
                tracks += 1
        if tracks:
            side = 2.0 * sqrt(exp(total / tracks))
        for i in range(buckets):
            head[i] = -1
        for j in range(count):
            inside = True
            for i in range(d):
                if not fabs(z[j, i]) < FAR * side:
                    inside = False
            if not inside:
                continue
            for i in range(d):
                cell[j, i] = <long long> floor(z[j, i] / side)
            i = <Py_ssize_t> (mix(&cell[j, 0], d) & <unsigned long long> (buckets - 1))
            cell[j, 3] = head[i]
            head[i] = j
        for k in range(n):
            first = found
            begin[k] = first
            if not u[k]:
                continue
            number = 1.0
            for i in range(3):
                low[i] = 0
                high[i] = 0
            for i in range(d):
                half = sqrt(limit * (s[k, i, i] + widest[i]))
                if not (fabs(at[k, i]) + half < FAR * side):
                    number = -1.0
                    break
                low[i] = <long long> floor((at[k, i] - half) / side)
                high[i] = <long long> floor((at[k, i] + half) / side)
                number = number * (high[i] - low[i] + 1)
            if number < 0.0:
                continue
            if number > count:
                for j in range(count):
                    if ratio_of(&at[k, 0], &s[k, 0, 0], &z[j, 0], &noise[j, 0, 0], d, limit, level, &one):
                        if found < room:
                            which[found] = j
                            value[found] = one
                        found += 1
                continue
            visit[0] = low[0]
            while visit[0] <= high[0]:
                visit[1] = low[1]
                while visit[1] <= high[1]:
                    visit[2] = low[2]
                    while visit[2] <= high[2]:
                        j = head[<Py_ssize_t> (mix(visit, d) & <unsigned long long> (buckets - 1))]
                        while j >= 0:
                            inside = True
                            for i in range(d):
                                inside = inside and cell[j, i] == visit[i]
                            if inside and ratio_of(
                                &at[k, 0], &s[k, 0, 0], &z[j, 0], &noise[j, 0, 0], d, limit, level, &one
                            ):
                                if found < room:
                                    place_in_order(&which[0], &value[0], first, found, j, one)
                                found += 1
                            j = cell[j, 3]
                        visit[2] += 1
                    visit[1] += 1
                visit[0] += 1
        begin[n] = found
    return found
