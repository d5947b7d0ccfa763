"""Temporal median of five against NumPy's, in any order, with infinities, and as a background."""

import itertools

import numpy as np
from hypothesis import given

from lookdown.kernels.median import temporal_median
from tests.kernels import reference
from tests.kernels.cases import image, quick, seeds, shapes


@quick
@given(shapes, seeds)
def test_median_equals_numpy_bit_for_bit(shape: tuple[int, int], seed: int) -> None:
    frames = [image(shape, seed + k, 100.0) for k in range(5)]
    frames[seed % 5].flat[0] = np.inf
    frames[(seed + 1) % 5].flat[0] = -np.inf
    out = np.empty(shape, np.float32)
    temporal_median(*frames, out)
    np.testing.assert_array_equal(out, reference.temporal_median(*frames))


def test_every_order_of_five_values_and_of_equal_ones_gives_the_third() -> None:
    values = np.array(list(itertools.product(range(5), repeat=5)), np.float32)
    out = np.empty((1, len(values)), np.float32)
    temporal_median(*(np.ascontiguousarray(column[None]) for column in values.T), out)
    np.testing.assert_array_equal(out[0], np.sort(values, axis=1)[:, 2])


def test_a_mover_and_a_flash_of_two_frames_do_not_enter_it() -> None:
    frames = np.full((5, 4, 12), 100, np.float32)
    for k in range(5):
        frames[k, 1, 2 + 2 * k] += 500
    frames[1:3, 3] -= 300
    out = np.empty((4, 12), np.float32)
    temporal_median(*frames, out)
    assert (out == 100).all()


def test_white_noise_leaves_as_much_as_theory_says() -> None:
    """The variance of the median of five normal values is 0.2868 (Teichroew 1956)."""
    frames = np.random.default_rng(3).standard_normal((5, 300, 400), np.float32)
    out = np.empty((300, 400), np.float32)
    temporal_median(*frames, out)
    assert abs(out.var() - 0.2868) < 4 * 0.2868 * (2 / out.size) ** 0.5
