"""Spikes against their twin; light through optics stays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdown.kernels.spikes import remove_spikes
from tests.kernels import reference_chain
from tests.kernels.cases import image, quick, seeds, shapes

RATIO = 0.19


@quick
@given(shapes, seeds, st.sampled_from([0.0, 1.0]), st.sampled_from([0.1, 0.4]))
def test_it_equals_its_twin(shape: tuple[int, int], seed: int, sigma: float, ratio: float) -> None:
    frame = image(shape, seed, 20.0)
    wanted, where = reference_chain.remove_spikes(frame, sigma, 6.0, ratio)
    found = np.full(frame.size, -1, np.int32)
    n = remove_spikes(frame, sigma, 6.0, ratio, found)
    assert found[:n].tolist() == where
    np.testing.assert_allclose(frame, wanted, rtol=1e-4, atol=1e-3)


def spot(row: float, col: float, sigma_px: float, peak: float) -> np.ndarray:
    r, c = np.indices((21, 21))
    return peak * np.exp(-((r - row) ** 2 + (c - col) ** 2) / (2 * sigma_px**2))


def test_single_and_paired_bad_pixels_go_and_spots_stay() -> None:
    rng = np.random.default_rng(5)
    for _ in range(50):
        row, col = rng.uniform(9.5, 10.5, 2)
        frame = (rng.normal(100, 1, (21, 21)) + spot(row, col, 0.7, 60)).astype(np.float32)
        before = frame.copy()
        assert remove_spikes(frame, 1.0, 6.0, RATIO, np.zeros(9, np.int32)) == 0
        np.testing.assert_array_equal(frame, before)
        for bad in ([(10, 10)], [(10, 10), (10, 11)], [(0, 0)], [(20, 5)]):
            frame = rng.normal(100, 1, (21, 21)).astype(np.float32)
            for at in bad:
                frame[at] += 400 if len(bad) == 1 else 300 + at[1]
            found = np.zeros(9, np.int32)
            assert remove_spikes(frame, 1.0, 6.0, RATIO, found) >= 1
            assert found[0] in [at[0] * 21 + at[1] for at in bad]


def test_the_count_goes_on_beyond_the_capacity() -> None:
    frame = np.random.default_rng(1).normal(0, 1, (60, 60)).astype(np.float32)
    frame[5::10, 5::10] = 1000
    found = np.zeros(3, np.int32)
    assert remove_spikes(frame, 1.0, 6.0, RATIO, found) == 36
    assert found.tolist() == [305, 315, 325]
    with pytest.raises(ValueError, match=r"ratio"):
        remove_spikes(frame, 1.0, 6.0, 2.0, found)
