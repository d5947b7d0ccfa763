"""Revise: tracks corrected by a sight, a radar's plot or the height of the ground, with the unscented transform.

    z = sum of w_i h(X_i)    S = sum of c_i dz dz' + R    C = sum of c_i dx dz'
    x <- x + C S^-1 (y - z)    P <- P - C S^-1 C'

(Julier, Uhlmann 2004, Proc. IEEE 92, eq. 11 to 15.) With ``s = A' (p - o)`` in the sensor's axes, p where the target
was when the light left it, ``p - v R / c``, in axes that the Earth's turn has moved on since, ``- (R / c) W x p``::

    SIGHT   s0 / s2, s1 / s2
    RADAR   R, atan2(s0, s1), asin(s2 / R), (p - o).(v - v_o) / R      (axes east, north, up)
    HEIGHT  height over the ellipsoid (Bowring 1976)

Azimuths are compared the short way round.
"""

from libc.math cimport asin, atan2, cos, floor, hypot, log, sin, sqrt

from lookdown.kernels.checks import require_array, require_integer, require_number
from lookdown.kernels.motion cimport FLATTENING, POINTS, RADIUS, STATES, spread_points

cdef enum:
    MOST = 4
    SIGHT = 0
    RADAR = 1
    HEIGHT = 2

cdef double PI = 3.141592653589793
cdef double LOG_2PI = 1.8378770664093453


cdef inline double height_of(const double* x) noexcept nogil:
    cdef double b = RADIUS * (1.0 - FLATTENING), e2 = FLATTENING * (2.0 - FLATTENING)
    cdef double flat = hypot(x[0], x[1]), turn = atan2(x[2] * RADIUS, flat * b)
    cdef double s = sin(turn), c = cos(turn)
    cdef double latitude = atan2(x[2] + e2 / (1.0 - e2) * b * s * s * s, flat - e2 * RADIUS * c * c * c)
    cdef double normal = RADIUS / sqrt(1.0 - e2 * sin(latitude) * sin(latitude))
    return flat * cos(latitude) + x[2] * sin(latitude) - RADIUS * RADIUS / normal


cdef inline bint measure(
    int kind, const double* x, const double* frame, double delay, double spin, double* z
) noexcept nogil:
    """What a sensor measures of a state; False behind it."""
    cdef double away[3]
    cdef double s[3]
    cdef double r, tau
    cdef Py_ssize_t i
    if kind == HEIGHT:
        z[0] = height_of(x)
        return True
    r = 0.0
    for i in range(3):
        away[i] = x[i] - frame[i]
        r += away[i] * away[i]
    tau = sqrt(r) * delay
    for i in range(3):
        away[i] -= tau * x[3 + i]
    away[0] += tau * spin * x[1]
    away[1] -= tau * spin * x[0]
    for i in range(3):
        s[i] = away[0] * frame[3 + i] + away[1] * frame[6 + i] + away[2] * frame[9 + i]
    if kind == SIGHT:
        if not s[2] > 1.0:
            return False
        z[0] = s[0] / s[2]
        z[1] = s[1] / s[2]
        return True
    r = sqrt(s[0] * s[0] + s[1] * s[1] + s[2] * s[2])
    if not r > 1.0:
        return False
    z[0] = r
    z[1] = atan2(s[0], s[1])
    z[2] = asin(s[2] / r)
    z[3] = 0.0
    for i in range(3):
        z[3] += away[i] * (x[3 + i] - frame[12 + i]) / r
    return True


