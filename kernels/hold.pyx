"""Keeps movers out of their own background: a residual that stands out enters it no further than noise could reach.

    residual <- residual min(1, limit / |z|)

with ``z`` the score of the place after the matched filter. This is Huber's influence function (Huber 1964, Annals of
Mathematical Statistics 35, eq. 3.3) on the score: below ``limit`` the mean of the background is the plain one, above it
a mover of any strength pulls as hard as one at the limit. It must not pull by nothing: what stands still has to become
background in the end.
"""

from libc.math cimport fabsf

from lookdown.kernels.rows cimport RowIn, RowOut, cloned

from lookdown.kernels.checks import require_array, require_number


cdef cloned hold_row(RowIn z, float limit, RowOut residual, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef float size
    for i in range(n):
        size = fabsf(z[i])
        residual[i] = residual[i] * (limit / (size if size > limit else limit))


cdef void hold_pixels(const float* z, float limit, float* residual, Py_ssize_t n) noexcept nogil:
    """Hold back some pixels."""
    hold_row(z, limit, residual, n)


def hold_back(z, limit, residual):
    """Shrink, in place, the residual of what stands out.

    Parameters
    ----------
    z : ndarray of float32, shape (rows, cols)
        Score of each pixel [1].
    limit : float
        Score up to which a residual stays as it is, above 0.
    residual : ndarray of float32, shape (rows, cols)
        Frame less background, changed in place.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or the limit is not above 0.
    """
    cdef const float[:, ::1] score = require_array("z", z, "float32", 2)
    cdef float[:, ::1] x = require_array("residual", residual, "float32", z.shape, out=True, apart_from=(z,))
    cdef float most = require_number("limit", limit, 1e-6, 1e6)
    with nogil:
        hold_row(&score[0, 0], most, &x[0, 0], x.shape[0] * x.shape[1])
