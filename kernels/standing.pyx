"""Standing: whether a sensor's lines of sight rule out that a track is a point that stands still.

The first line of sight of a sensor passed the ground at one place and the highest cloud tops at another; what stands
lies on the segment between the two. A later line that passes the segment farther off than noise would bring it shows
motion. Seen along the line, the line is a point and the segment a shorter one::

    first, second <- (I - u u')(end - origin)        away = |first + clip(-first . step / |step|^2, 0, 1) step|
    away > least + sigmas hypot(range sqrt(centroid^2 + pointing^2), position)
"""

from libc.math cimport hypot, isnan, sqrt

from lookdown.kernels.checks import require_array, require_integer, require_number


cdef inline double dot(const double* a, const double* b) noexcept nogil:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


cdef double distance_to(
    const double* origin, const double* sight, const double* ends, double* first_range
) noexcept nogil:
    """Distance of a line of sight from a segment; how far its first end is from the sensor."""
    cdef double first[3]
    cdef double step[3]
    cdef double along, along_step, share
    cdef Py_ssize_t i
    for i in range(3):
        first[i] = ends[i] - origin[i]
        step[i] = ends[3 + i] - origin[i]
    first_range[0] = sqrt(dot(first, first))
    along, along_step = dot(first, sight), dot(step, sight)
    for i in range(3):
        first[i] = first[i] - along * sight[i]
        step[i] = step[i] - along_step * sight[i] - first[i]
    share = -dot(first, step) / max(dot(step, step), 1e-12)
    share = min(max(share, 0.0), 1.0)
    for i in range(3):
        first[i] = first[i] + share * step[i]
    return sqrt(dot(first, first))


def rule_out_standing(
    rows, plots, sensor, origin, direction, variance, anchor, pointing, position, least, sigmas, away, moved
):
    """Note which tracks a report has shown to move.

    Parameters
    ----------
    rows, plots : ndarray of int64, shape (q,)
        Tracks, and the plots that hit them.
    sensor : int
        Column of the sensor.
    origin : ndarray of float64, shape (3,)
        Where it is [m].
    direction : ndarray of float64, shape (k, 3)
        Unit lines of sight of its plots.
    variance : ndarray of float64, shape (k, 2)
        Variances of the plots, each axis [rad^2].
    anchor : ndarray of float64, shape (n, m, 2, 3)
        Ends of the segment that each sensor's first line of sight left to each track [m]; nan before.
    pointing, position : float
        One sigma of the sensor's pointing [rad] and of its place [m].
    least, sigmas : float
        Displacement beyond noise [m], and how many sigmas noise is.
    away : ndarray of float64, shape (q,)
        Distance of each line of sight from its segment [m]; written where there is one and no motion was seen before.
    moved : ndarray of uint8, shape (n, m)
        1 where a sensor has seen a track move; set.

    Returns
    -------
    int
        Tracks of ``rows`` that neither moved before nor have a segment yet: this is the sensor's first line.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or an index or a number is out of its range.
    """
    cdef const long long[::1] r = require_array("rows", rows, "int64", 1)
    cdef Py_ssize_t q = r.shape[0], n, m, k, column, i, t, new = 0
    cdef const long long[::1] plot = require_array("plots", plots, "int64", (q,))
    cdef const double[::1] o = require_array("origin", origin, "float64", (3,))
    cdef double turn = require_number("pointing", pointing, 0.0, 1e3)
    cdef double place = require_number("position", position, 0.0, 1e9)
    cdef double enough = require_number("least", least, 0.0, 1e9)
    cdef double times = require_number("sigmas", sigmas, 0.0, 1e3)
    cdef double[::1] far = require_array(
        "away", away, "float64", (q,), out=True, apart_from=(origin, direction, anchor)
    )
    if q == 0:
        return 0
    cdef unsigned char[:, ::1] goes = require_array("moved", moved, "uint8", 2, out=True)
    n, m = goes.shape[0], goes.shape[1]
    column = require_integer("sensor", sensor, 0, m - 1)
    cdef const double[:, :, :, ::1] ends = require_array("anchor", anchor, "float64", (n, m, 2, 3))
    cdef const double[:, ::1] u = require_array("direction", direction, "float64", 2)
    k = u.shape[0]
    require_array("direction", direction, "float64", (k, 3))
    cdef const double[:, ::1] v = require_array("variance", variance, "float64", (k, 2))
    for i in range(q):
        if not 0 <= r[i] < n:
            raise ValueError(f"rows: wanted rows from 0 to {n - 1}, got {r[i]}; take them from the table")
        if not 0 <= plot[i] < k:
            raise ValueError(f"plots: wanted plots from 0 to {k - 1}, got {plot[i]}; take them from the report")
    cdef double range_m = 0.0, sigma
    with nogil:
        for i in range(q):
            t = r[i]
            if goes[t, column]:
                continue
            if isnan(ends[t, column, 0, 0]):
                new += 1
                continue
            far[i] = distance_to(&o[0], &u[plot[i], 0], &ends[t, column, 0, 0], &range_m)
            sigma = hypot(range_m * sqrt(max(v[plot[i], 0], v[plot[i], 1]) + turn * turn), place)
            goes[t, column] = far[i] > enough + times * sigma
    return new
