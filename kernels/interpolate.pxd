"""Cubic interpolation along rows, shared by the kernels that resample.

Third-degree Lagrange polynomial through the four nearest pixels (Schafer and Rabiner 1973, Proc. IEEE 61). Beside the
cubic convolution of Keys (a = -1/2) its error is slightly smaller and, above all, it does not displace: texture blurred
by a Gaussian of 1.2 pixels appears up to 0.005 pixel from its place, with Keys 0.018.
"""

from lookdown.kernels.rows cimport RowIn, RowOut, cloned


cdef inline cloned blend_four(
    RowIn a, RowIn b, RowIn c, RowIn d, float ta, float tb, float tc, float td, RowOut out, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = (ta * a[i] + tb * b[i]) + (tc * c[i] + td * d[i])


cdef inline void cubic_taps(double t, float* taps) noexcept nogil:
    """Weights of the pixels at -1, 0, 1, 2 for a place ``t`` in 0 to 1."""
    taps[0] = <float>(t * (-1 / 3.0 + t * (0.5 - t / 6)))
    taps[1] = <float>(1.0 + t * (-0.5 + t * (-1.0 + 0.5 * t)))
    taps[2] = <float>(t * (1.0 + t * (0.5 - 0.5 * t)))
    taps[3] = <float>(t * (-1 / 6.0 + t * t / 6))


cdef inline void cubic_slopes(double t, float* taps) noexcept nogil:
    """Weights for the gradient: derivative of the cubic convolution of Keys (1981, a = -1/2).

    Unlike the derivative of the polynomial above it does not jump where ``t`` passes a whole pixel, and there it is
    the central difference.
    """
    taps[0] = <float>(-0.5 + t * (2.0 - 1.5 * t))
    taps[1] = <float>(t * (-5.0 + 4.5 * t))
    taps[2] = <float>(0.5 + t * (4.0 - 4.5 * t))
    taps[3] = <float>(t * (-1.0 + 1.5 * t))
