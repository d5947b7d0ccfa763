"""Pulse compression: the matched filter of a linear chirp along range.

The received samples are correlated with the transmitted pulse s of unit energy,

    y[i] = sum_k conj(s[k]) x[i + k]

by Fourier transforms (Richards 2014, Fundamentals of Radar Signal Processing, ch. 4): white noise keeps its power, and
an echo of amplitude a has its peak a at the sample where it begins. Taylor weights over the band press side lobes down;
white noise keeps its power then too, and peaks fall by `PulseCompressor.loss_db`. The transforms are NumPy's
(pocketfft), in float32.
"""

import numpy as np
from numpy.typing import NDArray

from lookdown.flight.radar.taper import taylor

AT_A_TIME = 32
"""Pulses that are transformed together."""

__all__ = ["PulseCompressor", "chirp"]


def chirp(bandwidth_hz: float, pulse_s: float, sample_rate_hz: float) -> NDArray[np.complex64]:
    """Return a linear up-chirp about 0 Hz of unit energy, complex64, shape (pulse samples,).

    Parameters
    ----------
    bandwidth_hz : float
        Swept band [Hz], at most the sample rate.
    pulse_s : float
        Duration [s].
    sample_rate_hz : float
        Complex samples a second [Hz].

    Raises
    ------
    ValueError
        If a number is not above 0, the band is not sampled, or the pulse has no sample.
    """
    if not (0 < bandwidth_hz <= sample_rate_hz < np.inf and 0 < pulse_s < np.inf):
        raise ValueError(
            f"chirp: wanted 0 < bandwidth <= sample rate and a pulse longer than 0, got bandwidth {bandwidth_hz} Hz, "
            f"sample rate {sample_rate_hz} Hz, pulse {pulse_s} s"
        )
    n = round(pulse_s * sample_rate_hz)
    if n < 1:
        raise ValueError(f"chirp: wanted a pulse of one sample at least, got {pulse_s} s at {sample_rate_hz} Hz")
    time_s = (np.arange(n) - (n - 1) / 2) / sample_rate_hz
    return np.asarray(np.exp(1j * np.pi * bandwidth_hz / pulse_s * time_s**2) / np.sqrt(n), np.complex64)


class PulseCompressor:
    """Compress intervals of one shape.

    Parameters
    ----------
    pulse : ndarray of complex64, shape (pulse samples,)
        The transmitted pulse, as `chirp` gives it.
    samples : int
        Range samples that are received after each pulse.
    band : float
        Band of the pulse over the sample rate, across which weights lie [1].
    side_lobes_db : float
        Range side lobes of the Taylor weights over the band, 0 for none: the matched filter [dB].

    Attributes
    ----------
    ranges : int
        Range cells of the compressed interval: ``samples - pulse samples + 1``, each with its whole echo.
    loss_db : float
        Loss of SNR against the matched filter by the weights [dB].

    Raises
    ------
    ValueError
        If the pulse is empty or not finite, or longer than what is received.
    """

    def __init__(
        self, pulse: NDArray[np.complex64], samples: int, band: float = 1.0, side_lobes_db: float = 0.0
    ) -> None:
        pulse = np.asarray(pulse, np.complex64)
        if pulse.ndim != 1 or pulse.size == 0 or not np.isfinite(pulse).all() or not pulse.any():
            raise ValueError(f"pulse: wanted finite samples of the transmitted pulse, got shape {pulse.shape}")
        if pulse.size > samples:
            raise ValueError(f"samples: wanted at least the pulse's {pulse.size} range samples, got {samples}")
        self.samples = samples
        self.ranges = samples - pulse.size + 1
        # Circular correlation wraps into the cells without their whole echo only, which are left out.
        length = _fast_length(samples)
        energy = float(np.sqrt((np.abs(pulse) ** 2).sum()))
        spectrum = np.fft.fft(pulse.astype(np.complex128) / energy, length)
        self._frequency = np.fft.fftfreq(length)
        weight = taylor(np.asarray(self._frequency / band, np.float64), side_lobes_db)
        weight /= np.sqrt(np.mean(np.abs(spectrum) ** 2 * weight**2))
        self._echo = np.abs(spectrum) ** 2 * weight / length
        self._noise = np.abs(spectrum) ** 2 * weight**2 / length
        self.loss_db = float(-20 * np.log10(self._echo.sum()))
        self._response = (np.conj(spectrum) * weight).astype(np.complex64)
        self._work = np.zeros((AT_A_TIME, length), np.complex64)

    def __call__(self, cpi: NDArray[np.complex64], out: NDArray[np.complex64] | None = None) -> NDArray[np.complex64]:
        """Return the compressed interval, shape (channels, pulses, ranges).

        Parameters
        ----------
        cpi : ndarray of complex64, shape (channels, pulses, samples)
            As received. A NaN spoils its own pulse and channel.
        out : ndarray of complex64, shape (channels, pulses, ranges), optional
            Where it goes.

        Raises
        ------
        ValueError
            If the interval has another type or shape.
        """
        if cpi.dtype != np.complex64 or cpi.ndim != 3 or cpi.shape[2] != self.samples:
            raise ValueError(
                f"cpi: wanted complex64 of shape (channels, pulses, {self.samples}), got {cpi.dtype} {cpi.shape}; "
                "the axes are channels, pulses, range samples"
            )
        if out is None:
            out = np.empty((*cpi.shape[:2], self.ranges), np.complex64)
        for received, compressed in zip(cpi, out, strict=True):
            for p in range(0, len(received), AT_A_TIME):  # a few pulses at a time stay in the cache
                part = received[p : p + AT_A_TIME]
                work = self._work[: len(part)]
                work[:, : self.samples] = part  # padded here: the library would do so row by row
                work[:, self.samples :] = 0
                # NumPy's stubs know double precision alone.
                np.fft.fft(work, axis=1, out=work)  # type: ignore[arg-type]
                work *= self._response
                np.fft.ifft(work, axis=1, out=work)  # type: ignore[arg-type]
                compressed[p : p + AT_A_TIME] = work[:, : self.ranges]
        return out

    def echo(self, lag: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Return the response to an echo of amplitude 1 at distances behind its beginning [cell]."""
        return np.asarray(np.exp(2j * np.pi * np.multiply.outer(lag, self._frequency)) @ self._echo, np.complex128)

    def echo_slope(self, lag: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Return the derivative of `echo` by the distance [1/cell]."""
        turn = 2j * np.pi * self._frequency
        return np.asarray(np.exp(np.multiply.outer(lag, turn)) @ (turn * self._echo), np.complex128)

    def noise_correlation(self, cells: int) -> NDArray[np.complex128]:
        """Return the correlation of compressed white noise between cells, ``E[n_i n_k*]``, shape (cells, cells)."""
        lag = np.arange(1 - cells, cells)
        row = np.exp(2j * np.pi * np.multiply.outer(lag, self._frequency)) @ self._noise
        at = np.subtract.outer(np.arange(cells), np.arange(cells)) + cells - 1
        return np.asarray(row[at], np.complex128)


def _fast_length(least: int) -> int:
    """Smallest length of factors 2, 3 and 5 that is not below ``least``."""
    best = 1 << (least - 1).bit_length()
    for three in (1, 3, 9):
        for five in (1, 5):
            odd = three * five
            best = min(best, odd << max(0, (-(-least // odd) - 1).bit_length()))
    return best
