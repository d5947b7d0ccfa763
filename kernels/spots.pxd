"""Least squares of a few point spots and a level in a window of the residual; the formulas stand in ``fit.pyx``.

A spot is the product of a profile along rows and one along columns, so each sum over the window that the normal
equations hold is a product of two sums along a line: only the products with the data run over the pixels.
"""

from libc.math cimport erf, exp, fmax, sqrt
from libc.string cimport memset

cdef enum:
    MOST_SPOTS = 4
    MOST_PARAMETERS = 13  # amplitude, row and column of each spot, and the level
    LONGEST = 40  # side of the largest window [pixel]


cdef struct Spots:
    Py_ssize_t n
    double[MOST_SPOTS] flux  # [frame unit]
    double[MOST_SPOTS] row  # [pixel]
    double[MOST_SPOTS] col
    double level
    Py_ssize_t top  # window
    Py_ssize_t left
    Py_ssize_t height
    Py_ssize_t width
    double misfit  # sum of squares that is left
    double energy  # sum of squares of the spots alone, at unit flux one by one
    double[MOST_SPOTS] norm2
    double[MOST_PARAMETERS * MOST_PARAMETERS] normal
    double[MOST_PARAMETERS] gradient


cdef inline void profile(
    double centre, Py_ssize_t first, Py_ssize_t n, double sigma, double* share, double* slope
) noexcept nogil:
    """Share of a Gaussian's light that falls on each pixel of a line, and its derivative by the place."""
    cdef Py_ssize_t i
    cdef double inverse = 1 / sigma, density = 0.3989422804014327 / sigma, root_half = 0.7071067811865476
    cdef double edge, below, above, before, after
    edge = (first - centre - 0.5) * inverse
    below = erf(edge * root_half)
    before = exp(-0.5 * edge * edge)
    for i in range(n):
        edge = (first + i - centre + 0.5) * inverse
        above = erf(edge * root_half)
        after = exp(-0.5 * edge * edge)
        share[i] = 0.5 * (above - below)
        slope[i] = density * (before - after)
        below = above
        before = after


cdef inline double dot(const double* a, const double* b, Py_ssize_t n) noexcept nogil:
    # Four sums side by side: one would wait for itself at each addition.
    cdef Py_ssize_t i = 0
    cdef double first = 0, second = 0, third = 0, fourth = 0
    while i + 4 <= n:
        first += a[i] * b[i]
        second += a[i + 1] * b[i + 1]
        third += a[i + 2] * b[i + 2]
        fourth += a[i + 3] * b[i + 3]
        i += 4
    while i < n:
        first += a[i] * b[i]
        i += 1
    return (first + second) + (third + fourth)


cdef inline double dot_data(const float* a, const double* b, Py_ssize_t n) noexcept nogil:
    # Four sums side by side: one would wait for itself at each addition.
    cdef Py_ssize_t i = 0
    cdef double first = 0, second = 0, third = 0, fourth = 0
    while i + 4 <= n:
        first += a[i] * b[i]
        second += a[i + 1] * b[i + 1]
        third += a[i + 2] * b[i + 2]
        fourth += a[i + 3] * b[i + 3]
        i += 4
    while i < n:
        first += a[i] * b[i]
        i += 1
    return (first + second) + (third + fourth)


cdef inline void evaluate(const float* residual, Py_ssize_t stride, double sigma, Spots* s) noexcept nogil:
    """Normal equations, misfit and energy at the present parameters."""
    cdef double[2 * MOST_SPOTS + 1][LONGEST] down, along  # profiles, slopes, ones
    cdef double[MOST_PARAMETERS] product, scale, linear
    cdef int[MOST_PARAMETERS] r, c  # which profile a parameter has
    cdef Py_ssize_t k, m, q, i, j, n = 3 * s.n + 1
    cdef const float* x
    cdef double squares = 0, sum_part, sum_slope, sum_ones
    for k in range(s.n):
        profile(s.row[k], s.top, s.height, sigma, down[2 * k], down[2 * k + 1])
        profile(s.col[k], s.left, s.width, sigma, along[2 * k], along[2 * k + 1])
        r[3 * k] = c[3 * k] = r[3 * k + 2] = c[3 * k + 1] = 2 * k
        r[3 * k + 1] = c[3 * k + 2] = 2 * k + 1
        scale[3 * k] = 1
        scale[3 * k + 1] = scale[3 * k + 2] = s.flux[k]
        linear[3 * k] = s.flux[k]
        linear[3 * k + 1] = linear[3 * k + 2] = 0
    r[n - 1] = c[n - 1] = 2 * s.n
    scale[n - 1] = 1
    linear[n - 1] = s.level
    for i in range(max(s.height, s.width)):
        down[2 * s.n][i] = along[2 * s.n][i] = 1
    memset(product, 0, sizeof(product))
    for i in range(s.height):
        x = residual + (s.top + i) * stride + s.left
        sum_ones = 0
        for j in range(s.width):
            sum_ones += x[j]
            squares += <double>x[j] * x[j]
        product[n - 1] += sum_ones
        for k in range(s.n):
            sum_part = dot_data(x, along[2 * k], s.width)
            sum_slope = dot_data(x, along[2 * k + 1], s.width)
            product[3 * k] += down[2 * k][i] * sum_part
            product[3 * k + 1] += down[2 * k + 1][i] * sum_part
            product[3 * k + 2] += down[2 * k][i] * sum_slope
    s.misfit = squares  # less what follows: |x - M|^2 = x.x - M.x - M.(x - M)
    s.energy = 0
    for m in range(n):
        for q in range(m + 1):
            s.normal[m * MOST_PARAMETERS + q] = s.normal[q * MOST_PARAMETERS + m] = (
                scale[m] * scale[q] * dot(down[r[m]], down[r[q]], s.height) * dot(along[c[m]], along[c[q]], s.width)
            )
    for m in range(n):
        s.gradient[m] = scale[m] * product[m]
        for q in range(n):
            s.gradient[m] -= linear[q] * s.normal[m * MOST_PARAMETERS + q]
        s.misfit -= linear[m] * (scale[m] * product[m] + s.gradient[m])
    for k in range(s.n):
        s.norm2[k] = s.normal[3 * k * (MOST_PARAMETERS + 1)]
        for m in range(s.n):
            s.energy += s.flux[k] * s.flux[m] * s.normal[3 * k * MOST_PARAMETERS + 3 * m]


