"""The pass from frame to score gives the bits of its three stages, one after the other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdown.flight.psf import edge_factors, psf_taps
from lookdown.kernels.moving import moving_scratch_size, subtract_background
from lookdown.kernels.score import score_background, score_scratch_size
from lookdown.kernels.suppress import filter_scratch_size, matched_filter
from lookdown.kernels.whiten import whiten, whiten_scratch_size
from tests.kernels.cases import image, quick, seeds, shapes
from tests.kernels.test_moving import background

BLUR, FLOOR = 0.1, 0.25


def one_by_one(given: tuple[np.ndarray, ...], taps: np.ndarray, window: int, guard: int) -> list[np.ndarray]:
    frame, mean, noise, age, field = given
    cols = frame.shape[1]
    out = [np.empty(frame.shape, np.float32) for _ in range(5)]
    residual, predicted, filtered, variance, z = out
    size = max(moving_scratch_size(cols), filter_scratch_size(cols, taps.size), whiten_scratch_size(cols, window))
    scratch = np.full(size, np.nan, np.float32)
    subtract_background(frame, mean, noise, age, field, BLUR, FLOOR, scratch, residual, predicted)
    matched_filter(residual, taps, taps, scratch, filtered)
    for along in (filtered, filtered.T):
        for k, factor in enumerate(edge_factors(taps)):
            for line in {k, len(along) - 1 - k} if 2 * k < len(along) else ():
                along[line] /= factor
    whiten(filtered, predicted, window, guard, FLOOR, scratch, variance, z)
    return out


@quick
@given(shapes, seeds, st.sampled_from([0.0, 0.6, 5.0, 60.0]), st.sampled_from([0.3, 0.9, 2.4]))
def test_one_pass_gives_the_bits_of_three(shape: tuple[int, int], seed: int, reach: float, sigma_px: float) -> None:
    mean, noise, age, field = background(shape, seed, reach)
    frame, taps = image(shape, seed + 1, 100.0), psf_taps(sigma_px)
    given = frame, mean, noise, age, field
    out = [np.full(shape, np.nan, np.float32) for _ in range(5)]
    scratch = np.full(score_scratch_size(shape[1], taps.size, 17), np.nan, np.float32)
    score_background(*given, BLUR, FLOOR, taps, edge_factors(taps), 17, 7, scratch, *out)
    for name, ours, wanted in zip(
        ("residual", "predicted", "filtered", "variance", "z"), out, one_by_one(given, taps, 17, 7), strict=True
    ):
        np.testing.assert_array_equal(ours, wanted, name)


def test_what_does_not_fit_is_refused() -> None:
    shape = (20, 30)
    mean, noise, age, field = background(shape, 1, 0.5)
    taps = psf_taps(0.9)

    def score(**change: object) -> None:
        values = {
            "frame": image(shape, 2), "mean": mean, "noise": noise, "age": age, "field": field, "blur": BLUR,
            "variance_floor": FLOOR, "taps": taps, "edge": edge_factors(taps), "window": 17, "guard": 7,
            "scratch": np.zeros(score_scratch_size(30, taps.size, 17), np.float32),
            **{name: np.zeros(shape, np.float32) for name in ("residual", "predicted", "filtered", "variance", "z")},
        }  # fmt: skip
        score_background(*(values | change).values())

    score()
    same = np.zeros(shape, np.float32)
    for change, message in (
        ({"frame": image((20, 29), 2)}, "mean: wanted"),
        ({"age": age.astype(np.int16)}, "age: wanted"),
        ({"taps": np.array([1, 2, 3], np.float32)}, "taps: wanted symmetric taps"),
        ({"edge": np.zeros(3, np.float32)}, "edge: wanted factors above 0"),
        ({"guard": 17}, "guard: wanted at least a block"),
        ({"window": 16}, "window: wanted"),
        ({"scratch": np.zeros(10, np.float32)}, "scratch: wanted"),
        ({"filtered": same, "z": same}, "z: wanted"),
        ({"variance_floor": np.nan}, "variance_floor: wanted"),
    ):
        with pytest.raises(ValueError, match=message):
            score(**change)
