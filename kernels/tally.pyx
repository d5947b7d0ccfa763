"""Tally: what a report did to each track, counted: hits, misses, the history of looks, the score.

A hit adds the log-likelihood ratio of its plot to the score of a track, a miss ``ln(1 - P_D)``; a track that was not
looked at is left alone. The score of a live track stays below a bound, so that it may not live on its past.
"""

from lookdown.kernels.checks import require_array, require_integer, require_number


def tally_looks(
    plot_of, ratio, missed, live, log_missed, most, sensor, time, hits, misses, looks, score, sensor_hits, last_hit
):
    """Count hits and misses of one report.

    Parameters
    ----------
    plot_of : ndarray of int64, shape (n,)
        Plot of each track, below 0 for none.
    ratio : ndarray of float64, shape (n,)
        Log-likelihood ratio of that plot.
    missed : ndarray of uint8, shape (n,)
        1 where the report speaks against a track, if no plot is its own.
    live : ndarray of uint8, shape (n,)
        1 for tracks whose score is bounded.
    log_missed, most : float
        ``ln(1 - P_D)``, and the greatest score.
    sensor, time : int
        Column of the sensor, and the time of the report [ns].
    hits, misses : ndarray of int64, shape (n,)
        Counts; changed in place.
    looks : ndarray of uint32, shape (n,)
        The last looks as bits, newest lowest, 1 for a hit; changed in place.
    score : ndarray of float64, shape (n,)
        Changed in place.
    sensor_hits, last_hit : ndarray of int64, shape (n, m)
        Hits by each sensor and the time of the last [ns]; changed in place.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const long long[::1] plot = require_array("plot_of", plot_of, "int64", 1)
    cdef Py_ssize_t n = plot.shape[0], m, column, k
    cdef const double[::1] gain = require_array("ratio", ratio, "float64", (n,))
    cdef const unsigned char[::1] against = require_array("missed", missed, "uint8", (n,))
    cdef const unsigned char[::1] bounded = require_array("live", live, "uint8", (n,))
    cdef double loss = require_number("log_missed", log_missed, -1e6, 0.0)
    cdef double limit = require_number("most", most, 0.0, 1e9)
    cdef long long[::1] hit = require_array("hits", hits, "int64", (n,), out=True, apart_from=(plot_of,))
    cdef long long[::1] miss = require_array("misses", misses, "int64", (n,), out=True, apart_from=(plot_of, hits))
    cdef unsigned int[::1] bits = require_array("looks", looks, "uint32", (n,), out=True)
    cdef double[::1] total = require_array("score", score, "float64", (n,), out=True, apart_from=(ratio,))
    cdef long long now = require_integer("time", time, -(1 << 63), (1 << 63) - 1)
    if n == 0:
        return
    require_array("sensor_hits", sensor_hits, "int64", 2)
    m = sensor_hits.shape[1]
    column = require_integer("sensor", sensor, 0, m - 1)
    cdef long long[:, ::1] own = require_array("sensor_hits", sensor_hits, "int64", (n, m), out=True)
    cdef long long[:, ::1] last = require_array(
        "last_hit", last_hit, "int64", (n, m), out=True, apart_from=(sensor_hits,)
    )
    with nogil:
        for k in range(n):
            if plot[k] >= 0:
                hit[k] += 1
                own[k, column] += 1
                last[k, column] = now
                bits[k] = (bits[k] << 1) | 1
                total[k] = total[k] + gain[k]
            elif against[k]:
                miss[k] += 1
                bits[k] = bits[k] << 1
                total[k] = total[k] + loss
            if bounded[k] and total[k] > limit:
                total[k] = limit
