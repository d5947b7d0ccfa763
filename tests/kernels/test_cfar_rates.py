"""False-alarm rates and losses of all CFAR kernels against their closed forms.

Windows of neighbouring cells overlap, so their decisions are not independent and the binomial spread of a count would
be too narrow. Frames are independent: the spread of the mean is taken from that of the counts of whole frames, of which
there are a hundred at least.
"""

from math import log10, sqrt

import numpy as np
import pytest
from scipy import stats

from lookdown.kernels import thresholds
from lookdown.kernels.cfar import ca_cfar, cfar_scratch_size
from tests.kernels.reference_cfar import MODES, Detector

FRAME, SMALL = (256, 256), (31, 45)
CELLS = 10**7


def assert_rate(counts: np.ndarray, cells_a_frame: int, pfa: float) -> None:
    """The mean of the counts of independent frames is within three sigmas of its expectation."""
    assert counts.size >= 100
    wanted = pfa * cells_a_frame
    sigma = max(float(counts.std(ddof=1)), sqrt(wanted)) / sqrt(counts.size)
    assert abs(counts.mean() - wanted) < 3 * sigma, f"{counts.mean() / wanted:.4f} of the rate, {sigma / wanted:.4f}"


def exponential_counts(mode: str, pfa: float, cells: int, window: int, guard: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    detector = Detector(mode, FRAME, (window, window), (guard, guard), pfa)
    n_frames = -(-cells // (FRAME[0] * FRAME[1]))
    return np.array([detector(rng.standard_exponential(FRAME, np.float32)).sum() for _ in range(n_frames)])


def gaussian_counts(pfa: float, cells: int, seed: int, shape: tuple[int, int] = FRAME) -> list[np.ndarray]:
    rng, design, out = np.random.default_rng(seed), float(stats.norm.isf(pfa)), np.empty(shape, np.float32)
    scratch = np.empty(cfar_scratch_size(shape[1], 17, 5), np.float32)
    found = []
    for _ in range(-(-cells // (shape[0] * shape[1]))):
        ca_cfar(rng.standard_normal(shape, np.float32), 17, 5, design, 1e-6, scratch, out)
        found.append(np.abs(out) > design)
    return found


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("pfa", [1e-3, 1e-4])
@pytest.mark.parametrize("window", [11, 21])
def test_rate_in_exponential_cells(mode: str, pfa: float, window: int) -> None:
    counts = exponential_counts(mode, pfa, CELLS, window, 5, 100 + window)
    assert_rate(counts, FRAME[0] * FRAME[1], pfa)


@pytest.mark.parametrize("pfa", [1e-3, 1e-4])
def test_rate_in_gaussian_cells(pfa: float) -> None:
    """Both signs count."""
    counts = np.array([hits.sum() for hits in gaussian_counts(pfa, CELLS, 21)])
    assert_rate(counts, FRAME[0] * FRAME[1], 2 * pfa)


@pytest.mark.proof
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("window", [11, 21])
def test_rate_of_one_in_a_hundred_thousand(mode: str, window: int) -> None:
    counts = exponential_counts(mode, 1e-5, 60 * CELLS, window, 5, 300 + window)
    assert_rate(counts, FRAME[0] * FRAME[1], 1e-5)


@pytest.mark.proof
def test_rate_of_one_in_a_hundred_thousand_in_gaussian_cells() -> None:
    counts = np.array([hits.sum() for hits in gaussian_counts(1e-5, 40 * CELLS, 22)])
    assert_rate(counts, FRAME[0] * FRAME[1], 2e-5)


def borders(shape: tuple[int, int], half: int) -> dict[str, np.ndarray]:
    """Cells whose window leaves the image, those of the outermost line, and the corners' squares."""
    row, col = np.indices(shape)
    from_row, from_col = np.minimum(row, shape[0] - 1 - row), np.minimum(col, shape[1] - 1 - col)
    return {
        "window": np.minimum(from_row, from_col) < half,
        "outermost": np.minimum(from_row, from_col) == 0,
        "corners": np.maximum(from_row, from_col) < 3,
    }


def test_rate_at_borders_in_exponential_cells() -> None:
    rng, pfa = np.random.default_rng(31), 1e-3
    detectors = {mode: Detector(mode, SMALL, (21, 21), (5, 5), pfa) for mode in MODES}
    where = borders(SMALL, 10)
    n_frames = CELLS // int(where["window"].sum()) + 1
    counts = {(mode, name): np.zeros(n_frames) for mode in MODES for name in where}
    for k in range(n_frames):
        x = rng.standard_exponential(SMALL, np.float32)
        for mode, detector in detectors.items():
            hits = detector(x)
            for name, mask in where.items():
                counts[mode, name][k] = np.count_nonzero(hits[mask])
    for (_, name), found in counts.items():
        assert_rate(found, int(where[name].sum()), pfa)


def test_rate_at_borders_in_gaussian_cells() -> None:
    where = borders(SMALL, 8)
    found = gaussian_counts(1e-3, CELLS * 31 * 45 // int(where["window"].sum()), 32, SMALL)
    for mask in where.values():
        assert_rate(np.array([hits[mask].sum() for hits in found]), int(mask.sum()), 2e-3)


def theory(mode: str, window: int, guard: int, pfa: float, ratio: float) -> float:
    """Pd of a Swerling 1 target whose power is ``ratio`` times the noise's, away from borders."""
    n, half = window**2 - guard**2, window * (window - guard) // 2
    rank = int(np.rint(0.75 * n))
    if mode == "average":
        return thresholds.average_pfa(n, thresholds.average_multiplier(n, pfa) / (1 + ratio))
    if mode == "greatest":
        return thresholds.greatest_pfa(half, half, thresholds.greatest_multiplier(half, half, pfa) / (1 + ratio))
    if mode == "smallest":
        return thresholds.smallest_pfa(half, half, thresholds.smallest_multiplier(half, half, pfa) / (1 + ratio))
    return thresholds.ordered_pfa(n, rank, thresholds.ordered_multiplier(n, rank, pfa) / (1 + ratio))


def snr_for_half(mode: str, window: int, guard: int, pfa: float) -> float:
    """SNR at which theory detects half of the targets [dB]."""
    low, high = 0.0, 30.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if theory(mode, window, guard, pfa, 10 ** (middle / 10)) < 0.5 else (low, middle)
    return low


@pytest.mark.parametrize("mode", MODES)
def test_loss_is_that_of_theory(mode: str) -> None:
    """SNR for Pd 0.5 of Swerling 1 targets by the loss against known noise, measured and in theory, at Pfa 1e-4."""
    window, guard, pfa, step = 11, 5, 1e-4, 6
    rng = np.random.default_rng(41)
    wanted = snr_for_half(mode, window, guard, pfa)
    ideal = 10 * log10(np.log(pfa) / np.log(0.5) - 1)
    detector = Detector(mode, FRAME, (window, window), (guard, guard), pfa)
    place = (slice(5, -5, step), slice(5, -5, step))  # away from borders and from each other's rings
    levels_db = wanted + np.array([-0.4, 0.4])
    n_frames, hits, targets = 30, np.zeros(2), 0
    for _ in range(n_frames):
        noise = rng.standard_exponential(FRAME, np.float32)
        for k, level in enumerate(levels_db):
            x = noise.copy()
            x[place] *= np.float32(1 + 10 ** (level / 10))
            hits[k] += detector(x)[place].sum()
        targets += x[place].size
    pd = hits / targets
    measured = levels_db[0] + 0.8 * (0.5 - pd[0]) / (pd[1] - pd[0])
    assert targets > 40_000  # 0.0024 in Pd, 0.03 dB
    assert measured - ideal == pytest.approx(wanted - ideal, abs=0.1)
    assert 0 < wanted - ideal < 1
