"""Local registration: what each tile of a residual says about the displacement that was left in it.

Where the background was subtracted with a displacement that is wrong by ``delta``, the residual is ``g . delta`` with
``g`` the gradient of the background. Weighted least squares over a tile has the normal equations

    (sum w g g') delta = sum w g e,    w = 1 / (scale predicted)

with ``e`` the residual and ``predicted`` its expected variance (Lucas and Kanade 1981, one step, in the compositional
form of Baker and Matthews 2004). A pixel whose residual exceeds ``clip`` expected sigmas is a mover or an edge that
appears, and one without background says nothing: neither counts.
"""

from lookdown.kernels.rows cimport RowIn, cloned

from lookdown.kernels.checks import require_array, require_band, require_number

cdef extern from *:
    """
    typedef double *__restrict__ lookdown_normals_out;
    """
    ctypedef double* NormalsOut "lookdown_normals_out"


cdef cloned add_segment(
    RowIn frame_above, RowIn frame, RowIn frame_below, RowIn residual_above, RowIn residual, RowIn residual_below,
    RowIn predicted, float scale, float clip2, Py_ssize_t first, Py_ssize_t last, NormalsOut sums
) noexcept nogil:
    cdef Py_ssize_t i
    cdef float down, along, e, variance, w
    cdef float zero = 0, one = 1, half = 0.5  # literals would make the arithmetic double
    cdef float rr = 0, rc = 0, cc = 0, br = 0, bc = 0
    for i in range(first, last):
        down = half * ((frame_below[i] - residual_below[i]) - (frame_above[i] - residual_above[i]))
        along = half * ((frame[i + 1] - residual[i + 1]) - (frame[i - 1] - residual[i - 1]))
        e = residual[i]
        variance = scale * predicted[i]
        w = one / variance if variance > zero else zero
        w = w if e * e <= clip2 * variance else zero
        rr += w * down * down
        rc += w * down * along
        cc += w * along * along
        br += w * down * e
        bc += w * along * e
    sums[0] += rr
    sums[1] += rc
    sums[2] += cc
    sums[3] += br
    sums[4] += bc


def tile_normals(frame, residual, predicted, scale, clip, first_row, last_row, out):
    """Sum the normal equations of each tile's displacement.

    Parameters
    ----------
    frame : ndarray of float32, shape (rows, cols)
        Calibrated frame.
    residual : ndarray of float32, shape (rows, cols)
        Frame less its background; their difference is the background where the frame lies.
    predicted : ndarray of float32, shape (rows, cols)
        Expected variance of the residual, up to ``scale``; 0 or less where there is no background.
    scale : float
        Factor from ``predicted`` to the variance of a residual.
    clip : float
        Sigmas beyond which a residual does not count.
    first_row, last_row : int
        The band: rows whose tiles are summed, from ``first_row`` to before ``last_row``, the first of a tile or the end
        of the frame each. The sums of other tiles stay as they are.
    out : ndarray of float64, shape (n, m, 5)
        For tiles of ``ceil(rows / n)`` by ``ceil(cols / m)`` pixels the sums of ``w gr gr``, ``w gr gc``, ``w gc gc``,
        ``w gr e`` and ``w gc e``, with ``gr`` and ``gc`` the gradient along rows and columns [1/px^2, 1/px]. The
        frame's outermost pixels do not count.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is not above 0.
    """
    cdef const float[:, ::1] f = require_array("frame", frame, "float32", 2)
    cdef const float[:, ::1] x = require_array("residual", residual, "float32", frame.shape)
    cdef const float[:, ::1] v = require_array("predicted", predicted, "float32", frame.shape)
    cdef float the_scale = require_number("scale", scale, 1e-30, 1e30)
    cdef float clip2 = require_number("clip", clip, 1e-3, 1e6) ** 2
    require_array("out", out, "float64", 3, out=True)
    if out.shape[2] != 5 or out.shape[0] < 1 or out.shape[1] < 1:
        raise ValueError(f"out: wanted shape (n, m, 5), got {out.shape}; give one row of five sums a tile")
    cdef double[:, :, ::1] sums = out
    cdef Py_ssize_t rows = f.shape[0], cols = f.shape[1], n = sums.shape[0], m = sums.shape[1]
    cdef Py_ssize_t tile_rows = (rows + n - 1) // n, tile_cols = (cols + m - 1) // m
    cdef Py_ssize_t r, j, first, last, begin, end
    begin, end = require_band(first_row, last_row, rows, tile_rows)
    with nogil:
        # Tiles beyond the last row hold nothing.
        sums[begin // tile_rows : n if end == rows else end // tile_rows, :, :] = 0
        for r in range(max(begin, 1), min(end, rows - 1)):
            for j in range(m):
                first = max(j * tile_cols, 1)
                last = min((j + 1) * tile_cols, cols - 1)
                if first < last:
                    add_segment(
                        &f[r - 1, 0], &f[r, 0], &f[r + 1, 0], &x[r - 1, 0], &x[r, 0], &x[r + 1, 0], &v[r, 0],
                        the_scale, clip2, first, last, &sums[r // tile_rows, j, 0],
                    )
