"""The displacement that most tiles of a frame agree on, whatever a part of them shows.

Each tile brings the normal equations ``A_t d = b_t`` of its own displacement (`lookdown.kernels.local_shift`). Their
plain sum follows what has the strongest gradients: a cloud's edge, the limb. Here a tile's say is limited twice. Its
information is that of a tile that moves by ``spread`` of its own, ``A_t' = A_t / (1 + spread^2 tr A_t / 2)``; and a
tile that disagrees by ``x^2 = (d - d_t)' A_t' (d - d_t)`` counts with the weight of

    1 / max(x, 1)          steps of an L1 estimate (Weiszfeld 1937; Huber 1964), which half of the tiles cannot break
    1 / (1 + x^2 / 4)      then of a redescending one (Cauchy), in which other layers hardly count at all

by iterated least squares (Holland and Welsch 1977, Communications in Statistics A 6, 813).
"""

from libc.math cimport sqrt

from lookdown.kernels.checks import require_array, require_number

cdef enum:
    L1_STEPS = 12
    CAUCHY_STEPS = 6

cdef double LEAST_INFORMATION = 1e2  # a tile that knows its displacement to 0.1 px or worse has no say [1/px^2]
cdef double AGREES = 9.0  # square of the sigmas up to which a tile agrees


cdef struct Agreement:
    double row
    double col
    double share
    double information
    Py_ssize_t n


cdef Agreement agree(const double* sums, Py_ssize_t n_tiles, double spread) noexcept nogil:
    cdef Agreement found
    cdef Py_ssize_t t, step
    cdef double rr, rc, cc, br, bc, limit, determinant, down, along, x2, weight
    cdef double srr, src, scc, sbr, sbc
    cdef double with_us, all_of_us
    found.row = found.col = found.share = found.information = 0
    found.n = 0
    for step in range(L1_STEPS + CAUCHY_STEPS):
        srr = src = scc = sbr = sbc = with_us = all_of_us = 0
        found.n = 0
        for t in range(n_tiles):
            rr = sums[5 * t]
            rc = sums[5 * t + 1]
            cc = sums[5 * t + 2]
            br = sums[5 * t + 3]
            bc = sums[5 * t + 4]
            determinant = rr * cc - rc * rc
            # The weaker direction of a tile is determinant / trace, or better: a straight edge has no say.
            if not determinant > LEAST_INFORMATION * (rr + cc):
                continue
            limit = 1 / (1 + 0.5 * spread * spread * (rr + cc))
            down = found.row - (cc * br - rc * bc) / determinant
            along = found.col - (rr * bc - rc * br) / determinant
            x2 = limit * (rr * down * down + 2 * rc * down * along + cc * along * along)
            if step < L1_STEPS:
                weight = limit / sqrt(x2 if x2 > 1 else 1.0)
            else:
                weight = limit / (1 + 0.25 * x2)
            found.n += 1
            all_of_us += 1
            if x2 <= AGREES:
                with_us += 1
            srr += weight * rr
            src += weight * rc
            scc += weight * cc
            sbr += weight * br
            sbc += weight * bc
        determinant = srr * scc - src * src
        if not determinant > 0:
            found.n = 0
            return found
        down = (scc * sbr - src * sbc) / determinant
        along = (srr * sbc - src * sbr) / determinant
        found.row = down
        found.col = along
        found.share = with_us / all_of_us
        found.information = determinant / (srr + scc)
    return found


def agree_on_shift(normals, spread):
    """Find the displacement that most tiles agree on.

    Parameters
    ----------
    normals : ndarray of float64, shape (n, m, 5)
        Sums of each tile, as `lookdown.kernels.local_shift.tile_normals` gives them [1/px^2, 1/px].
    spread : float
        One sigma by which tiles of one layer may differ, above 0 [px].

    Returns
    -------
    row, col : float
        What they agree on [px]; 0 if no tile has anything to say.
    share : float
        Part of the tiles with a say that agree with it to 3 sigma.
    n_tiles : int
        Tiles with a say: those that know their displacement to 0.1 px in every direction.

    Raises
    ------
    ValueError
        If the array has another type, shape or layout, or the number is out of its range.
    """
    require_array("normals", normals, "float64", 3)
    if normals.shape[2] != 5:
        raise ValueError(f"normals: wanted shape (n, m, 5), got {normals.shape}; give what tile_normals wrote")
    cdef const double[:, :, ::1] sums = normals
    cdef double own = require_number("spread", spread, 1e-6, 1e3)
    cdef Agreement found
    found.n = 0
    with nogil:
        if sums.shape[0] * sums.shape[1] > 0:
            found = agree(&sums[0, 0, 0], sums.shape[0] * sums.shape[1], own)
    if found.n == 0:
        return 0.0, 0.0, 0.0, 0
    return found.row, found.col, found.share, found.n
