"""Calibration against its twin, at the extremes of the samples, and replacement of bad pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdown.kernels.calibrate import calibrate, convert, replace_bad
from tests.kernels import reference
from tests.kernels.cases import image, quick, seeds, shapes


@quick
@given(shapes, seeds, st.sampled_from([0, 65535, None]))
def test_calibrate_equals_its_twin_bit_for_bit(shape: tuple[int, int], seed: int, constant: int | None) -> None:
    rng = np.random.default_rng(seed)
    samples = rng.integers(0, 65536, shape).astype(np.uint16) if constant is None else np.full(shape, constant, "u2")
    gain, offset = image(shape, seed, 1.0), image(shape, seed + 1, 100.0)
    out = np.empty(shape, np.float32)
    calibrate(samples, gain, offset, out)
    np.testing.assert_array_equal(out, reference.calibrate(samples, gain, offset))
    convert(samples, out)
    np.testing.assert_array_equal(out, samples)


@quick
@given(shapes, seeds, st.floats(0, 1))
def test_replace_bad_equals_its_twin(shape: tuple[int, int], seed: int, share: float) -> None:
    frame = image(shape, seed, 10.0)
    bad = np.flatnonzero(np.random.default_rng(seed).random(frame.size) < share).astype(np.int32)
    frame.flat[bad] = np.nan
    want = reference.replace_bad(frame, bad)
    replace_bad(frame, bad)
    np.testing.assert_allclose(frame, want, rtol=1e-5, atol=1e-5)


def test_a_frame_without_good_pixels_becomes_zero_and_an_empty_list_changes_nothing() -> None:
    frame = np.full((3, 2), 7, np.float32)
    replace_bad(frame, np.empty(0, np.int32))
    assert (frame == 7).all()
    replace_bad(frame, np.arange(6, dtype=np.int32))
    assert (frame == 0).all()


@pytest.mark.parametrize("bad", [[3, 3], [4, 2], [-1], [6]])
def test_a_list_that_is_not_increasing_or_leaves_the_frame_is_refused(bad: list[int]) -> None:
    frame = np.ones((2, 3), np.float32)
    with pytest.raises(ValueError, match=r"bad: wanted flat indices below 6 in increasing order"):
        replace_bad(frame, np.array(bad, np.int32))
    assert (frame == 1).all()
