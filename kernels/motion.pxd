"""Motion of a target over the turning Earth: five models of one state, and their integration.

State of eight numbers: position [m] and velocity [m/s] in ECEF, rate of turn about the vertical [rad/s], and drag
``k = rho_0 C_d A / (2 m)`` at sea level [1/m]. With ``u = p / |p|`` and ``level = (v (p.v) - p (v.v)) / |p|^2``, which
keeps speed, climb and great circle (lift carries the weight)::

    LEVEL      v' = level
    TURN       v' = level + w u x v                                     (coordinated turn)
    BALLISTIC  v' = gravity with J2 - 2 W x v - W x (W x p)             (W: the Earth's rate)
    GLIDE      v' = level + w u x v - k exp(-h / 7 km) |v| v            (glide with drag)
    SURFACE    as TURN; the height of the ground is a measurement of its own (`revise`)

Gravity: WGS-84 and its second zonal harmonic (Vallado 2013, eq. 8-25). Integrated by the classical Runge-Kutta method
of fourth order in steps of a second at most.
"""

from libc.math cimport ceil, exp, sqrt

cdef enum:
    STATES = 8
    POINTS = 17

cdef enum:
    LEVEL = 0
    TURN = 1
    BALLISTIC = 2
    GLIDE = 3
    SURFACE = 4

cdef extern from *:
    """
    static const double GM = 3.986004418e14;  /* m^3/s^2 */
    static const double RADIUS = 6378137.0;  /* m */
    static const double FLATTENING = 1.0 / 298.257223563;
    static const double J2 = 1.08262982e-3;
    static const double SPIN = 7.292115e-5;  /* rad/s */
    static const double SCALE_HEIGHT = 7000.0;  /* m, of the density of air */
    """
    const double GM, RADIUS, FLATTENING, J2, SPIN, SCALE_HEIGHT


cdef inline void slope(int model, const double* x, double* d) noexcept nogil:
    """Derivative of a state."""
    cdef double rr = x[0] * x[0] + x[1] * x[1] + x[2] * x[2], r = sqrt(rr)
    cdef double pv, vv, lift, drag, height, sine, far, push
    cdef Py_ssize_t i
    for i in range(3):
        d[i] = x[3 + i]
    d[6] = 0.0
    d[7] = 0.0
    if model == BALLISTIC:
        sine = x[2] / r
        far = 1.5 * J2 * (RADIUS / r) * (RADIUS / r)
        push = -GM / (rr * r)
        d[3] = push * x[0] * (1.0 + far * (1.0 - 5.0 * sine * sine)) + 2.0 * SPIN * x[4] + SPIN * SPIN * x[0]
        d[4] = push * x[1] * (1.0 + far * (1.0 - 5.0 * sine * sine)) - 2.0 * SPIN * x[3] + SPIN * SPIN * x[1]
        d[5] = push * x[2] * (1.0 + far * (3.0 - 5.0 * sine * sine))
        return
    pv = (x[0] * x[3] + x[1] * x[4] + x[2] * x[5]) / rr
    vv = x[3] * x[3] + x[4] * x[4] + x[5] * x[5]
    lift = vv / rr
    for i in range(3):
        d[3 + i] = x[3 + i] * pv - x[i] * lift
    if model == LEVEL:
        return
    d[3] += x[6] / r * (x[1] * x[5] - x[2] * x[4])
    d[4] += x[6] / r * (x[2] * x[3] - x[0] * x[5])
    d[5] += x[6] / r * (x[0] * x[4] - x[1] * x[3])
    if model == GLIDE:
        sine = x[2] / r
        height = r - RADIUS * (1.0 - FLATTENING * sine * sine)
        drag = x[7] * exp(-height / SCALE_HEIGHT) * sqrt(vv)
        for i in range(3):
            d[3 + i] -= drag * x[3 + i]


cdef inline void carry(int model, double* x, double dt) noexcept nogil:
    """Integrate a state over ``dt``."""
    cdef double a[8]
    cdef double b[8]
    cdef double c[8]
    cdef double e[8]
    cdef double y[8]
    cdef Py_ssize_t i, _, steps = <Py_ssize_t> ceil(dt)
    cdef double h = dt / steps if steps > 0 else 0.0
    for _ in range(steps):
        slope(model, x, a)
        for i in range(STATES):
            y[i] = x[i] + 0.5 * h * a[i]
        slope(model, y, b)
        for i in range(STATES):
            y[i] = x[i] + 0.5 * h * b[i]
        slope(model, y, c)
        for i in range(STATES):
            y[i] = x[i] + h * c[i]
        slope(model, y, e)
        for i in range(STATES):
            x[i] += h / 6.0 * (a[i] + 2.0 * (b[i] + c[i]) + e[i])


cdef inline bint spread_points(
    const double* x, const double* p, double scale, double* root, double* points
) noexcept nogil:
    """Sigma points ``x``, ``x + sqrt(scale) L_i``, ``x - sqrt(scale) L_i``; False if P is not positive definite."""
    cdef double total, width = sqrt(scale)
    cdef Py_ssize_t i, j, k
    for i in range(STATES):
        for j in range(i + 1):
            total = p[i * STATES + j]
            for k in range(j):
                total = total - root[i * STATES + k] * root[j * STATES + k]
            if i == j:
                if not total > 0.0:
                    return False
                root[i * STATES + i] = sqrt(total)
            else:
                root[i * STATES + j] = total / root[j * STATES + j]
                root[j * STATES + i] = 0.0
    for i in range(STATES):
        points[i] = x[i]
    for j in range(STATES):
        for i in range(STATES):
            points[(1 + j) * STATES + i] = x[i] + width * root[i * STATES + j]
            points[(1 + STATES + j) * STATES + i] = x[i] - width * root[i * STATES + j]
    return True
