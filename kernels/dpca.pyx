"""Displaced phase centre antenna: what stands still is taken out by a second channel at the place of the first.

When the platform moves by half the distance of two channels in a pulse interval (or ``shift`` intervals), the trailing
channel sees, ``shift`` pulses later, what the leading one saw, for the two-way phase centre of a channel lies halfway
between it and the transmitter:

    y[p] = x_lead[p] - g x_trail[p + shift]

with g the complex gain between both channels (Ward 1994, MIT Lincoln Laboratory TR-1015, section 5). With errors of
e in amplitude and phi [rad] in phase 1 / (e^2 + phi^2) of the clutter's power is cancelled at most.
"""

from lookdown.kernels.rows cimport RowIn, RowOut, cloned

from lookdown.kernels.checks import require_array, require_integer


cdef cloned subtract_row(RowIn lead, RowIn trail, float re, float im, RowOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[2 * i] = lead[2 * i] - (re * trail[2 * i] - im * trail[2 * i + 1])
        out[2 * i + 1] = lead[2 * i + 1] - (re * trail[2 * i + 1] + im * trail[2 * i])


def dpca(cpi, lead, trail, shift, gain, out):
    """Subtract a trailing channel from a leading one.

    Parameters
    ----------
    cpi : ndarray of complex64, shape (channels, pulses, ranges)
        The interval.
    lead, trail : int
        Channels; the trailing one comes to the place of the leading one.
    shift : int
        Pulses until it is there, 1 or more.
    gain : complex
        What the trailing channel is multiplied by to equal the leading one [1].
    out : ndarray of complex64, shape (pulses - shift, ranges)
        What is left. A NaN spoils its own cell only.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a channel or pulse does not exist.
    """
    cdef const float complex[:, :, ::1] x = require_array("cpi", cpi, "complex64", 3)
    if cpi.size == 0:
        raise ValueError(f"cpi: wanted channels, pulses and ranges, got shape {cpi.shape}; leave empty intervals out")
    cdef Py_ssize_t first = require_integer("lead", lead, 0, cpi.shape[0] - 1)
    cdef Py_ssize_t second = require_integer("trail", trail, 0, cpi.shape[0] - 1)
    cdef Py_ssize_t later = require_integer("shift", shift, 1, cpi.shape[1] - 1)
    cdef double complex factor = complex(gain)
    cdef Py_ssize_t pulses = x.shape[1] - later, p
    cdef float complex[:, ::1] y = require_array(
        "out", out, "complex64", (pulses, x.shape[2]), out=True, apart_from=(cpi,)
    )
    with nogil:
        for p in range(pulses):
            subtract_row(
                <const float*>&x[first, p, 0], <const float*>&x[second, p + later, 0],
                <float>factor.real, <float>factor.imag, <float*>&y[p, 0], x.shape[2],
            )
