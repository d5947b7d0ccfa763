"""Resampling against its twin, where displacements leave the frame too, and its accuracy on texture."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdown.kernels.shift import shift, shift_age, shift_bilinear, shift_field, shift_scratch_size
from tests.kernels import reference
from tests.kernels.cases import bands_of, image, quick, seeds, shapes

displacements = st.one_of(
    st.floats(-3, 3), st.floats(-200, 200), st.sampled_from([0.0, 1.0, -1.0, 0.5, -0.5, 1e300, -1e300])
)


def scratch_for(shape: tuple[int, int]) -> np.ndarray:
    return np.full(shift_scratch_size(shape[1]), np.nan, np.float32)


@quick
@given(shapes, seeds, displacements, displacements)
def test_shift_equals_its_twin(shape: tuple[int, int], seed: int, row: float, col: float) -> None:
    source, out = image(shape, seed, 100.0), np.empty(shape, np.float32)
    near_row, near_col = np.clip(row, -300, 300), np.clip(col, -300, 300)
    shift(source, row, col, scratch_for(shape), out)
    np.testing.assert_allclose(out, reference.shift(source, near_row, near_col), rtol=2e-6, atol=2e-4)
    shift_bilinear(source, row, col, scratch_for(shape), out)
    np.testing.assert_allclose(out, reference.shift(source, near_row, near_col, False), rtol=2e-6, atol=2e-4)


@quick
@given(shapes, seeds, st.integers(1, 9), st.integers(1, 9), st.floats(0.1, 30))
def test_shift_field_equals_its_twin(shape: tuple[int, int], seed: int, n: int, m: int, reach: float) -> None:
    source, out = image(shape, seed, 100.0), np.full(shape, np.nan, np.float32)
    field = np.random.default_rng(seed).uniform(-reach, reach, (n, m, 2)).astype(np.float32)
    shift_field(source, field, 0, shape[0], scratch_for(shape), out)
    banded = np.full_like(out, np.nan)
    for first, last in bands_of(shape[0], 1):
        shift_field(source, field, first, last, scratch_for(shape), banded)
    assert banded.tobytes() == out.tobytes()
    np.testing.assert_allclose(out, reference.shift_field(source, field), rtol=2e-6, atol=2e-4)


@quick
@given(shapes, seeds, displacements, displacements)
def test_shift_age_equals_its_twin(shape: tuple[int, int], seed: int, row: float, col: float) -> None:
    age = np.random.default_rng(seed).integers(1, 256, shape).astype(np.uint8)
    out = np.full(shape, 77, np.uint8)
    shift_age(age, row, col, out)
    np.testing.assert_array_equal(out, reference.shift_age(age, np.clip(row, -300, 300), np.clip(col, -300, 300)))


def test_a_whole_shift_moves_and_a_polynomial_is_reproduced() -> None:
    source = image((30, 30), 1)
    out = np.empty_like(source)
    shift(source, 2, -3, scratch_for(source.shape), out)
    np.testing.assert_array_equal(out[:28, 3:], source[2:, :27])
    rows, cols = np.mgrid[:30, :30] / 10.0
    source = (rows**3 - 2 * rows * cols + cols**2).astype(np.float32)
    shift(source, 0.3, 0.7, scratch_for(source.shape), out)
    moved_rows, moved_cols = rows + 0.03, cols + 0.07
    want = moved_rows**3 - 2 * moved_rows * moved_cols + moved_cols**2
    np.testing.assert_allclose(out[1:-2, 1:-2], want[1:-2, 1:-2], atol=1e-5)


def test_a_nan_reaches_no_further_than_the_taps_and_the_border_is_no_exception() -> None:
    source = np.zeros((20, 20), np.float32)
    source[10, 10] = np.nan
    out = np.empty_like(source)
    shift(source, 0.5, 0.5, scratch_for(source.shape), out)
    assert np.isnan(out).sum() == 16
    shift_bilinear(source, 0.5, 0.5, scratch_for(source.shape), out)
    assert np.isnan(out).sum() == 4


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_displacement_that_is_not_finite_is_refused(value: float) -> None:
    source = np.zeros((4, 4), np.float32)
    for run in (shift, shift_bilinear):
        with pytest.raises(ValueError, match=r"col_shift: wanted a number"):
            run(source, 0.0, value, scratch_for((4, 4)), np.empty_like(source))
    with pytest.raises(ValueError, match=r"field: wanted finite pixels"):
        shift_field(source, np.full((1, 1, 2), value, np.float32), 0, 4, scratch_for((4, 4)), np.empty_like(source))
    with pytest.raises(ValueError, match=r"row_shift: wanted a number"):
        shift_age(np.zeros((4, 4), np.uint8), value, 0.0, np.zeros((4, 4), np.uint8))


def test_a_field_of_another_shape_is_refused() -> None:
    source = np.zeros((4, 4), np.float32)
    for shape in [(0, 1, 2), (1, 1, 3)]:
        with pytest.raises(ValueError, match=r"field: wanted shape \(n, m, 2\)"):
            shift_field(source, np.zeros(shape, np.float32), 0, 4, scratch_for((4, 4)), np.empty_like(source))
