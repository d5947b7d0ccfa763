"""Plots between score and calibrated SNR: ``snr = least (score / level)^power`` with level and power of their block.

The map of ``tailmap.pyx`` and its inverse, at the peaks of plots. Plots are fitted by their score (`score_plots`) and
reported, and ordered, by their SNR (`rank_plots`).
"""

from libc.math cimport INFINITY, fabsf, powf
from libc.stdint cimport uint64_t

from lookdown.kernels.extract cimport Plot
from lookdown.kernels.soon cimport SOON, prefetch
from lookdown.kernels.strongest cimport order

from lookdown.kernels.checks import require_array, require_integer, require_number
from lookdown.kernels.extract import PLOT_DTYPE


def require_peaks(plots, rows, cols):
    """Raise ValueError unless all plots peak inside of a frame of this size [px]."""
    cdef const Plot[::1] p = plots
    cdef Py_ssize_t k, n = rows, m = cols
    for k in range(p.shape[0]):
        if not (0 <= p[k].peak_row < n and 0 <= p[k].peak_col < m):
            raise ValueError(f"plots: wanted peaks inside the frame, got plot {k} outside; extract them first")


def score_plots(plots, z, side, level, power, ratio):
    """Give plots the score of their peaks; return the least score that has an SNR at one of them.

    Parameters
    ----------
    plots : ndarray of PLOT_DTYPE, shape (n,)
        Plots; ``snr`` becomes ``|z|`` of the peak.
    z : ndarray of float32, shape (rows, cols)
        Score.
    side : int
        Side of a block, 4 to 1024 [px].
    level, power : ndarray of float32, shape (ceil(rows / side), ceil(cols / side))
        The map of each block.
    ratio : float
        The SNR over that of ``level``, above 0.

    Returns
    -------
    float
        ``level ratio^(1 / power)``, the least over the blocks of the peaks; infinite without plots.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, a number is out of its range, or a peak lies outside.
    """
    cdef Plot[::1] p = require_array("plots", plots, PLOT_DTYPE, 1, out=True)
    cdef const float[:, ::1] x = require_array("z", z, "float32", 2)
    cdef Py_ssize_t block = require_integer("side", side, 4, 1024), k, i, j
    shape = (x.shape[0] + block - 1) // block, (x.shape[1] + block - 1) // block
    cdef const float[:, ::1] q = require_array("level", level, "float32", shape)
    cdef const float[:, ::1] b = require_array("power", power, "float32", shape)
    cdef float part = require_number("ratio", ratio, 1e-6, 1e6), least = INFINITY
    require_peaks(plots, x.shape[0], x.shape[1])
    with nogil:
        for k in range(p.shape[0]):
            if k + SOON < p.shape[0]:
                prefetch(&x[p[k + SOON].peak_row, p[k + SOON].peak_col])
            i = p[k].peak_row // block
            j = p[k].peak_col // block
            least = min(least, q[i, j] * powf(part, 1 / b[i, j]))
            p[k].snr = fabsf(x[p[k].peak_row, p[k].peak_col])
    return least


def rank_plots(plots, side, level, power, least, scratch):
    """Turn the scores of plots into calibrated SNR and order them, strongest first.

    Parameters
    ----------
    plots : ndarray of PLOT_DTYPE, shape (n,)
        Plots; ``snr`` is the score, above 0, and becomes the SNR.
    side : int
        Side of a block, 4 to 1024 [px].
    level, power : ndarray of float32, shape (n_blocks, m_blocks)
        The map of each block; peaks lie in one of them.
    least : float
        SNR at the level, above 0; below it the map is a straight line.
    scratch : ndarray of int64
        At least twice the number of plots; its content does not matter.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, a number is out of its range, or a peak lies outside.
    """
    cdef Plot[::1] p = require_array("plots", plots, PLOT_DTYPE, 1, out=True)
    cdef Py_ssize_t block = require_integer("side", side, 4, 1024), k, i, j
    cdef const float[:, ::1] q = require_array("level", level, "float32", 2)
    cdef const float[:, ::1] b = require_array("power", power, "float32", level.shape)
    cdef float smallest = require_number("least", least, 1e-6, 1e6), share
    cdef long long[::1] words = require_array("scratch", scratch, "int64", 1, out=True)
    if words.shape[0] < 2 * p.shape[0]:
        raise ValueError(f"scratch: wanted at least {2 * p.shape[0]} int64, got {words.shape[0]}; two for each plot")
    require_peaks(plots, q.shape[0] * block, q.shape[1] * block)
    if p.shape[0] == 0:
        return
    with nogil:
        for k in range(p.shape[0]):
            i = p[k].peak_row // block
            j = p[k].peak_col // block
            share = p[k].snr / q[i, j]
            p[k].snr = smallest * (powf(share, b[i, j]) if share > 1 else share)
        order(&p[0], p.shape[0], <uint64_t*>&words[0])
