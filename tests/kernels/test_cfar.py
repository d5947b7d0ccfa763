"""CFAR against its twin, its law in Gaussian noise, and its blindness to what is not finite."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lookdown.kernels.cfar import ca_cfar, cfar_scratch_size
from tests.kernels import reference
from tests.kernels.cases import image, quick, seeds, shapes, spoilt


def score(frame: np.ndarray, window: int, guard: int, design: float, floor: float = 1e-6) -> np.ndarray:
    out = np.full(frame.shape, np.nan, np.float32)
    scratch = np.full(cfar_scratch_size(frame.shape[1], window, guard), np.nan, np.float32)
    ca_cfar(frame, window, guard, design, floor, scratch, out)
    return out


rings = st.sampled_from([(3, 1), (5, 1), (5, 3), (7, 3), (9, 3), (11, 5), (17, 5), (21, 11)])


@quick
@given(shapes, seeds, rings, st.booleans(), st.sampled_from([0.0, 8000.0]))
def test_score_equals_its_twin(
    shape: tuple[int, int], seed: int, ring: tuple[int, int], spoil: bool, level: float
) -> None:
    frame = (spoilt if spoil else image)(shape, seed, level)
    want = reference.ca_cfar(frame, *ring, 5.0, 0.1)
    np.testing.assert_allclose(score(frame, *ring, 5.0, 0.1), want, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("ring", [(9, 3), (17, 5), (63, 11), (127, 3)])
def test_rounding_stays_within_its_bound_and_does_not_grow_along_the_frame(ring: tuple[int, int]) -> None:
    frame = image((300, 420) if ring[0] < 60 else (90, 400), 12)
    frame[40, 50] = 3e4  # what a running sum would not forget
    want = reference.ca_cfar(frame, *ring, 5.0, 0.1)
    np.testing.assert_array_less(np.abs(score(frame, *ring, 5.0, 0.1) - want), 1e-5 * (1 + np.abs(want)))


@pytest.mark.parametrize("ring", [(9, 3), (17, 5)])
def test_the_false_alarm_rate_is_the_designed_one_at_borders_too(ring: tuple[int, int]) -> None:
    design = float(stats.norm.isf(1e-3))
    rng = np.random.default_rng(11)
    hits = np.zeros((48, 48))
    n_frames = 260
    for _ in range(n_frames):
        z = score(rng.standard_normal((48, 48)).astype(np.float32), *ring, design)
        hits += (z > design).astype(float) + (z < -design)
    border = np.ones((48, 48), bool)
    border[8:-8, 8:-8] = False
    for where in (border, ~border):
        expected = 2e-3 * n_frames * where.sum()
        # Neighbouring scores share cells, which widens the spread of the count a little.
        assert abs(hits[where].sum() - expected) < 4 * np.sqrt(expected)


@pytest.mark.parametrize(("cells", "worst"), [(20, 4e-3), (72, 2e-4), (264, 1e-5)])
def test_the_quantile_of_t_is_that_of_scipy(cells: int, worst: float) -> None:
    for z in (3.0, 4.0, 5.0, 5.5):
        exact = stats.t.isf(stats.norm.sf(z), cells - 1)
        assert reference.t_quantile(z, cells - 1) == pytest.approx(exact, rel=worst)


def test_score_does_not_depend_on_level_or_scale_and_is_linear_in_amplitude() -> None:
    rng = np.random.default_rng(3)
    frame = rng.standard_normal((40, 40)).astype(np.float32)
    frame[20, 20] = 10
    plain = score(frame, 17, 5, 5.0)
    np.testing.assert_allclose(score(4000 + 50 * frame, 17, 5, 5.0), plain, atol=5e-3)
    np.testing.assert_allclose(score(-frame, 17, 5, 5.0), -plain, atol=1e-5)
    frame[20, 20] = 1000
    assert score(frame, 17, 5, 5.0)[20, 20] == pytest.approx(100 * plain[20, 20], rel=0.01)


def test_a_star_or_a_nan_spoils_only_the_rings_that_hold_it() -> None:
    rng = np.random.default_rng(4)
    frame = rng.standard_normal((60, 60)).astype(np.float32)
    plain = score(frame, 17, 5, 5.0)
    for value in (1e6, np.nan, np.inf):
        frame[30, 30] = value
        z = score(frame, 17, 5, 5.0)
        far = np.ones((60, 60), bool)
        far[22:39, 22:39] = False
        np.testing.assert_allclose(z[far], plain[far], rtol=1e-5, atol=1e-5)
        near = np.zeros((60, 60), bool)
        near[28:33, 28:33] = True
        near[30, 30] = False
        np.testing.assert_allclose(z[near], plain[near], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("window", "guard", "name"), [(4, 1, "window"), (9, 9, "guard"), (9, 2, "guard")])
def test_a_ring_that_is_none_is_refused(window: int, guard: int, name: str) -> None:
    frame = np.zeros((8, 8), np.float32)
    with pytest.raises(ValueError, match=f"{name}: wanted an odd integer"):
        ca_cfar(frame, window, guard, 5.0, 1.0, np.empty(9999, np.float32), np.empty_like(frame))
