"""The histogram of a score's size against its twin."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdown.kernels.tail import tail_histogram
from tests.kernels import reference_chain
from tests.kernels.cases import image, quick, seeds, shapes, spoilt


@quick
@given(shapes, seeds, st.integers(1, 5), st.sampled_from([1.0, 50.0]))
def test_it_equals_its_twin(shape: tuple[int, int], seed: int, step: int, per_unit: float) -> None:
    z = image(shape, seed)
    counts = np.full(500, -1, np.int32)
    tail_histogram(z, step, per_unit, counts)
    np.testing.assert_array_equal(counts, reference_chain.tail_histogram(z, step, per_unit, 500))


def test_nan_and_unknown_pixels_do_not_count() -> None:
    z = spoilt((30, 30), 4)
    z[::2] = 0
    counts = np.zeros(10, np.int32)
    tail_histogram(z, 1, 1.0, counts)
    assert counts.sum() == np.count_nonzero(z[1::2]) - np.isnan(z[1::2]).sum()
    with pytest.raises(ValueError, match=r"counts: wanted at least one bin"):
        tail_histogram(z, 1, 1.0, np.zeros(0, np.int32))