cdef inline bint factor(double* a, Py_ssize_t n) noexcept nogil:
    """Cholesky factor in the lower triangle; False if the matrix is not positive definite."""
    cdef Py_ssize_t i, j, k
    cdef double total
    for i in range(n):
        for j in range(i + 1):
            total = a[i * MOST_PARAMETERS + j]
            for k in range(j):
                total -= a[i * MOST_PARAMETERS + k] * a[j * MOST_PARAMETERS + k]
            if i == j:
                if not total > 0:
                    return False
                a[i * MOST_PARAMETERS + i] = sqrt(total)
            else:
                a[i * MOST_PARAMETERS + j] = total / a[j * MOST_PARAMETERS + j]
    return True


cdef inline void solve(const double* a, Py_ssize_t n, double* b) noexcept nogil:
    """Solve with a Cholesky factor, in place."""
    cdef Py_ssize_t i, k
    for i in range(n):
        for k in range(i):
            b[i] -= a[i * MOST_PARAMETERS + k] * b[k]
        b[i] /= a[i * MOST_PARAMETERS + i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            b[i] -= a[k * MOST_PARAMETERS + i] * b[k]
        b[i] /= a[i * MOST_PARAMETERS + i]


cdef inline bint step_from(Spots* s, double damping, Spots* to, double* worst) noexcept nogil:
    """Parameters after one damped step, places by at most half a pixel; ``worst`` is the largest squared step of a
    place in units of what a noise of unit variance moves it."""
    cdef double[MOST_PARAMETERS * MOST_PARAMETERS] a
    cdef double[MOST_PARAMETERS] step
    cdef double down, along
    cdef Py_ssize_t k, m, n = 3 * s.n + 1
    a[:] = s.normal
    step[:] = s.gradient
    for m in range(n):
        a[m * (MOST_PARAMETERS + 1)] *= 1 + damping
    if not factor(a, n):
        return False
    solve(a, n, step)
    worst[0] = 0
    for k in range(s.n):
        for m in range(3 * k + 1, 3 * k + 3):
            worst[0] = fmax(worst[0], step[m] * step[m] * s.normal[m * (MOST_PARAMETERS + 1)])
        down = min(max(step[3 * k + 1], -0.5), 0.5)
        along = min(max(step[3 * k + 2], -0.5), 0.5)
        to.flux[k] = s.flux[k] + step[3 * k]
        to.row[k] = s.row[k] + down
        to.col[k] = s.col[k] + along
    to.level = s.level + step[n - 1]
    return True


cdef inline bint covariance(Spots* s, Py_ssize_t k, double* row, double* col, double* both) noexcept nogil:
    """Variances and covariance of a place at unit noise variance: a block of the inverse of the normal matrix."""
    cdef double[MOST_PARAMETERS * MOST_PARAMETERS] a
    cdef double[MOST_PARAMETERS] unit
    cdef Py_ssize_t n = 3 * s.n + 1
    a[:] = s.normal
    if not factor(a, n):
        return False
    memset(unit, 0, sizeof(unit))
    unit[3 * k + 1] = 1
    solve(a, n, unit)
    row[0] = unit[3 * k + 1]
    both[0] = unit[3 * k + 2]
    memset(unit, 0, sizeof(unit))
    unit[3 * k + 2] = 1
    solve(a, n, unit)
    col[0] = unit[3 * k + 2]
    return True
