"""Temporal difference: the subtraction itself; double difference against its twin, and a mover without its ghosts."""

import numpy as np
import pytest
from hypothesis import given

from lookdown.kernels.difference import double_difference, temporal_difference
from tests.kernels import reference
from tests.kernels.cases import image, quick, seeds, shapes, spoilt


@quick
@given(shapes, seeds)
def test_difference_is_the_subtraction_with_nan_and_infinity(shape: tuple[int, int], seed: int) -> None:
    frame, previous = image(shape, seed), spoilt(shape, seed + 2)
    out = np.empty(shape, np.float32)
    temporal_difference(frame, previous, out)
    np.testing.assert_array_equal(out, frame - previous)


@quick
@given(shapes, seeds)
def test_double_difference_equals_its_twin_bit_for_bit(shape: tuple[int, int], seed: int) -> None:
    before, frame, behind = (image(shape, seed + k, 100.0) for k in range(3))
    out = np.empty(shape, np.float32)
    double_difference(before, frame, behind, out)
    np.testing.assert_array_equal(out, reference.double_difference(before, frame, behind))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_mover_stands_where_it_is_and_nowhere_else(sign: int) -> None:
    frames = np.full((3, 5, 9), 100, np.float32)
    for k in range(3):
        frames[k, 2, 2 + 2 * k] += sign * 50
    out = np.empty((5, 9), np.float32)
    temporal_difference(frames[1], frames[0], out)
    assert sorted(out[out != 0]) == [-50, 50]
    double_difference(*frames, out)
    assert out[2, 4] == sign * 50
    assert np.count_nonzero(out) == 1
