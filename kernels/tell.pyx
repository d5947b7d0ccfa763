"""Tell: rows of the table of tracks written out as records, one after the other.

A record is packed, its fields of the types that the table has; where each begins is told by the caller, who knows the
record's type. Fields that are not named stay as they are.
"""

from libc.string cimport memcpy

from lookdown.kernels.checks import require_array, require_integer

cdef enum:
    FIELDS = 12
    NUMBER = 8  # octets of a whole or real number


# Octets of each field.
cdef int[12] OCTETS = [8, 8, 24, 24, 288, 1, 8, 8, 8, 2, 1, 1]


def tell_tracks(
    rows, time, sensor_id, recent, track_id, state, covariance, status, score, hits, misses, single, last_hit, places,
    records
):
    """Write tracks as records.

    Parameters
    ----------
    rows : ndarray of int64, shape (q,)
        Which tracks.
    time : int
        Of the estimates [ns].
    sensor_id : int
        Sensor that made them, 16 bits.
    recent : int
        Time from which on a sensor that hit a track counts as one that sees it [ns].
    track_id : ndarray of int64, shape (n,)
        Identities.
    state, covariance : ndarray of float64, shapes (n, 6) and (n, 6, 6)
        Estimates.
    status : ndarray of uint8, shape (n,)
        Status of each.
    score : ndarray of float64, shape (n,)
        Score of each.
    hits, misses : ndarray of int64, shape (n,)
        Counts.
    single : ndarray of uint8, shape (n,)
        Told as 1 where it is above 0.
    last_hit : ndarray of int64, shape (n, m)
        Time of the last hit by each sensor [ns].
    places : ndarray of int64, shape (12,)
        First octet in a record of identity, time, position, velocity, covariance, status, score, hits, misses, sensor,
        number of sensors, single.
    records : ndarray of uint8, shape (q, octets)
        Written to.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or an index or a number is out of its range.
    """
    cdef const long long[::1] r = require_array("rows", rows, "int64", 1)
    cdef const long long[::1] ident = require_array("track_id", track_id, "int64", 1)
    cdef Py_ssize_t q = r.shape[0], n = ident.shape[0], m, size, i, j, t
    cdef long long now = require_integer("time", time, -(1 << 63), (1 << 63) - 1)
    cdef long long since = require_integer("recent", recent, -(1 << 63), (1 << 63) - 1)
    cdef unsigned short sender = require_integer("sensor_id", sensor_id, 0, 65535)
    cdef const long long[::1] at = require_array("places", places, "int64", (FIELDS,))
    cdef const unsigned char[::1] state_of = require_array("status", status, "uint8", (n,))
    cdef const unsigned char[::1] alone = require_array("single", single, "uint8", (n,))
    cdef const double[::1] points = require_array("score", score, "float64", (n,))
    cdef const long long[::1] hit = require_array("hits", hits, "int64", (n,))
    cdef const long long[::1] miss = require_array("misses", misses, "int64", (n,))
    if q == 0:
        return
    cdef const double[:, ::1] x = require_array("state", state, "float64", (n, 6))
    cdef const double[:, :, ::1] p = require_array("covariance", covariance, "float64", (n, 6, 6))
    cdef const long long[:, ::1] when = require_array("last_hit", last_hit, "int64", 2)
    m = when.shape[1]
    require_array("last_hit", last_hit, "int64", (n, m))
    require_array("records", records, "uint8", 2, out=True, apart_from=(state, covariance, last_hit))
    size = records.shape[1]
    cdef unsigned char[:, ::1] out = require_array("records", records, "uint8", (q, size), out=True)
    for i in range(FIELDS):
        if not 0 <= at[i] <= size - OCTETS[i]:
            raise ValueError(f"places: wanted fields within {size} octets, got {at[i]}; take them from the dtype")
    for i in range(q):
        if not 0 <= r[i] < n:
            raise ValueError(f"rows: wanted rows from 0 to {n - 1}, got {r[i]}; take them from the table")
    cdef unsigned char* to
    cdef unsigned char seen
    with nogil:
        for i in range(q):
            t, to, seen = r[i], &out[i, 0], 0
            for j in range(m):
                if when[t, j] >= since:
                    seen += 1
            memcpy(to + at[0], &ident[t], NUMBER)
            memcpy(to + at[1], &now, NUMBER)
            memcpy(to + at[2], &x[t, 0], 3 * NUMBER)
            memcpy(to + at[3], &x[t, 3], 3 * NUMBER)
            memcpy(to + at[4], &p[t, 0, 0], 36 * NUMBER)
            to[at[5]] = state_of[t]
            memcpy(to + at[6], &points[t], NUMBER)
            memcpy(to + at[7], &hit[t], NUMBER)
            memcpy(to + at[8], &miss[t], NUMBER)
            memcpy(to + at[9], &sender, 2)
            to[at[10]] = seen
            to[at[11]] = alone[t] > 0
