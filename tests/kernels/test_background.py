"""Recursive background against its twin, its statistics in white noise, and its reaction to what is no noise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdown.kernels.background import update_background
from tests.kernels import reference
from tests.kernels.cases import image, quick, seeds, shapes, spoilt


def state(shape: tuple[int, int]) -> list[np.ndarray]:
    """Mean, variance, age, residual and z before the first frame; garbage where it must not matter."""
    return [
        np.full(shape, np.nan, np.float32),
        np.full(shape, np.nan, np.float32),
        np.zeros(shape, np.uint8),
        np.full(shape, np.nan, np.float32),
        np.full(shape, np.nan, np.float32),
    ]


@quick
@given(shapes, seeds, st.integers(2, 20), st.sampled_from([2.0, 3.0, 1e6]), st.booleans())
def test_a_run_of_frames_equals_the_twin(
    shape: tuple[int, int], seed: int, age_limit: int, clip: float, spoil: bool
) -> None:
    mean, variance, age, residual, z = state(shape)
    expected = [np.zeros(shape), np.zeros(shape), np.zeros(shape, np.uint8)]
    for k in range(14):
        frame = (spoilt if spoil else image)(shape, seed + k, 100.0)
        update_background(frame, age_limit, clip, 0.01, mean, variance, age, residual, z)
        *expected, want_residual, want_z = reference.update_background(frame, age_limit, clip, 0.01, *expected)
        np.testing.assert_array_equal(age, expected[2])
        np.testing.assert_allclose(residual, want_residual, atol=2e-3)
        # The score divides by a sigma that may be small while the age is.
        np.testing.assert_allclose(z, want_z, rtol=2e-3, atol=2e-2)
        seen = age > 0
        np.testing.assert_allclose(mean[seen], expected[0][seen], atol=1e-3)
        np.testing.assert_allclose(variance[seen], expected[1][seen], rtol=5e-3, atol=5e-3)


@pytest.mark.parametrize(("age_limit", "clip"), [(20, 1e6), (64, 3.0), (255, 3.0)])
def test_the_score_is_calibrated_in_white_noise(age_limit: int, clip: float) -> None:
    rng = np.random.default_rng(5)
    shape = (64, 64)
    mean, variance, age, residual, z = state(shape)
    scores = []
    for k in range(age_limit + 200):
        frame = (1000 + 7 * rng.standard_normal(shape)).astype(np.float32)
        update_background(frame, age_limit, clip, 1 / 12, mean, variance, age, residual, z)
        if k > age_limit + 100:
            scores.append(z.copy())
    spread = np.std(scores)
    # In exponential averages the degrees of freedom are about twice the age limit.
    expected = np.sqrt(2 * age_limit / (2 * age_limit - 2))
    assert spread == pytest.approx(expected, abs=0.012)
    assert abs(np.mean(scores)) < 0.01
    assert variance.mean() == pytest.approx(49 * 2 * age_limit / (2 * age_limit + 1), rel=0.01)


def test_a_mover_is_scored_and_hardly_enters_the_background() -> None:
    rng = np.random.default_rng(6)
    mean, variance, age, residual, z = state((8, 8))
    for _ in range(60):
        frame = rng.standard_normal((8, 8)).astype(np.float32)
        update_background(frame, 50, 3.0, 1e-6, mean, variance, age, residual, z)
    before = mean[4, 4]
    frame[4, 4] = 1000
    update_background(frame, 50, 3.0, 1e-6, mean, variance, age, residual, z)
    assert z[4, 4] > 500
    assert abs(mean[4, 4] - before) < 0.1


def test_a_constant_scene_scores_zero_and_saturation_stays_finite() -> None:
    mean, variance, age, residual, z = state((4, 4))
    for _ in range(20):
        update_background(np.full((4, 4), 65535, np.float32), 10, 3.0, 1 / 12, mean, variance, age, residual, z)
    assert (z == 0).all()
    assert (mean == 65535).all()
    update_background(np.full((4, 4), 3e38, np.float32), 10, 3.0, 1 / 12, mean, variance, age, residual, z)
    assert np.isfinite(mean).all()


@pytest.mark.parametrize(
    ("name", "value"),
    [("age_limit", 1), ("age_limit", 256), ("age_limit", 2.5), ("clip", np.nan), ("variance_floor", 0)],
)
def test_a_number_out_of_range_is_refused_by_name(name: str, value: float) -> None:
    numbers = {"age_limit": 10, "clip": 3.0, "variance_floor": 0.1} | {name: value}
    with pytest.raises(ValueError, match=f"{name}: wanted"):
        update_background(np.zeros((2, 2), np.float32), *numbers.values(), *state((2, 2)))
