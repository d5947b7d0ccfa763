"""Lines of sight: turned from axes to axes, met with the Earth, sent through the lens and back.

A line meets the ellipsoid with half axes ``a``, ``a``, ``c`` at the nearer root of ``|(o + t u) / axes|^2 = 1``. The
lens is that of `lookdown.geo.camera` (Brown 1971, radial terms; beyond the image a straight line).
"""

from libc.math cimport hypot, sqrt

cdef enum:
    HALVINGS = 60  # of a radius in which it is looked for: to the rounding of doubles


cdef inline void turn(const double* q, double sign, const double* v, double* out) noexcept nogil:
    """Turn a vector by a unit quaternion, scalar first; with ``sign`` -1 by its inverse."""
    cdef double x = sign * q[1], y = sign * q[2], z = sign * q[3]
    cdef double a = 2.0 * (y * v[2] - z * v[1]), b = 2.0 * (z * v[0] - x * v[2]), c = 2.0 * (x * v[1] - y * v[0])
    out[0] = (v[0] + q[0] * a) + (y * c - z * b)
    out[1] = (v[1] + q[0] * b) + (z * a - x * c)
    out[2] = (v[2] + q[0] * c) + (x * b - y * a)


cdef inline bint meet(const double* origin, const double* sight, const double* axes, double* point) noexcept nogil:
    """Nearest point of a line on the ellipsoid; False if there is none ahead."""
    cdef double[3] start
    cdef double[3] step
    cdef double a, b, c, discriminant, root, distance
    cdef Py_ssize_t k
    for k in range(3):
        start[k] = origin[k] / axes[k]
        step[k] = sight[k] / axes[k]
    a = (step[0] * step[0] + step[1] * step[1]) + step[2] * step[2]
    b = (start[0] * step[0] + start[1] * step[1]) + start[2] * step[2]
    c = ((start[0] * start[0] + start[1] * start[1]) + start[2] * start[2]) - 1.0
    discriminant = b * b - a * c
    if not discriminant >= 0:
        return False
    root = sqrt(discriminant)
    if c < 0:  # from inside
        distance = (root - b) / a
    elif b < 0:
        distance = c / (root - b)
    else:
        return False
    for k in range(3):
        point[k] = origin[k] + distance * sight[k]
    return True


cdef inline void see(const double* lens, double x, double y, double* row, double* col) noexcept nogil:
    """Pixel of a line of sight given by its tangents."""
    cdef double radius, square, scale = 1.0
    if lens[1] != 0 or lens[2] != 0:
        radius = hypot(x, y)
        square = min(radius, lens[3])
        square = square * square
        scale = 1.0 + square * (lens[1] + square * lens[2])
        if radius > lens[3]:
            scale = (lens[4] + lens[5] * (radius - lens[3])) / radius
        x = x * scale
        y = y * scale
    row[0] = y / lens[0] + lens[6]
    col[0] = x / lens[0] + lens[7]


cdef inline double image_radius(const double* lens, double radius) noexcept nogil:
    """Radius of a line of sight in the image, both as tangents."""
    cdef double square = min(radius, lens[3])
    square = square * square
    if radius > lens[3]:
        return lens[4] + lens[5] * (radius - lens[3])
    return radius * (1.0 + square * (lens[1] + square * lens[2]))


cdef inline void look(const double* lens, double row, double col, double* sight) noexcept nogil:
    """Line of sight (x, y, 1) of a pixel, by halving: the image radius grows with the radius."""
    cdef double x = (col - lens[7]) * lens[0], y = (row - lens[6]) * lens[0]
    cdef double image, low = 0, high, middle
    cdef Py_ssize_t _step
    if lens[1] != 0 or lens[2] != 0:
        image = hypot(x, y)
        high = image / lens[5]  # the slope is nowhere less
        for _step in range(HALVINGS):
            middle = 0.5 * (low + high)
            if image_radius(lens, middle) < image:
                low = middle
            else:
                high = middle
        if image > 0:
            x = x * (high / image)
            y = y * (high / image)
    sight[0], sight[1], sight[2] = x, y, 1.0
