"""Clutter map: bit by bit its twin, and false alarms as the closed form of exponential smoothing says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdown.flight.radar.clutter_map import map_multiplier
from lookdown.kernels.clutter_map import map_hits, renew_map
from tests.kernels import reference_radar
from tests.kernels.cases import quick, seeds, shapes
from tests.kernels.test_cfar_rates import CELLS, assert_rate

FREE = 1e30


def cells(shape: tuple[int, int], seed: int) -> np.ndarray:
    """Noise over 80 dB, some of it strange."""
    rng = np.random.default_rng(seed)
    x = (rng.exponential(1.0, shape) * 10 ** rng.uniform(-4, 4, shape)).astype(np.float32)
    some = rng.integers(0, x.size, 1 + x.size // 10)
    x.flat[some] = rng.choice(np.float32([np.nan, np.inf, -np.inf, 0, 1e-42, 3e38]), some.size)
    return x


@quick
@given(shapes, seeds, st.sampled_from([1.0, 0.5, 0.0625]), st.sampled_from([0.5, 9.0, 1e15, FREE]))
def test_means_and_hits_are_those_of_the_twin(
    shape: tuple[int, int], seed: int, share: float, multiplier: float
) -> None:
    mean, hits = np.zeros(shape, np.float32), np.empty(shape, np.uint8)
    for n in range(4):
        power = cells(shape, seed + n)
        map_hits(power, mean, multiplier, hits)
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(hits, power > mean * np.float32(multiplier))
        want = reference_radar.renewed_map(power, multiplier, 1.0 if n == 0 else share, mean)
        renew_map(power, multiplier, 1.0 if n == 0 else share, mean)
        np.testing.assert_array_equal(mean, want)
        assert np.isfinite(mean).all()


def rates(memory: int, intervals: int, pfa: float, cut: bool) -> np.ndarray:
    """False alarms in each of a hundred groups of cells; cells have means over 40 dB of their own.

    A cell's own intervals hang together by its map; cells do not.
    """
    rng, groups = np.random.default_rng(memory + intervals), 100
    shape = groups, 1000
    level = 10 ** rng.uniform(0, 4, shape).astype(np.float32)
    counts, hits = np.zeros(groups), np.empty(shape, np.uint8)
    mean = np.zeros(shape, np.float32)
    n = 0
    for _ in range(-(-CELLS // level.size)):
        if intervals and n == intervals:
            n = 0
            mean[:] = 0.0
        while n < (intervals or 8 * memory):
            most = map_multiplier(n, memory, pfa) if cut and n else FREE
            renew_map(level * rng.standard_exponential(shape, np.float32), most, max(1 / (n + 1), 1 / memory), mean)
            n += 1
        power = level * rng.standard_exponential(shape, np.float32)
        multiplier = map_multiplier(n, memory, pfa)
        map_hits(power, mean, multiplier, hits)
        counts += hits.sum(axis=1)
        if not intervals:
            renew_map(power, multiplier if cut else FREE, 1 / memory, mean)
    return counts


@pytest.mark.parametrize(("memory", "intervals"), [(8, 1), (8, 3), (16, 0)])
def test_rate_is_nitzbergs_over_ten_million_cells(memory: int, intervals: int) -> None:
    """Young maps begun anew each time, and one that has forgotten its beginning and goes on."""
    assert_rate(rates(memory, intervals, 1e-3, cut=False), CELLS // 100, 1e-3)


def test_rate_is_kept_where_hits_enter_as_their_threshold() -> None:
    assert_rate(rates(16, 0, 1e-4, cut=True), CELLS // 100, 1e-4)


def test_a_mover_on_its_way_through_costs_a_cell_little() -> None:
    """Twenty times its threshold for one interval: the cell's mean rises as by noise at the threshold."""
    mean = np.ones((1, 3), np.float32)
    power = np.array([[1.0, 20 * 12.0, 12.0]], np.float32)
    renew_map(power, 12.0, 1 / 16, mean)
    assert mean[0, 0] == 1.0
    assert mean[0, 1] == mean[0, 2] == pytest.approx(1 + 11 / 16)
