"""Places of plots by a fit of the point-spread function, and merged plots told apart.

A point that lies at (row, col) puts ``flux p(i - row) p(j - col)`` on pixel (i, j), with p a Gaussian integrated over
the pixel. Least squares on the residual, with a level beside the spot, are the maximum-likelihood place in white noise
(Winick 1986, J. Opt. Soc. Am. A 3, 1809); the inverse of the normal matrix times the noise variance is its covariance,
and the Cramer-Rao bound. Steps are Levenberg's and Marquardt's (Marquardt 1963, J. SIAM 11, 431), from the place that
extraction gave. Where the spot explains the window less well than noise lets expect, its covariance grows by
chi^2 per degree of freedom. The noise is read from score and filtered residual: by how much the one falls beside the
peak while the other does.

What one spot does not explain is tried with several (``parting.pxd``); what they do not explain either is no light of
points: that plot keeps its place and is flagged EXTENDED. Of very many plots the weakest are not fitted: they keep the
place that extraction gave, a closed form whose sigma says what it is worth, and are flagged UNFITTED.
"""

from libc.math cimport fabs, sqrt
from libc.stdint cimport uint64_t

from lookdown.kernels.extract cimport Plot
from lookdown.kernels.parting cimport Scene, explains, fit, lay_window, may_be_several, part
from lookdown.kernels.spots cimport Spots, covariance
from lookdown.kernels.strongest cimport order

from lookdown.kernels.checks import require_array, require_integer, require_number
from lookdown.kernels.extract import PLOT_DTYPE

cdef enum:
    IS_DARK = 1
    IS_SATURATED = 4
    IS_MERGED = 32
    IS_EXTENDED = 256
    IS_UNFITTED = 512
    COMPACT = 7  # largest extent of a plot whose first place is that of its peak [pixel]
    BESIDE = 2  # where the score is compared with that of the peak [pixel]

cdef double FARTHEST_PX = 1.5  # from the peak pixel to the place of the plot's only spot
cdef double LEAST_SHARE = 0.5  # of a plot's snr that its spot has, less a sigma; the rest is flat light
cdef float CORRELATION = 3.5449077  # 2 sqrt(pi): side of the square of the filter's correlation [sigma]
cdef double FOUR_PI = 12.566370614359172  # light of a spot over the peak of its filtered residual [sigma^2]
cdef double FLOOR_PX = 0.005  # error of a place that no light takes away


cdef double noise_of_place(Scene* scene, Plot* plot) noexcept nogil:
    """Sigma of the filtered residual at a plot: by how much it falls beside the peak for each unit of the score."""
    cdef Py_ssize_t k, row, col, at = plot.peak_row * scene.cols + plot.peak_col, beside
    cdef double light = 0, score = 0
    for k in range(4):
        row = min(max(plot.peak_row + (BESIDE * (2 * k - 1) if k < 2 else 0), 0), scene.rows - 1)
        col = min(max(plot.peak_col + (BESIDE * (2 * k - 5) if k >= 2 else 0), 0), scene.cols - 1)
        beside = row * scene.cols + col
        light += <double>scene.filtered[at] - scene.filtered[beside]
        score += <double>scene.z[at] - scene.z[beside]
    if fabs(score) > 0.5 * plot.snr and light / score > 0:
        return light / score
    return fabs(plot.amplitude) / plot.snr


cdef void write(Scene* scene, Spots* s, Py_ssize_t k, double noise2, Plot* plot) noexcept nogil:
    """Place, covariance and light of one spot."""
    cdef double row, col, both, spread2
    cdef double freedom = max(s.height * s.width - 3 * s.n - 1, 1)
    spread2 = noise2 * max(s.misfit / noise2 / freedom, 1.0)
    plot.row = <float>s.row[k]
    plot.col = <float>s.col[k]
    plot.flux = <float>s.flux[k]
    if covariance(s, k, &row, &col, &both):
        plot.sigma_row_px = <float>sqrt(spread2 * row + FLOOR_PX * FLOOR_PX)
        plot.sigma_col_px = <float>sqrt(spread2 * col + FLOOR_PX * FLOOR_PX)
        plot.covariance_px2 = <float>(spread2 * both)


