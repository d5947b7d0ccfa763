"""Places against the Cramer-Rao bound and pairs told apart, by some thousand trials each."""

import numpy as np
import pytest

from lookdown.kernels.extract import EXTENDED
from tests.kernels.points import CELLS, bound_px, run

pytestmark = [pytest.mark.proof, pytest.mark.timeout(900)]

FRAMES = 10  # of CELLS^2 trials


@pytest.mark.parametrize("sigma", [0.7, 1.0, 1.5])
@pytest.mark.parametrize("snr", [5, 7, 10, 20, 50])
def test_rms_of_places_is_within_1_2_of_the_bound_over_all_phases(sigma: float, snr: float) -> None:
    rng = np.random.default_rng(101)
    found = [run(rng, sigma, (snr,), threshold=3.5).errors() for _ in range(FRAMES)]
    error, by_sigma = (np.concatenate(parts, axis=1) for parts in zip(*found, strict=True))
    assert error.shape[1] > (0.9 if snr == 5 else 0.99) * FRAMES * CELLS**2 >= 2000
    bound = bound_px(sigma, snr)
    assert np.sqrt((error**2).mean()) < 1.2 * bound
    assert abs(error.mean()) < 4 * bound / np.sqrt(error.size)
    assert 0.85 < (by_sigma**2).mean() < (1.5 if snr < 7 else 1.2)


@pytest.mark.parametrize("sigma", [1.0, 1.5])
@pytest.mark.parametrize("snrs", [(15, 15), (15, 20), (15, 30), (40, 40), (40, 80), (100, 100), (100, 200)])
@pytest.mark.parametrize("separation", [2.5, 3.0, 3.5, 4.0])
def test_pairs_are_told_apart_from_2_5_sigma_on(sigma: float, snrs: tuple[float, float], separation: float) -> None:
    rng = np.random.default_rng(102)
    parted = [run(rng, sigma, snrs, separation_px=separation * sigma).told_apart(0.6 * sigma) for _ in range(8)]
    assert np.mean(parted) >= 0.95


@pytest.mark.parametrize("sigma", [0.7, 1.0, 1.5])
@pytest.mark.parametrize("smear", [0.0, 1.0, 1.5])
def test_less_than_one_source_in_a_hundred_becomes_two(sigma: float, smear: float) -> None:
    rng = np.random.default_rng(103)
    for snr in (5, 7, 10, 12, 15, 20, 30, 50, 80, 120, 200):
        several = [run(rng, sigma, (snr,), smear_px=smear).n_plots(4.5 if snr < 15 else 6.0) > 1 for _ in range(8)]
        assert np.mean(several) < 0.01, f"SNR {snr}"


@pytest.mark.parametrize("wider", [0.9, 1.1, 1.2])
def test_neither_does_a_source_of_another_width(wider: float) -> None:
    rng = np.random.default_rng(104)
    for snr in (20, 50, 200, 1000):
        for smear in (0.0, 1.0):
            trials = run(rng, 1.0, (snr,), smear_px=smear, shape_sigma_px=wider)
            assert (trials.n_plots(8.0) > 1).mean() < 0.01
            assert ((trials.strongest()[0]["flags"] & EXTENDED) > 0).mean() < 0.02
