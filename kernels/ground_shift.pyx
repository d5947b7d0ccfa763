"""Where the ground of a frame lay in an earlier one, for lines of sight through a grid of places on the focal plane.

A line of sight of frame b, turned to the Earth's axes, meets the ellipsoid with half axes ``a``, ``a``, ``c`` at the
nearer root of ``|(o + t u) / axes|^2 = 1``; that point, seen from where the sensor stood in frame a and turned to its
axes, goes through the lens to a pixel (Brown 1971, radial terms; beyond the image a straight line, as
`lookdown.geo.camera` explains). The displacement is that pixel less the place.
"""

from libc.math cimport NAN, sqrt

from lookdown.kernels.sight cimport meet, see, turn

from lookdown.kernels.checks import require_array

cdef enum:
    N_LENS = 8


def ground_shift(tangents, centres, lens, axes_m, position_a_m, attitude_a, position_b_m, attitude_b, out):
    """Find the displacement of each place of a grid.

    Parameters
    ----------
    tangents : ndarray of float64, shape (n, m, 2)
        Tangents (x, y) of the lines of sight of the places, behind the lens [1].
    centres : ndarray of float64, shape (n, m, 2)
        Pixel coordinates (row, col) of the places [px].
    lens : ndarray of float64, shape (8,)
        Angle of a pixel [rad]; radial coefficients k1, k2 [1]; radius before and after the lens from which on a line
        goes on, infinite if none does, and its slope [1]; pixel coordinates (row, col) of the boresight [px].
    axes_m : ndarray of float64, shape (3,)
        Half axes of the surface, ECEF [m].
    position_a_m, position_b_m : ndarray of float64, shape (3,)
        Where the sensor was in the earlier and in the present frame, ECEF [m].
    attitude_a, attitude_b : ndarray of float64, shape (4,)
        Unit quaternions, sensor to ECEF.
    out : ndarray of float64, shape (n, m, 2)
        Displacement (row, col) [px]; NaN where a line of sight misses the surface, or frame a looked away from it.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout.
    """
    cdef const double[:, :, ::1] sights = require_array("tangents", tangents, "float64", 3)
    if tangents.shape[2] != 2:
        raise ValueError(f"tangents: wanted shape (n, m, 2), got {tangents.shape}; give x and y of each place")
    cdef const double[:, :, ::1] at = require_array("centres", centres, "float64", tangents.shape)
    cdef const double[::1] optics = require_array("lens", lens, "float64", (N_LENS,))
    cdef const double[::1] axes = require_array("axes_m", axes_m, "float64", (3,))
    cdef const double[::1] pa = require_array("position_a_m", position_a_m, "float64", (3,))
    cdef const double[::1] qa = require_array("attitude_a", attitude_a, "float64", (4,))
    cdef const double[::1] pb = require_array("position_b_m", position_b_m, "float64", (3,))
    cdef const double[::1] qb = require_array("attitude_b", attitude_b, "float64", (4,))
    cdef double[:, :, ::1] found = require_array(
        "out", out, "float64", tangents.shape, out=True, apart_from=(tangents, centres)
    )
    cdef Py_ssize_t i, j, k
    cdef double length, row = 0, col = 0
    cdef double[3] sight
    cdef double[3] turned
    cdef double[3] point
    with nogil:
        for i in range(sights.shape[0]):
            for j in range(sights.shape[1]):
                found[i, j, 0] = found[i, j, 1] = NAN
                sight[0], sight[1], sight[2] = sights[i, j, 0], sights[i, j, 1], 1.0
                length = sqrt((sight[0] * sight[0] + sight[1] * sight[1]) + 1.0)
                for k in range(3):
                    sight[k] = sight[k] / length
                turn(&qb[0], 1.0, sight, turned)
                if not meet(&pb[0], turned, &axes[0], point):
                    continue
                for k in range(3):
                    point[k] = point[k] - pa[k]
                turn(&qa[0], -1.0, point, turned)
                if turned[2] > 0:
                    see(&optics[0], turned[0] / turned[2], turned[1] / turned[2], &row, &col)
                    found[i, j, 0] = row - at[i, j, 0]
                    found[i, j, 1] = col - at[i, j, 1]
