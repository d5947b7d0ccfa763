"""Spikes against their twin; light through optics stays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdown.kernels.spikes import remove_spikes
from tests.kernels import reference_chain
from tests.kernels.cases import image, quick, seeds, shapes

RATIO = 0.19


@quick
@given(shapes, seeds, st.sampled_from([0.0, 1.0]), st.sampled_from([0.1, 0.4]))
def test_it_equals_its_twin(shape: tuple[int, int], seed: int, sigma: float, ratio: float) -> None:
    frame = image(shape, seed, 20.0)
    wanted, where = reference_chain.remove_spikes(frame, sigma, 6.0, ratio)
    found = np.full(frame.size, -1, np.int32)
    n = remove_spikes(frame, sigma, 6.0, ratio, found)
    assert found[:n].tolist() == where
    np.testing.assert_allclose(frame, wanted, rtol=1e-4, atol=1e-3)


@quick
@given(shapes, seeds, st.sampled_from([1, 2, 3]))
def test_neighbours_that_are_bad_too_are_judged_as_by_the_twin(shape: tuple[int, int], seed: int, n_lines: int) -> None:
    """Rows and blocks of bad pixels: what is gone in a row changes what the next pixel of it has for neighbours."""
    rng = np.random.default_rng(seed)
    frame = rng.normal(100, 1, shape).astype(np.float32)
    for _ in range(3 * n_lines):
        r, c = (int(rng.integers(0, n)) for n in shape)
        height, width = rng.integers(1, 3), rng.integers(1, 5)
        frame[r : r + height, c : c + width] += rng.choice([-1, 1]) * rng.uniform(
            30, 300, frame[r : r + height, c : c + width].shape
        )
    wanted, where = reference_chain.remove_spikes(frame, 1.0, 6.0, 0.35)
    found = np.full(frame.size, -1, np.int32)
    n = remove_spikes(frame, 1.0, 6.0, 0.35, found)
    assert found[:n].tolist() == where
    np.testing.assert_allclose(frame, wanted, rtol=1e-4, atol=1e-3)


def spot(row: float, col: float, sigma_px: float, peak: float) -> np.ndarray:
    r, c = np.indices((21, 21))
    return peak * np.exp(-((r - row) ** 2 + (c - col) ** 2) / (2 * sigma_px**2))


def test_single_and_paired_bad_pixels_go_and_spots_stay() -> None:
    rng = np.random.default_rng(5)
    for _ in range(50):
        row, col = rng.uniform(9.5, 10.5, 2)
        frame = (rng.normal(100, 1, (21, 21)) + spot(row, col, 0.7, 60)).astype(np.float32)
        before = frame.copy()
        assert remove_spikes(frame, 1.0, 6.0, RATIO, np.zeros(9, np.int32)) == 0
        np.testing.assert_array_equal(frame, before)
        for bad in ([(10, 10)], [(10, 10), (10, 11)], [(0, 0)], [(20, 5)]):
            frame = rng.normal(100, 1, (21, 21)).astype(np.float32)
            for at in bad:
                frame[at] += 400 if len(bad) == 1 else 300 + at[1]
            found = np.zeros(9, np.int32)
            assert remove_spikes(frame, 1.0, 6.0, RATIO, found) >= 1
            assert found[0] in [at[0] * 21 + at[1] for at in bad]


def test_the_count_goes_on_beyond_the_capacity() -> None:
    frame = np.random.default_rng(1).normal(0, 1, (60, 60)).astype(np.float32)
    frame[5::10, 5::10] = 1000
    found = np.zeros(3, np.int32)
    assert remove_spikes(frame, 1.0, 6.0, RATIO, found) == 36
    assert found.tolist() == [305, 315, 325]
    with pytest.raises(ValueError, match=r"ratio"):
        remove_spikes(frame, 1.0, 6.0, 2.0, found)
