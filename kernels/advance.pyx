"""Advance: tracks moved ahead in time, their covariances with them, one track after the other in place.

A mover keeps its speed, its climb and its great circle, ``v' = w x v`` with ``w = p x v / |p|^2``, or flies straight;
to second order in ``|w| dt``. With ``F = [[I, dt I], [0, I]]`` and white acceleration of density q::

    P <- F P F' + q [[dt^3 / 3, dt^2 / 2], [dt^2 / 2, dt]] (x) I        C <- fade F C

(Bar-Shalom, Li, Kirubarajan 2001, eq. 6.2.2-12). ``C`` is the covariance with errors that several plots share.
"""

from lookdown.kernels.checks import require_array, require_number


cdef void move(double* x, double dt, bint circle) noexcept nogil:
    cdef double pp, pv, vv, bend
    cdef Py_ssize_t i
    if circle:
        pp = x[0] * x[0] + x[1] * x[1] + x[2] * x[2]
        pv = x[0] * x[3] + x[1] * x[4] + x[2] * x[5]
        vv = x[3] * x[3] + x[4] * x[4] + x[5] * x[5]
    for i in range(3):
        bend = (x[3 + i] * pv - x[i] * vv) / pp if circle else 0.0
        x[i] = x[i] + x[3 + i] * dt + bend * (0.5 * dt * dt)
        x[3 + i] = x[3 + i] + bend * dt


cdef void spread(double* p, double dt, double third, double half, double whole) noexcept nogil:
    cdef Py_ssize_t i, j
    for i in range(3):
        for j in range(6):
            p[6 * i + j] += dt * p[6 * (i + 3) + j]
    for i in range(6):
        for j in range(3):
            p[6 * i + j] += dt * p[6 * i + j + 3]
    for i in range(3):
        p[7 * i] += third
        p[7 * i + 3] += half
        p[7 * i + 18] += half
        p[7 * i + 21] += whole


def advance(double dt, double density, double fade, bint circle, state, covariance, cross):
    """Move tracks ahead.

    Parameters
    ----------
    dt : float
        How far, 0 or more [s].
    density : float
        Spectral density of the acceleration, each axis [m^2/s^3].
    fade : float
        What is left of the shared errors after ``dt``, 0 to 1.
    circle : bool
        Along great circles about the origin, or straight.
    state : ndarray of float64, shape (n, 6)
        Position [m] and velocity [m/s]; changed in place, as the next two are.
    covariance : ndarray of float64, shape (n, 6, 6)
        Covariance of the state.
    cross : ndarray of float64, shape (n, 6, m)
        Covariance of the state with m shared errors.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    require_number("dt", dt, 0.0, 1e9)
    require_number("density", density, 0.0, 1e12)
    require_number("fade", fade, 0.0, 1.0)
    cdef Py_ssize_t n = len(state), m, k, i, j
    require_array("cross", cross, "float64", 3, out=True)
    require_array("cross", cross, "float64", (n, 6, cross.shape[2]), out=True, apart_from=(state, covariance))
    require_array("covariance", covariance, "float64", (n, 6, 6), out=True, apart_from=(state,))
    if n == 0 or dt == 0.0:
        return
    cdef double[:, ::1] x = require_array("state", state, "float64", (n, 6), out=True)
    cdef double[:, :, ::1] p = covariance
    cdef double[:, :, ::1] c = cross
    cdef double third = density * dt * dt * dt / 3.0, half = density * dt * dt / 2.0
    m = c.shape[2]
    with nogil:
        for k in range(n):
            move(&x[k, 0], dt, circle)
            spread(&p[k, 0, 0], dt, third, half, density * dt)
            for i in range(3):
                for j in range(m):
                    c[k, i, j] = fade * (c[k, i, j] + dt * c[k, i + 3, j])
            for i in range(3, 6):
                for j in range(m):
                    c[k, i, j] *= fade
