"""Nearest: plots shared out to tracks one to one so that the sum of gains is greatest (global nearest neighbour).

Tracks are inserted one by one; each takes the shortest path, in reduced costs, over plots from which it displaces
others, to a free plot or to a track that does best with none (Jonker, Volgenant 1987, on the sparse graph of gated
pairs). A path never leaves the cluster of tracks that share plots, so far targets cost nothing. A track that goes
without at its own insertion goes without for good: others only make plots scarcer. Tracks that may share plots come
after all of these, each with the best plot that is left.
"""

from lookdown.kernels.checks import require_array, require_number

cdef double INF = 1e300


cdef void insert(
    Py_ssize_t r, const long long* start, const long long* plot, const double* gain, const unsigned char* taken,
    double* u, double* v, double* dist, long long* pred, long long* owner, unsigned char* state, long long* touched,
    long long* plot_of
) noexcept nogil:
    cdef Py_ssize_t i = r, a, j, k, n_touched = 0, at = -1
    cdef Py_ssize_t sink_row = r, sink = -1
    cdef double base = 0.0, best = INF, reach, least, end
    u[r] = 0.0
    for a in range(start[r], start[r + 1]):
        j = plot[a]
        if not taken[j] and 0.0 < gain[a] < INF and -gain[a] - v[j] < u[r]:
            u[r] = -gain[a] - v[j]
    while True:
        if base - u[i] < best:
            best = base - u[i]
            sink_row = i
        for a in range(start[i], start[i + 1]):
            j = plot[a]
            if taken[j] or not 0.0 < gain[a] < INF or state[j] == 2:
                continue
            reach = base - gain[a] - u[i] - v[j]
            if state[j] == 0:
                state[j] = 1
                touched[n_touched] = j
                n_touched += 1
                dist[j] = INF
            if reach < dist[j]:
                dist[j] = reach
                pred[j] = i
        least = best
        at = -1
        for k in range(n_touched):
            j = touched[k]
            if state[j] == 1 and dist[j] < least:
                least = dist[j]
                at = j
        if at < 0:
            break
        if owner[at] < 0:
            sink = at
            break
        state[at] = 2
        i = owner[at]
        base = dist[at]
    end = least
    u[r] += end
    for k in range(n_touched):
        j = touched[k]
        if state[j] == 2:
            v[j] += dist[j] - end
            u[owner[j]] += end - dist[j]
        state[j] = 0
    # Turn the path: each track on it takes the plot after it.
    if sink < 0:
        if sink_row == r:
            return
        sink = plot_of[sink_row]
        plot_of[sink_row] = -1
    while True:
        i = pred[sink]
        j = plot_of[i]
        plot_of[i] = sink
        owner[sink] = i
        if i == r:
            return
        sink = j


cdef void take_best(
    Py_ssize_t r, const long long* start, const long long* plot, const double* gain, const unsigned char* taken,
    long long* plot_of
) noexcept nogil:
    """The plot of the greatest gain, of equal ones the first; that others take it, too, is nothing to it."""
    cdef Py_ssize_t a
    cdef double most = 0.0
    plot_of[r] = -1
    for a in range(start[r], start[r + 1]):
        if gain[a] > most and not taken[plot[a]]:
            most = gain[a]
            plot_of[r] = plot[a]


