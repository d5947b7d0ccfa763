"""The background in the moving frame against its twin, and what it must mean."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdown.kernels.moving import moving_scratch_size, subtract_background
from lookdown.kernels.renew import renew_background
from tests.kernels import reference_chain
from tests.kernels.cases import image, quick, seeds, shapes


def background(shape: tuple[int, int], seed: int, reach: float) -> tuple[np.ndarray, ...]:
    """Mean, noise, age with holes, and a field of displacements on up to 3 x 3 tiles."""
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, min(3, shape[0]) + 1), rng.integers(1, min(3, shape[1]) + 1)
    field = (rng.uniform(-reach, reach, 2) + rng.uniform(-0.4, 0.4, (n, m, 2))).astype(np.float32)
    limit = 2.0 * max(shape)
    age = rng.integers(0, 9, shape).astype(np.uint8)
    return image(shape, seed, 100.0), rng.uniform(0.5, 4, shape).astype(np.float32), age, field.clip(-limit, limit)


@quick
@given(shapes, seeds, st.sampled_from([0.0, 0.6, 5.0, 60.0]))
def test_subtraction_equals_its_twin(shape: tuple[int, int], seed: int, reach: float) -> None:
    mean, noise, age, field = background(shape, seed, reach)
    frame = image(shape, seed + 1, 100.0)
    residual, predicted = np.empty(shape, np.float32), np.empty(shape, np.float32)
    scratch = np.full(moving_scratch_size(shape[1]), np.nan, np.float32)
    subtract_background(frame, mean, noise, age, field, 0.1, 0.25, scratch, residual, predicted)
    wanted = reference_chain.subtract_background(frame, mean, noise, age, field, 0.1, 0.25)
    np.testing.assert_allclose(residual, wanted[0], rtol=1e-4, atol=3e-4)
    np.testing.assert_allclose(predicted, wanted[1], rtol=1e-3, atol=1e-3)


@quick
@given(shapes, seeds, st.sampled_from([0.0, 0.6, 5.0, 60.0]), st.integers(1, 255))
def test_renewal_equals_its_twin(shape: tuple[int, int], seed: int, reach: float, limit: int) -> None:
    mean, noise, age, field = background(shape, seed, reach)
    age = np.minimum(age, limit).astype(np.uint8)
    frame, residual = image(shape, seed + 1, 100.0), image(shape, seed + 2)
    variance = np.random.default_rng(seed).uniform(0.1, 50, shape).astype(np.float32)
    step = tuple(np.rint(field.mean(axis=(0, 1))).astype(int))
    new = np.empty(shape, np.float32), np.empty(shape, np.float32), np.empty(shape, np.uint8)
    scratch = np.full(moving_scratch_size(shape[1]), np.nan, np.float32)
    renew_background(frame, residual, variance, mean, noise, age, field, *step, limit, scratch, *new)
    wanted = reference_chain.renew_background(frame, residual, variance, mean, noise, age, field, step, limit)
    for got, want in zip(new, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-3)


def ages_in_runs(shape: tuple[int, int]) -> np.ndarray:
    """Long runs of one age, which take loops of their own, between short ones and ground never seen."""
    age = np.full(shape, 6, np.uint8)
    age[:, 50:90:2] = 5
    age[7:9] = 0
    age[10:, 100:] = 1
    age[11, 30:60] = 0
    age[:, :3] = np.arange(3)
    return age


@pytest.mark.parametrize("tiles", [(1, 1), (1, 9), (4, 10)])
@pytest.mark.parametrize("reach", [0.3, 0.9, 4.0])
def test_long_runs_of_one_age_and_of_one_displacement_equal_the_twin(tiles: tuple[int, int], reach: float) -> None:
    shape = (14, 150)
    rng = np.random.default_rng(3)
    mean, noise, _, _ = background(shape, 5, 0.0)
    noise[3] = 0
    age, field = ages_in_runs(shape), rng.uniform(-reach, reach, (*tiles, 2)).astype(np.float32)
    frame, variance = image(shape, 6, 100.0), rng.uniform(0.1, 50, shape).astype(np.float32)
    scratch = np.full(moving_scratch_size(shape[1]), np.nan, np.float32)
    residual, predicted = np.empty(shape, np.float32), np.empty(shape, np.float32)
    subtract_background(frame, mean, noise, age, field, 0.1, 0.25, scratch, residual, predicted)
    wanted = reference_chain.subtract_background(frame, mean, noise, age, field, 0.1, 0.25)
    np.testing.assert_allclose(residual, wanted[0], rtol=1e-4, atol=3e-4)
    np.testing.assert_allclose(predicted, wanted[1], rtol=1e-3, atol=1e-3)
    new = np.empty(shape, np.float32), np.empty(shape, np.float32), np.empty(shape, np.uint8)
    step = tuple(np.rint(field.mean(axis=(0, 1))).astype(int))
    renew_background(frame, residual, variance, mean, noise, age, field, *step, 200, scratch, *new)
    wanted = reference_chain.renew_background(frame, residual, variance, mean, noise, age, field, step, 200)
    for got, want in zip(new, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-3)


def test_a_drifting_scene_sharpens_and_does_not_blur() -> None:
    """After many frames at sub-pixel drift, a static scene is known far below the noise."""
    rng = np.random.default_rng(3)
    rows, cols = 60, 80
    r, c = np.indices((rows, cols))
    mean, noise, age = (np.zeros((rows, cols), kind) for kind in (np.float32, np.float32, np.uint8))
    residual, predicted = np.zeros((rows, cols), np.float32), np.zeros((rows, cols), np.float32)
    scratch = np.zeros(moving_scratch_size(cols), np.float32)
    drift, at = np.array([0.31, -0.23]), np.zeros(2)
    variance = np.ones((rows, cols), np.float32)
    for k in range(60):
        scene = 100 + 30 * np.sin(2 * np.pi * ((r + drift[0] * k) / 7)) * np.cos(2 * np.pi * (c + drift[1] * k) / 9)
        frame = (scene + rng.normal(0, 1, scene.shape)).astype(np.float32)
        field = np.asarray(at, np.float32).reshape(1, 1, 2)
        if k == 0:
            residual[...] = frame
        else:
            subtract_background(frame, mean, noise, age, field, 0.0, 0.0, scratch, residual, predicted)
        step = np.rint(at).astype(int)
        new = np.empty_like(mean), np.empty_like(noise), np.empty_like(age)
        renew_background(
            frame, residual, variance, mean, noise, age, field, int(step[0]), int(step[1]), 100, scratch, *new
        )
        mean, noise, age = new
        at = at - step + drift
    inside = (slice(4, -30), slice(30, -4))
    assert residual[inside].std() < 1.12
    assert abs(residual[inside].mean()) < 0.1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"field": np.zeros((1, 1, 3), np.float32)}, "field: wanted shape"),
        ({"field": np.full((1, 1, 2), np.nan, np.float32)}, "field: wanted finite"),
        ({"blur": -1.0}, "blur"),
        ({"age": np.zeros((5, 6), np.int8)}, "age: wanted"),
        ({"scratch": np.zeros(3, np.float32)}, "scratch"),
        ({"noise": np.zeros((6, 5), np.float32)}, "noise: wanted"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict, says: str) -> None:
    shape = (5, 6)
    arguments = {
        "frame": np.zeros(shape, np.float32),
        "mean": np.zeros(shape, np.float32),
        "noise": np.zeros(shape, np.float32),
        "age": np.zeros(shape, np.uint8),
        "field": np.zeros((1, 1, 2), np.float32),
        "blur": 0.0,
        "variance_floor": 0.0,
        "scratch": np.zeros(moving_scratch_size(6), np.float32),
        "residual": np.zeros(shape, np.float32),
        "predicted": np.zeros(shape, np.float32),
    }
    with pytest.raises(ValueError, match=says):
        subtract_background(**(arguments | change))
