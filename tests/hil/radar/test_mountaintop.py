"""The recorded Mountaintop interval: its target shows after adaptive processing, and not before."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

from lookdown.flight.compression import PulseCompressor, chirp
from lookdown.flight.radar.taper import pulse_weights
from lookdown.kernels.adaptive import adaptive_filter, adaptive_scratch_size
from lookdown.kernels.doppler import doppler, doppler_scratch_size, doppler_turns

SPACING_M, WAVELENGTH_M = 0.333, 299_792_458 / 435e6
RANGE_SIDE_LOBES_DB, DOPPLER_SIDE_LOBES_DB = 35.0, 30.0
DOPPLER_BIN = 4  # 156 Hz of 625, in 16 bins


def toward(angle_deg: float) -> np.ndarray:
    phase = SPACING_M / WAVELENGTH_M * np.arange(14) * np.sin(np.deg2rad(angle_deg))
    return np.exp(2j * np.pi * phase)[None].astype(np.complex64)


def adapted(spectrum: np.ndarray, angle_deg: float) -> np.ndarray:
    channels, dopplers, ranges = spectrum.shape
    power = np.empty((dopplers, ranges), np.float32)
    scratch = np.empty(adaptive_scratch_size(channels, ranges, 1, 8), np.float32)
    assert (
        adaptive_filter(
            spectrum, toward(angle_deg), 1e-3, 8, np.zeros(0, np.int64), np.ones(dopplers, np.uint8), scratch, power
        )
        == 0
    )
    return power[DOPPLER_BIN]


def compressed_spectrum(recordings: Path) -> np.ndarray:
    """Channels, 16 Doppler bins, and the 304 range cells that have a whole echo."""
    rows = loadmat(recordings / "mountaintop" / "t38pre01v1_cpi_6.mat")["cpi1"]
    cpi = np.ascontiguousarray(rows.reshape(16, 403, 14).transpose(2, 0, 1), np.complex64)
    compressed = PulseCompressor(chirp(500e3, 100e-6, 1e6), 403, 0.5, RANGE_SIDE_LOBES_DB)(cpi)
    out = np.empty((14, 16, compressed.shape[2]), np.complex64)
    scratch = np.empty(doppler_scratch_size(16), np.float32)
    weights = pulse_weights(16, DOPPLER_SIDE_LOBES_DB).astype(np.float32)
    doppler(compressed, 0, weights, doppler_turns(16), scratch, out, None)
    return out


@pytest.fixture(scope="module")
def spectrum(recordings: Path) -> np.ndarray:
    return compressed_spectrum(recordings)


@pytest.mark.recordings
def test_the_target_is_hidden_before(spectrum: np.ndarray) -> None:
    beam = np.abs(toward(14)[0].conj() @ spectrum[:, DOPPLER_BIN]) ** 2
    assert abs(int(beam.argmax()) - 147) > 5
    assert 10 * np.log10(beam[147] / beam.max()) < -10


@pytest.mark.recordings
def test_the_target_is_plain_after(spectrum: np.ndarray) -> None:
    power = adapted(spectrum, 14)
    assert abs(int(power.argmax()) - 147) <= 1
    assert 10 * np.log10(power.max() / np.median(power)) >= 29
    beside = power.copy()
    beside[142:153] = 0
    assert 10 * np.log10(power.max() / beside.max()) >= 20
    angles = np.arange(-60, 61)
    response = [adapted(spectrum, angle)[147] for angle in angles]
    assert abs(angles[int(np.argmax(response))] - 14) <= 2
