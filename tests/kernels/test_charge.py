"""Charges of spiking pixels against their twin in NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdown.kernels.charge import charge_pixels, review_charge
from tests.kernels.cases import quick, seeds, shapes


@quick
@given(shapes, seeds, st.integers(1, 5), st.integers(1, 255))
def test_charging_and_reviewing_equal_their_twins(shape: tuple[int, int], seed: int, least: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    size = shape[0] * shape[1]
    charge = np.where(rng.random(shape) < 0.2, rng.integers(0, 8, shape), 0).astype(np.uint8)
    pixels = np.unique(rng.integers(0, size, rng.integers(0, 9))).astype(np.int32)
    always = np.unique(rng.integers(0, size, rng.integers(0, 6))).astype(np.int32)
    wanted = charge.copy()
    wanted.flat[pixels] = np.where(wanted.flat[pixels] < most, wanted.flat[pixels] + 1, wanted.flat[pixels])
    charge_pixels(pixels, most, charge)
    np.testing.assert_array_equal(charge, wanted)
    listed = np.full(size, -1, np.int32)
    n = review_charge(always, least, charge, listed)
    np.testing.assert_array_equal(listed[:n], np.union1d(always, np.flatnonzero(wanted >= least)))
    np.testing.assert_array_equal(charge, wanted - (wanted > 0))


def test_what_leaves_the_frame_is_refused() -> None:
    charge, listed = np.zeros((3, 4), np.uint8), np.zeros(12, np.int32)
    for wrong in ([12], [-1]):
        with pytest.raises(ValueError, match="pixels: wanted flat indices from 0 to 11"):
            charge_pixels(np.array(wrong, np.int32), 9, charge)
    for wrong in ([12], [4, 4], [-1]):
        with pytest.raises(ValueError, match="always: wanted increasing"):
            review_charge(np.array(wrong, np.int32), 3, charge, listed)
    with pytest.raises(ValueError, match="listed: wanted"):
        review_charge(np.zeros(0, np.int32), 3, charge, listed[:-1])
