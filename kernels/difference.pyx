"""Differences of a frame and its (registered) neighbours in time: what moved stays, what stood still goes.

White noise of sigma ``s`` in both frames leaves sigma ``sqrt(2) s`` in the difference.

A difference shows a mover twice: where it is, and with the other sign where it was. The double difference takes that of
the frame before and that of the frame behind, and keeps where both say the same (Kameda and Minoh 1996, "A human motion
estimation method using 3-successive video frames", there with thresholds in place of signs)::

    out = sign(d) min(|d|, |e|)    d = frame - before, e = frame - behind, of one sign; 0 otherwise

It knows a frame only when the next one has come.
"""

from lookdown.kernels.rows cimport RowIn, RowOut
from lookdown.kernels.wide cimport cloned_wide

from lookdown.kernels.checks import require_array


cdef cloned_wide difference_row(RowIn frame, RowIn previous, RowOut out, Py_ssize_t n) noexcept nogil:
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


cdef cloned_wide double_row(RowIn before, RowIn frame, RowIn behind, RowOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef float d, e, least, most, zero = 0
    for i in range(n):
        d = frame[i] - before[i]
        e = frame[i] - behind[i]
        least = d if d < e else e
        most = d if d > e else e
        out[i] = (least if least > zero else zero) + (most if most < zero else zero)


def double_difference(before, frame, behind, out):
    """Keep of a frame what differs alike from the frame before and the one behind.

    Parameters
    ----------
    before, frame, behind : ndarray of float32, shape (rows, cols)
        Three calibrated frames of the same scene in the order of time, registered, finite.
    out : ndarray of float32, shape (rows, cols)
        The smaller of the two differences where they have one sign, else 0.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout.
    """
    cdef const float[:, ::1] b = require_array("before", before, "float32", 2)
    cdef const float[:, ::1] x = require_array("frame", frame, "float32", before.shape)
    cdef const float[:, ::1] a = require_array("behind", behind, "float32", before.shape)
    inputs = (before, frame, behind)
    cdef float[:, ::1] y = require_array("out", out, "float32", before.shape, out=True, apart_from=inputs)
    with nogil:
        double_row(&b[0, 0], &x[0, 0], &a[0, 0], &y[0, 0], x.shape[0] * x.shape[1])
