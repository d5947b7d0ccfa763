"""The detector against pyxel-sim, an independent implementation: mean, variance and photon-transfer curve within 1 %.

Only what both define alike is compared: photon noise, quantum efficiency, dark current, read noise, full well,
converter, fixed pattern, non-linearity, and the mean of crosstalk. Not comparable: pyxel's persistence (its traps take
charge out of the pixel, in proportion to exposure over time constant), its cosmic rays (stopping power in silicon) and
its own random fixed pattern (log-normal factors of mean 2); it has no blinking pixels and no drift.

Statistics: the variance of n normal samples has a relative error of sqrt(2 / n). A flat frame without fixed pattern
gives rows * cols samples at once. With 8 frames of 512 x 640 that is 0.09 % for either side, 0.12 % for their ratio:
the bound of 1 % lies eight sigma away. Where a count is wider than two sigma (twelve bits, near the dark), one pixel in
thirty leaves the commonest count and alone makes the variance: 40 frames bring the error of the ratio to 0.21 %. Means
are better known than 0.1 %.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lookdown.hil.sensor.config import SensorConfig
from lookdown.hil.sensor.detector import Detector, diffuse

pytestmark = pytest.mark.proof

BOUND = 0.01
FRAMES = 8
CLEAN = SensorConfig(gain_residual=0.0, offset_residual_e=0.0, bad_pixel_fraction=0.0)
COARSE_FRAMES = 40
FULLNESS = (0.01, 0.03, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97)
"""Mean over full well, dark electrons included; at 0.97 full well is 50 sigma away."""


def ours(config: SensorConfig, level_e: float, frames: int = FRAMES) -> np.ndarray:
    """Counts of flat frames of a level of photoelectrons, shape (frames, rows, cols)."""
    detector, shape = Detector(config, 11, 1), (config.rows, config.cols)
    return np.stack([detector.expose(np.full(shape, level_e, np.float32), k) for k in range(frames)])


def theirs(config: SensorConfig, level_e: float, frames: int = FRAMES, **files: Path) -> np.ndarray:
    """The same of pyxel, which gets the photons that give these electrons."""
    from tests.hil.sensor.pyxel_peer import PyxelSensor  # make proof has pyxel; without it the test fails, as it must

    sensor = PyxelSensor(config, **files)
    photons = np.full((config.rows, config.cols), level_e / config.quantum_efficiency)
    return np.stack([sensor.expose(photons, k) for k in range(frames)])


def transfer_curve(config: SensorConfig, levels_e: Sequence[float]) -> np.ndarray:
    """Mean and variance of ours and of pyxel's counts, shape (levels, 2, 2)."""
    curve = []
    for level in levels_e:
        coarse = float(config.noise_e(level)) * config.counts_per_electron < 0.5
        frames = COARSE_FRAMES if coarse else FRAMES
        curve.append([(f.mean(), f.var()) for f in (source(config, level, frames) for source in (ours, theirs))])
    return np.array(curve)


def assert_within_bound(curve: np.ndarray) -> None:
    """Hold means, variances, and the variance at the same mean, to the bound."""
    deviation = curve[:, 0] / curve[:, 1] - 1.0
    mean, variance = 100.0 * np.abs(deviation).max(axis=0)
    print(f"ours over pyxel, largest deviations: mean {mean:.3f} %, variance {variance:.3f} %")
    assert np.abs(deviation).max() < BOUND, f"deviations of mean and variance:\n{deviation}"
    at_same_mean = np.interp(curve[:, 1, 0], curve[:, 0, 0], curve[:, 0, 1])
    inner = slice(1, -1)  # beyond the curve's ends there is nothing to interpolate
    assert np.abs(at_same_mean[inner] / curve[inner, 1, 1] - 1.0).max() < BOUND


@pytest.mark.parametrize("bits", [12, 14, 16])
def test_the_photon_transfer_curve_from_dark_to_full_well(bits: int) -> None:
    config = replace(CLEAN, bits=bits)
    assert_within_bound(transfer_curve(config, [0.0, *(share * config.well_e - config.dark_e for share in FULLNESS)]))


def test_few_photons() -> None:
    """From 1 to 3000 electrons, across the level from which ours draws normal deviates in place of Poisson's."""
    config = replace(CLEAN, dark_current_e_s=0.0, read_noise_e=3.0, well_e=65535.0, bits=16)
    assert_within_bound(transfer_curve(config, [30.0, 100.0, 300.0, 900.0, 998.0, 1100.0, 1500.0, 3000.0]))


@pytest.mark.parametrize("dark_current_e_s", [1e4, 1e6, 5e7])
@pytest.mark.parametrize("read_noise_e", [20.0, 400.0])
def test_dark_current_with_its_shot_noise_and_read_noise(dark_current_e_s: float, read_noise_e: float) -> None:
    config = replace(CLEAN, dark_current_e_s=dark_current_e_s, read_noise_e=read_noise_e, bits=16)
    assert_within_bound(transfer_curve(config, [0.0, 2e4, 1e6]))


