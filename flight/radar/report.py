"""From intervals to reports: the radar chain with the wire in front of it and behind it.

The chain tells range rates against the ground, ``v . s - wavelength f / 2``, whose errors go with those of the azimuth.
A report holds what was measured, ``-wavelength f / 2``: the rate of the range by the radar's own motion too. Its error
is that of the Doppler frequency alone, and the ground knows the radar's velocity better than a speed along the array.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.flight.radar.config import RadarParameters, RadarSensor
from lookdown.flight.radar.motion import Motion, motion_of
from lookdown.flight.radar.plots import RadarFrame, RadarResult
from lookdown.flight.radar.prfset import chain_of
from lookdown.geo.earth import SPEED_OF_LIGHT_M_S
from lookdown.wire.messages import ECHO_DTYPE, Interval, RadarFlag, RadarReport

IntervalReporter = Callable[[Interval], RadarReport]
"""An interval in, its report out; ValueError for one that cannot be taken."""


def echoes_of(plots: NDArray[Any], motion: Motion, rate_fold_m_s: float = 0.0) -> NDArray[Any]:
    """Turn plots of the chain into those of a report.

    Parameters
    ----------
    plots : ndarray of RADAR_PLOT_DTYPE, shape (n,)
        Plots with range rates against the ground.
    motion : Motion
        Motion of the radar that the chain was told.
    rate_fold_m_s : float
        Range rates are folded about 0 by this; 0: they are not folded [m/s].

    Returns
    -------
    ndarray of ECHO_DTYPE, shape (n,)
        The same plots in the same order, without elevation: a line array measures none.
    """
    echoes = np.zeros(len(plots), ECHO_DTYPE)
    azimuth = plots["azimuth_rad"]
    own_m_s, slope_m_s = motion.toward(np.sin(azimuth))
    rate = plots["range_rate_m_s"] - own_m_s
    if rate_fold_m_s:
        rate = (rate + rate_fold_m_s / 2) % rate_fold_m_s - rate_fold_m_s / 2
    turned = np.tile(np.eye(3), (len(plots), 1, 1))
    turned[:, 1, 2] = -slope_m_s * np.cos(azimuth)
    covariance = turned @ plots["covariance"] @ turned.transpose(0, 2, 1)
    sigma = np.sqrt(np.maximum(np.diagonal(covariance, axis1=1, axis2=2), 0.0))
    echoes["range_m"], echoes["range_rate_m_s"], echoes["azimuth_rad"] = plots["range_m"], rate, azimuth
    for column, name in enumerate(("sigma_range_m", "sigma_range_rate_m_s", "sigma_azimuth_rad")):
        echoes[name] = sigma[:, column]
    for name, a, b in (("range_rate", 0, 1), ("range_azimuth", 0, 2), ("rate_azimuth", 1, 2)):
        product = np.maximum(sigma[:, a] * sigma[:, b], 1e-300)
        echoes[f"correlation_{name}"] = np.clip(covariance[:, a, b] / product, -1.0, 1.0)
    for name in ("snr", "snr_db", "n_cells", "flags"):
        echoes[name] = plots[name]
    return echoes


def sector_of(sensor: RadarSensor, parameters: RadarParameters, beam_rad: float) -> tuple[float, float]:
    """Return the azimuths that the beams span, half an array's beam (one channel: ``beam_rad``) beyond each."""
    places = np.asarray(sensor.channel_m)
    aperture_m = float(places[-1] - places[0]) * len(places) / max(len(places) - 1, 1)
    half = 0.5 * (sensor.wavelength_m / aperture_m if aperture_m > 0 else beam_rad)
    return min(parameters.beams_rad) - half, max(parameters.beams_rad) + half


def report_of(interval: Interval, result: RadarResult, sensor: RadarSensor, parameters: RadarParameters) -> RadarReport:
    """Make the report of an interval from what the chain found in it.

    Raises
    ------
    ValueError
        If the interval has no state.
    """
    state = interval.state
    if state is None:
        raise ValueError(f"interval {interval.frame_id}: wanted a sensor state, came none; a report needs the pointing")
    rate_fold_m_s = 0.0 if result.resolved else sensor.wavelength_m * interval.prf_hz / 2
    low, high = sector_of(sensor, parameters, state.ifov_rad)
    span_m = round((result.power.shape[1] - 1) * sensor.cell_m)
    first_range_m = interval.first_range_m
    if result.open_set:  # what it saw is told with the last interval of its set: nothing is missing from this report
        low, high, span_m = 0.0, 0.0, 0
    elif result.resolved:
        first_range_m, span_m = 0.0, round(parameters.set_max_range_m)
    return RadarReport(
        sensor_id=interval.sensor_id,
        frame_id=interval.frame_id,
        time_ns=interval.time_ns,
        state=state,
        echoes=echoes_of(result.plots, motion_of(state), rate_fold_m_s),
        first_range_m=first_range_m,
        range_span_m=span_m,
        range_fold_m=0.0 if result.resolved else SPEED_OF_LIGHT_M_S / (2 * interval.prf_hz),
        rate_fold_m_s=rate_fold_m_s,
        azimuth_low_rad=low,
        azimuth_high_rad=high,
        least_speed_m_s=parameters.least_speed_m_s,
        n_left_out=result.n_left_out + result.n_unresolved,
        flags=RadarFlag(result.flags),
    )


def make_reporter(sensor: RadarSensor, parameters: RadarParameters) -> Callable[[int, int, int], IntervalReporter]:
    """Return what makes, for channels, pulses and samples, the radar chain with the report behind it."""

    def make(channels: int, pulses: int, samples: int) -> IntervalReporter:
        chain = chain_of(parameters, sensor, (channels, pulses, samples))

        def report(interval: Interval) -> RadarReport:
            frame = RadarFrame(
                interval.frame_id, interval.time_ns, interval.samples, interval.prf_hz,
                first_range_m=interval.first_range_m,
            )  # fmt: skip
            return report_of(interval, chain.step(frame, interval.state), sensor, parameters)

        return report

    return make
