"""What a step of the radar chain gives: plots and what is particular about them and their interval."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.wire.messages import RadarFlag, RadarPlotFlag

__all__ = ["RADAR_PLOT_DTYPE", "RadarFlag", "RadarFrame", "RadarPlotFlag", "RadarResult", "sigmas_of"]

RADAR_PLOT_DTYPE = np.dtype(
    [
        ("range_m", "f8"),  # within the unambiguous range, unless it was resolved
        ("range_rate_m_s", "f8"),  # against the ground, receding is positive; folded about 0, unless it was resolved
        ("azimuth_rad", "f8"),  # off broadside, positive toward the leading channel; that of the beam if NO_ANGLE
        ("covariance", "f8", (3, 3)),  # of range, range rate and azimuth
        ("snr", "f4"),  # calibrated: the Gaussian sigma with the same false-alarm probability
        ("snr_db", "f4"),  # power over interference and noise after all integration [dB]
        ("doppler_hz", "f8"),  # folded into +-prf / 2
        ("doppler_bin", "f4"),
        ("range_cell", "f4"),
        ("n_cells", "u2"),  # hits of the cluster
        ("flags", "u2"),  # RadarPlotFlag
    ]
)
"""One plot of the radar chain."""


@dataclass(frozen=True, slots=True, eq=False)
class RadarFrame:
    """One coherent processing interval as received.

    Attributes
    ----------
    frame_id : int
        Counts the intervals without gaps.
    time_ns : int
        Middle of the interval, TAI [ns].
    samples : ndarray of complex64, shape (channels, pulses, samples)
        Channels from trailing to leading.
    prf_hz : float
        Pulses a second [Hz].
    speed_m_s : float
        Speed of the platform along the array against the ground [m/s].
    first_range_m : float or None
        Range at which the first sample of a pulse was received; None: that of the sensor [m].
    """

    frame_id: int
    time_ns: int
    samples: NDArray[np.complex64]
    prf_hz: float
    speed_m_s: float = 0.0
    first_range_m: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RadarResult:
    """What one step gives.

    Attributes
    ----------
    plots : ndarray of RADAR_PLOT_DTYPE, shape (n,)
        Plots, strongest first.
    flags : RadarFlag
        What is particular about the interval.
    channels : tuple of int
        Channels that were used.
    n_left_out : int
        Plots beyond `RadarParameters.max_plots`.
    n_side_lobes : int
        Clusters that a stronger plot's side lobes explain, left out.
    n_slow : int
        Plots slower than `RadarParameters.least_speed_m_s`, left out.
    untrained_share : float
        Part of the map that was filtered with the steering vector alone [1].
    n_unresolved : int
        Plots of a set of repetition frequencies that agree with no other interval's, left out.
    open_set : bool
        The interval is one of a set that is not whole yet: its plots come with the last.
    resolved : bool
        Ranges and range rates are resolved.
    power : ndarray of float32, shape (dopplers, ranges)
        The filtered map, for pictures; a view that holds until the next step.
    """

    plots: NDArray[Any]
    flags: RadarFlag
    channels: tuple[int, ...]
    n_left_out: int
    n_side_lobes: int
    n_slow: int
    untrained_share: float
    power: NDArray[np.float32]
    n_unresolved: int = 0
    open_set: bool = False
    resolved: bool = False


def sigmas_of(plots: NDArray[Any]) -> NDArray[np.float64]:
    """Return the sigmas of range [m], range rate [m/s] and azimuth [rad], shape (n, 3)."""
    return np.asarray(np.sqrt(np.diagonal(plots["covariance"], axis1=1, axis2=2)), np.float64)