cdef void widen(Scene* scene, Plot* plot) noexcept nogil:
    """Sigma of a centroid that stays: the noise under it is correlated over the filter's width."""
    if plot.n_rows > COMPACT or plot.n_cols > COMPACT:
        plot.sigma_row_px *= CORRELATION * <float>scene.sigma
        plot.sigma_col_px *= CORRELATION * <float>scene.sigma


cdef Py_ssize_t place(Scene* scene, Plot* plot, Spots* s, double* noise2) noexcept nogil:
    """Fit one plot; returns how many spots explain it, 0 if none do."""
    cdef double sign = -1 if plot.flags & IS_DARK else 1, sigma = noise_of_place(scene, plot)
    cdef bint near, settled, compact = plot.n_rows <= COMPACT and plot.n_cols <= COMPACT
    noise2[0] = scene.white_gain * sigma * sigma
    s.n = 1
    s.row[0] = plot.row if compact else plot.peak_row
    s.col[0] = plot.col if compact else plot.peak_col
    s.flux[0] = FOUR_PI * scene.sigma * scene.sigma * sign * plot.snr * sigma
    s.level = 0
    if not (noise2[0] > 0 and lay_window(scene, s)):
        return 0
    settled = fit(scene, scene.sigma, noise2[0], s)  # between two spots one may find no rest
    if not plot.flags & IS_SATURATED and scene.tries > 0 and may_be_several(scene, plot, s, noise2[0]):
        scene.tries -= 1
        part(scene, plot, sign, noise2[0], s)
        if s.n > 1:
            return s.n
    if not (explains(s, noise2[0]) and sqrt(s.energy / noise2[0]) > LEAST_SHARE * plot.snr - 1):
        plot.flags |= IS_EXTENDED
        return 0
    near = fabs(s.row[0] - plot.peak_row) <= FARTHEST_PX and fabs(s.col[0] - plot.peak_col) <= FARTHEST_PX
    return 1 if settled and near and sign * s.flux[0] > 0 else 0


