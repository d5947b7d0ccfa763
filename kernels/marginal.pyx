"""Marginal: how likely each track owns each plot of its gate, all joint shares considered (JPDA), by passing messages.

A track owns one plot or none, a plot has one owner or none. With ``w = exp(gain)`` of a pair and 1 for no plot,
messages go between tracks i and plots j until they settle (Williams, Lau 2014, IEEE Trans. AES 50, eq. 22 to 25)::

    m_ij = w_ij / (1 + sum of w_ik n_ik, k != j)        n_ij = 1 / (1 + sum of m_kj, k != i)
    weight_ij = w_ij n_ij / (1 + sum of w_ik n_ik)

They always settle. The weights are those of the sum over all joint shares where tracks and plots make a tree, and close
to it elsewhere; cost is pairs times rounds however large a cluster is, where the sum itself grows without bound.
Sums that leave one out are kept as the largest and the rest, so that nothing cancels.
"""

from libc.math cimport exp, fabs

from lookdown.kernels.checks import require_array, require_integer, require_number


def weigh_pairs(start, plot, gain, rows, tolerance, most, weights, messages, top, rest, who, weight):
    """Weigh the pairs of tracks and plots.

    Parameters
    ----------
    start : ndarray of int64, shape (n + 1,)
        Where each track's pairs begin and end.
    plot : ndarray of int64, shape (c,)
        Plot of each pair, below ``len(top)``.
    gain : ndarray of float64, shape (c,)
        Log-likelihood ratio of owning the plot against owning none.
    rows : ndarray of int64, shape (q,)
        Tracks that take part, each at most once.
    tolerance : float
        Greatest change of a message, relative, at which they have settled.
    most : int
        Most rounds.
    weights, messages : ndarray of float64, shape (c,)
        Scratch.
    top, rest : ndarray of float64, shape (plots,)
        Scratch.
    who : ndarray of int64, shape (plots,)
        Scratch.
    weight : ndarray of float64, shape (c,)
        Probability of each pair; 0 for pairs of other tracks. What is left to 1 is the track's chance of no plot.

    Returns
    -------
    int
        Rounds made.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, an index or a number is out of its range.
    """
    cdef const long long[::1] begin = require_array("start", start, "int64", 1)
    cdef const long long[::1] r = require_array("rows", rows, "int64", 1)
    cdef const long long[::1] p = require_array("plot", plot, "int64", 1)
    cdef Py_ssize_t n = begin.shape[0] - 1, c = p.shape[0], q = r.shape[0], k, a, i, j, turn = 0
    cdef double[::1] high = require_array("top", top, "float64", 1, out=True)
    cdef Py_ssize_t plots = high.shape[0]
    cdef double[::1] low = require_array("rest", rest, "float64", (plots,), out=True)
    cdef long long[::1] holder = require_array("who", who, "int64", (plots,), out=True)
    cdef double limit = require_number("tolerance", tolerance, 0.0, 1.0)
    cdef Py_ssize_t last = require_integer("most", most, 1, 100000)
    require_array("gain", gain, "float64", (c,))
    for name, scratch in (("weights", weights), ("messages", messages), ("weight", weight)):
        require_array(name, scratch, "float64", (c,), out=True)
    if n < 0 or begin[0] != 0 or begin[n] > c or (n > 0 and (start[1:] < start[:n]).any()):
        raise ValueError(f"start: wanted places that ascend from 0 to {c} at most; use that of gate_plots")
    if q and (rows.min() < 0 or rows.max() >= n):
        raise ValueError(f"rows: wanted rows from 0 to {n - 1}, got {rows.min()} to {rows.max()}")
    if c and (plot.min() < 0 or plot.max() >= plots):
        raise ValueError(f"plot: wanted plots from 0 to {plots - 1}, got {plot.min()} to {plot.max()}")
    cdef const double[::1] g = gain
    cdef double[::1] w = weights
    cdef double[::1] m = messages
    cdef double[::1] out = weight
    cdef double none, best, total, one, change, new
    cdef Py_ssize_t at
    with nogil:
        for a in range(c):
            out[a] = 0.0
            m[a] = 0.0
        while turn < last:
            turn += 1
            for j in range(plots):
                high[j] = 0.0
                low[j] = 0.0
                holder[j] = -1
            for k in range(q):
                i = r[k]
                for a in range(begin[i], begin[i + 1]):
                    j = p[a]
                    if m[a] > high[j]:
                        low[j] += high[j]
                        high[j] = m[a]
                        holder[j] = a
                    else:
                        low[j] += m[a]
            change = 0.0
            for k in range(q):
                i = r[k]
                best = 0.0
                for a in range(begin[i], begin[i + 1]):
                    best = g[a] if g[a] > best else best
                best = best if best < 600.0 else 600.0
                none = exp(-best)
                # out holds w n for now, in units of exp(best).
                total = 0.0
                one = 0.0
                at = -1
                for a in range(begin[i], begin[i + 1]):
                    j = p[a]
                    w[a] = exp(g[a] - best if g[a] - best < 100.0 else 100.0)
                    new = low[j] if holder[j] == a else low[j] - m[a] + high[j]
                    out[a] = w[a] / (1.0 + (new if new > 0.0 else 0.0))
                    if out[a] > one:
                        total += one
                        one = out[a]
                        at = a
                    else:
                        total += out[a]
                for a in range(begin[i], begin[i + 1]):
                    new = none + (total if a == at else total - out[a] + one)
                    new = w[a] / (new if new > 1e-300 else 1e-300)
                    if fabs(new - m[a]) > limit * (1.0 + new):
                        change = 1.0
                    m[a] = new
                for a in range(begin[i], begin[i + 1]):
                    out[a] = out[a] / (none + total + one)
            if change == 0.0:
                break
    return turn