def revise(kind, frame, delay, spin, rows, scaling, measured, noise, state, covariance, likelihood):
    """Correct tracks, each with its own measurement.

    Parameters
    ----------
    kind : int
        0 sight (two tangents), 1 radar (range, azimuth, elevation, range rate), 2 height.
    frame : ndarray of float64, shape (15,)
        The sensor: position [m], axes as a matrix of columns row by row, velocity [m/s]; ECEF.
    delay : float
        Time of light [s/m], 1 / c, or 0 to leave it out.
    spin : float
        The Earth's rate [rad/s], or 0 to leave out its turn during the time of light.
    rows : ndarray of int64, shape (q,)
        Which tracks, each at most once.
    scaling : tuple of three float
        ``alpha``, ``beta``, ``kappa`` of the sigma points.
    measured : ndarray of float64, shape (q, d)
        d is 2, 4 or 1 by the kind.
    noise : ndarray of float64, shape (q, d, d)
        Covariance of each measurement.
    state, covariance : ndarray of float64, shapes (n, 8) and (n, 8, 8)
        Tracks as in `forecast`; changed in place.
    likelihood : ndarray of float64, shape (q,)
        Log-likelihood of each measurement before it was used; -1e300 of one that was not.

    Returns
    -------
    int
        Tracks left as they were: covariance or spread not positive definite, or a sigma point behind the sensor.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef int what = require_integer("kind", kind, 0, 2)
    cdef Py_ssize_t d = 2 if what == SIGHT else 4 if what == RADAR else 1
    cdef const double[::1] f = require_array("frame", frame, "float64", (15,))
    cdef double late = require_number("delay", delay, 0.0, 1e-6), turning = require_number("spin", spin, -1.0, 1.0)
    cdef const long long[::1] r = require_array("rows", rows, "int64", 1)
    cdef Py_ssize_t q = r.shape[0], n = len(state), k, i, j, a, b, refused = 0
    cdef double alpha = require_number("scaling[0]", scaling[0], 1e-6, 10.0)
    cdef double beta = require_number("scaling[1]", scaling[1], -10.0, 10.0)
    cdef double kappa = require_number("scaling[2]", scaling[2], -7.0, 100.0)
    require_array("noise", noise, "float64", (q, d, d))
    require_array("covariance", covariance, "float64", (n, STATES, STATES), out=True, apart_from=(state,))
    cdef double[::1] told = require_array("likelihood", likelihood, "float64", (q,), out=True)
    if q == 0:
        return 0
    cdef const double[:, ::1] y = require_array("measured", measured, "float64", (q, d))
    cdef double[:, ::1] x = require_array("state", state, "float64", (n, STATES), out=True)
    if rows.min() < 0 or rows.max() >= n:
        raise ValueError(f"rows: wanted rows from 0 to {n - 1}, got {rows.min()} to {rows.max()}")
    cdef const double[:, :, ::1] noisy = noise
    cdef double[:, :, ::1] p = covariance
    cdef double scale = alpha * alpha * (STATES + kappa)
    cdef double first = 1.0 - STATES / scale, other = 0.5 / scale
    cdef double first_c = first + 1.0 - alpha * alpha + beta
    cdef double root[64]
    cdef double point[136]
    cdef double seen[68]
    cdef double mean[4]
    cdef double s[16]
    cdef double low[16]
    cdef double cross[32]
    cdef double gain[32]
    cdef double miss[4]
    cdef double total, weight, distance, determinant
    cdef bint good
    with nogil:
        for a in range(q):
            k = r[a]
            told[a] = -1e300
            good = spread_points(&x[k, 0], &p[k, 0, 0], scale, root, point)
            for b in range(POINTS):
                good = good and measure(what, &point[b * STATES], &f[0], late, turning, &seen[b * MOST])
            if not good:
                refused += 1
                continue
            for b in range(1, POINTS):
                for i in range(d):
                    seen[b * MOST + i] -= seen[i]
                if what == RADAR:
                    seen[b * MOST + 1] -= 2.0 * PI * floor(seen[b * MOST + 1] / (2.0 * PI) + 0.5)
            for i in range(d):
                total = 0.0
                for b in range(1, POINTS):
                    total += other * seen[b * MOST + i]
                mean[i] = total
                miss[i] = y[a, i] - (seen[i] + total)
                seen[i] = 0.0
            if what == RADAR:
                miss[1] -= 2.0 * PI * floor(miss[1] / (2.0 * PI) + 0.5)
            for b in range(POINTS):
                for i in range(d):
                    seen[b * MOST + i] -= mean[i]
                for i in range(STATES):
                    point[b * STATES + i] -= x[k, i]
            for i in range(d):
                for j in range(d):
                    total = noisy[a, i, j] + first_c * seen[i] * seen[j]
                    for b in range(1, POINTS):
                        total += other * seen[b * MOST + i] * seen[b * MOST + j]
                    s[i * MOST + j] = total
                for j in range(STATES):
                    total = 0.0
                    for b in range(1, POINTS):
                        total += other * point[b * STATES + j] * seen[b * MOST + i]
                    cross[j * MOST + i] = total
            determinant = 1.0
            for i in range(d):
                for j in range(i + 1):
                    total = s[i * MOST + j]
                    for b in range(j):
                        total = total - low[i * MOST + b] * low[j * MOST + b]
                    if i == j:
                        good = good and total > 0.0
                        low[i * MOST + i] = sqrt(total) if total > 0.0 else 1.0
                        determinant = determinant * low[i * MOST + i]
                    else:
                        low[i * MOST + j] = total / low[j * MOST + j]
            if not good:
                refused += 1
                continue
            # With L of S: e = L^-1 (y - z) and g = C L^-T, so that x += g e and P -= g g'.
            distance = 0.0
            for i in range(d):
                total = miss[i]
                for j in range(i):
                    total = total - low[i * MOST + j] * miss[j]
                miss[i] = total / low[i * MOST + i]
                distance += miss[i] * miss[i]
                for b in range(STATES):
                    weight = cross[b * MOST + i]
                    for j in range(i):
                        weight = weight - low[i * MOST + j] * gain[b * MOST + j]
                    gain[b * MOST + i] = weight / low[i * MOST + i]
            told[a] = -0.5 * (distance + d * LOG_2PI) - log(determinant)
            for i in range(STATES):
                for j in range(d):
                    x[k, i] += gain[i * MOST + j] * miss[j]
                for j in range(STATES):
                    total = 0.0
                    for b in range(d):
                        total += gain[i * MOST + b] * gain[j * MOST + b]
                    p[k, i, j] -= total
    return refused