cdef Py_ssize_t weakest_of(Plot* plots, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i, found = 0
    for i in range(1, n):
        if plots[i].snr < plots[found].snr:
            found = i
    return found


cdef Py_ssize_t fit_all(
    Scene* scene, Plot* plots, Py_ssize_t n, Py_ssize_t most, Py_ssize_t capacity, uint64_t* keys, Py_ssize_t* n_parted
) noexcept nogil:
    """Fit the first ``most`` plots; returns how many there are then."""
    cdef Spots s
    cdef Plot one
    cdef Py_ssize_t i, k, found, at, n_first = n
    cdef double noise2, strength
    n_parted[0] = 0
    for i in range(n_first):
        if plots[i].flags & IS_MERGED:  # came from a stronger one in place of a plot that was here
            continue
        if i >= most:
            plots[i].flags |= IS_UNFITTED
            widen(scene, &plots[i])
            continue
        found = place(scene, &plots[i], &s, &noise2)
        if found == 0:
            widen(scene, &plots[i])
        elif found == 1:
            write(scene, &s, 0, noise2, &plots[i])
        else:
            n_parted[0] += found - 1
            one = plots[i]
            one.flags |= IS_MERGED
            for k in range(found):
                strength = sqrt(s.flux[k] * s.flux[k] * s.norm2[k] / noise2)
                one.amplitude *= <float>strength / one.snr
                one.snr = <float>strength
                write(scene, &s, k, noise2, &one)
                if k == 0:
                    at = i
                elif n < capacity:
                    at = n
                    n += 1
                else:
                    at = weakest_of(plots, n)
                    if plots[at].snr >= one.snr:
                        continue
                plots[at] = one
    order(plots, n, keys)
    return n


def fit_scratch_size(capacity):
    """Elements of scratch that `fit_plots` needs for ``capacity`` plots."""
    return 2 * capacity


def fit_plots(
    residual, filtered, z, threshold, psf_sigma_px, white_gain, most_tried, most_fitted, n_plots, scratch, plots
):
    """Fit the point-spread function to extracted plots and part those that are several.

    Plots that a point explains get the fitted place, its covariance and the light of the spot. Those that two to four
    points explain become as many plots, flagged MERGED, each with its own snr and amplitude; what was measured of the
    connected pixels (n_pixels, extents, moments, peak, the other flags) they share. The rest keep their place, are
    flagged EXTENDED, and where it is a centroid its sigma grows by the correlation of the filtered residual.

    Parameters
    ----------
    residual : ndarray of float32, shape (rows, cols)
        What was filtered: white noise and spots of the point-spread function [frame unit].
    filtered, z : ndarray of float32, shape (rows, cols)
        Matched-filtered residual [frame unit] and its score [1], as the plots were extracted from.
    threshold : float
        The one they were extracted with, above 0.
    psf_sigma_px : float
        One sigma of the point-spread function, optics and detector together, 0.3 to 3 [px].
    white_gain : float
        Variance of white noise in ``residual`` over that in ``filtered``, above 0 [1].
    most_tried : int
        Plots that are tried with several spots, the strongest that need it; it bounds the time. 0.1 to 0.35 ms each.
    most_fitted : int
        Plots that are fitted, the strongest; the rest keep their place and are flagged UNFITTED. Some 5 us each.
    n_plots : int
        Plots that there are, strongest first.
    scratch : ndarray of int64
        At least `fit_scratch_size` elements; its content does not matter.
    plots : ndarray of PLOT_DTYPE, shape (capacity,)
        The plots, changed in place; strongest first again. Where there is no room the weakest are left out.

    Returns
    -------
    n_parted : int
        Plots that came of parting, left out or not.
    n_written : int
        Plots that there are now, ``min(n_plots + n_parted, capacity)``.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, a number is out of its range, or a plot's peak lies outside.
    """
    cdef const float[:, ::1] x = require_array("residual", residual, "float32", 2)
    cdef const float[:, ::1] y = require_array("filtered", filtered, "float32", residual.shape)
    cdef const float[:, ::1] score = require_array("z", z, "float32", residual.shape)
    cdef Plot[::1] all_plots = require_array("plots", plots, PLOT_DTYPE, 1, out=True)
    cdef long long[::1] words = require_array("scratch", scratch, "int64", 1, out=True)
    cdef double sigma_px = require_number("psf_sigma_px", psf_sigma_px, 0.3, 3.0)
    cdef Py_ssize_t n = require_integer("n_plots", n_plots, 0, all_plots.shape[0]), i, n_parted, n_written
    cdef Py_ssize_t most = require_integer("most_fitted", most_fitted, 0, 65535)
    cdef Scene scene
    if words.shape[0] < fit_scratch_size(all_plots.shape[0]):
        raise ValueError(
            f"scratch: wanted at least {fit_scratch_size(all_plots.shape[0])} int64, got {words.shape[0]}; "
            "see fit_scratch_size"
        )
    scene.residual = &x[0, 0]
    scene.filtered = &y[0, 0]
    scene.z = &score[0, 0]
    scene.rows = x.shape[0]
    scene.cols = x.shape[1]
    scene.threshold = require_number("threshold", threshold, 1e-6, 1e30)
    scene.tries = <int>require_integer("most_tried", most_tried, 0, 65535)
    scene.white_gain = require_number("white_gain", white_gain, 1e-6, 1e6)
    # A Gaussian of this sigma, integrated over a pixel, has the variance of psf_sigma_px.
    scene.sigma = sqrt(sigma_px * sigma_px - 1.0 / 12.0)
    for i in range(n):
        if not (0 <= all_plots[i].peak_row < scene.rows and 0 <= all_plots[i].peak_col < scene.cols):
            raise ValueError(f"plots: wanted peaks inside the frame, got plot {i} outside; extract them first")
        if not 0 < all_plots[i].snr < 1e30:
            raise ValueError(f"plots: wanted snr above 0, got {all_plots[i].snr} in plot {i}; extract them first")
    if n == 0:
        return 0, 0
    with nogil:
        n_written = fit_all(&scene, &all_plots[0], n, most, all_plots.shape[0], <uint64_t*>&words[0], &n_parted)
    return n_parted, n_written
