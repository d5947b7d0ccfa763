"""Likelihood of plots in whitened cells, and Gauss-Newton up it, for all plots of an interval together.

The formulas are those of `lookdown.flight.radar.fit`. The first axis of every array counts the plots.
"""

import numpy as np
from numpy.typing import NDArray

from lookdown.flight.compression import PulseCompressor

Complex = NDArray[np.complex128]
Real = NDArray[np.float64]

DIRECTIONS = 17
"""Directions across a beam from which the fit begins with the likeliest."""


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


class Model:
    """What a target gives in the sums of each channel and the cells of range.

    Parameters
    ----------
    compressor : PulseCompressor
        What compressed the pulses.
    cells : int
        Range cells that are looked at.
    channel_m : ndarray of float64, shape (channels,)
        Places of the channels along the track [m].
    wavelength_m : float
        Carrier wavelength [m].
    sums : ndarray of float64, shape (tapers, 2, pulses)
        Weights of both sums over the pulses.

    Attributes
    ----------
    k : ndarray of float64, shape (channels,)
        Phase of a channel for a direction cosine [rad].
    n : ndarray of float64, shape (pulses,)
        Pulses from the middle of the interval.
    half_beam : float
        Half the width of a beam between its zeros, in direction cosine [1]; 0 with one channel.
    most : tuple of float
        Bounds of a step in range [cell], Doppler [cycle/pulse] and direction [1].
    along : ndarray of complex128, shape (cells, cells)
        Whitens noise along range.
    echo : EchoTable
        The compressed echo.
    """

    def __init__(
        self, compressor: PulseCompressor, cells: int, channel_m: Real, wavelength_m: float, sums: Real
    ) -> None:
        pulses = sums.shape[2]
        self.k = 2 * np.pi / wavelength_m * (channel_m - channel_m.mean())
        self.n = np.arange(pulses) - (pulses - 1) / 2
        aperture = float(np.ptp(channel_m)) * channel_m.size / max(channel_m.size - 1, 1)
        self.half_beam = wavelength_m / aperture if aperture else 0.0
        self.most = (0.5, 0.25 / pulses, 0.25 * self.half_beam)
        self.along = np.linalg.inv(np.linalg.cholesky(compressor.noise_correlation(cells)))
        self.echo = EchoTable(compressor, cells)
        slopes = 2j * np.pi * self.n * sums
        self._responses = np.concatenate([sums, slopes], axis=1).reshape(-1, pulses).T

    def response(self, shift: Real, taper: NDArray[np.int64]) -> tuple[Complex, Complex]:
        """Both sums of a target, and their slopes, at distances from the frequency of the sums, shape (n, 2)."""
        turn = np.exp(2j * np.pi * np.multiply.outer(shift, self.n))
        parts = (turn @ self._responses).reshape(len(shift), self._responses.shape[1] // 4, 4)[
            np.arange(len(shift)), taper
        ]
        return parts[:, :2], parts[:, 2:]