def share_out(start, plot, ratio, missed, rows, sharers, reals, marks, whole, taken, plot_of, won):
    """Give plots to tracks: one to one, and then to others, each its best of what is left.

    Parameters
    ----------
    start : ndarray of int64, shape (n + 1,)
        Where each track's pairs begin and end.
    plot : ndarray of int64, shape (c,)
        Plot of each pair, 0 to k - 1.
    ratio : ndarray of float64, shape (c,)
        Log-likelihood ratio of each pair.
    missed : float
        That of a track without a plot: a pair gains what it has more, and those that gain nothing are never made.
    rows : ndarray of int64, shape (q,)
        Tracks that take part, each once; those of other rows keep what they have.
    sharers : ndarray of int64, shape (s,)
        Tracks that come after them; several may have the same plot.
    reals : ndarray of float64, shape (n + 2 k + c,)
        Scratch.
    marks : ndarray of uint8, shape (k,)
        Scratch.
    whole : ndarray of int64, shape (3 k,)
        Scratch.
    taken : ndarray of uint8, shape (k,)
        1 for plots that may not be given; those given to ``rows`` are marked.
    plot_of : ndarray of int64, shape (n,)
        Plot of each track, -1 for none; written for ``rows`` and ``sharers``.
    won : ndarray of float64, shape (n,)
        Ratio of that pair; written where there is one.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or an index is out of its range.
    """
    cdef unsigned char[::1] busy = require_array("taken", taken, "uint8", 1, out=True)
    cdef long long[::1] given = require_array("plot_of", plot_of, "int64", 1, out=True)
    cdef Py_ssize_t n = given.shape[0], k = busy.shape[0], c, a, i
    cdef const long long[::1] begin = require_array("start", start, "int64", (n + 1,))
    cdef const long long[::1] which = require_array("plot", plot, "int64", 1)
    c = which.shape[0]
    cdef const double[::1] value = require_array("ratio", ratio, "float64", (c,))
    cdef double none = require_number("missed", missed, -1e300, 1e300)
    cdef const long long[::1] r = require_array("rows", rows, "int64", 1)
    cdef const long long[::1] after = require_array("sharers", sharers, "int64", 1)
    cdef double[::1] real = require_array("reals", reals, "float64", (n + 2 * k + c,), out=True)
    cdef unsigned char[::1] mark = require_array("marks", marks, "uint8", (k,), out=True)
    cdef long long[::1] index = require_array("whole", whole, "int64", (3 * k,), out=True)
    cdef double[::1] best = require_array("won", won, "float64", (n,), out=True, apart_from=(ratio, reals))
    require_rows("rows", r, n)
    require_rows("sharers", after, n)
    for i in range(n):
        if not 0 <= begin[i] <= begin[i + 1] <= c:
            raise ValueError(f"start: wanted ascending places among {c} pairs; take it from gate_plots")
    for a in range(begin[n]):
        if not 0 <= which[a] < k:
            raise ValueError(f"plot: wanted plots from 0 to {k - 1}, got others; give one mark in taken to each plot")
    if k == 0:
        plot_of[rows], plot_of[sharers] = -1, -1
        return
    cdef double* gain = &real[0] + n + 2 * k
    with nogil:
        for a in range(begin[n]):
            gain[a] = value[a] - none
        for i in range(k):
            real[n + i] = 0.0
            index[k + i] = -1
            mark[i] = 0
        for i in range(r.shape[0]):
            given[r[i]] = -1
        for i in range(r.shape[0]):
            if begin[r[i]] < begin[r[i] + 1]:
                insert(
                    r[i], &begin[0], &which[0], gain, &busy[0], &real[0], &real[n], &real[n + k], &index[0],
                    &index[k], &mark[0], &index[2 * k], &given[0]
                )
        for i in range(r.shape[0]):
            if given[r[i]] >= 0:
                busy[given[r[i]]] = 1
        for i in range(after.shape[0]):
            if begin[after[i]] < begin[after[i] + 1]:
                take_best(after[i], &begin[0], &which[0], gain, &busy[0], &given[0])
            else:
                given[after[i]] = -1
        note_ratios(r, begin, which, value, given, best)
        note_ratios(after, begin, which, value, given, best)


cdef void note_ratios(
    const long long[::1] rows, const long long[::1] start, const long long[::1] plot, const double[::1] ratio,
    const long long[::1] plot_of, double[::1] won
) noexcept nogil:
    cdef Py_ssize_t i, a
    for i in range(rows.shape[0]):
        for a in range(start[rows[i]], start[rows[i] + 1]):
            if plot[a] == plot_of[rows[i]]:
                won[rows[i]] = ratio[a]


cdef require_rows(str name, const long long[::1] rows, Py_ssize_t n):
    cdef Py_ssize_t i
    for i in range(rows.shape[0]):
        if not 0 <= rows[i] < n:
            raise ValueError(f"{name}: wanted rows from 0 to {n - 1}, got {rows[i]}; take them from the table")
