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
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lookdown.flight.compression import PulseCompressor
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

DIRECTIONS = 17
"""Directions across a beam from which the fit begins with the likeliest."""

TAPER_GAIN = 0.8
"""Part of the Doppler variance of uniform weights that Taylor weights must reach to be taken."""

LOADING = 1e-6
"""Part of the mean diagonal that is added to a trained covariance, so that it can be inverted."""


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Where a plot is.

    Attributes
    ----------
    range_cell : float
        Range [cell].
    doppler : float
        Doppler frequency [cycle/pulse].
    u : float
        Cosine between line of sight and track [1]; NaN with one channel.
    covariance : ndarray of float64, shape (3, 3)
        Of range [cell], Doppler [cycle/pulse] and u; infinite for a u that is not known.
    snr_db : float
        Power over interference and noise after all integration [dB].
    trained : bool
        Whether enough cells were there to learn the interference; else it was taken as white.
    """

    range_cell: float
    doppler: float
    u: float
    covariance: Real
    snr_db: float
    trained: bool


class EchoTable:
    """The compressed echo and its slope about its peak, between the points of a table by Hermite's cubic."""

    PER_CELL = 32

    def __init__(self, compressor: PulseCompressor, reach: int) -> None:
        self._reach = reach + 2
        lag = np.arange(-self._reach * self.PER_CELL, self._reach * self.PER_CELL + 2) / self.PER_CELL
        self._value, self._slope = compressor.echo(lag), compressor.echo_slope(lag)

    def __call__(self, lag: Real) -> tuple[Complex, Complex]:
        """Return echo [1] and slope [1/cell] at distances behind the beginning [cell]."""
        place = (np.clip(lag, -self._reach, self._reach) + self._reach) * self.PER_CELL
        k = place.astype(int)
        t, h = place - k, 1 / self.PER_CELL
        a, b, da, db = self._value[k], self._value[k + 1], h * self._slope[k], h * self._slope[k + 1]
        rise = 3 * (b - a) - 2 * da - db
        bend = 2 * (a - b) + da + db
        return a + t * (da + t * (rise + t * bend)), (da + t * (2 * rise + 3 * t * bend)) / h