class Climb:
    """Plots on their way up the likelihood, in whitened cells; the first axis counts them."""

    def __init__(self, model: Model, taper: NDArray[np.int64], whiten: Complex, at: Real, tau: Real, u: Real) -> None:
        self._model, self.taper, self._whiten, self._at = model, taper, whiten, at
        self.tau, self.shift, self.u = tau, np.zeros(len(taper)), u
        self.power = np.zeros(len(taper))
        self.variance = np.zeros((len(taper), 3, 3))
        self._pull = np.zeros((len(taper), 3))

    def chosen(self, of: NDArray[np.int64]) -> "Climb":
        """Return some of them, where they are."""
        some = Climb(self._model, self.taper[of], self._whiten[of], self._at[of], self.tau[of], self.u[of])
        some.variance, some._pull = self.variance[of], self._pull[of]
        return some

    def see(self, snapshots: Complex, likeliest: bool = False) -> None:
        """Take the cells that are looked at, and begin with the likeliest direction if that is wanted."""
        model = self._model
        self._seen = self._whiten @ snapshots @ model.along.T
        if likeliest and model.k.size > 1:
            g = model.echo(self._at - self.tau[:, None])[0] @ model.along.T
            tried = self.u[:, None] + model.half_beam * np.linspace(-0.5, 0.5, DIRECTIONS)
            arrays = np.exp(1j * model.k[:, None, None] * tried[:, None, None])
            pulse = model.response(np.zeros(len(tried)), self.taper)[0]
            s = self._whiten @ (arrays * pulse[:, None, :, None]).reshape(len(tried), 2 * model.k.size, DIRECTIONS)
            beside = (self._seen @ g.conj()[:, :, None])[:, :, 0]
            score = np.abs(np.einsum("bmd,bm->bd", s.conj(), beside)) ** 2 / (np.abs(s) ** 2).sum(axis=1)
            self.u = tried[np.arange(len(tried)), score.argmax(axis=1)]
        self.look()

    def move(self) -> None:
        """Take one Gauss-Newton step, bounded."""
        known = 2 if self._model.k.size == 1 else 3
        most = np.array(self._model.most[:known])
        step = (self.variance[:, :known, :known] @ self._pull[:, :known, None])[:, :, 0]
        step = np.clip(step, -most, most)
        self.tau = self.tau + step[:, 0]
        self.shift = self.shift + step[:, 1]
        if known == 3:
            self.u = self.u + step[:, 2]

    def look(self) -> None:
        """Amplitude, variance and slope of the likelihood here."""
        model = self._model
        pulse, pulse_f = model.response(self.shift, self.taper)
        array = np.exp(1j * np.multiply.outer(self.u, model.k))
        parts = ((array, pulse), (array, pulse_f), (1j * model.k * array, pulse))
        ways = np.stack([a[:, :, None] * b[:, None] for a, b in parts], axis=-1)
        s, s_f, s_u = np.moveaxis(self._whiten @ ways.reshape(len(array), 2 * model.k.size, 3), 2, 0)
        echo, slope = model.echo(self._at - self.tau[:, None])
        g, g_tau = echo @ model.along.T, -(slope @ model.along.T)
        energy_s, energy_g = _dot(s, s).real, _dot(g, g).real
        beside, beside_tau = np.moveaxis(self._seen @ np.stack([g, g_tau], axis=-1).conj(), 2, 0)
        amplitude = _dot(s, beside) / (energy_s * energy_g)
        self.power = np.abs(amplitude) ** 2 * energy_s * energy_g
        s_f = s_f - (_dot(s, s_f) / energy_s)[:, None] * s
        s_u = s_u - (_dot(s, s_u) / energy_s)[:, None] * s
        # The part of g_tau along g tells of the amplitude, not of the range.
        along_g = _dot(g, g_tau) / energy_g
        g_tau = g_tau - along_g[:, None] * g
        beside_tau = beside_tau - along_g.conj()[:, None] * beside
        weight = 2 * np.abs(amplitude) ** 2
        ff, uu, fu = _dot(s_f, s_f).real, _dot(s_u, s_u).real, _dot(s_f, s_u).real
        pull = np.stack([_dot(s, beside_tau), _dot(s_f, beside), _dot(s_u, beside)], axis=1)
        self._pull = 2 * (amplitude.conj()[:, None] * pull).real
        self.variance = np.zeros((len(array), 3, 3))
        self.variance[:, 0, 0] = 1 / (weight * _dot(g_tau, g_tau).real * energy_s)
        weight *= energy_g
        if model.k.size == 1:
            self.variance[:, 1, 1], self.variance[:, 2, 2] = 1 / (weight * ff), np.inf
            return
        determinant = weight * (ff * uu - fu * fu)
        self.variance[:, 1, 1], self.variance[:, 2, 2] = uu / determinant, ff / determinant
        self.variance[:, 1, 2] = self.variance[:, 2, 1] = -fu / determinant


def _dot(a: Complex, b: Complex) -> Complex:
    """Inner product of each row, the first conjugated."""
    return np.asarray((a.conj() * b).sum(axis=1), np.complex128)
