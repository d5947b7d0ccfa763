"""Shift estimates: they solve the twin's equations, are as exact as they say, and are NaN when nothing can be said."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from lookdown.kernels.register import estimate_shift, register_scratch_size
from tests.kernels import reference
from tests.kernels.cases import image, quick, seeds, shapes


def pair(
    seed: int, shape: tuple[int, int], row: float, col: float, blur: float = 1.5, noise: float = 0.1
) -> tuple[np.ndarray, np.ndarray]:
    """Two frames of Gaussian texture with unit spread, the second displaced exactly, by its spectrum."""
    rng = np.random.default_rng(seed)
    margin = 48
    wide = gaussian_filter(rng.standard_normal((shape[0] + 2 * margin, shape[1] + 2 * margin)), blur, mode="wrap")
    wide /= wide.std()
    turns = np.fft.fftfreq(wide.shape[0])[:, None] * row + np.fft.fftfreq(wide.shape[1]) * col
    moved = np.fft.ifft2(np.fft.fft2(wide) * np.exp(2j * np.pi * turns)).real
    inside = (slice(margin, -margin), slice(margin, -margin))
    return tuple((x[inside] + noise * rng.standard_normal(shape)).astype(np.float32) for x in (wide, moved))


def estimate(reference_frame: np.ndarray, frame: np.ndarray, row: float, col: float, **options: float) -> tuple:
    scratch = np.full(register_scratch_size(frame.shape[1]), np.nan, np.float32)
    numbers = {"clip": 3.0, "step": 1} | options
    return estimate_shift(reference_frame, frame, row, col, numbers["clip"], numbers["step"], scratch)


def test_the_estimate_solves_the_equations_of_the_twin() -> None:
    a, b = pair(1, (60, 70), 0.3, -1.6)
    row, col, sigma_row, sigma_col, rms, n_used = estimate(a, b, 0.0, -1.0, clip=1e6)
    errors, gradients, slopes = reference.shift_equations(a, b, row, col)
    left = np.linalg.solve(gradients.T @ slopes, gradients.T @ (errors - errors.mean()))
    assert np.abs(left).max() < 1e-3
    inverse = np.linalg.inv(gradients.T @ slopes)
    covariance = errors.var() * inverse @ gradients.T @ gradients @ inverse.T
    np.testing.assert_allclose([sigma_row, sigma_col], np.sqrt(np.diag(covariance)), rtol=0.06)
    assert rms == pytest.approx(errors.std(), rel=0.01)
    assert n_used == errors.size


@pytest.mark.parametrize("step", [1, 4])
@pytest.mark.parametrize(("blur", "noise", "median"), [(1.2, 0.05, 0.006), (1.5, 0.3, 0.008), (3.0, 0.1, 0.008)])
def test_the_error_is_below_a_hundredth_of_a_pixel(blur: float, noise: float, median: float, step: int) -> None:
    errors, scores = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        truth = rng.uniform(-9, 9, 2)
        a, b = pair(seed, (160, 200), *truth, blur, noise)
        found = estimate(a, b, *(truth + rng.uniform(-1, 1, 2)), step=step)
        errors += [found[0] - truth[0], found[1] - truth[1]]
        scores += [(found[0] - truth[0]) / found[2], (found[1] - truth[1]) / found[3]]
    assert np.median(np.abs(errors)) < median * np.sqrt(step)
    assert np.max(np.abs(errors)) < 4 * median * np.sqrt(step)


def test_sigma_is_honest_where_noise_rules() -> None:
    scores = []
    for seed in range(30):
        a, b = pair(seed, (80, 80), 0.0, 0.0, 2.0, 1.0)
        row, col, sigma_row, sigma_col, *_ = estimate(a, b, 0.3, -0.3)
        scores += [row / sigma_row, col / sigma_col]
    assert 0.6 < np.mean(np.square(scores)) < 1.5


def test_movers_and_dead_pixels_do_not_pull() -> None:
    a, b = pair(7, (128, 128), 0.4, 0.2)
    rng = np.random.default_rng(7)
    b.flat[rng.integers(0, b.size, 150)] += 50
    a.flat[rng.integers(0, a.size, 50)] = np.nan
    b.flat[rng.integers(0, b.size, 50)] = np.inf
    row, col, *_ = estimate(a, b, 0.0, 0.0)
    assert (row, col) == (pytest.approx(0.4, abs=0.02), pytest.approx(0.2, abs=0.02))


def test_brightness_does_not_matter() -> None:
    a, b = pair(8, (96, 96), 0.4, -0.7)
    plain = estimate(a, b, 0.0, 0.0)
    np.testing.assert_allclose(estimate(a + 500, b + 520, 0.0, 0.0)[:2], plain[:2], atol=2e-3)


def test_frames_without_common_texture_give_nan() -> None:
    rng = np.random.default_rng(9)
    noise = [rng.standard_normal((120, 120)).astype(np.float32) for _ in range(2)]
    stripes = np.broadcast_to(np.sin(np.arange(120) / 3).astype(np.float32), (120, 120)).copy()
    flat = np.full((120, 120), 3, np.float32)
    a, b = pair(9, (120, 120), 0.0, 0.0)
    for first, second, at in ((*noise, 0), (flat, flat, 0), (stripes, stripes, 0), (a, b, 118), (a * np.nan, b, 0)):
        found = estimate(first, second, at, at)
        assert np.isnan(found[:4]).all()


@quick
@given(shapes, seeds, st.floats(-80, 80), st.integers(1, 64))
def test_any_shape_gives_an_estimate_or_nan(shape: tuple[int, int], seed: int, initial: float, step: int) -> None:
    initial = float(np.clip(initial, -min(shape), min(shape)))
    found = estimate(image(shape, seed), image(shape, seed + 1), initial, initial, step=step)
    assert np.isnan(found[:4]).all() or np.isfinite(found[:4]).all()


@pytest.mark.parametrize(("name", "value"), [("clip", 1.0), ("step", 0), ("step", 1.5)])
def test_a_number_out_of_range_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name}: wanted"):
        estimate(np.zeros((9, 9), np.float32), np.zeros((9, 9), np.float32), 0.0, 0.0, **{name: value})
