"""Charge on its way to the read-out: what traps hold back and give off, what diffuses into the neighbours."""

from libc.string cimport memcpy

import numpy as np

from lookdown.kernels.checks import require_array, require_number
from lookdown.kernels.rows cimport RowIn, RowOut, cloned


cdef cloned trap_row(RowOut light, RowOut held, float keep, float share, float well, Py_ssize_t n) noexcept nogil:
    cdef float given = <float>1.0 - keep, x, collected
    cdef Py_ssize_t k
    for k in range(n):
        x = light[k] + given * held[k]
        light[k] = x
        collected = x if x > <float>0.0 else <float>0.0
        collected = collected if collected < well else well
        held[k] = keep * held[k] + share * collected


cdef cloned diffuse_row(
    RowIn above, RowIn here, RowIn below, RowOut out, float quarter, Py_ssize_t n
) noexcept nogil:
    """Write a row with its share of the four neighbours; rows are given from the pixel before the first on."""
    cdef Py_ssize_t k
    for k in range(n):
        out[k] = here[k + 1] + quarter * (
            ((above[k + 1] - here[k + 1]) + (below[k + 1] - here[k + 1]))
            + ((here[k] - here[k + 1]) + (here[k + 2] - here[k + 1]))
        )


cdef void take(const float* row, float* out, Py_ssize_t n) noexcept nogil:
    """Copy a row with a pixel before the first and one after the last, so that none leaves over the borders."""
    memcpy(out + 1, row, n * sizeof(float))
    out[0], out[n + 1] = row[0], row[n - 1]


def trap(electrons, held, keep, share, well_e):
    """Add to a frame what traps give off, and fill them from it, both in place.

    ``x = N + (1 - keep) held``, ``held <- keep held + share min(max(x, 0), well)``.

    Parameters
    ----------
    electrons, held : ndarray of float32, shape (rows, cols)
        Expected photoelectrons, charge in the traps [e-].
    keep : float
        Share of their charge that traps still hold one frame later [1].
    share : float
        Share of the collected charge that is trapped [1].
    well_e : float
        Full well [e-].

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a share lies outside 0 to 1.
    """
    cdef float[:, ::1] light = require_array("electrons", electrons, "float32", 2, out=True)
    cdef float[:, ::1] traps = require_array("held", held, "float32", electrons.shape, out=True)
    cdef float kept = require_number("keep", keep, 0.0, 1.0)
    cdef float taken = require_number("share", share, 0.0, 1.0)
    cdef float well = require_number("well_e", well_e, 0.0, 1e12)
    cdef Py_ssize_t row
    with nogil:
        for row in range(light.shape[0]):
            trap_row(&light[row, 0], &traps[row, 0], kept, taken, well, light.shape[1])


def diffuse(electrons, share):
    """Let a share of each pixel's charge pass into its four neighbours, in place; none leaves over the borders.

    ``N + share / 4 sum(neighbour - N)``.

    Parameters
    ----------
    electrons : ndarray of float32, shape (rows, cols)
        Charge [e-].
    share : float
        Share of a pixel's charge that leaves it [1].

    Raises
    ------
    ValueError
        If the array has another type or layout, or the share lies outside 0 to 1.
    """
    cdef float[:, ::1] light = require_array("electrons", electrons, "float32", 2, out=True)
    cdef float quarter = 0.25 * require_number("share", share, 0.0, 1.0)
    cdef Py_ssize_t rows = light.shape[0], cols = light.shape[1], row
    cdef float[:, ::1] kept = np.empty((3, cols + 2), np.float32)
    cdef float* above = &kept[0, 0]
    cdef float* here = &kept[1, 0]
    cdef float* below = &kept[2, 0]
    cdef float* spare
    with nogil:
        take(&light[0, 0], above, cols)
        take(&light[0, 0], here, cols)
        for row in range(rows):
            # Below the last row lies its own old self; the array's row of that name is not yet overwritten.
            take(&light[min(row + 1, rows - 1), 0], below, cols)
            diffuse_row(above, here, below, &light[row, 0], quarter, cols)
            spare = above
            above, here = here, below
            below = spare
