"""Forecast: tracks moved ahead by one of five motion models with the unscented transform, one by one in place.

    x = sum of w_i f(X_i)        P = sum of c_i (f(X_i) - x) (f(X_i) - x)' + Q

over 17 sigma points (Julier, Uhlmann 2004, Proc. IEEE 92, eq. 11 to 15; scaled as by Wan, van der Merwe
2000). ``alpha = 1, beta = 0, kappa = 0`` makes it the cubature rule (Arasaratnam, Haykin 2009). ``motion.pxd`` has the
models. ``Q`` is that of white acceleration; rate of turn and drag walk. Where the model has no turn, the rate of
turn is drawn anew: zero with the sigma ``turn_sigma``, so that a turn that begins later is not thought to be known.
"""

from lookdown.kernels.checks import require_array, require_integer, require_number
from lookdown.kernels.motion cimport BALLISTIC, LEVEL, POINTS, STATES, carry, spread_points


def forecast(model, dt, density, turn_density, turn_sigma, drag_density, scaling, state, covariance):
    """Move tracks ahead.

    Parameters
    ----------
    model : int
        0 level, 1 coordinated turn, 2 ballistic, 3 glide with drag, 4 surface.
    dt : float
        How far, 0 to 1000 [s].
    density : float
        Spectral density of the acceleration, each axis [m^2/s^3].
    turn_density : float
        Of the rate of turn's walk [rad^2/s^3].
    turn_sigma : float
        Of the rate of turn where the model has none [rad/s].
    drag_density : float
        Of the drag's walk [1/(m^2 s)].
    scaling : tuple of three float
        ``alpha``, ``beta``, ``kappa`` of the sigma points.
    state : ndarray of float64, shape (n, 8)
        Position [m], velocity [m/s], rate of turn [rad/s], drag [1/m]; changed in place.
    covariance : ndarray of float64, shape (n, 8, 8)
        Of the state; changed in place.

    Returns
    -------
    int
        Tracks left as they were, because their covariance is not positive definite.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef int kind = require_integer("model", model, 0, 4)
    cdef double t = require_number("dt", dt, 0.0, 1000.0), q = require_number("density", density, 0.0, 1e12)
    cdef double turn = require_number("turn_density", turn_density, 0.0, 1e3)
    cdef double sigma = require_number("turn_sigma", turn_sigma, 1e-9, 1e3)
    cdef double drag = require_number("drag_density", drag_density, 0.0, 1e3)
    cdef double alpha = require_number("scaling[0]", scaling[0], 1e-6, 10.0)
    cdef double beta = require_number("scaling[1]", scaling[1], -10.0, 10.0)
    cdef double kappa = require_number("scaling[2]", scaling[2], -7.0, 100.0)
    cdef Py_ssize_t n = len(state), k, i, j, a, refused = 0
    require_array("covariance", covariance, "float64", (n, STATES, STATES), out=True, apart_from=(state,))
    if n == 0 or t == 0.0:
        return 0
    cdef double[:, ::1] x = require_array("state", state, "float64", (n, STATES), out=True)
    cdef double[:, :, ::1] p = covariance
    cdef double scale = alpha * alpha * (STATES + kappa)
    cdef double first = 1.0 - STATES / scale, other = 0.5 / scale
    cdef double first_c = first + 1.0 - alpha * alpha + beta
    cdef double root[64]
    cdef double point[136]
    cdef double mean[8]
    cdef double total
    with nogil:
        for k in range(n):
            if not spread_points(&x[k, 0], &p[k, 0, 0], scale, root, point):
                refused += 1
                continue
            for a in range(POINTS):
                carry(kind, &point[a * STATES], t)
            for i in range(STATES):
                # About the first point, so that large numbers do not cancel.
                total = 0.0
                for a in range(1, POINTS):
                    total += other * (point[a * STATES + i] - point[i])
                mean[i] = point[i] + total
            for a in range(POINTS):
                for i in range(STATES):
                    point[a * STATES + i] -= mean[i]
            for i in range(STATES):
                x[k, i] = mean[i]
                for j in range(i + 1):
                    total = first_c * point[i] * point[j]
                    for a in range(1, POINTS):
                        total += other * point[a * STATES + i] * point[a * STATES + j]
                    p[k, i, j] = total
            for i in range(3):
                p[k, i, i] += q * t * t * t / 3.0
                p[k, 3 + i, i] += q * t * t / 2.0
                p[k, 3 + i, 3 + i] += q * t
            p[k, 6, 6] += turn * t
            p[k, 7, 7] += drag * t
            if kind == LEVEL or kind == BALLISTIC:
                x[k, 6] = 0.0
                for i in range(6):
                    p[k, 6, i] = 0.0
                p[k, 7, 6] = 0.0
                p[k, 6, 6] = sigma * sigma
            for i in range(STATES):
                for j in range(i):
                    p[k, j, i] = p[k, i, j]
    return refused
