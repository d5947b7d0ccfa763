"""Draw coherent processing intervals: what a moving multichannel radar receives, and the truth.

Echoes are laid down in range cells for each channel and pulse and sent through the pulse; receiver noise of power 1 is
added as received, so all ratios are those of a compressed cell. A target's delay follows its range rate from pulse to
pulse; within a pulse it stands still. Ranges fold over at the unambiguous range.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lookdown.flight.compression import chirp
from lookdown.hil.radar import theory
from lookdown.hil.radar.settings import Clutter, Jammer, Radar, Target

TRUTH_DTYPE = np.dtype(
    [
        ("range_m", "f8"),  # true range
        ("cell", "f8"),  # where it folds to; NaN outside of the window [cell]
        ("range_rate_mps", "f8"),
        ("doppler_hz", "f8"),  # folded into +- prf / 2
        ("u", "f8"),
        ("snr_db", "f8"),  # mean, in a channel and pulse
    ]
)


@dataclass(frozen=True)
class Interval:
    """An interval as received, with its truth.

    Attributes
    ----------
    samples : ndarray of complex64, shape (channels, pulses, ranges + pulse samples - 1)
        As received.
    truth : ndarray of TRUTH_DTYPE
        One row a target.
    gains : ndarray of complex128, shape (channels,)
        What the channels were multiplied by, receiver noise excepted [1].
    radar : Radar
        What received it.
    """

    samples: NDArray[np.complex64]
    truth: NDArray[np.void]
    gains: NDArray[np.complex128]
    radar: Radar


def gaussian(rng: np.random.Generator, *shape: int) -> NDArray[np.complex128]:
    """Draw circular complex Gaussian numbers of power 1."""
    return np.asarray(rng.standard_normal((*shape, 2)).view(np.complex128)[..., 0] / np.sqrt(2))


def draw(
    radar: Radar,
    rng: np.random.Generator,
    clutter: Clutter | None = None,
    targets: tuple[Target, ...] = (),
    jammer: Jammer | None = None,
    noise: bool = True,
    gains: NDArray[np.complex128] | None = None,
) -> Interval:
    """Draw an interval.

    Parameters
    ----------
    radar : Radar
        What receives.
    rng : numpy.random.Generator
        Source of all that is random.
    clutter, targets, jammer : Clutter, tuple of Target, Jammer, optional
        What it sees.
    noise : bool
        Add receiver noise of power 1.
    gains : ndarray of complex128, shape (channels,), optional
        What the channels are multiplied by; drawn with the radar's errors if absent (`channel_gains`).

    Returns
    -------
    Interval
        Samples and truth.
    """
    pulse = chirp(radar.bandwidth_hz, radar.pulse_s, radar.sample_rate_hz).astype(np.complex128)
    samples = radar.ranges + pulse.size - 1
    gains = channel_gains(radar, rng) if gains is None else gains
    spectrum = np.zeros((radar.channels, radar.pulses, samples), np.complex128)
    response = np.fft.fft(pulse, samples)
    if clutter is not None:
        # Cells beyond both ends have echoes in the window as well: circular, so every cell has the same statistics.
        compressed = np.fft.ifft(np.abs(response) ** 2)
        spectrum += np.fft.fft(_ground(radar, clutter, rng, samples), axis=2) * (
            response / np.sqrt((np.abs(compressed) ** 2).sum())
        )
    truth = np.zeros(len(targets), TRUTH_DTYPE)
    for row, target in zip(truth, targets, strict=True):
        spectrum += _echo(radar, target, rng, samples, row) * response
    received = np.fft.ifft(spectrum, axis=2) * gains[:, None, None]
    if jammer is not None:
        wave = gaussian(rng, radar.pulses, samples) * 10 ** (jammer.jnr_db / 20)
        received += (gains * theory.spatial(radar, jammer.u))[:, None, None] * wave
    if noise:
        received += gaussian(rng, *received.shape)
    return Interval(received.astype(np.complex64), truth, gains, radar)


def channel_gains(radar: Radar, rng: np.random.Generator) -> NDArray[np.complex128]:
    """Draw what the channels of one radar are off by, shape (channels,) [1]."""
    gain = 1 + radar.gain_error * rng.standard_normal(radar.channels)
    return np.asarray(gain * np.exp(1j * radar.phase_error_rad * rng.standard_normal(radar.channels)), np.complex128)


def draw_staggered(
    radar: Radar,
    prfs_hz: tuple[float, ...],
    rng: np.random.Generator,
    clutter: Clutter | None = None,
    targets: tuple[Target, ...] = (),
    jammer: Jammer | None = None,
) -> list[Interval]:
    """Draw one interval for each pulse repetition frequency, of the same movers at the same ranges."""
    return [draw(replace(radar, prf_hz=prf_hz), rng, clutter, targets, jammer) for prf_hz in prfs_hz]


def _ground(radar: Radar, clutter: Clutter, rng: np.random.Generator, cells: int) -> NDArray[np.complex64]:
    """Clutter in each channel, pulse and cell, of the wanted power."""
    u, share = theory.patches(radar, clutter)
    response = (theory.spatial(radar, u) * np.sqrt(share))[:, None] * theory.temporal(
        radar, theory.doppler_hz(radar, u)
    )
    size = radar.channels * radar.pulses
    mix = np.ones((radar.pulses, 1))
    if clutter.motion_mps > 0:
        values, vectors = np.linalg.eigh(theory.coherence(radar, clutter))
        kept = values > 1e-9 * values[-1]
        mix = vectors[:, kept] * np.sqrt(values[kept])
    # Single precision: its rounding lies 100 dB below the clutter.
    out = np.zeros((size, cells), np.complex64)
    for fold in clutter.folds:
        texture = np.ones(cells)
        if np.isfinite(clutter.shape):
            texture = rng.gamma(clutter.shape, 1 / clutter.shape, cells)
        scale = np.sqrt(texture * fold / sum(clutter.folds)) * 10 ** (clutter.cnr_db / 20)
        for mode in mix.T:
            seen = (response * mode[:, None]).reshape(size, -1).astype(np.complex64)
            out += seen @ (gaussian(rng, clutter.patches, cells) * scale).astype(np.complex64)
    return out.reshape(radar.channels, radar.pulses, cells)


def _echo(
    radar: Radar, target: Target, rng: np.random.Generator, samples: int, truth: np.void
) -> NDArray[np.complex128]:
    """Spectrum of a target's reflectivity along range; fills its row of the truth."""
    doppler = float(theory.doppler_hz(radar, target.u, target.range_rate_mps))
    folded = (doppler + radar.prf_hz / 2) % radar.prf_hz - radar.prf_hz / 2
    fold = radar.unambiguous_range_m / radar.cell_m
    cell = ((target.range_m - radar.first_range_m) / radar.cell_m + 0.5) % fold - 0.5
    inside = -0.5 <= cell < radar.ranges - 0.5
    truth["range_m"], truth["range_rate_mps"], truth["u"] = target.range_m, target.range_rate_mps, target.u
    truth["cell"], truth["doppler_hz"], truth["snr_db"] = cell if inside else np.nan, folded, target.snr_db
    if not inside:
        return np.zeros((radar.channels, radar.pulses, samples), np.complex128)
    time_s = (np.arange(radar.pulses) - (radar.pulses - 1) / 2) / radar.prf_hz
    at = cell + target.range_rate_mps * time_s / radar.cell_m
    delayed = np.exp(-2j * np.pi * np.fft.fftfreq(samples) * at[:, None])
    drawn = fluctuation(rng, target.swerling, radar.pulses)
    amplitude = np.sqrt(drawn * 10 ** (target.snr_db / 10)) * np.exp(2j * np.pi * rng.random())
    slow = amplitude * theory.temporal(radar, doppler)
    return np.asarray(theory.spatial(radar, target.u)[:, None, None] * (slow[:, None] * delayed))


def fluctuation(rng: np.random.Generator, swerling: int, pulses: int) -> NDArray[np.float64]:
    """Draw a target's power at each pulse, mean 1 (Swerling 1960, IRE Trans. IT 6).

    Cases 1 and 2 are exponential, 3 and 4 chi-square of four degrees; 1 and 3 hold through the interval, 2 and 4
    change from pulse to pulse; 0 is constant.
    """
    if swerling == 0:
        return np.ones(pulses)
    order = 1.0 if swerling <= 2 else 2.0
    return np.broadcast_to(rng.gamma(order, 1 / order, pulses if swerling % 2 == 0 else 1), (pulses,)).copy()