@pytest.mark.parametrize("quantum_efficiency", [0.3, 0.75, 0.95])
def test_quantum_efficiency_from_radiance_to_counts(quantum_efficiency: float) -> None:
    """Photons counted by hand from radiance, aperture and band; electrons by the sensor's own closed form."""
    config = replace(CLEAN, quantum_efficiency=quantum_efficiency, integration_time_s=0.010)
    photon_j = 6.62607015e-34 * 299792458.0 / 3.95e-6
    aperture_m2, pixel_sr = np.pi / 4.0 * 0.10**2, (15e-6 / 0.15) ** 2
    for radiance in (0.05, 0.12):
        photons = radiance * aperture_m2 * pixel_sr * 0.7 * 0.010 / photon_j
        pyxel = theirs(config, photons * quantum_efficiency)
        mine = ours(config, config.electrons_per_radiance() * radiance)
        assert mine.mean() == pytest.approx(pyxel.mean(), rel=BOUND)
        assert mine.var() == pytest.approx(pyxel.var(), rel=BOUND)


@pytest.mark.parametrize("nonlinearity", [0.02, 0.10])
def test_a_bent_response(nonlinearity: float) -> None:
    """The polynomial is mapped exactly; where the response flattens, the variance falls with its squared slope."""
    config = replace(CLEAN, nonlinearity=nonlinearity, bits=16)
    curve = transfer_curve(config, [0.0, 3e5, 1e6, 2e6, 2.8e6])
    assert_within_bound(curve)
    straight = ours(replace(config, nonlinearity=0.0), 2.8e6)
    assert curve[-1, 0, 0] < (1.0 - 0.9 * nonlinearity) * straight.mean()


def test_full_well() -> None:
    """Beyond full well both stand at the largest count.

    Just below, pyxel's charge is cut before its read noise comes, ours after it: the mean is held to the bound, the
    variance to 3 %, where it has already fallen to a third.
    """
    for over in (1.0, 1.002):
        level_e = over * CLEAN.well_e - CLEAN.dark_e
        mine, pyxel = ours(CLEAN, level_e), theirs(CLEAN, level_e)
        assert mine.mean() == pytest.approx(pyxel.mean(), rel=1e-4)
        assert mine.max() == pyxel.max() == 2**CLEAN.bits - 1
    mine, pyxel = (source(CLEAN, CLEAN.well_e - CLEAN.dark_e).var() for source in (ours, theirs))
    assert mine == pytest.approx(pyxel, rel=0.03)
    unclipped = CLEAN.well_e * CLEAN.counts_per_electron**2
    assert mine / unclipped == pytest.approx(0.5 - 0.5 / np.pi, rel=0.02)  # a normal law cut in its middle


def test_fixed_pattern_over_pixels(tmp_path: Path) -> None:
    """Spatial variance: gain and offset of each pixel, ours from its seed, pyxel's from maps drawn apart.

    One million pixels: 0.14 % for either side and 0.2 % for their ratio, five sigma to the bound.
    """
    config = replace(
        CLEAN, rows=1024, cols=1024, gain_residual=0.01, offset_residual_e=2000.0, bits=16,
        dark_current_e_s=1e6,
    )  # fmt: skip
    rng = np.random.default_rng(5)
    shape = (1024, 1024)
    files = {"offset_file": tmp_path / "offset.npy"}
    np.save(files["offset_file"], config.dark_e + 2000.0 * rng.standard_normal(shape))
    # Offsets alone (without dark shot noise in pyxel, which loads them as charge), then gains alone.
    offsets = replace(config, gain_residual=0.0)
    for level_e in (0.0, 1e4):
        mine, pyxel = ours(offsets, level_e, 1), theirs(offsets, level_e, 1, **files)
        dark_shot = config.dark_e * config.counts_per_electron**2
        assert mine.mean() == pytest.approx(pyxel.mean(), rel=BOUND)
        assert mine.var() - dark_shot == pytest.approx(pyxel.var(), rel=BOUND)
    gains = replace(config, offset_residual_e=0.0, dark_current_e_s=0.0)
    file = tmp_path / "gain.npy"
    np.save(file, 1.0 + 0.01 * rng.standard_normal(shape))
    curve = []
    for level_e in (5e3, 5e4, 3e5, 1e6, 2.5e6):
        pair = ours(gains, level_e, 1), theirs(gains, level_e, 1, gain_file=file)
        curve.append([(f.mean(), f.var()) for f in pair])
    assert_within_bound(np.array(curve))
    assert curve[-1][0][1] > 50.0 * 2.5e6 * config.counts_per_electron**2  # gains, not photons, rule there


def test_crosstalk_moves_the_mean_alike() -> None:
    """The mean only: ours moves charge before it is counted, pyxel couples voltages, noise and all."""
    from tests.hil.sensor.pyxel_peer import PyxelSensor

    image = np.random.default_rng(2).uniform(0.0, 1e6, (CLEAN.rows, CLEAN.cols)).astype(np.float32)
    pyxel = PyxelSensor(CLEAN).coupled(image, 0.08)
    diffuse(image, 0.08)
    inner = (slice(2, -2), slice(2, -2))  # pyxel takes what is beyond the border to have the mean
    np.testing.assert_allclose(image[inner], pyxel[inner], rtol=1e-5)
