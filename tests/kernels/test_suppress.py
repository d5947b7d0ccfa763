"""Matched filter and local normalisation against their twins."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdown.kernels.suppress import filter_scratch_size, local_normalise, matched_filter, normalise_scratch_size
from tests.kernels import reference
from tests.kernels.cases import image, odd, quick, seeds, shapes, spoilt


@quick
@given(shapes, seeds, odd, odd)
def test_matched_filter_equals_its_twin(shape: tuple[int, int], seed: int, rows: int, cols: int) -> None:
    frame = image(shape, seed, 50.0)
    rng = np.random.default_rng(seed)
    down, along = (np.convolve(h := rng.random((n + 1) // 2), h[::-1]).astype(np.float32) for n in (rows, cols))
    down, along = (down + down[::-1]) / 2, (along + along[::-1]) / 2
    scratch = np.full(filter_scratch_size(shape[1], along.size), np.nan, np.float32)
    out = np.empty(shape, np.float32)
    matched_filter(frame, down, along, scratch, out)
    np.testing.assert_allclose(out, reference.matched_filter(frame, down, along), rtol=2e-6, atol=2e-4)


def test_a_nan_reaches_no_further_than_the_taps() -> None:
    frame = np.zeros((20, 20), np.float32)
    frame[10, 10] = np.nan
    taps = np.ones(5, np.float32)
    out = np.empty_like(frame)
    matched_filter(frame, taps, taps, np.empty(filter_scratch_size(20, 5), np.float32), out)
    assert np.isnan(out[8:13, 8:13]).all()
    assert np.isnan(out).sum() == 25


@pytest.mark.parametrize("taps", [[1, 2], [1, 2, 3], [], [np.nan]])
def test_taps_that_are_even_or_not_symmetric_are_refused(taps: list[float]) -> None:
    frame, scratch = np.zeros((4, 4), np.float32), np.empty(99, np.float32)
    with pytest.raises(ValueError, match=r"row_taps"):
        matched_filter(frame, np.array(taps, np.float32), np.ones(1, np.float32), scratch, np.empty_like(frame))


@quick
@given(shapes, seeds, st.sampled_from([3, 5, 7, 9, 17, 31]), st.booleans(), st.sampled_from([0.0, 8000.0]))
def test_local_normalise_equals_its_twin(
    shape: tuple[int, int], seed: int, window: int, spoil: bool, level: float
) -> None:
    frame = (spoilt if spoil else image)(shape, seed, level)
    scratch = np.full(normalise_scratch_size(shape[1], window), np.nan, np.float32)
    out = np.empty(shape, np.float32)
    local_normalise(frame, window, 0.1, scratch, out)
    np.testing.assert_allclose(out, reference.local_normalise(frame, window, 0.1), rtol=1e-3, atol=1e-3)


def test_a_constant_frame_is_zero_and_a_window_may_exceed_the_frame() -> None:
    frame = np.full((5, 6), 16383, np.float32)
    out = np.empty_like(frame)
    local_normalise(frame, 31, 1e-3, np.empty(normalise_scratch_size(6, 31), np.float32), out)
    assert (out == 0).all()
    with pytest.raises(ValueError, match=r"window: wanted an odd integer from 3 to 255, got 4"):
        local_normalise(frame, 4, 1e-3, np.empty(9999, np.float32), out)
