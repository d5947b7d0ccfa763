"""Simulated intervals for the chain, and the chain for them."""

from typing import Any

import numpy as np

from lookdown.flight.compression import chirp
from lookdown.flight.radar.chain import RadarChain
from lookdown.flight.radar.config import RadarParameters, RadarSensor
from lookdown.flight.radar.plots import RadarFrame, RadarResult
from lookdown.hil.radar.interval import Interval
from lookdown.hil.radar.settings import Radar


def pulse_of(radar: Radar) -> np.ndarray:
    return chirp(radar.bandwidth_hz, radar.pulse_s, radar.sample_rate_hz)


def sensor_of(radar: Radar, **changes: Any) -> RadarSensor:
    given = {
        "wavelength_m": radar.wavelength_m,
        "channel_m": radar.spacing_m * np.arange(radar.channels),
        "pulse": pulse_of(radar),
        "sample_rate_hz": radar.sample_rate_hz,
        "bandwidth_hz": radar.bandwidth_hz,
        "first_range_m": radar.first_range_m,
    }
    return RadarSensor(**(given | changes))


def chain_of(radar: Radar, sensor: RadarSensor | None = None, **parameters: Any) -> RadarChain:
    shape = (radar.channels, radar.pulses, radar.ranges + pulse_of(radar).size - 1)
    return RadarChain(RadarParameters(**parameters), sensor or sensor_of(radar), shape)


def frame_of(interval: Interval, number: int = 0) -> RadarFrame:
    radar = interval.radar
    return RadarFrame(number, 1000 * number, interval.samples, radar.prf_hz, radar.speed_mps)


def stepped(chain: RadarChain, interval: Interval) -> RadarResult:
    return chain.step(frame_of(interval))
