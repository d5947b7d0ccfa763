"""Difference of a frame and its (registered) predecessor: what moved stays, what stood still goes.

White noise of sigma ``s`` in both frames leaves sigma ``sqrt(2) s`` in the difference.
"""

from lookdown.kernels.rows cimport RowIn, RowOut, cloned

from lookdown.kernels.checks import require_array


cdef cloned difference_row(RowIn frame, RowIn previous, RowOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = frame[i] - previous[i]


def temporal_difference(frame, previous, out):
    """Subtract the previous frame: ``out = frame - previous``.

    Parameters
    ----------
    frame, previous : ndarray of float32, shape (rows, cols)
        Calibrated frames of the same scene, registered.
    out : ndarray of float32, shape (rows, cols)
        Their difference; NaN where either is NaN.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout.
    """
    cdef const float[:, ::1] x = require_array("frame", frame, "float32", 2)
    cdef const float[:, ::1] p = require_array("previous", previous, "float32", frame.shape)
    cdef float[:, ::1] y = require_array("out", out, "float32", frame.shape, out=True, apart_from=(frame, previous))
    with nogil:
        difference_row(&x[0, 0], &p[0, 0], &y[0, 0], x.shape[0] * x.shape[1])
