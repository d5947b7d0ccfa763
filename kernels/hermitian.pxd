"""Cholesky factor of a small Hermitian matrix and its solution, complex numbers as pairs of doubles."""

from libc.math cimport sqrt


cdef inline bint factor(double* m, Py_ssize_t n) noexcept nogil:
    """Cholesky factor of a Hermitian matrix in place (lower triangle); say whether it is positive definite."""
    cdef Py_ssize_t i, j, k
    cdef double re, im, root
    cdef double* a
    cdef double* b
    for j in range(n):
        b = m + 2 * j * n
        re = b[2 * j]
        for k in range(j):
            re -= b[2 * k] * b[2 * k] + b[2 * k + 1] * b[2 * k + 1]
        if not re > 0:
            return False
        root = sqrt(re)
        b[2 * j] = root
        for i in range(j + 1, n):
            a = m + 2 * i * n
            re = a[2 * j]
            im = a[2 * j + 1]
            for k in range(j):
                re -= a[2 * k] * b[2 * k] + a[2 * k + 1] * b[2 * k + 1]
                im -= a[2 * k + 1] * b[2 * k] - a[2 * k] * b[2 * k + 1]
            a[2 * j] = re / root
            a[2 * j + 1] = im / root
    return True


cdef inline double solve(const double* m, Py_ssize_t n, double* w) noexcept nogil:
    """Solve L L^H w = s in place; return s^H w."""
    cdef Py_ssize_t i, k
    cdef double re, im, energy = 0
    for i in range(n):
        re = w[2 * i]
        im = w[2 * i + 1]
        for k in range(i):
            re -= m[2 * (i * n + k)] * w[2 * k] - m[2 * (i * n + k) + 1] * w[2 * k + 1]
            im -= m[2 * (i * n + k)] * w[2 * k + 1] + m[2 * (i * n + k) + 1] * w[2 * k]
        w[2 * i] = re / m[2 * (i * n + i)]
        w[2 * i + 1] = im / m[2 * (i * n + i)]
        energy += w[2 * i] * w[2 * i] + w[2 * i + 1] * w[2 * i + 1]
    for i in range(n - 1, -1, -1):
        re = w[2 * i]
        im = w[2 * i + 1]
        for k in range(i + 1, n):
            re -= m[2 * (k * n + i)] * w[2 * k] + m[2 * (k * n + i) + 1] * w[2 * k + 1]
            im -= m[2 * (k * n + i)] * w[2 * k + 1] - m[2 * (k * n + i) + 1] * w[2 * k]
        w[2 * i] = re / m[2 * (i * n + i)]
        w[2 * i + 1] = im / m[2 * (i * n + i)]
    return energy
