"""What the radar chain must know: the radar that made an interval, and how its movers are looked for."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.flight.compression import chirp
from lookdown.geo.earth import SPEED_OF_LIGHT_M_S

CFAR_MODES = ("average", "greatest", "smallest", "ordered", "k", "map")


@dataclass(frozen=True, slots=True, eq=False)
class RadarSensor:
    """A pulsed radar whose receive channels lie along the track, from trailing to leading.

    Attributes
    ----------
    wavelength_m : float
        Carrier wavelength [m].
    channel_m : ndarray of float64, shape (channels,)
        Place of each receive channel along the track [m].
    pulse : ndarray of complex64, shape (pulse samples,)
        The transmitted pulse at the sample rate.
    sample_rate_hz : float
        Complex samples a second [Hz].
    first_range_m : float
        Range at which the first sample of a pulse interval is received [m].
    bandwidth_hz : float
        Band of the pulse, over which range side lobes are weighted down [Hz].
    full_scale : float
        Largest magnitude of a real or imaginary part that the receiver can tell; 0 is unknown.

    Raises
    ------
    ValueError
        If a value makes no radar.
    """

    wavelength_m: float
    channel_m: NDArray[np.float64]
    pulse: NDArray[np.complex64]
    sample_rate_hz: float
    bandwidth_hz: float
    first_range_m: float = 0.0
    full_scale: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what is no radar."""
        for name, least in (
            ("wavelength_m", 1e-4), ("sample_rate_hz", 1.0), ("bandwidth_hz", 1e-3), ("first_range_m", 0.0),
            ("full_scale", 0.0),
        ):  # fmt: skip
            value = getattr(self, name)
            if not least <= value < np.inf:
                raise ValueError(f"{name}: wanted a finite number of at least {least:g}, got {value}")
        if self.bandwidth_hz > self.sample_rate_hz:
            raise ValueError(
                f"bandwidth_hz: wanted at most the sample rate {self.sample_rate_hz:g}, got {self.bandwidth_hz:g}"
            )
        places, pulse = np.asarray(self.channel_m), np.asarray(self.pulse)
        if places.ndim != 1 or not places.size or not np.isfinite(places).all() or (np.diff(places) <= 0).any():
            raise ValueError(f"channel_m: wanted finite places that ascend, one a channel, got {places.tolist()}")
        if pulse.dtype.kind != "c" or pulse.ndim != 1 or not np.isfinite(pulse).all() or not pulse.any():
            raise ValueError(
                f"pulse: wanted complex samples of the transmitted pulse, got {pulse.dtype} {pulse.shape}; "
                "without the waveform nothing can be compressed"
            )

    @property
    def cell_m(self) -> float:
        """Distance of range cells [m]."""
        return SPEED_OF_LIGHT_M_S / (2 * self.sample_rate_hz)


@dataclass(frozen=True, slots=True)
class RadarSensorConfig:
    """The radar of a live process, as a configuration tells it: a chirp, channels at equal distances.

    Attributes
    ----------
    channels, pulses, samples : int
        Size of its intervals; 0 channels: the process has no radar, but a focal plane.
    wavelength_m, spacing_m : float
        Carrier wavelength; distance of receive channels along the track [m].
    bandwidth_hz, pulse_s, sample_rate_hz : float
        Band [Hz] and duration [s] of the chirp, complex samples a second [Hz].
    full_scale : float
        Largest magnitude of a real or imaginary part that the receiver can tell; 0 is unknown.
    """

    channels: int = 0
    pulses: int = 0
    samples: int = 0
    wavelength_m: float = 0.031
    spacing_m: float = 2.0
    bandwidth_hz: float = 10e6
    pulse_s: float = 10e-6
    sample_rate_hz: float = 12e6
    full_scale: float = 0.0

    def __post_init__(self) -> None:
        """Refuse half a radar."""
        if self.channels < 0 or (self.channels and (self.pulses < 2 or self.samples < 1)):
            raise ValueError(
                f"channels, pulses, samples: wanted the size of an interval, 2 pulses or more, or 0 channels for no "
                f"radar; got {self.channels}, {self.pulses}, {self.samples}"
            )
        if self.channels > 1 and not 0 < self.spacing_m < np.inf:
            raise ValueError(f"spacing_m: wanted a distance above 0, got {self.spacing_m}")
        if self.channels and (pulse := self.sensor().pulse.size) > self.samples:
            raise ValueError(f"samples: wanted more than the {pulse} of the pulse, got {self.samples}")

    @property
    def shape(self) -> tuple[int, int, int] | None:
        """Channels, pulses and samples of an interval; None if there is no radar."""
        return (self.channels, self.pulses, self.samples) if self.channels else None

    def sensor(self) -> RadarSensor:
        """Return the radar.

        Raises
        ------
        ValueError
            If a value makes no radar.
        """
        return RadarSensor(
            wavelength_m=self.wavelength_m,
            channel_m=np.asarray(self.spacing_m * np.arange(self.channels), np.float64),
            pulse=chirp(self.bandwidth_hz, self.pulse_s, self.sample_rate_hz),
            sample_rate_hz=self.sample_rate_hz,
            bandwidth_hz=self.bandwidth_hz,
            full_scale=self.full_scale,
        )


