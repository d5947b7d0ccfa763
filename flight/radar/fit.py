"""Place of a plot: maximum likelihood of range, Doppler and direction in coloured noise, with its covariance.

A target of amplitude a at range tau, Doppler f and direction cosine u answers in channel c, pulse p and range cell r as

    a exp(2 pi i (x_c u / wavelength + f n_p)) g(r - tau),        n_p = p - (P - 1) / 2.

Near a first guess f0 all that pulses tell of f lies in two sums, as all that an antenna tells of an angle lies in a sum
and a difference beam:

    S_c(r) = sum_p w_p exp(-2 pi i f0 n_p) y_c,p(r),    D_c(r) = sum_p n_p w_p exp(-2 pi i f0 n_p) y_c,p(r).

So a plot is fitted in a few cells of range times two sums of each channel. Their covariance R is learnt from the cells
about it, which whitens clutter and jammers as the adaptive filter does; along range that of noise is known. What is
left is Gauss-Newton on the likelihood with the amplitude projected out; the covariance is the inverse of Fisher's
information with R in it (Kay 1993, Fundamentals of Statistical Signal Processing, 3.9 and 15.7), times
``(K + 1) / (K + 2 - N)`` for an R of size N that K independent cells taught (Reed, Mallett and Brennan 1974).

Uniform weights w lose nothing in noise but let clutter of other Doppler bins in; Taylor weights do the opposite. Both
are tried, and Taylor weights are taken where they tell clearly more of Doppler.

All plots of an interval climb together, as stacked arrays; each has its own cells and covariance.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lookdown.flight.compression import PulseCompressor
from lookdown.flight.radar.likelihood import Climb, Model
from lookdown.flight.radar.taper import pulse_weights

Complex = NDArray[np.complex128]
Real = NDArray[np.float64]

FIT_CELLS = 7
"""Range cells that a fit looks at."""

GUARD_CELLS = 6
"""Range cells on either side of the plot that do not train."""

TRAINING_FACTOR = 16
"""Training cells for each row of the covariance, if there are so many."""

STEPS = 2
"""Gauss-Newton steps after the first."""

TAPER_GAIN = 0.8
"""Part of the Doppler variance of uniform weights that Taylor weights must reach to be taken."""

LOADING = 1e-6
"""Part of the mean diagonal that is added to a trained covariance, so that it can be inverted."""


@dataclass(frozen=True, slots=True, eq=False)
class Fits:
    """Where n plots are.

    Attributes
    ----------
    range_cell : ndarray of float64, shape (n,)
        Range [cell].
    doppler : ndarray of float64, shape (n,)
        Doppler frequency [cycle/pulse].
    u : ndarray of float64, shape (n,)
        Cosine between line of sight and track [1]; NaN with one channel.
    covariance : ndarray of float64, shape (n, 3, 3)
        Of range [cell], Doppler [cycle/pulse] and u; infinite for a u that is not known.
    snr_db : ndarray of float64, shape (n,)
        Power over interference and noise after all integration [dB].
    trained : ndarray of bool, shape (n,)
        Whether enough cells were there to learn the interference; else it was taken as white.
    """

    range_cell: Real
    doppler: Real
    u: Real
    covariance: Real
    snr_db: Real
    trained: NDArray[np.bool_]


class PlotFit:
    """Fits plots of intervals of one shape, all of an interval together.

    Parameters
    ----------
    compressor : PulseCompressor
        What compressed them.
    channel_m : ndarray of float64, shape (channels,)
        Places of the channels along the track [m].
    wavelength_m : float
        Carrier wavelength [m].
    pulses : int
        Pulses of an interval.
    side_lobes_db : float
        Of the Taylor weights that are tried beside uniform ones [dB].
    """

    def __init__(
        self, compressor: PulseCompressor, channel_m: Real, wavelength_m: float, pulses: int, side_lobes_db: float
    ) -> None:
        n = np.arange(pulses) - (pulses - 1) / 2
        rising = n / max(float(np.sqrt(np.mean(n**2))), 1.0)  # both sums equally loud in white noise
        tapers = [np.full(pulses, pulses**-0.5)]
        if side_lobes_db and pulses > 2:
            tapers.append(pulse_weights(pulses, side_lobes_db))
        self._sums = np.stack([np.stack([taper, taper * rising]) for taper in tapers])
        self._grams = self._sums @ self._sums.swapaxes(1, 2)
        self._cells = min(FIT_CELLS, compressor.ranges)
        noise = compressor.noise_correlation(self._cells)
        self._independent = float(1 / (2 * (np.abs(noise[0]) ** 2).sum() - 1))
        self.model = Model(compressor, self._cells, channel_m, wavelength_m, self._sums)

    def __call__(
        self, compressed: NDArray[np.complex64], cell: Real, doppler: Real, u: Real, train: NDArray[np.bool_]
    ) -> Fits:
        """Fit the plots of an interval.

        Parameters
        ----------
        compressed : ndarray of complex64, shape (channels, pulses, ranges)
            The interval.
        cell, doppler, u : ndarray of float64, shape (n,)
            First guesses: range [cell], Doppler [cycle/pulse], direction [1].
        train : ndarray of bool, shape (n, ranges)
            Cells that hold no target near the Doppler of each.

        Returns
        -------
        Fits
            Places and covariances.
        """
        n, size, tapers = len(cell), 2 * len(compressed), len(self._sums)
        peak = np.rint(cell).astype(int)
        first = np.clip(peak - self._cells // 2, 0, compressed.shape[2] - self._cells)
        at = first[:, None] + np.arange(self._cells, dtype=np.float64)
        turned = self._turned(doppler)
        seen = np.empty((n, tapers, size, self._cells), np.complex128)
        covariance = np.empty((n, tapers, size, size), np.complex128)
        trained, loss = np.zeros(n, bool), np.ones(n)
        inside = []
        for k in range(n):
            cells = training_cells(train[k], int(peak[k]), TRAINING_FACTOR * size)
            ends = np.append(cells, (first[k], first[k] + self._cells - 1))
            low = int(ends.min())
            part = np.ascontiguousarray(compressed[:, :, low : int(ends.max()) + 1])
            sums = _project(turned[k], part)
            looked = slice(first[k] - low, first[k] - low + self._cells)
            seen[k], around = sums[:, :, looked], sums[:, :, cells - low]
            inside.append(part[:, :, looked])
            trained[k] = cells.size >= 2 * size and around.any()
            if trained[k]:
                taught = max(self._independent * cells.size, size)
                loss[k] = (taught + 1) / (taught + 2 - size)
            covariance[k] = _covariance(around, bool(trained[k]), self._grams)
        whiten = np.asarray(np.linalg.inv(np.linalg.cholesky(covariance)), np.complex128)
        taper = np.tile(np.arange(tapers), n)
        start = Climb(
            self.model, taper, whiten.reshape(-1, size, size), np.repeat(at, tapers, axis=0), np.repeat(cell, tapers),
            np.repeat(u, tapers),
        )  # fmt: skip
        start.see(seen.reshape(-1, size, self._cells), likeliest=True)
        best = start.chosen(self._choose(start.variance[:, 1, 1].reshape(n, tapers)) + tapers * np.arange(n))
        # The two sums are all that pulses tell near their frequency alone: formed anew where the plot is by now.
        best.move()
        doppler, best.shift = doppler + best.shift, np.zeros(n)
        turned = self._turned(doppler)
        for k, chosen in enumerate(best.taper):
            seen[k, 0] = _project(turned[k, chosen : chosen + 1], inside[k])
        best.see(seen[:, 0])
        for _ in range(STEPS):
            best.move()
            best.look()
        snr_db = 10 * np.log10(np.maximum(best.power, 1e-30))
        direction = best.u if self.model.k.size > 1 else np.full(n, np.nan)
        return Fits(best.tau, doppler + best.shift, direction, best.variance * loss[:, None, None], snr_db, trained)

    def _turned(self, doppler: Real) -> NDArray[np.complex64]:
        """Weights of both sums at frequencies, shape (n, tapers, 2, pulses)."""
        turn = np.exp(-2j * np.pi * np.multiply.outer(doppler, self.model.n))
        return np.asarray(self._sums * turn[:, None, None], np.complex64)

    def _choose(self, variance: Real) -> NDArray[np.int64]:
        """Taper of each plot, by the variance of Doppler that each gives, shape (n, tapers)."""
        chosen, least = np.zeros(len(variance), np.int64), variance[:, 0]
        for taper in range(1, variance.shape[1]):
            better = variance[:, taper] < TAPER_GAIN * least
            chosen, least = np.where(better, taper, chosen), np.where(better, variance[:, taper], least)
        return chosen


def training_cells(train: NDArray[np.bool_], peak: int, wanted: int) -> NDArray[np.int64]:
    """Return the cells nearest to a plot that may train, ascending."""
    low, high = max(peak - wanted - GUARD_CELLS, 0), min(peak + wanted + GUARD_CELLS + 1, train.size)
    cells = np.flatnonzero(train[low:high]) + low
    distance = np.abs(cells - peak)
    cells, distance = cells[distance > GUARD_CELLS], distance[distance > GUARD_CELLS]
    if cells.size > wanted:
        cells = np.sort(cells[np.argsort(distance, kind="stable")[:wanted]])
    return cells


def _project(turned: NDArray[np.complex64], cells: NDArray[np.complex64]) -> Complex:
    """Both sums over the pulses in each channel, shape (tapers, 2 channels, cells)."""
    tapers, pulses = len(turned), turned.shape[2]
    sums = np.matmul(turned.reshape(-1, pulses), cells).reshape(len(cells), tapers, 2, -1).swapaxes(0, 1)
    return np.asarray(sums.reshape(tapers, 2 * len(cells), -1), np.complex128)


def _covariance(around: Complex, trained: bool, grams: Real) -> Complex:
    """Covariances of two sums of each channel: as learnt, or of white noise of the power seen."""
    size = around.shape[1]
    if trained:
        covariance = around @ around.conj().swapaxes(1, 2) / around.shape[2]
        load = LOADING * np.trace(covariance, axis1=1, axis2=2).real / size
    else:
        mean = (np.abs(around[:, ::2]) ** 2).mean(axis=(1, 2)) if around.size else np.ones(len(grams))
        power = np.where(mean > 0, mean / grams[:, 0, 0], 1.0)
        covariance = np.kron(np.eye(size // 2), power[:, None, None] * grams).astype(np.complex128)
        load = np.zeros(len(grams))
    return np.asarray(covariance + load[:, None, None] * np.eye(size), np.complex128)
