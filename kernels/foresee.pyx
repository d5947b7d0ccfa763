"""Foresee: where a sensor should see targets, how uncertain that is, and how high places lie; one row after the other.

Light that a sensor gathers left the target ``tau = R / c`` before. With ``s = A' (p - v tau - o)`` in sensor axes::

    x = s0 / s2, y = s1 / s2        dh/dp = 1 / s2 [1 0 -x; 0 1 -y] A'        dh/dv = -tau dh/dp

A body stands in the way if the point of the line nearest to its middle, on axes scaled to make it a unit sphere, lies
within it. The spread of a prediction with an error ``b`` of one sigma ``s`` that all plots of a sensor share (Schmidt
1966) is ``H P H' + s (H C + C' H') + s^2 B``, where ``B``, in units of that sigma, is what is left of the error.
"""

from libc.math cimport sqrt

from lookdown.kernels.checks import require_array, require_integer, require_number

from lookdown.kernels.height cimport height_over


cdef inline bint is_hidden(const double* origin, const double* offset, const double* half_axes) noexcept nogil:
    cdef double along = 0.0, length = 0.0, square = 0.0, start, step
    cdef Py_ssize_t i
    for i in range(3):
        start, step = origin[i] / half_axes[i], offset[i] / half_axes[i]
        along = along - start * step
        length = length + step * step
    along = along / max(length, 1e-30)
    along = min(max(along, 0.0), 1.0)
    for i in range(3):
        step = (origin[i] + along * offset[i]) / half_axes[i]
        square = square + step * step
    return square < 1.0


cdef void foresee_one(
    const double* state, const double* origin, const double* axes, const double* half_axes, double speed,
    double* tangent, double* jacobian, double* distance, unsigned char* visible
) noexcept nogil:
    cdef double offset[3]
    cdef double seen[3]
    cdef double square = 0.0, tau, depth, slope
    cdef Py_ssize_t i, j
    for i in range(3):
        offset[i] = state[i] - origin[i]
        square = square + offset[i] * offset[i]
    distance[0] = sqrt(square)
    tau = distance[0] / speed
    for i in range(3):
        offset[i] = offset[i] - tau * state[3 + i]
    for j in range(3):
        seen[j] = offset[0] * axes[j] + offset[1] * axes[3 + j] + offset[2] * axes[6 + j]
    visible[0] = seen[2] > 1.0 and not is_hidden(origin, offset, half_axes)
    depth = seen[2] if seen[2] > 1.0 else 1.0
    for j in range(2):
        tangent[j] = seen[j] / depth
        for i in range(3):
            slope = (axes[3 * i + j] - tangent[j] * axes[3 * i + 2]) / depth
            jacobian[6 * j + i] = slope
            jacobian[6 * j + 3 + i] = -tau * slope