@dataclass(frozen=True, slots=True)
class RadarParameters:
    """Parameters of the radar chain.

    Attributes
    ----------
    threshold : float
        Smallest calibrated SNR of a plot: the Gaussian sigma with the same false-alarm probability a cell [1].
    max_plots : int
        Plots that a report may hold; the weakest beyond are counted and left out.
    doppler_side_lobes_db, range_side_lobes_db : float
        Side lobes of the Taylor weights over pulses and over the band, 0 (no weights) or 15 to 80 [dB].
    bins : int
        Doppler bins of a snapshot of the adaptive filter, 1 or 3.
    loading : float
        Part of the mean diagonal that is added to the covariance [1].
    block : int
        Ranges that share their weights at most, a multiple of 8; a tenth of all if that is less [cell].
    beams_rad : tuple of float
        Directions looked in, off broadside, positive toward the leading channel [rad].
    cfar : str
        ``average``, ``greatest``, ``smallest``, ``ordered``, ``k`` for K-distributed (spiky) clutter, or
        ``map``: each cell against its own past, where the geometry stays.
    window, guard : tuple of int
        Odd Doppler bins and range cells of the CFAR window and its guard [cell].
    map_intervals : int
        Memory of the clutter map, 2 to 1000 [intervals].
    least_speed_m_s : float
        Plots of a slower range rate against the ground are clutter, not movers, and are left out [m/s].
    set_intervals : int
        Intervals of a set, each of its own repetition frequency, over which ranges and rates are resolved; 1: each
        interval is reported folded, as it is.
    set_needed : int
        Intervals of a set in which a target must have been found, 2 or more.
    set_max_range_m, set_max_speed_m_s : float
        Ranges and sizes of range rates against the ground that are possible [m], [m/s].
    set_least_sigma_m : float
        Smallest sigma of range that is believed: a target moves between the intervals of a set [m].
    dead_db : float
        A channel this far below the others' median is dead [dB].
    saturated_share : float
        Share of clipped samples from which on a channel is saturated [1].
    interference_db : float
        Rise of the floor, or strength of one direction in all clear Doppler bins, that is called interference [dB].

    Raises
    ------
    ValueError
        If a value is out of its range.
    """

    threshold: float = 5.0
    max_plots: int = 256
    doppler_side_lobes_db: float = 50.0
    range_side_lobes_db: float = 35.0
    bins: int = 3
    loading: float = 1e-4
    block: int = 128
    beams_rad: tuple[float, ...] = (0.0,)
    cfar: str = "average"
    window: tuple[int, int] = (7, 41)
    guard: tuple[int, int] = (5, 9)
    map_intervals: int = 16
    least_speed_m_s: float = 0.0
    set_intervals: int = 1
    set_needed: int = 2
    set_max_range_m: float = 3e6
    set_max_speed_m_s: float = 1000.0
    set_least_sigma_m: float = 5.0
    dead_db: float = 30.0
    saturated_share: float = 1e-3
    interference_db: float = 10.0

    def __post_init__(self) -> None:
        """Refuse values with which no chain can work."""

        def weights(db: float) -> bool:
            return db == 0 or 15 <= db <= 80

        odd = all(side % 2 == 1 for pair in (self.window, self.guard) for side in pair)
        wanted: tuple[tuple[str, Any, str], ...] = (
            ("threshold", 2.5 <= self.threshold <= 8.0, "2.5 to 8"),
            ("max_plots", 1 <= self.max_plots <= 65535, "1 to 65535"),
            ("doppler_side_lobes_db", weights(self.doppler_side_lobes_db), "0 or 15 to 80"),
            ("range_side_lobes_db", weights(self.range_side_lobes_db), "0 or 15 to 80"),
            ("bins", self.bins in (1, 3), "1 or 3"),
            ("loading", 1e-12 <= self.loading <= 1, "1e-12 to 1"),
            ("block", self.block >= 8 and self.block % 8 == 0, "a multiple of 8"),
            ("beams_rad", self.beams_rad and all(abs(b) < np.pi / 2 for b in self.beams_rad), "angles within pi / 2"),
            ("cfar", self.cfar in CFAR_MODES, f"one of {', '.join(CFAR_MODES)}"),
            (
                "guard",
                odd and self.guard[0] <= self.window[0] and self.guard[1] < self.window[1] <= 255,
                "odd sides, in range shorter than the window's",
            ),
            ("map_intervals", 2 <= self.map_intervals <= 1000, "2 to 1000"),
            ("least_speed_m_s", 0 <= self.least_speed_m_s < np.inf, "0 or more"),
            ("set_intervals", 1 <= self.set_intervals <= 16, "1 to 16"),
            (
                "set_needed",
                2 <= self.set_needed <= max(self.set_intervals, 2),
                "2 or more, at most set_intervals",
            ),
            ("set_max_range_m", 0 < self.set_max_range_m < np.inf, "above 0"),
            ("set_max_speed_m_s", 0 < self.set_max_speed_m_s < np.inf, "above 0"),
            ("set_least_sigma_m", 0 <= self.set_least_sigma_m < np.inf, "0 or more"),
            ("dead_db", self.dead_db > 0, "above 0"),
            ("saturated_share", 0 < self.saturated_share <= 1, "above 0, up to 1"),
            ("interference_db", self.interference_db > 0, "above 0"),
        )
        for name, good, want in wanted:
            if not good:
                raise ValueError(f"{name}: wanted {want}, got {getattr(self, name)}; change it in [radar]")
