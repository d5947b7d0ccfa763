"""Temporal difference: the subtraction itself."""

import numpy as np
from hypothesis import given

from lookdown.kernels.difference import temporal_difference
from tests.kernels.cases import image, quick, seeds, shapes, spoilt


@quick
@given(shapes, seeds)
def test_difference_is_the_subtraction_with_nan_and_infinity(shape: tuple[int, int], seed: int) -> None:
    frame, previous = image(shape, seed), spoilt(shape, seed + 2)
    out = np.empty(shape, np.float32)
    temporal_difference(frame, previous, out)
    np.testing.assert_array_equal(out, frame - previous)
