"""What a simulated radar is, what it looks at, and what disturbs it.

The array lies along the track. With u the cosine of the angle between the track and the line to a scatterer (0 is
broadside), channel n sees it at pulse p with the phase ``2 pi / wavelength (2 v p T + n d) u``: one transmitter at the
array's middle, receivers a distance d apart, the platform moving by v T in a pulse interval (Ward 1994, MIT Lincoln
Laboratory TR-1015). The speed v is that of the footprint where the radar is in orbit.
"""

from dataclasses import dataclass, fields

import numpy as np

LIGHT_MPS = 299_792_458.0


def _require(ok: bool, message: str) -> None:
    if not ok:
        raise ValueError(message)


@dataclass(frozen=True)
class Radar:
    """A pulsed radar with receive channels along its track.

    Parameters
    ----------
    wavelength_m, prf_hz, speed_mps : float
        Carrier wavelength [m], pulses a second [Hz], speed of footprint or platform [m/s].
    channels, pulses, ranges : int
        Size of the interval; ``ranges`` counts cells with a whole echo.
    spacing_m, transmit_m : float
        Distance and length of a receive channel, length of the transmitting antenna [m]; both patterns are those of
        a uniform line.
    bandwidth_hz, pulse_s, sample_rate_hz : float
        The chirp: band [Hz], duration [s], complex samples a second [Hz].
    first_range_m : float
        Range of the first cell; echoes from whole numbers of the unambiguous range farther fold into the window [m].
    gain_error, phase_error_rad : float
        Standard deviation of the channels' gain [1] and phase [rad].
    """

    wavelength_m: float = 0.031
    prf_hz: float = 6987.0
    speed_mps: float = 6987.0
    channels: int = 4
    pulses: int = 16
    ranges: int = 512
    spacing_m: float = 2.0
    transmit_m: float = 8.0
    bandwidth_hz: float = 10e6
    pulse_s: float = 10e-6
    sample_rate_hz: float = 12e6
    first_range_m: float = 0.0
    gain_error: float = 0.0
    phase_error_rad: float = 0.0

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            least_is_zero = f.name in ("first_range_m", "gain_error", "phase_error_rad", "speed_mps")
            _require(
                np.isfinite(value) and (value >= 0 if least_is_zero else value > 0),
                f"{f.name}: wanted a number {'of 0 or more' if least_is_zero else 'above 0'}, got {value}",
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, pulses and samples of an interval."""
        pulse = round(self.pulse_s * self.sample_rate_hz)
        return self.channels, self.pulses, self.ranges + pulse - 1

    @property
    def cell_m(self) -> float:
        """Distance of range cells [m]."""
        return LIGHT_MPS / (2 * self.sample_rate_hz)

    @property
    def unambiguous_range_m(self) -> float:
        """Range after which echoes fold over [m]."""
        return LIGHT_MPS / (2 * self.prf_hz)

    @property
    def unambiguous_speed_mps(self) -> float:
        """Width of the unambiguous band of range rates [m/s]."""
        return self.wavelength_m * self.prf_hz / 2


@dataclass(frozen=True)
class Clutter:
    """Ground or sea, spread over the antenna pattern along its angle-Doppler ridge.

    Parameters
    ----------
    cnr_db : float
        Clutter to noise in one channel, pulse and compressed cell [dB].
    motion_mps : float
        Standard deviation of the internal motion [m/s], Gaussian.
    folds : tuple of float
        Power of the rings that fold over into the cell, relative to the first, each with clutter of its own [1].
    shape : float
        Order nu of the K distribution; infinity is Gaussian clutter.
    patches : int
        Directions that stand for the continuum.
    """

    cnr_db: float = 40.0
    motion_mps: float = 0.0
    folds: tuple[float, ...] = (1.0,)
    shape: float = np.inf
    patches: int = 181

    def __post_init__(self) -> None:
        _require(bool(np.isfinite(self.cnr_db)), f"cnr_db: wanted a finite number, got {self.cnr_db}")
        _require(self.motion_mps >= 0, f"motion_mps: wanted 0 or more, got {self.motion_mps}")
        _require(self.shape > 0, f"shape: wanted a number above 0, got {self.shape}")
        _require(self.patches >= 3, f"patches: wanted 3 or more, got {self.patches}")
        _require(
            len(self.folds) > 0 and all(0 <= fold < np.inf for fold in self.folds) and sum(self.folds) > 0,
            f"folds: wanted powers of 0 or more, not all 0, got {self.folds}",
        )


@dataclass(frozen=True)
class Target:
    """A mover: true range [m], range rate (closing is negative) [m/s], u [1], mean SNR [dB], Swerling case.

    The SNR is that of one channel and pulse in a compressed cell.
    """

    range_m: float
    range_rate_mps: float
    u: float = 0.0
    snr_db: float = 0.0
    swerling: int = 0

    def __post_init__(self) -> None:
        _require(self.swerling in range(5), f"swerling: wanted a case from 0 to 4, got {self.swerling}")
        numbers = (self.range_m, self.range_rate_mps, self.u, self.snr_db)
        _require(
            bool(np.isfinite(numbers).all()) and self.range_m >= 0, f"target: wanted finite numbers, got {numbers}"
        )


@dataclass(frozen=True)
class Jammer:
    """Noise from one direction: u [1] and power to noise in a channel [dB]."""

    u: float
    jnr_db: float
