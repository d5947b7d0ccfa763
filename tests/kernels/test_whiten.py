"""Whitening against its twin, and its law in white noise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdown.kernels.whiten import whiten, whiten_scratch_size
from tests.kernels import reference_chain
from tests.kernels.cases import image, quick, seeds, shapes


def run(x: np.ndarray, predicted: np.ndarray, window: int, guard: int, floor: float) -> tuple[np.ndarray, np.ndarray]:
    variance, z = np.empty_like(x), np.empty_like(x)
    scratch = np.full(whiten_scratch_size(x.shape[1], window), np.nan, np.float32)
    whiten(x, predicted, window, guard, floor, scratch, variance, z)
    return z, variance


@quick
@given(shapes, seeds, st.sampled_from([(5, 1), (9, 3), (17, 7), (31, 11)]), st.sampled_from([0.0, 30.0]))
def test_it_equals_its_twin(shape: tuple[int, int], seed: int, sides: tuple[int, int], level: float) -> None:
    x = image(shape, seed, level)
    predicted = np.random.default_rng(seed).uniform(-0.5, 3, shape).astype(np.float32)
    z, variance = run(x, predicted, *sides, 0.01)
    wanted = reference_chain.whiten(x, predicted, *sides, 0.01)
    np.testing.assert_allclose(variance, wanted[1], rtol=1e-3, atol=0.02)
    np.testing.assert_allclose(z, wanted[0], rtol=1e-3, atol=5e-3)


def test_white_noise_has_unit_score_whatever_its_level_and_a_star_does_not_hide_itself() -> None:
    x = np.random.default_rng(2).normal(50, 3, (200, 300)).astype(np.float32)
    x[100, 150] += 30
    z, variance = run(x, np.zeros_like(x), 17, 7, 0.0)
    assert z.std() == pytest.approx(1, abs=0.02)
    assert variance.mean() == pytest.approx(9, rel=0.02)
    assert z[100, 150] > 8


def test_a_ring_without_room_for_pixels_is_refused() -> None:
    x = np.zeros((9, 9), np.float32)
    with pytest.raises(ValueError, match=r"guard: wanted at least a block"):
        run(x, x.copy(), 5, 5, 0.0)
    with pytest.raises(ValueError, match=r"window: wanted an odd integer"):
        run(x, x.copy(), 6, 1, 0.0)
