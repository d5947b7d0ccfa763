"""What comes in is looked at before it is believed: type and axes, dead and saturated channels, lost samples.

A channel is dead if its power is 0 or far below the median of all, or a tenth of it is not finite; it is saturated if
more than a thousandth of its samples stand at the largest magnitude, its own or the receiver's. Both are left out, and
the others are processed with their places along the track.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.flight.radar.config import RadarParameters, RadarSensor
from lookdown.flight.radar.plots import RadarFlag

LOST_SHARE = 0.1
"""Share of samples that are not finite from which on a channel is dead [1]."""

EVERY_PULSE = 8
"""Of so many pulses one is looked at for power and saturation."""


@dataclass(frozen=True, slots=True, eq=False)
class Intake:
    """What can be processed of an interval.

    Attributes
    ----------
    samples : ndarray of complex64, shape (channels, pulses, samples)
        The good channels, finite.
    channels : tuple of int
        Which they are.
    flags : RadarFlag
        What was wrong with the others.
    """

    samples: NDArray[np.complex64]
    channels: tuple[int, ...]
    flags: RadarFlag


def take(samples: Any, shape: tuple[int, ...], sensor: RadarSensor, parameters: RadarParameters) -> Intake:
    """Look at the samples of an interval.

    Raises
    ------
    ValueError
        If they have another type or other axes than the chain was made for, or no channel is good.
    """
    if not isinstance(samples, np.ndarray) or samples.dtype != np.complex64 or samples.shape != shape:
        came = f"{samples.dtype} {samples.shape}" if isinstance(samples, np.ndarray) else type(samples).__name__
        raise ValueError(
            f"samples: wanted complex64 of shape {shape} (channels, pulses, range samples), got {came}; "
            "transpose or convert the interval"
        )
    flags = RadarFlag.NONE
    channels = len(samples)
    parts = samples.view(np.float32)
    lost = np.zeros(channels)
    if not np.isfinite(parts.sum(axis=(1, 2), dtype=np.float32)).all():
        finite = np.isfinite(samples)
        lost = 1 - finite.mean(axis=(1, 2))
        if lost.any():
            samples = np.where(finite, samples, np.complex64(0))
            parts = samples.view(np.float32)
            flags |= RadarFlag.SAMPLES_LOST
    some = parts[:, ::EVERY_PULSE]
    power = np.einsum("cps,cps->c", some, some, dtype=np.float64)
    alive = power[(power > 0) & (lost < LOST_SHARE)]
    least = np.median(alive) * 10 ** (-parameters.dead_db / 10) if alive.size else np.inf
    dead = (power < least) | (lost >= LOST_SHARE)
    size = np.abs(some)
    most = np.full(channels, sensor.full_scale) if sensor.full_scale else size.max(axis=(1, 2))
    # The largest of noise stands alone; a clipped receiver gives the same number again and again.
    clipped = (size >= most[:, None, None]).mean(axis=(1, 2)) > parameters.saturated_share
    clipped &= ~dead
    flags |= RadarFlag.DEAD_CHANNEL if dead.any() else RadarFlag.NONE
    flags |= RadarFlag.SATURATED_CHANNEL if clipped.any() else RadarFlag.NONE
    good = np.flatnonzero(~(dead | clipped))
    if not good.size:
        raise ValueError(
            f"samples: wanted one good channel at least, got {int(dead.sum())} dead and {int(clipped.sum())} "
            f"saturated of {channels}; check the receiver"
        )
    chosen = samples if good.size == channels else samples[good]
    return Intake(np.ascontiguousarray(chosen), tuple(good.tolist()), flags)
