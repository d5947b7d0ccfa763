"""Pd of the chain's transform and test on the curves of Swerling, against SNR, and Pfa and loss of its CFAR."""

import numpy as np
import pytest
from scipy import integrate, stats

from lookdown.flight.radar.config import RadarParameters
from lookdown.flight.radar.detection import Detector
from lookdown.hil.radar.interval import fluctuation, gaussian
from lookdown.kernels import thresholds
from lookdown.kernels.doppler import doppler, doppler_scratch_size, doppler_turns

PULSES, TRIALS, PFA = 8, 100_000, 1e-4
WINDOW, GUARD = (7, 41), (5, 9)


def powers_of_pulses(case: int, snr: float, trials: int, rng: np.random.Generator) -> np.ndarray:
    """Square-law powers of pulses with a target of a case, shape (trials, pulses): mean SNR in a pulse."""
    drawn = np.stack([fluctuation(rng, case, PULSES) for _ in range(trials)])
    turn = np.exp(2j * np.pi * rng.random((trials, 1)))
    return np.abs(np.sqrt(snr * drawn) * turn + gaussian(rng, trials, PULSES)) ** 2


def curve(case: int, snr: float, threshold: float, n: int) -> float:
    """Pd of the sum of n square-law pulses (Swerling 1960): the noncentral chi-square averaged over the target."""

    def given(power: float) -> float:
        return float(stats.ncx2.sf(2 * threshold, 2 * n, 2 * n * snr * power)) if power > 0 else 0.0

    if case == 0:
        return given(1.0)
    order = {1: 1, 2: n, 3: 2, 4: 2 * n}[case]
    total, _ = integrate.quad(lambda p: given(p) * stats.gamma.pdf(p, order, scale=1 / order), 0, 20, limit=200)
    return total


@pytest.mark.proof
@pytest.mark.parametrize("case", range(5))
@pytest.mark.parametrize("snr_db", [-3.0, 1.0, 4.0, 8.0])
def test_pulses_added_up_are_on_the_curve(case: int, snr_db: float) -> None:
    """Within 3 sigma at 1e5 trials a point; twenty points, so one in twenty runs may have one beyond 3."""
    rng = np.random.default_rng(100 * case + round(snr_db) + 10)
    snr = 10 ** (snr_db / 10)
    threshold = float(stats.gamma.isf(PFA, PULSES))
    found = (powers_of_pulses(case, snr, TRIALS, rng).sum(axis=1) > threshold).mean()
    want = curve(case, snr, threshold, PULSES)
    sigma = np.sqrt(max(want * (1 - want), 1e-6) / TRIALS)
    print(f"Swerling {case}, {snr_db} dB: Pd {found:.4f}, curve {want:.4f}, {(found - want) / sigma:+.1f} sigma")
    assert abs(found - want) <= 3 * sigma


def maps(case: int, snr: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Doppler maps with a target in bin 8 of every 50th range cell, and those cells: SNR after the transform."""
    ranges = 2000
    cells = np.arange(25, ranges, 50)
    cpi = gaussian(rng, 1, 16, ranges)
    drawn = np.array([fluctuation(rng, case, 1)[0] for _ in cells])
    turn = np.exp(2j * np.pi * rng.random(cells.size))
    cpi[0][:, cells] += np.sqrt(snr * drawn / 16) * turn * np.exp(1j * np.pi * np.arange(16))[:, None]
    power = np.empty((1, 16, ranges), np.float32)
    window = np.full(16, 0.25, np.float32)
    doppler(
        cpi.astype(np.complex64), 0, window, doppler_turns(16), np.empty(doppler_scratch_size(16), np.float32), None,
        power,
    )  # fmt: skip
    return power[0], cells


@pytest.mark.proof
@pytest.mark.parametrize("case", [0, 1, 3])
@pytest.mark.parametrize("snr_db", [10.0, 13.0, 17.0])
def test_the_transform_and_cell_averaging_are_on_the_curve(case: int, snr_db: float) -> None:
    """Pd behind CA-CFAR: the fixed threshold's averaged over the mean of the ring, so the CFAR loss is in it."""
    rng = np.random.default_rng(round(10 * snr_db) + case)
    snr = 10 ** (snr_db / 10)
    detector = Detector(RadarParameters(window=WINDOW, guard=GUARD), (16, 2000), PFA)
    n = int(thresholds.ring_counts((16, 2000), WINDOW, GUARD)[-1, 1000])
    a = thresholds.average_multiplier(n, PFA)
    hits = trials = 0
    while trials < TRIALS:
        power, cells = maps(case, snr, rng)
        hits += int(detector(power)[8, cells].sum())
        trials += cells.size
    want, _ = integrate.quad(
        lambda m: curve(case, snr, a * m, 1) * stats.gamma.pdf(m, n, scale=1 / n), 0.5, 1.6, limit=100
    )
    sigma = np.sqrt(want * (1 - want) / trials)
    print(f"Swerling {case}, {snr_db} dB: Pd {hits / trials:.4f}, curve {want:.4f}")
    assert abs(hits / trials - want) <= 3 * sigma


@pytest.mark.parametrize("case", [0, 1])
def test_few_trials_are_near_the_curve(case: int) -> None:
    rng = np.random.default_rng(case)
    threshold = float(stats.gamma.isf(PFA, PULSES))
    found = (powers_of_pulses(case, 2.0, 4000, rng).sum(axis=1) > threshold).mean()
    want = curve(case, 2.0, threshold, PULSES)
    assert abs(found - want) <= 4 * np.sqrt(want * (1 - want) / 4000)
