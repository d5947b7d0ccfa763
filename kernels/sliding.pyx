"""Tiles of layers that slide over the ground: their residual is explained by a displacement, tile beside tile.

With the normal equations ``A d = b`` of a tile (`lookdown.kernels.local_shift`) and ``E`` the sum of its squared
residuals over their variance, one displacement explains

    X = b' (A + I / prior^2)^-1 b

of E, chi^2 with two degrees of freedom where nothing moves. A tile slides if ``X > max(chi2, share E)``; it is part of
a layer if enough of the tiles about it slide, those next to it left out.
"""

from libc.string cimport memset

from lookdown.kernels.rows cimport RowIn, cloned

from lookdown.kernels.checks import require_array, require_integer, require_number

cdef extern from *:
    """
    typedef double *__restrict__ lookdown_square_out;
    """
    ctypedef double* SquareOut "lookdown_square_out"


cdef cloned add_squares(
    RowIn residual, RowIn predicted, float scale, float clip2, Py_ssize_t first, Py_ssize_t last, SquareOut total
) noexcept nogil:
    cdef Py_ssize_t i
    cdef float zero = 0, one = 1, squares = 0, variance, square, w
    for i in range(first, last):
        variance = scale * predicted[i]
        w = one / variance if variance > zero else zero
        square = w * residual[i] * residual[i]
        squares += square if square < clip2 else clip2
    total[0] += squares


def tile_squares(residual, predicted, scale, clip, out):
    """Sum the squares of each tile's residual over their expected variance.

    Parameters
    ----------
    residual : ndarray of float32, shape (rows, cols)
        Frame less its background.
    predicted : ndarray of float32, shape (rows, cols)
        Expected variance of the residual, up to ``scale``; 0 or less where there is no background.
    scale : float
        Factor from ``predicted`` to the variance of a residual.
    clip : float
        Sigmas at which a residual is clipped.
    out : ndarray of float64, shape (n, m)
        Sum over tiles of ``ceil(rows / n)`` by ``ceil(cols / m)`` pixels.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is not above 0.
    """
    cdef const float[:, ::1] x = require_array("residual", residual, "float32", 2)
    cdef const float[:, ::1] v = require_array("predicted", predicted, "float32", residual.shape)
    cdef float the_scale = require_number("scale", scale, 1e-30, 1e30)
    cdef float clip2 = require_number("clip", clip, 1e-3, 1e6) ** 2
    cdef double[:, ::1] y = require_array("out", out, "float64", 2, out=True)
    cdef Py_ssize_t rows = x.shape[0], cols = x.shape[1], n = y.shape[0], m = y.shape[1]
    cdef Py_ssize_t tile_rows = (rows + n - 1) // n, tile_cols = (cols + m - 1) // m, r, j, first, last
    with nogil:
        memset(&y[0, 0], 0, n * m * sizeof(double))
        for r in range(rows):
            for j in range(m):
                first = j * tile_cols
                last = min(first + tile_cols, cols)
                if first < last:
                    add_squares(&x[r, 0], &v[r, 0], the_scale, clip2, first, last, &y[r // tile_rows, j])


cdef inline bint slides(const double* sums, double square, double prior, double chi2, double share) noexcept nogil:
    cdef double rr = sums[0] + prior, rc = sums[1], cc = sums[2] + prior, br = sums[3], bc = sums[4]
    return (cc * br * br - 2 * rc * br * bc + rr * bc * bc) / (rr * cc - rc * rc) > max(chi2, share * square)


def find_sliding(normals, squares, prior_px, chi2, share, around, own, layer_share, alone, tiles):
    """Tell which tiles are part of a layer that slides.

    Parameters
    ----------
    normals : ndarray of float64, shape (n, m, 5)
        Sums of each tile, as `lookdown.kernels.local_shift.tile_normals` gives them [1/px^2, 1/px].
    squares : ndarray of float64, shape (n, m)
        Sums of squares, as `tile_squares` gives them.
    prior_px : float
        One sigma of a displacement, above 0 [px].
    chi2, share : float
        What it must explain, and which share of the squares, at least; 0 or more.
    around, own : int
        Sides of the surroundings of a tile and of what is left out of them, odd, ``own < around <= 255`` [tiles].
    layer_share : float
        Share of the surroundings that must slide, 0 to 1; what lies beyond the frame does not count.
    alone : ndarray of uint8, shape (n, m)
        1 where a tile slides by itself.
    tiles : ndarray of uint8, shape (n, m)
        1 where more than that share does.

    Returns
    -------
    int
        How many tiles are part of a layer.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    require_array("normals", normals, "float64", 3)
    if normals.shape[2] != 5:
        raise ValueError(f"normals: wanted shape (n, m, 5), got {normals.shape}; give what tile_normals wrote")
    cdef const double[:, :, ::1] sums = normals
    cdef const double[:, ::1] square = require_array("squares", squares, "float64", normals.shape[:2])
    cdef double prior = require_number("prior_px", prior_px, 1e-6, 1e6) ** -2
    cdef double least = require_number("chi2", chi2, 0, 1e30), part = require_number("share", share, 0, 1)
    cdef Py_ssize_t far = require_integer("around", around, 3, 255) // 2
    cdef Py_ssize_t near = require_integer("own", own, 1, 253) // 2
    cdef double wanted = require_number("layer_share", layer_share, 0, 1)
    cdef unsigned char[:, ::1] single = require_array("alone", alone, "uint8", normals.shape[:2], out=True)
    cdef unsigned char[:, ::1] y = require_array("tiles", tiles, "uint8", alone.shape, out=True, apart_from=(alone,))
    cdef Py_ssize_t n = sums.shape[0], m = sums.shape[1], i, j, r, c, count, sliding, found = 0
    if around % 2 == 0 or own % 2 == 0 or near >= far:
        raise ValueError(f"around, own: wanted odd sides, own the smaller, got {around}, {own}; 7 and 3 are usual")
    with nogil:
        for i in range(n):
            for j in range(m):
                single[i, j] = slides(&sums[i, j, 0], square[i, j], prior, least, part)
        for i in range(n):
            for j in range(m):
                count = sliding = 0
                for r in range(max(i - far, 0), min(i + far + 1, n)):
                    for c in range(max(j - far, 0), min(j + far + 1, m)):
                        if not (i - near <= r <= i + near and j - near <= c <= j + near):
                            count += 1
                            sliding += single[r, c]
                y[i, j] = sliding > wanted * count
                found += y[i, j]
    return found
