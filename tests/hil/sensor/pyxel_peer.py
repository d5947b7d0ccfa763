"""pyxel-sim (ESA, MIT licence) as an independent peer of the detector: the same sensor, driven by its own models.

The chain of models is that of pyxel's examples: photon shot noise (Poisson), quantum efficiency (binomial), dark
current (Poisson), fixed pattern, full well, charge to voltage, read noise, polynomial response, converter. pyxel's
converter drops the fraction, ours rounds: half a count of bias voltage makes its own round too.
"""

import functools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pyxel.detectors import CMOS, Characteristics, CMOSGeometry, Environment
from pyxel.detectors.charge_to_volt_settings import ChargeToVoltSettings
from pyxel.models.charge_collection import fixed_pattern_noise, simple_collection, simple_full_well
from pyxel.models.charge_generation import load_charge, simple_conversion, simple_dark_current
from pyxel.models.charge_measurement import (
    dc_offset,
    output_node_linearity_poly,
    output_node_noise,
    simple_ipc,
    simple_measurement,
)
from pyxel.models.photon_collection import shot_noise
from pyxel.models.readout_electronics import simple_adc, simple_amplifier

from lookdown.hil.sensor.config import SensorConfig

_VOLT_PER_ELECTRON = 1e-6

_OF_PYXEL = (".*will be removed", "__array__ implementation doesn't accept a copy keyword")
"""Warnings that pyxel gives about its own code."""


def _patient(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let pass what pyxel deprecates of itself, and nothing else."""

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        with warnings.catch_warnings():
            for message in _OF_PYXEL:
                warnings.filterwarnings("ignore", message, DeprecationWarning)
            return function(*arguments, **named)

    return call


class PyxelSensor:
    """The sensor of a configuration, made of pyxel's models.

    Parameters
    ----------
    config : SensorConfig
        Sensor; its fixed pattern is not taken over (give files), nor what pyxel has not or defines otherwise.
    gain_file, offset_file : Path or None
        ``.npy`` of each pixel's gain over the mean [1], and of each pixel's charge without light [e-], both of shape
        (rows, cols). Without the latter, dark current comes with its shot noise.
    """

    @_patient
    def __init__(self, config: SensorConfig, gain_file: Path | None = None, offset_file: Path | None = None) -> None:
        self.config, self._gain_file, self._offset_file = config, gain_file, offset_file
        full_v = config.well_e * _VOLT_PER_ELECTRON
        size_um = 1e6 * config.pitch_m
        self.detector = CMOS(
            geometry=CMOSGeometry(
                row=config.rows, col=config.cols, total_thickness=10.0, pixel_vert_size=size_um, pixel_horz_size=size_um
            ),
            environment=Environment(temperature=80.0),
            characteristics=Characteristics(
                quantum_efficiency=config.quantum_efficiency,
                charge_to_volt=ChargeToVoltSettings(value=_VOLT_PER_ELECTRON),
                pre_amplification=1.0,
                full_well_capacity=config.well_e,
                adc_bit_resolution=config.bits,
                adc_voltage_range=(0.0, full_v),
            ),
        )
        self.detector.set_readout(times=[config.integration_time_s])
        self.detector.time_step = config.integration_time_s
        # In volts, the bend x - a x^2 of the electrons that light and noise gave; dark electrons d come on top of it:
        # with y = x + d it is y - a (y - d)^2.
        bend, dark_v = config.nonlinearity / full_v, config.dark_e * _VOLT_PER_ELECTRON
        self._response = (-bend * dark_v**2, 1.0 + 2.0 * bend * dark_v, -bend)
        self._half_count_v = 0.5 * full_v / (2**config.bits - 1)

    @_patient
    def expose(self, photons: np.ndarray, seed: int) -> np.ndarray:
        """Counts [DN], shape (rows, cols), for the photons that a pixel expects in an exposure [1]."""
        config, detector = self.config, self.detector
        self.detector.empty()
        detector.photon.array = np.array(photons, np.float64)
        shot_noise(detector, seed=5 * seed)
        simple_conversion(detector, seed=5 * seed + 1)
        if self._offset_file is not None:
            load_charge(detector, filename=self._offset_file, time_scale=config.integration_time_s)
        else:
            simple_dark_current(detector, dark_rate=config.dark_current_e_s, seed=5 * seed + 2)
        simple_collection(detector)
        if self._gain_file is not None:
            fixed_pattern_noise(detector, filename=self._gain_file)
        simple_full_well(detector)
        simple_measurement(detector)
        output_node_noise(detector, std_deviation=config.read_noise_e * _VOLT_PER_ELECTRON, seed=5 * seed + 3)
        if config.nonlinearity > 0.0:
            output_node_linearity_poly(detector, coefficients=self._response)
        dc_offset(detector, offset=self._half_count_v)
        simple_amplifier(detector)
        simple_adc(detector)
        return np.array(detector.image.array)

    @_patient
    def coupled(self, electrons: np.ndarray, share: float) -> np.ndarray:
        """Electrons after a share of each pixel's went into its four neighbours, without noise [e-]."""
        self.detector.empty()
        self.detector.pixel.array = np.array(electrons, np.float64)
        simple_ipc(self.detector, coupling=0.25 * share)
        return np.asarray(self.detector.signal.array) / _VOLT_PER_ELECTRON
