"""A mover pulls its background no harder than noise at the limit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from lookdown.kernels.hold import hold_back

VALUES = st.floats(-1e6, 1e6, width=32)


@given(st.data(), array_shapes(min_dims=2, max_dims=2, max_side=40), st.floats(0.5, 9.0))
def test_it_equals_its_twin(data: st.DataObject, shape: tuple[int, int], limit: float) -> None:
    z = data.draw(arrays(np.float32, shape, elements=VALUES))
    residual = data.draw(arrays(np.float32, shape, elements=VALUES))
    wanted = residual * np.minimum(1.0, limit / np.maximum(np.abs(z.astype(float)), limit))
    hold_back(z, limit, residual)
    np.testing.assert_allclose(residual, wanted, rtol=1e-6, atol=1e-30)


def test_noise_passes_as_it_is_and_a_mover_is_cut_to_the_limit() -> None:
    z = np.array([[0.0, 2.9, -3.0, 6.0, -30.0]], np.float32)
    residual = np.array([[1.0, 2.9, -3.0, 6.0, -30.0]], np.float32)
    hold_back(z, 3.0, residual)
    np.testing.assert_allclose(residual, [[1.0, 2.9, -3.0, 3.0, -3.0]], rtol=1e-6)


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_a_limit_that_is_none_is_refused(limit: float) -> None:
    with pytest.raises(ValueError, match="limit"):
        hold_back(np.zeros((2, 2), np.float32), limit, np.zeros((2, 2), np.float32))


def test_arrays_that_do_not_fit_are_refused() -> None:
    z = np.zeros((2, 3), np.float32)
    with pytest.raises(ValueError, match="residual"):
        hold_back(z, 3.0, np.zeros((3, 2), np.float32))
    with pytest.raises(ValueError, match="z: wanted"):
        hold_back(z.astype(np.float64), 3.0, z)
    with pytest.raises(ValueError, match="overlaps"):
        hold_back(z, 3.0, z)
