"""Frames of point sources in white noise, their plots by both kernels, and the Cramer-Rao bound of their places.

Sources lie on a grid of cells at random places within their pixel, so that one frame holds a thousand trials.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import correlate1d
from scipy.special import erf

from lookdown.kernels.extract import MERGED, PLOT_DTYPE, extract_plots, extract_scratch_size
from lookdown.kernels.fit import fit_plots

CELL_PX = 32
CELLS = 16
THRESHOLD = 4.0
NONE_BAD = np.empty(0, np.int32)


def spots(rows: np.ndarray, cols: np.ndarray, sigma_px: float, size: int = CELL_PX) -> np.ndarray:
    """Gaussians of unit light integrated over pixels, shape (n, size, size); sigma without the pixel [px]."""
    edges = np.arange(size + 1) - 0.5
    down, along = (np.diff(erf((edges - at[:, None]) / sigma_px / np.sqrt(2)), axis=1) / 2 for at in (rows, cols))
    return down[:, :, None] * along[:, None, :]


def bound_px(sigma_px: float, snr: float) -> float:
    """Cramer-Rao bound of a place along an axis, root mean square over the place within the pixel [px].

    ``snr`` is that of the matched filter, ``flux |p| / noise``; level and light are unknown, too.
    """
    rng = np.random.default_rng(0)
    rows, cols = 16 + rng.uniform(-0.5, 0.5, (2, 400))
    step = 1e-3
    p = spots(rows, cols, sigma_px)
    by_row = (spots(rows + step, cols, sigma_px) - spots(rows - step, cols, sigma_px)) / (2 * step)
    by_col = (spots(rows, cols + step, sigma_px) - spots(rows, cols - step, sigma_px)) / (2 * step)
    flux = snr / np.sqrt((p**2).sum((1, 2)))
    design = np.stack([p, flux[:, None, None] * by_row, flux[:, None, None] * by_col, np.ones_like(p)], 1)
    design = design.reshape(len(p), 4, -1)
    inverse = np.linalg.inv(design @ design.transpose(0, 2, 1))
    return float(np.sqrt((inverse[:, 1, 1] + inverse[:, 2, 2]).mean() / 2))


@dataclass
class Trials:
    """One frame of cells with sources, and its plots.

    Attributes
    ----------
    row, col : ndarray, shape (cells, sources)
        Where the sources are [px].
    plots : ndarray of PLOT_DTYPE
        Plots of the frame, strongest first.
    cell : ndarray of int
        The cell of each plot.
    frame : ndarray
        Sources in noise of unit sigma.
    """

    row: np.ndarray
    col: np.ndarray
    plots: np.ndarray
    cell: np.ndarray
    frame: np.ndarray

    def strongest(self) -> tuple[np.ndarray, np.ndarray]:
        """Strongest plot of each cell that lies within 3 px of its only source, with the cell."""
        apart = np.hypot(self.plots["row"] - self.row[self.cell, 0], self.plots["col"] - self.col[self.cell, 0])
        near = np.flatnonzero(apart < 3)
        cell, first = np.unique(self.cell[near], return_index=True)
        return self.plots[near[first]], cell

    def errors(self) -> tuple[np.ndarray, np.ndarray]:
        """Errors of the places of `strongest`, shape (2, n) [px], and by their sigmas."""
        plots, cell = self.strongest()
        error = np.stack([plots["row"] - self.row[cell, 0], plots["col"] - self.col[cell, 0]])
        return error, error / np.stack([plots["sigma_row_px"], plots["sigma_col_px"]])

    def n_plots(self, least_snr: float) -> np.ndarray:
        """How many plots each cell has near its sources, noise left out by ``least_snr``."""
        apart = np.hypot(
            self.plots["row"][:, None] - self.row[self.cell], self.plots["col"][:, None] - self.col[self.cell]
        ).min(axis=1)
        counted = self.cell[(apart < 8) & (self.plots["snr"] > least_snr)]
        return np.bincount(counted, minlength=len(self.row))

    def told_apart(self, within_px: float) -> np.ndarray:
        """Whether each cell has as many merged plots as sources, one within ``within_px`` of each."""
        merged = (self.plots["flags"] & MERGED) > 0
        found = np.zeros(self.row.shape, bool)
        for k in range(self.row.shape[1]):
            apart = np.hypot(self.plots["row"] - self.row[self.cell, k], self.plots["col"] - self.col[self.cell, k])
            found[self.cell[merged & (apart < within_px)], k] = True
        return found.all(axis=1) & (np.bincount(self.cell[merged], minlength=len(self.row)) == self.row.shape[1])


def taps_of(psf_sigma_px: float) -> np.ndarray:
    half = max(1, int(np.ceil(3 * psf_sigma_px)))
    taps = np.exp(-0.5 * (np.arange(-half, half + 1) / psf_sigma_px) ** 2)
    return taps / taps.sum()


def filtered_by(frame: np.ndarray, taps: np.ndarray) -> np.ndarray:
    return correlate1d(correlate1d(frame.astype(np.float64), taps, 0), taps, 1).astype(np.float32)


def plots_of(
    frame: np.ndarray,
    psf_sigma_px: float,
    noise: float = 1.0,
    threshold: float = THRESHOLD,
    fit: bool = True,
    capacity: int = 4096,
    most_fitted: int = 65535,
) -> np.ndarray:
    """Filter a residual, score it by the true noise, and extract its plots; psf_sigma_px includes the pixel."""
    taps = taps_of(psf_sigma_px)
    gain = (taps**2).sum()
    filtered = filtered_by(frame, taps)
    z = (filtered / (noise * gain)).astype(np.float32)
    plots = np.zeros(capacity, PLOT_DTYPE)
    scratch = np.zeros(extract_scratch_size(frame.shape[1], capacity), np.int64)
    _, n = extract_plots(z, filtered, threshold, None, 65536, NONE_BAD, scratch, plots)
    if fit:
        residual = frame.astype(np.float32)
        _, n = fit_plots(
            residual, filtered, z, threshold, psf_sigma_px, 1 / gain**2, 65535, most_fitted, n, scratch, plots
        )
    return plots[:n]


def run(
    rng: np.random.Generator,
    sigma_px: float,
    snrs: tuple[float, ...],
    separation_px: float = 0.0,
    smear_px: float = 0.0,
    shape_sigma_px: float | None = None,
    fit: bool = True,
    threshold: float = THRESHOLD,
    most_fitted: int = 65535,
) -> Trials:
    """One frame of cells, each with sources of the given SNR, ``separation_px`` apart in a random direction.

    Light is smeared along a random direction by ``smear_px``; it is spread with ``shape_sigma_px`` if that is given,
    while the kernels take it to be ``sigma_px``.
    """
    n = CELLS * CELLS
    centre = CELL_PX / 2 + rng.uniform(-0.5, 0.5, (2, n))
    angle = rng.uniform(0, 2 * np.pi, n)
    way = np.stack([np.sin(angle), np.cos(angle)])
    offset = (np.arange(len(snrs)) - (len(snrs) - 1) / 2) * separation_px
    place = centre[:, :, None] + way[:, :, None] * offset
    image = np.zeros((n, CELL_PX, CELL_PX))
    turn = rng.uniform(0, 2 * np.pi, n)
    for k, snr in enumerate(snrs):
        p = 0.0
        steps = (np.arange(9) - 4) / 9 * smear_px if smear_px else np.zeros(1)
        for step in steps:
            at = place[:, :, k] + step * np.stack([np.sin(turn), np.cos(turn)])
            p = p + spots(at[0], at[1], shape_sigma_px or sigma_px) / len(steps)
        unit = spots(place[0, :, k], place[1, :, k], sigma_px)
        image += p * (snr / np.sqrt((unit**2).sum((1, 2))))[:, None, None]
    frame = image.reshape(CELLS, CELLS, CELL_PX, CELL_PX).transpose(0, 2, 1, 3).reshape(CELLS * CELL_PX, -1)
    frame = frame + rng.standard_normal(frame.shape)
    plots = plots_of(frame, np.sqrt(sigma_px**2 + 1 / 12), fit=fit, threshold=threshold, most_fitted=most_fitted)
    corner = np.divmod(np.arange(n), CELLS)
    cell = (plots["peak_row"] // CELL_PX) * CELLS + plots["peak_col"] // CELL_PX
    return Trials(*(place + CELL_PX * np.stack(corner)[:, :, None]), plots, cell, frame)
