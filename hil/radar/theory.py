"""Closed forms of a simulated interval: patterns, steering, clutter covariance, SINR loss of optimum and chain."""

import numpy as np
from numpy.typing import NDArray

from lookdown.flight.radar.taper import pulse_weights
from lookdown.hil.radar.settings import Clutter, Jammer, Radar

Complex = NDArray[np.complex128]
Real = NDArray[np.float64]


def pattern(radar: Radar, u: Real) -> Real:
    """Two-way power of a channel toward u, 1 at broadside, shape of u [1]."""
    field = np.sinc(radar.transmit_m * u / radar.wavelength_m) * np.sinc(radar.spacing_m * u / radar.wavelength_m)
    return np.asarray(field**2, np.float64)


def spatial(radar: Radar, u: float | Real) -> Complex:
    """Response of the channels to a direction, shape (channels, *u.shape)."""
    n = np.arange(radar.channels).reshape(-1, *[1] * np.ndim(u))
    return np.asarray(np.exp(2j * np.pi * radar.spacing_m / radar.wavelength_m * n * u), np.complex128)


def temporal(radar: Radar, doppler_hz: float | Real) -> Complex:
    """Response of the pulses to a Doppler frequency, shape (pulses, *doppler_hz.shape)."""
    p = np.arange(radar.pulses).reshape(-1, *[1] * np.ndim(doppler_hz))
    return np.asarray(np.exp(2j * np.pi * p * doppler_hz / radar.prf_hz), np.complex128)


def doppler_hz(radar: Radar, u: float | Real, range_rate_mps: float | Real = 0.0) -> Real:
    """Doppler frequency of a scatterer: of the platform's motion, and of its own [Hz]."""
    return np.asarray(2 / radar.wavelength_m * (radar.speed_mps * u - range_rate_mps), np.float64)


def space_time(radar: Radar, u: float, range_rate_mps: float) -> Complex:
    """Response of channels and pulses to a target, shape (channels * pulses,), channel by channel."""
    along = temporal(radar, float(doppler_hz(radar, u, range_rate_mps)))
    return np.asarray(np.kron(spatial(radar, u), along), np.complex128)


def patches(radar: Radar, clutter: Clutter) -> tuple[Real, Real]:
    """Directions that stand for the ground, and the share of the clutter's power from each (sum 1).

    They reach to the third null of the transmitting antenna on either side.
    """
    edge = min(3 * radar.wavelength_m / radar.transmit_m, 1.0)
    u = np.linspace(-edge, edge, clutter.patches)
    power = pattern(radar, u)
    return u, power / power.sum()


def coherence(radar: Radar, clutter: Clutter) -> Real:
    """Correlation of the clutter between pulses by internal motion, shape (pulses, pulses).

    Gaussian spectrum of ``sigma_f = 2 sigma_v / wavelength``: ``exp(-2 (pi sigma_f t)^2)``.
    """
    lag_s = np.subtract.outer(np.arange(radar.pulses), np.arange(radar.pulses)) / radar.prf_hz
    return np.asarray(np.exp(-2 * (np.pi * 2 * clutter.motion_mps / radar.wavelength_m * lag_s) ** 2), np.float64)


def covariance(radar: Radar, clutter: Clutter | None, jammer: Jammer | None = None) -> Complex:
    """Covariance of a compressed range cell without channel errors, noise of power 1 included.

    Shape (channels * pulses, channels * pulses), channel by channel.
    """
    size = radar.channels * radar.pulses
    total = np.eye(size, dtype=np.complex128)
    if clutter is not None:
        u, share = patches(radar, clutter)
        response = (spatial(radar, u)[:, None] * temporal(radar, doppler_hz(radar, u))[None]).reshape(size, -1)
        ridge = (response * share) @ response.conj().T
        taper = np.tile(coherence(radar, clutter), (radar.channels, radar.channels))
        total += 10 ** (clutter.cnr_db / 10) * ridge * taper
    if jammer is not None:
        a = spatial(radar, jammer.u)
        total += 10 ** (jammer.jnr_db / 10) * np.kron(np.outer(a, a.conj()), np.eye(radar.pulses))
    return total


def sinr_loss(radar: Radar, noise: Complex, u: float, range_rate_mps: float) -> float:
    """SINR of the optimum filter over that in noise alone, ``v^H R^-1 v / v^H v`` [1]."""
    v = space_time(radar, u, range_rate_mps)
    return float((v.conj() @ np.linalg.solve(noise, v)).real / (v.conj() @ v).real)


def chain_loss(
    radar: Radar,
    noise: Complex,
    range_rate_mps: float,
    side_lobes_db: float = 50.0,
    bins: int = 3,
    loading: float = 1e-4,
) -> float:
    """SINR of the chain's filter at broadside over that of the optimum in noise alone [1].

    The filter sees ``bins`` adjacent Doppler bins behind weights over the pulses (factored STAP: DiPietro 1992), knows
    their covariance exactly, and is steered to the middle of the bin; the best bin counts.

    Parameters
    ----------
    radar : Radar
        The radar.
    noise : ndarray of complex128, shape (channels * pulses, channels * pulses)
        From `covariance`.
    range_rate_mps : float
        Of the target [m/s].
    side_lobes_db, bins, loading : float, int, float
        As in `lookdown.flight.radar.config.RadarParameters`.
    """
    pulses, dopplers = radar.pulses, 1 << (radar.pulses - 1).bit_length()
    weights, offsets = pulse_weights(pulses, side_lobes_db), np.arange(bins) - bins // 2
    turn = -2j * np.pi / dopplers * np.arange(pulses)
    steering = np.kron(np.exp(np.outer(offsets, turn)) @ weights, spatial(radar, 0.0))
    target, best = space_time(radar, 0.0, range_rate_mps), 0.0
    for middle in range(dopplers):
        rows = weights * np.exp(np.outer(middle + offsets, turn))
        seen = np.concatenate([np.kron(np.eye(radar.channels), row) for row in rows])
        r = seen @ noise @ seen.conj().T
        w = np.linalg.solve(r + loading * np.trace(r).real / len(r) * np.eye(len(r)), steering)
        best = max(best, abs(w.conj() @ seen @ target) ** 2 / (w.conj() @ r @ w).real)
    return float(best / (target.conj() @ target).real)