class PlotFit:
    """Fits plots of intervals of one shape.

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
        self.k = 2 * np.pi / wavelength_m * (channel_m - channel_m.mean())
        self.n = np.arange(pulses) - (pulses - 1) / 2
        rising = self.n / max(float(np.sqrt(np.mean(self.n**2))), 1.0)  # both sums equally loud in white noise
        tapers = [np.full(pulses, pulses**-0.5)]
        if side_lobes_db and pulses > 2:
            tapers.append(pulse_weights(pulses, side_lobes_db))
        self._sums = np.stack([np.stack([taper, taper * rising]) for taper in tapers])
        self._grams = self._sums @ self._sums.swapaxes(1, 2)
        aperture = float(np.ptp(channel_m)) * channel_m.size / max(channel_m.size - 1, 1)
        self.half_beam = wavelength_m / aperture if aperture else 0.0
        self.most = (0.5, 0.25 / pulses, 0.25 * self.half_beam)
        self._cells = min(FIT_CELLS, compressor.ranges)
        noise = compressor.noise_correlation(self._cells)
        self.along = np.linalg.inv(np.linalg.cholesky(noise))
        self._independent = float(1 / (2 * (np.abs(noise[0]) ** 2).sum() - 1))
        self.echo = EchoTable(compressor, self._cells)

    def __call__(
        self, compressed: NDArray[np.complex64], cell: float, doppler: float, u: float, train: NDArray[np.bool_]
    ) -> Fit:
        """Fit one plot.

        Parameters
        ----------
        compressed : ndarray of complex64, shape (channels, pulses, ranges)
            The interval.
        cell, doppler, u : float
            First guess: range [cell], Doppler [cycle/pulse], direction [1].
        train : ndarray of bool, shape (ranges,)
            Cells that hold no target near this Doppler.

        Returns
        -------
        Fit
            Place and covariance.
        """
        ranges, peak = compressed.shape[2], round(cell)
        first = min(max(peak - self._cells // 2, 0), ranges - self._cells)
        size = 2 * len(compressed)
        cells = training_cells(train, peak, TRAINING_FACTOR * size)
        trained = cells.size >= 2 * size
        taught = max(self._independent * cells.size, size)
        loss = (taught + 1) / (taught + 2 - size) if trained else 1.0
        low, high = (int(cells[0]), int(cells[-1]) + 1) if cells.size else (0, 0)
        around = self._project(compressed[:, :, low:high], doppler)[..., cells - low]
        inside = compressed[:, :, first : first + self._cells]
        seen = self._project(inside, doppler)
        at = np.arange(first, first + self._cells, dtype=np.float64)
        best: _Climb | None = None
        for taper, (near, sums) in enumerate(zip(around, seen, strict=True)):
            whiten = _whitener(near.reshape(size, -1), trained, self._grams[taper])
            climb = _Climb(self, self._sums[taper], whiten, at, cell, u)
            climb.see(sums.reshape(size, -1), likeliest=True)
            if best is None or climb.variance[1, 1] < TAPER_GAIN * best.variance[1, 1]:
                best, chosen = climb, taper
        assert best is not None
        best.step()
        # The two sums are all that pulses tell near their frequency alone: formed anew where the plot is by now.
        doppler += best.shift
        best.shift = 0.0
        best.see(self._project(inside, doppler)[chosen].reshape(size, -1))
        for _ in range(STEPS):
            best.step()
        snr_db = 10 * np.log10(max(best.power, 1e-30))
        direction = best.u if self.k.size > 1 else np.nan
        return Fit(best.tau, doppler + best.shift, direction, best.variance * loss, float(snr_db), trained)

    def _project(self, cells: NDArray[np.complex64], doppler: float) -> Complex:
        """Sum and difference over the pulses, shape (tapers, channels, 2, cells)."""
        turned = (self._sums.reshape(-1, self.n.size) * np.exp(-2j * np.pi * doppler * self.n)).astype(np.complex64)
        sums = np.matmul(turned, cells).astype(np.complex128)
        sums = sums.reshape(len(cells), len(self._sums), 2, cells.shape[2]).swapaxes(0, 1)
        return np.asarray(sums, np.complex128)


class _Climb:
    """One plot on its way up the likelihood, in whitened cells."""

    def __init__(self, fit: PlotFit, sums: Real, whiten: Complex, at: Real, tau: float, u: float) -> None:
        self._fit, self._sums, self._whiten, self._at = fit, sums, whiten, at
        self.tau, self.shift, self.u = tau, 0.0, u
        self.power = 0.0
        self.variance = np.eye(3)

    def see(self, snapshots: Complex, likeliest: bool = False) -> None:
        """Take the cells that are looked at, and begin with the likeliest direction if that is wanted."""
        self._seen = self._whiten @ snapshots @ self._fit.along.T
        k = self._fit.k
        if likeliest and k.size > 1:
            g = self._fit.along @ self._fit.echo(self._at - self.tau)[0]
            tried = self.u + self._fit.half_beam * np.linspace(-0.5, 0.5, DIRECTIONS)
            arrays = np.exp(1j * np.multiply.outer(k, tried))
            s = self._whiten @ (arrays[:, None] * self._sums.sum(axis=1)[:, None]).reshape(-1, tried.size)
            score = np.abs(s.conj().T @ (self._seen @ g.conj())) ** 2 / (np.abs(s) ** 2).sum(axis=0)
            self.u = float(tried[int(np.argmax(score))])
        self._look()

    def step(self) -> None:
        """Take one Gauss-Newton step, bounded, and look again."""
        move = self.variance[:2, :2] @ self._pull[:2] if self._fit.k.size == 1 else self.variance @ self._pull
        most = self._fit.most
        self.tau += float(min(max(move[0], -most[0]), most[0]))
        self.shift += float(min(max(move[1], -most[1]), most[1]))
        if self._fit.k.size > 1:
            self.u += float(min(max(move[2], -most[2]), most[2]))
        self._look()

    def _look(self) -> None:
        """Amplitude, variance and slope of the likelihood here."""
        fit = self._fit
        turn = np.exp(2j * np.pi * self.shift * fit.n)
        pulse = self._sums @ np.stack([turn, 2j * np.pi * fit.n * turn], axis=1)
        array = np.exp(1j * fit.k * self.u)
        steer = 1j * fit.k * array
        parts = ((array, pulse[:, 0]), (array, pulse[:, 1]), (steer, pulse[:, 0]))
        s, s_f, s_u = (self._whiten @ np.stack([np.outer(a, b).reshape(-1) for a, b in parts], axis=1)).T
        echo, slope = fit.echo(self._at - self.tau)
        g, g_tau = fit.along @ echo, -(fit.along @ slope)
        energy_s, energy_g = np.vdot(s, s).real, np.vdot(g, g).real
        beside = self._seen @ g.conj()
        amplitude = np.vdot(s, beside) / (energy_s * energy_g)
        self.power = float(abs(amplitude) ** 2 * energy_s * energy_g)
        s_f = s_f - np.vdot(s, s_f) / energy_s * s
        s_u = s_u - np.vdot(s, s_u) / energy_s * s
        g_tau = g_tau - np.vdot(g, g_tau) / energy_g * g
        weight = 2 * abs(amplitude) ** 2
        of_tau = weight * np.vdot(g_tau, g_tau).real * energy_s
        ff, uu = np.vdot(s_f, s_f).real, np.vdot(s_u, s_u).real
        fu = np.vdot(s_f, s_u).real
        pull = np.array([np.vdot(s, self._seen @ g_tau.conj()), np.vdot(s_f, beside), np.vdot(s_u, beside)])
        self._pull = 2 * (np.conj(amplitude) * pull).real
        weight *= energy_g
        self.variance = np.zeros((3, 3))
        self.variance[0, 0] = 1 / of_tau
        if fit.k.size == 1:
            self.variance[1, 1], self.variance[2, 2] = 1 / (weight * ff), np.inf
            return
        determinant = weight * (ff * uu - fu * fu)
        self.variance[1, 1], self.variance[2, 2] = uu / determinant, ff / determinant
        self.variance[1, 2] = self.variance[2, 1] = -fu / determinant


def training_cells(train: NDArray[np.bool_], peak: int, wanted: int) -> NDArray[np.int64]:
    """Return the cells nearest to a plot that may train, ascending."""
    low, high = max(peak - wanted - GUARD_CELLS, 0), min(peak + wanted + GUARD_CELLS + 1, train.size)
    cells = np.flatnonzero(train[low:high]) + low
    distance = np.abs(cells - peak)
    cells, distance = cells[distance > GUARD_CELLS], distance[distance > GUARD_CELLS]
    if cells.size > wanted:
        cells = np.sort(cells[np.argsort(distance, kind="stable")[:wanted]])
    return cells


def _whitener(snapshots: Complex, trained: bool, gram: Real) -> Complex:
    """Inverse root of the covariance of two sums of each channel: as learnt, or of white noise of the power seen."""
    if trained:
        covariance = snapshots @ snapshots.conj().T / snapshots.shape[1]
        covariance += LOADING * np.trace(covariance).real / len(covariance) * np.eye(len(covariance))
    else:
        power = float((np.abs(snapshots[::2]) ** 2).mean() / gram[0, 0]) if snapshots.size else 1.0
        covariance = max(power, 1e-30) * np.kron(np.eye(len(snapshots) // 2), gram)
    return np.asarray(np.linalg.inv(np.linalg.cholesky(covariance)), np.complex128)
