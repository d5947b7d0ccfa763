"""Tables and buffers of the radar chain for one choice of good channels."""

from typing import Any

import numpy as np

from lookdown.flight.compression import PulseCompressor
from lookdown.flight.radar.config import RadarParameters, RadarSensor
from lookdown.flight.radar.detection import Detector, gaussian_tail
from lookdown.flight.radar.fit import PlotFit
from lookdown.flight.radar.taper import pulse_weights
from lookdown.kernels.adaptive import adaptive_scratch_size
from lookdown.kernels.doppler import doppler_scratch_size, doppler_turns

BLOCKS_AT_LEAST = 10
"""Blocks of ranges that are filtered apart at least, if there are ranges enough."""


class Setup:
    """All that depends on which channels are good: tables and buffers."""

    def __init__(self, sensor: RadarSensor, parameters: RadarParameters, channels: tuple[int, ...], shape: Any) -> None:
        pulses, samples = shape[1:]
        self.channel_m = np.asarray(sensor.channel_m, np.float64)[list(channels)]
        band = sensor.bandwidth_hz / sensor.sample_rate_hz
        self.compressor = PulseCompressor(sensor.pulse, samples, band, parameters.range_side_lobes_db)
        ranges = self.compressor.ranges
        self.dopplers = max(2, 1 << (pulses - 1).bit_length())
        self.bins = parameters.bins if self.dopplers >= parameters.bins else 1
        weights = pulse_weights(pulses, parameters.doppler_side_lobes_db)
        self.weights = weights.astype(np.float32)
        self.turns = doppler_turns(self.dopplers)
        self.doppler_scratch = np.zeros(doppler_scratch_size(self.dopplers), np.float32)
        # A block and its neighbours do not train it: of few ranges blocks must be small.
        self.block = min(parameters.block, max(8, ranges // BLOCKS_AT_LEAST // 8 * 8))
        n = len(channels)
        self.compressed = np.zeros((n, pulses, ranges), np.complex64)
        self.spectrum = np.zeros((n, self.dopplers, ranges), np.complex64)
        self.scratch = np.zeros(adaptive_scratch_size(n, ranges, self.bins, self.block), np.float32)
        self.power = np.zeros((len(parameters.beams_rad), self.dopplers, ranges), np.float32)
        offset = np.arange(self.bins) - self.bins // 2
        spread = np.exp(-2j * np.pi / self.dopplers * np.outer(offset, np.arange(pulses))) @ weights
        place = 2 * np.pi / sensor.wavelength_m * (self.channel_m - self.channel_m.mean())
        self.steering = [
            np.ascontiguousarray(np.outer(spread, np.exp(1j * place * np.sin(beam))), np.complex64)
            for beam in parameters.beams_rad
        ]
        self.fit = PlotFit(
            self.compressor, self.channel_m, sensor.wavelength_m, pulses, parameters.doppler_side_lobes_db
        )
        pfa = gaussian_tail(parameters.threshold) / len(parameters.beams_rad)
        self.detector = Detector(parameters, (self.dopplers, ranges), pfa)