def foresee(state, origin, axes, half_axes, speed, tangent, jacobian, distance, visible):
    """Predict the tangents of targets, their Jacobian, distance and visibility.

    Parameters
    ----------
    state : ndarray of float64, shape (n, 6)
        Position [m] and velocity [m/s] of each target.
    origin : ndarray of float64, shape (3,)
        Where the sensor is [m].
    axes : ndarray of float64, shape (3, 3)
        Sensor axes as columns; the third is the boresight.
    half_axes : ndarray of float64, shape (3,)
        Of the ellipsoid about zero that hides what is behind it, above 0 [m].
    speed : float
        That of light [m/s].
    tangent : ndarray of float64, shape (n, 2)
        Predicted (x, y) [1].
    jacobian : ndarray of float64, shape (n, 2, 6)
        Its derivative by the state [1/m, s/m].
    distance : ndarray of float64, shape (n,)
        From the sensor, the light's way left out [m].
    visible : ndarray of uint8, shape (n,)
        1 in front of the sensor and not hidden.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef double c = require_number("speed", speed, 1.0, 1e12)
    cdef const double[::1] o = require_array("origin", origin, "float64", (3,))
    cdef const double[:, ::1] a = require_array("axes", axes, "float64", (3, 3))
    cdef const double[::1] e = require_array("half_axes", half_axes, "float64", (3,))
    cdef Py_ssize_t n = len(state), k
    require_array("jacobian", jacobian, "float64", (n, 2, 6), out=True, apart_from=(state,))
    cdef double[::1] r = require_array("distance", distance, "float64", (n,), out=True, apart_from=(state,))
    cdef unsigned char[::1] v = require_array("visible", visible, "uint8", (n,), out=True)
    for k in range(3):
        require_number("half_axes", half_axes[k], 1e-300, 1e300)
    if n == 0:
        return
    cdef const double[:, ::1] x = require_array("state", state, "float64", (n, 6))
    cdef double[:, ::1] t = require_array("tangent", tangent, "float64", (n, 2), out=True, apart_from=(state,))
    cdef double[:, :, ::1] h = jacobian
    with nogil:
        for k in range(n):
            foresee_one(&x[k, 0], &o[0], &a[0, 0], &e[0], c, &t[k, 0], &h[k, 0, 0], &r[k], &v[k])


def spread_about(jacobian, covariance, cross, own, shared, common, spread):
    """Covariance of predicted measurements about noiseless ones, with the errors that plots share.

    Parameters
    ----------
    jacobian : ndarray of float64, shape (n, 2, 6)
        Derivative of the measurement by the state.
    covariance : ndarray of float64, shape (n, 6, 6)
        Of each state; symmetric.
    cross : ndarray of float64, shape (n, 6, m)
        Covariance of the state with shared errors.
    own : int
        First of the two columns of ``cross`` that belong to this sensor.
    shared : ndarray of float64, shape (n,)
        One sigma of the sensor's error.
    common : ndarray of float64, shape (2, 2)
        ``B``, symmetric.
    spread : ndarray of float64, shape (n, 2, 2)
        Covariances.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef Py_ssize_t n = len(jacobian), m, k, i, j, a, b, column
    cdef double[12] w
    cdef double total, mixed
    require_array("cross", cross, "float64", 3)
    m = cross.shape[2]
    column = require_integer("own", own, 0, m - 2)
    cdef const double[:, :, ::1] h = require_array("jacobian", jacobian, "float64", (n, 2, 6))
    cdef const double[:, :, ::1] p = require_array("covariance", covariance, "float64", (n, 6, 6))
    cdef const double[:, :, ::1] c = require_array("cross", cross, "float64", (n, 6, m))
    cdef const double[::1] s = require_array("shared", shared, "float64", (n,))
    cdef const double[:, ::1] left = require_array("common", common, "float64", (2, 2))
    cdef double[:, :, ::1] out = require_array(
        "spread", spread, "float64", (n, 2, 2), out=True, apart_from=(jacobian, covariance, cross)
    )
    with nogil:
        for k in range(n):
            for a in range(2):
                for j in range(6):
                    total = 0.0
                    for i in range(6):
                        total = total + h[k, a, i] * p[k, i, j]
                    w[6 * a + j] = total
            for a in range(2):
                for b in range(a + 1):
                    total = s[k] * s[k] if a == b else 0.0
                    mixed = 0.0
                    for i in range(6):
                        total = total + w[6 * a + i] * h[k, b, i]
                        mixed = mixed + h[k, a, i] * c[k, i, column + b] + h[k, b, i] * c[k, i, column + a]
                    total = total + s[k] * mixed
                    total = total + s[k] * s[k] * (left[a, b] - (1.0 if a == b else 0.0))
                    out[k, a, b] = total
                    out[k, b, a] = total


def heights_over(position, semi_major, flattening, height):
    """Heights of places over an ellipsoid of revolution about the third axis.

    Within 1e-8 m of the same with angles up to 40,000 km (`height.pxd`).

    Parameters
    ----------
    position : ndarray of float64, shape (n, 3)
        Places [m].
    semi_major, flattening : float
        Equatorial half axis [m], and by how much the polar one is shorter, 0 to below 1.
    height : ndarray of float64, shape (n,)
        Heights [m]; nan where a place is.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef double a = require_number("semi_major", semi_major, 1e-3, 1e12)
    cdef double f = require_number("flattening", flattening, 0.0, 0.9)
    cdef Py_ssize_t n = len(position), k
    cdef double[::1] h = require_array("height", height, "float64", (n,), out=True, apart_from=(position,))
    if n == 0:
        return
    cdef const double[:, ::1] p = require_array("position", position, "float64", (n, 3))
    with nogil:
        for k in range(n):
            h[k] = height_over(&p[k, 0], a, f)
