"""Clutter map on square-law cells: each cell against the running mean of its own past (Nitzberg 1986).

    hit       <- x > T y
    y         <- y + w (min(x, M y) - y)

``y`` is the mean of a cell, ``w`` the share of a new interval in it. What exceeds the mean by more than ``M`` enters it
as ``M y``, so that a mover raises the cells on its way by no more than noise at its threshold could. A cell that was
never seen, ``y = 0``, takes anything. What is not finite leaves the mean as it was; a NaN is no hit. Without
``M``, and with interval j weighing ``c_j`` in y, ``Pfa = prod_j 1 / (1 + T c_j)`` (IEEE Trans. AES 22, 777-780).
"""

from libc.float cimport FLT_MAX
from libc.math cimport fabsf

from lookdown.kernels.rows cimport BytesOut, RowIn, RowOut, cloned

from lookdown.kernels.checks import require_array, require_number


cdef cloned test_row(RowIn x, RowIn mean, float multiplier, BytesOut hits, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        hits[i] = x[i] > mean[i] * multiplier


cdef cloned renew_row(RowIn x, float most, float share, RowOut mean, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef float cell, y, top
    for i in range(n):
        y = mean[i]
        cell = x[i] if fabsf(x[i]) <= FLT_MAX else y
        top = y * most
        top = top if y > 0 else FLT_MAX
        cell = cell if cell < top else top
        mean[i] = y + share * (cell - y)


def map_hits(power, mean, multiplier, hits):
    """Test each cell against its mean.

    Parameters
    ----------
    power : ndarray of float32, shape (dopplers, ranges)
        Square-law cells.
    mean : ndarray of float32, shape (dopplers, ranges)
        Their clutter map, as `renew_map` keeps it.
    multiplier : float
        T, above 0.
    hits : ndarray of uint8, shape (dopplers, ranges)
        Receives 1 where a cell exceeds T times its mean, else 0.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or the multiplier is not above 0.
    """
    cdef const float[:, ::1] x = require_array("power", power, "float32", 2)
    cdef const float[:, ::1] y = require_array("mean", mean, "float32", power.shape)
    cdef float factor = require_number("multiplier", multiplier, 1e-6, 1e30)
    cdef unsigned char[:, ::1] out = require_array(
        "hits", hits, "uint8", power.shape, out=True, apart_from=(power, mean)
    )
    with nogil:
        test_row(&x[0, 0], &y[0, 0], factor, &out[0, 0], x.shape[0] * x.shape[1])


def renew_map(power, most, share, mean):
    """Take an interval into the map, in place.

    Parameters
    ----------
    power : ndarray of float32, shape (dopplers, ranges)
        Square-law cells.
    most : float
        M, as which times the mean a stronger cell enters, above 0; 1e30 for none.
    share : float
        w, share of this interval in the mean, above 0 to 1.
    mean : ndarray of float32, shape (dopplers, ranges)
        The map, changed in place; zeros before the first interval.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const float[:, ::1] x = require_array("power", power, "float32", 2)
    cdef float top = require_number("most", most, 1e-6, 1e30)
    cdef float part = require_number("share", share, 1e-6, 1.0)
    cdef float[:, ::1] y = require_array("mean", mean, "float32", power.shape, out=True, apart_from=(power,))
    with nogil:
        renew_row(&x[0, 0], top, part, &y[0, 0], x.shape[0] * x.shape[1])
