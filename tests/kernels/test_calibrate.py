"""Calibration against its twin, at the extremes of the samples, and replacement of bad pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdown.kernels.calibrate import calibrate, convert, judge_neighbours, replace_bad
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


def replace(frame: np.ndarray, bad: np.ndarray) -> None:
    good = np.empty(bad.size, np.uint8)
    judge_neighbours(bad, *frame.shape, good)
    replace_bad(frame, bad, good)


@quick
@given(shapes, seeds, st.floats(0, 1))
def test_replace_bad_equals_its_twin(shape: tuple[int, int], seed: int, share: float) -> None:
    frame = image(shape, seed, 10.0)
    bad = np.flatnonzero(np.random.default_rng(seed).random(frame.size) < share).astype(np.int32)
    frame.flat[bad] = np.nan
    want = reference.replace_bad(frame, bad)
    replace(frame, bad)
    np.testing.assert_allclose(frame, want, rtol=1e-5, atol=1e-5)


def test_a_frame_without_good_pixels_becomes_zero_and_an_empty_list_changes_nothing() -> None:
    frame = np.full((3, 2), 7, np.float32)
    replace(frame, np.empty(0, np.int32))
    assert (frame == 7).all()
    replace(frame, np.arange(6, dtype=np.int32))
    assert (frame == 0).all()


@pytest.mark.parametrize("bad", [[3, 3], [4, 2], [-1], [6]])
def test_a_list_that_is_not_increasing_or_leaves_the_frame_is_refused(bad: list[int]) -> None:
    frame = np.ones((2, 3), np.float32)
    with pytest.raises(ValueError, match=r"bad: wanted flat indices below 6 in increasing order"):
        replace(frame, np.array(bad, np.int32))
    assert (frame == 1).all()


@quick
@given(shapes, seeds, st.floats(0, 1))
def test_neighbours_are_judged_as_the_twin_does(shape: tuple[int, int], seed: int, share: float) -> None:
    size = shape[0] * shape[1]
    bad = np.flatnonzero(np.random.default_rng(seed).random(size) < share).astype(np.int32)
    good = np.empty(bad.size, np.uint8)
    judge_neighbours(bad, *shape, good)
    np.testing.assert_array_equal(good, reference.judge_neighbours(bad, *shape))


@pytest.mark.parametrize("flat", [-1, 5, 19, 25, 2**31 - 1])
@pytest.mark.parametrize("bits", [0, 1, 128, 255])
def test_neighbours_of_another_list_or_frame_are_never_read_beyond_it(flat: int, bits: int) -> None:
    """A frame of 4 x 5 in the middle of memory that would show."""
    memory = np.full(60, np.nan, np.float32)
    frame = memory[20:40].reshape(4, 5)
    frame[...] = 1
    bad, good = np.array([flat], np.int32), np.array([bits], np.uint8)
    reach = {0: (0, 0), 1: (-6, 0), 128: (0, 6), 255: (-6, 6)}[bits]
    if 0 <= flat < 20 and flat + reach[0] >= 0 and flat + reach[1] < 20:
        replace_bad(frame, bad, good)
        assert (frame == 1).all()
    else:
        with pytest.raises(ValueError, match=r"bad: wanted pixels of a frame of \(4, 5\), got .*judge_neighbours"):
            replace_bad(frame, bad, good)
    assert np.isnan(memory[:20]).all()
    assert np.isnan(memory[40:]).all()
