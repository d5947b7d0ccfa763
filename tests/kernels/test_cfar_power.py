"""CFAR on square-law cells: hits are those of their twins to the last cell, wherever cells are strange."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdown.kernels import cfar_power, thresholds
from tests.kernels.cases import quick, seeds, shapes
from tests.kernels.reference_cfar import MODES, POWER, Detector, ring_offsets, spread, summed

rings = st.sampled_from(
    [((3, 3), (1, 1)), ((5, 5), (3, 3)), ((11, 11), (5, 5)), ((21, 21), (5, 5)), ((1, 33), (1, 5)), ((17, 9), (3, 1)),
     ((13, 3), (13, 1)), ((7, 63), (1, 7)), ((3, 5), (1, 3))]
)  # fmt: skip
modes = st.sampled_from(MODES)
kinds = st.sampled_from(["noise", "strong", "spoilt", "coarse", "constant", "zero", "clutter edge"])


def cells(kind: str, shape: tuple[int, int], seed: int) -> np.ndarray:
    """Square-law noise of one kind or another, float32."""
    rng = np.random.default_rng(seed)
    x = rng.exponential(3.0, shape).astype(np.float32)
    some = rng.integers(0, x.size, 1 + x.size // 40)
    if kind == "strong":
        x.flat[some] *= rng.choice(np.float32([10, 1e4, 1e12]), some.size)
    elif kind == "spoilt":
        x.flat[some] = rng.choice(np.float32([np.nan, np.inf, 0, 1e-42]), some.size)
    elif kind == "coarse":
        x = np.rint(x)
    elif kind == "constant":
        x[:] = rng.choice(np.float32([1e-30, 1, 7e9]))
    elif kind == "zero":
        x[:] = 0
    elif kind == "clutter edge":
        x[:, shape[1] // 2 :] *= 1000
    return x


@quick
@given(modes, shapes, seeds, rings, kinds, st.sampled_from([0.3, 1e-2, 1e-5]))
def test_hits_are_those_of_the_twin(
    mode: str, shape: tuple[int, int], seed: int, ring: tuple[tuple[int, int], tuple[int, int]], kind: str, pfa: float
) -> None:
    detector, x = Detector(mode, shape, *ring, pfa), cells(kind, shape, seed)
    np.testing.assert_array_equal(detector(x), detector.twin(x))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(70, 300), (130, 260), (9, 540)])
def test_strips_and_tiles_meet_without_a_seam(mode: str, shape: tuple[int, int]) -> None:
    detector = Detector(mode, shape, (11, 11), (5, 3), 0.02)
    for kind in ("noise", "strong", "clutter edge", "spoilt"):
        x = cells(kind, shape, 5)
        want = detector.twin(x)
        assert want.any()
        np.testing.assert_array_equal(detector(x), want)


@pytest.mark.parametrize("mode", ["average", "greatest", "smallest"])
@pytest.mark.parametrize("window", [(11, 11), (21, 21), (61, 31)])
def test_cells_within_rounding_of_their_threshold_are_decided_as_in_float64(mode: str, window: tuple[int, int]) -> None:
    """Cells are put at their own threshold, at the floats next to it, and a few further away."""
    rng = np.random.default_rng(6)
    shape, guard = (80, 90), (5, 5)
    kernel, table = POWER[mode]
    factors = table(shape, window, guard, 1e-3)
    scratch = np.empty(cfar_power.power_scratch_size(shape[1], window, guard), np.float32)
    detector = Detector(mode, shape, window, guard, 1e-3)
    n_hits = n_close = 0
    for _ in range(6):
        x = (rng.exponential(1, shape) * 10 ** rng.uniform(-4, 4, shape)).astype(np.float32)
        # Cells so far apart that none is in the ring of another.
        step = max(window) // 2 + 1
        at = (slice(step // 2, None, step), slice(step // 2, None, step))
        wide = spread(factors, shape[0]).astype(np.float64)
        if mode == "average":
            level = wide * summed(x, ring_offsets(window, guard))
        else:
            beside = ring_offsets(window, (window[0], guard[1]))
            halves = [f * summed(x, [o for o in beside if s * o[1] > 0]) for f, s in zip(wide, (-1, 1), strict=True)]
            level = np.fmax(*halves) if mode == "greatest" else np.fmin(*halves)
        target = level[at].astype(np.float32)
        ulps = rng.integers(-40, 41, target.shape).astype(np.int32)
        x[at] = (target.view(np.int32) + np.where(rng.random(target.shape) < 0.5, np.sign(ulps), ulps)).view(np.float32)
        kernel(x, window, guard, factors, scratch, detector.hits)
        want = detector.twin(x)
        np.testing.assert_array_equal(detector.hits, want)
        n_hits += int(want[at].sum())
        n_close += target.size
    assert 0.3 * n_close < n_hits < 0.7 * n_close


def test_a_nan_costs_only_the_rings_that_hold_it() -> None:
    rng = np.random.default_rng(8)
    plain = rng.exponential(1, (60, 70)).astype(np.float32)
    for mode in MODES:
        detector = Detector(mode, plain.shape, (11, 11), (3, 3), 0.1)
        before = detector(plain).copy()
        for value in (np.nan, np.inf, 1e20):
            x = plain.copy()
            x[30, 35] = value
            hits = detector(x).copy()
            far = np.ones(x.shape, bool)
            far[25:36, 30:41] = False
            far[29:32, 34:37] = True
            far[30, 35] = False
            np.testing.assert_array_equal(hits[far], before[far])
            assert hits[30, 35] == (not np.isnan(value))
            if mode == "average":
                far[30, 35] = True
                assert not hits[~far].any()


def test_no_border_is_dead() -> None:
    """A strong cell is found wherever it stands, corners included, though the window is larger than the image."""
    for mode in MODES:
        detector = Detector(mode, (14, 15), (21, 21), (5, 5), 1e-4)
        for at in np.ndindex(14, 15):
            x = np.ones((14, 15), np.float32)
            x[at] = 1e4
            hits = detector(x)
            assert hits[at] == 1
            assert hits.sum() == 1


def test_an_image_without_a_ring_has_no_hits() -> None:
    for mode in MODES:
        detector = Detector(mode, (1, 1), (21, 21), (5, 5), 1e-3)
        assert not detector(np.full((1, 1), 1e6, np.float32)).any()
        detector = Detector(mode, (2, 3), (21, 21), (5, 5), 1e-3)
        assert not detector(np.full((2, 3), 1e6, np.float32)).any()


@pytest.mark.parametrize(
    ("window", "guard", "words"),
    [
        ((4, 5), (1, 1), "window: wanted an odd integer"),
        ((5, 257), (1, 1), "window: wanted an odd integer"),
        ((5, 5), (7, 1), "guard: wanted an odd integer from 1 to 5"),
        ((5, 5), (5, 5), "guard: wanted one side at least shorter"),
        (5, (1, 1), "window: wanted a pair"),
        ((5, 5), (1, 1, 1), "guard: wanted a pair"),
    ],
)
def test_a_ring_that_is_none_is_refused(window: tuple[int, int], guard: tuple[int, int], words: str) -> None:
    x, hits, scratch = np.zeros((8, 8), np.float32), np.zeros((8, 8), np.uint8), np.zeros(99999, np.float32)
    for kernel, _ in POWER.values():
        with pytest.raises(ValueError, match=words):
            kernel(x, window, guard, np.zeros((3, 8), np.float32), scratch, hits)
    with pytest.raises(ValueError, match=words):
        thresholds.average_factors((8, 8), window, guard, 1e-3)


def test_halves_need_columns_beside_the_guard() -> None:
    x, hits, scratch = np.zeros((8, 8), np.float32), np.zeros((8, 8), np.uint8), np.zeros(99999, np.float32)
    with pytest.raises(ValueError, match="guard: wanted fewer columns"):
        cfar_power.greatest_of(x, (5, 3), (1, 3), np.zeros((2, 3, 8), np.float32), scratch, hits)
    with pytest.raises(ValueError, match="guard: wanted fewer columns"):
        thresholds.greatest_factors((8, 8), (5, 3), (1, 3), 1e-3)
