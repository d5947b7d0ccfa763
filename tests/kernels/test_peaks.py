"""Peaks by block against their twin, levels against a sort, the map against its formula."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdown.kernels.peaks import count_peaks, peak_levels
from lookdown.kernels.tailmap import map_scores
from tests.kernels.cases import bands_of, image, quick, seeds, shapes

SIDE, LEAST, PER_E, BINS = 8, 0.5, 18.0, 60


def blocks(shape: tuple[int, int]) -> tuple[int, int]:
    return -(-shape[0] // SIDE), -(-shape[1] // SIDE)


def peaks_of(z: np.ndarray) -> list[tuple[int, int]]:
    """Twin: pixels that no neighbour exceeds; of equal ones the first."""
    size = np.abs(z)
    found = []
    for r, c in np.ndindex(*z.shape):
        around = [
            (i, j)
            for i in range(max(r - 1, 0), min(r + 2, z.shape[0]))
            for j in range(max(c - 1, 0), min(c + 2, z.shape[1]))
            if (i, j) != (r, c)
        ]
        if all(size[at] < size[r, c] or (size[at] == size[r, c] and at > (r, c)) for at in around):
            found.append((r, c))
    return found


@quick
@given(shapes, seeds, st.sampled_from([0.0, 0.5, 1.0]))
def test_peaks_fall_into_the_bins_of_their_twin(shape: tuple[int, int], seed: int, keep: float) -> None:
    z = np.round(image(shape, seed), 1)  # equal neighbours, too
    counts = np.ones((*blocks(shape), BINS), np.float32)
    wanted = np.full_like(counts, keep)
    for r, c in peaks_of(z):
        if abs(z[r, c]) > LEAST:
            k = int(np.log(np.abs(z[r, c]) / np.float32(LEAST)) * np.float32(PER_E))
            wanted[r // SIDE, c // SIDE, min(k, BINS - 1)] += 1
    count_peaks(z, SIDE, LEAST, PER_E, keep, 0, shape[0], counts)
    banded = np.ones_like(counts)
    for first, last in bands_of(shape[0], SIDE):
        count_peaks(z, SIDE, LEAST, PER_E, keep, first, last, banded)
    assert banded.tobytes() == counts.tobytes()
    assert np.abs(counts - wanted).sum() <= 2  # the logarithm at an edge of a bin
    assert counts.sum() == pytest.approx(wanted.sum())


def test_levels_are_those_that_as_many_peaks_exceed() -> None:
    rng = np.random.default_rng(3)
    z = rng.standard_normal((40, 56)).astype(np.float32)
    shape = blocks(z.shape)
    counts = np.zeros((*shape, BINS), np.float32)
    count_peaks(z, SIDE, LEAST, PER_E, 0.0, 0, 40, counts)
    sizes = {at: abs(float(z[at])) for at in peaks_of(z)}
    inner, outer = np.full(shape, 30.0, np.float32), np.full(shape, 6.0, np.float32)
    inner_level, outer_level = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    peak_levels(counts, np.zeros(BINS), LEAST, PER_E, inner, outer, inner_level, outer_level)
    for i, j in np.ndindex(*shape):
        near = sorted(
            (s for (r, c), s in sizes.items() if abs(r // SIDE - i) <= 1 and abs(c // SIDE - j) <= 1), reverse=True
        )
        for count, level in ((30, inner_level[i, j]), (6, outer_level[i, j])):
            if len(near) > count:
                assert near[count] / np.exp(1 / PER_E) <= level <= near[count - 1] * np.exp(1 / PER_E)
            else:
                assert level == LEAST or near[-1] >= level / np.exp(1 / PER_E)


def test_a_prior_adds_to_every_block() -> None:
    counts, prior = np.zeros((1, 1, BINS), np.float32), np.zeros(BINS)
    prior[20] = 10.0
    level, other = np.zeros((1, 1), np.float32), np.zeros((1, 1), np.float32)
    wanted = np.full((1, 1), 5.0, np.float32)
    peak_levels(counts, prior, LEAST, PER_E, wanted, wanted, level, other)
    assert level[0, 0] == pytest.approx(LEAST * np.exp(20.5 / PER_E))


@quick
@given(shapes, seeds)
def test_the_map_is_a_line_up_to_its_level_and_a_power_beyond(shape: tuple[int, int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    z = image(shape, seed)
    level, power = (rng.uniform(*span, blocks(shape)).astype(np.float32) for span in ((1, 3), (0.3, 1.1)))
    out = np.full_like(z, np.nan)
    map_scores(z, SIDE, level, power, 2.5, out)
    t, b = (np.kron(x, np.ones((SIDE, SIDE)))[: shape[0], : shape[1]] for x in (level, power))
    ratio = np.abs(z) / t
    np.testing.assert_allclose(out, np.sign(z) * 2.5 * np.where(ratio > 1, ratio**b, ratio), rtol=2e-5)
