"""The pass from frame to score to background gives what its stages give, one after the other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdown.flight.psf import edge_factors, psf_taps
from lookdown.kernels.hold import hold_back
from lookdown.kernels.moving import moving_scratch_size, subtract_background
from lookdown.kernels.renew import renew_background
from lookdown.kernels.score import MOST_REACH_PX, score_and_renew, score_scratch_size
from lookdown.kernels.suppress import filter_scratch_size, matched_filter
from lookdown.kernels.whiten import whiten, whiten_scratch_size
from tests.kernels.cases import bands_of, image, quick, seeds, shapes
from tests.kernels.test_moving import background

BLUR, FLOOR, LIMIT, STRONG, AGE_LIMIT = 0.1, 0.25, 2.5, 1.8, 7


def one_by_one(
    given: tuple[np.ndarray, ...], taps: np.ndarray, window: int, guard: int, step: tuple[int, int]
) -> dict[str, np.ndarray]:
    frame, mean, noise, age, field = given
    cols = frame.shape[1]
    names = "residual", "predicted", "filtered", "variance", "z", "new_mean", "new_noise"
    out = {name: np.empty(frame.shape, np.float32) for name in names} | {"new_age": np.empty(frame.shape, np.uint8)}
    size = max(moving_scratch_size(cols), filter_scratch_size(cols, taps.size), whiten_scratch_size(cols, window))
    scratch = np.full(size, np.nan, np.float32)
    subtract_background(frame, mean, noise, age, field, BLUR, FLOOR, scratch, out["residual"], out["predicted"])
    matched_filter(out["residual"], taps, taps, scratch, out["filtered"])
    for along in (out["filtered"], out["filtered"].T):
        for k, factor in enumerate(edge_factors(taps)):
            for line in {k, len(along) - 1 - k} if 2 * k < len(along) else ():
                along[line] /= factor
    whiten(out["filtered"], out["predicted"], window, guard, FLOOR, scratch, out["variance"], out["z"])
    held = out["residual"].copy()
    hold_back(out["z"], LIMIT, held)
    renew_background(
        frame, held, out["variance"], mean, noise, age, field, *step, AGE_LIMIT, scratch,
        out["new_mean"], out["new_noise"], out["new_age"],
    )  # fmt: skip
    return out


def in_one_pass(
    given: tuple[np.ndarray, ...],
    taps: np.ndarray,
    step: tuple[int, int],
    bands: tuple[tuple[int, int], ...],
    predicted: bool = True,
) -> dict[str, np.ndarray]:
    """What the pass gives for a frame in bands, with predicted noise or without; each writes its own rows alone."""
    shape = given[0].shape
    names = "residual", *(("predicted",) if predicted else ()), "filtered", "z", "strong", "new_mean", "new_noise"
    out = {name: np.full(shape, np.nan, np.float32) for name in names} | {"new_age": np.full(shape, 77, np.uint8)}
    out["strong"] = np.full(shape[0], 77, np.uint8)
    for first, last in bands:
        written = {name: array.copy() for name, array in out.items()}
        scratch = np.full(score_scratch_size(shape[1], taps.size, 17), np.nan, np.float32)
        score_and_renew(
            *given, BLUR, FLOOR, taps, edge_factors(taps), 17, 7, LIMIT, STRONG, *step, AGE_LIMIT, first, last, scratch,
            *({"residual": None, "predicted": None} | written).values(),
        )  # fmt: skip
        for name, array in out.items():
            for rows in (slice(0, first), slice(last, None)):
                assert written[name][rows].tobytes() == array[rows].tobytes(), f"{name}: beside {first}, {last}"
        out = written
    return out


def step_of(field: np.ndarray) -> tuple[int, int]:
    down, along = np.rint(field.mean(axis=(0, 1))).astype(int)
    return int(down), int(along)


@quick
@given(shapes, seeds, st.sampled_from([0.0, 0.6, 5.0, 60.0]), st.sampled_from([0.3, 0.9, 2.4]))
def test_one_pass_gives_what_its_stages_give(shape: tuple[int, int], seed: int, reach: float, sigma_px: float) -> None:
    mean, noise, age, field = background(shape, seed, reach)
    frame, taps = image(shape, seed + 1, 100.0), psf_taps(sigma_px)
    given = frame, mean, noise, age, field
    out, wanted = (
        in_one_pass(given, taps, step_of(field), ((0, shape[0]),)),
        one_by_one(given, taps, 17, 7, step_of(field)),
    )
    for name in ("residual", "predicted", "filtered"):
        np.testing.assert_array_equal(out[name], wanted[name], name)
    np.testing.assert_array_equal(out["strong"], (np.abs(out["z"]) > STRONG).any(1))
    # The level that is taken off before the ring's sums is another one.
    for name in ("z", "new_mean", "new_noise", "new_age"):
        np.testing.assert_allclose(out[name], wanted[name], rtol=1e-4, atol=2e-3, err_msg=name)


@quick
@given(shapes, seeds, st.sampled_from([0.0, 0.6, 5.0, 60.0]), st.sampled_from([0.3, 0.9, 2.4]))
def test_bands_give_the_bytes_of_the_frame(shape: tuple[int, int], seed: int, reach: float, sigma_px: float) -> None:
    mean, noise, age, field = background(shape, seed, reach)
    frame, taps = image(shape, seed + 1, 100.0), psf_taps(sigma_px)
    given, step = (frame, mean, noise, age, field), step_of(field)
    whole = in_one_pass(given, taps, step, ((0, shape[0]),))
    for name, array in in_one_pass(given, taps, step, bands_of(shape[0], 2)).items():
        assert array.tobytes() == whole[name].tobytes(), name


@quick
@given(shapes, seeds, st.sampled_from([0.0, 0.6, 5.0]))
def test_predicted_noise_that_nobody_asks_for_changes_nothing_else(
    shape: tuple[int, int], seed: int, reach: float
) -> None:
    mean, noise, age, field = background(shape, seed, reach)
    given, step = (image(shape, seed + 1, 100.0), mean, noise, age, field), step_of(field)
    whole = in_one_pass(given, psf_taps(0.9), step, ((0, shape[0]),))
    for bands in (((0, shape[0]),), bands_of(shape[0], 2)):
        out = in_one_pass(given, psf_taps(0.9), step, bands, predicted=False)
        for name, array in out.items():
            assert array.tobytes() == whole[name].tobytes(), name


@pytest.mark.parametrize("shape", [(90, 70), (65, 33)])
@pytest.mark.parametrize("tiles", [(1, 1), (6, 5)])
@pytest.mark.parametrize("cuts", [(32,), (64,), (2, 4, 6), (16, 32, 48, 64)])
def test_bands_see_what_stands_out_beside_them(
    shape: tuple[int, int], tiles: tuple[int, int], cuts: tuple[int, ...]
) -> None:
    mean, noise, age, _ = background(shape, 3, 0.0)
    rng = np.random.default_rng(3)
    field = (np.linspace(-1.5, 2.5, tiles[0])[:, None, None] + rng.uniform(-0.4, 0.4, (*tiles, 2))).astype(np.float32)
    frame, taps = image(shape, 4, 100.0), psf_taps(0.9)
    for row in (0, 31, 44, 63):
        frame[row : row + 4, 20:23] += 60
    given, step = (frame, mean, noise, age, field), step_of(field)
    whole = in_one_pass(given, taps, step, ((0, shape[0]),))
    few = in_one_pass(given, taps, step, tuple(zip((0, *cuts), (*cuts, shape[0]), strict=True)))
    assert np.abs(whole["z"]).max() > LIMIT
    for name in whole:
        assert few[name].tobytes() == whole[name].tobytes(), name


def test_what_does_not_fit_is_refused() -> None:
    shape = (20, 30)
    mean, noise, age, field = background(shape, 1, 0.5)
    taps = psf_taps(0.9)

    def score(**change: object) -> None:
        values = {
            "frame": image(shape, 2), "mean": mean, "noise": noise, "age": age, "field": field, "blur": BLUR,
            "variance_floor": FLOOR, "taps": taps, "edge": edge_factors(taps), "window": 17, "guard": 7,
            "hold_limit": LIMIT, "strong_limit": STRONG, "row_step": 0, "col_step": 0, "age_limit": AGE_LIMIT,
            "first_row": 0, "last_row": 20, "scratch": np.zeros(score_scratch_size(30, taps.size, 17), np.float32),
            **{name: np.zeros(shape, np.float32) for name in ("residual", "predicted", "filtered", "z")},
            "strong": np.zeros(20, np.uint8),
            **{name: np.zeros(shape, np.float32) for name in ("new_mean", "new_noise")},
            "new_age": np.zeros(shape, np.uint8),
        }  # fmt: skip
        score_and_renew(*(values | change).values())

    score()
    same = np.zeros(shape, np.float32)
    for change, message in (
        ({"frame": image((20, 29), 2)}, "mean: wanted"),
        ({"age": age.astype(np.int16)}, "age: wanted"),
        ({"taps": np.array([1, 2, 3], np.float32)}, "taps: wanted symmetric taps"),
        ({"edge": np.zeros(3, np.float32)}, "edge: wanted factors above 0"),
        ({"strong": np.zeros(19, np.uint8)}, "strong: wanted"),
        ({"strong_limit": 0.0}, "strong_limit: wanted"),
        ({"guard": 17}, "guard: wanted at least a block"),
        ({"window": 16}, "window: wanted"),
        ({"scratch": np.zeros(10, np.float32)}, "scratch: wanted"),
        ({"filtered": same, "z": same}, "z: wanted"),
        ({"variance_floor": np.nan}, "variance_floor: wanted"),
        ({"residual": np.zeros((19, 30), np.float32)}, "residual: wanted"),
        ({"first_row": 3}, "first_row, last_row: wanted multiples of 2"),
        ({"last_row": 21}, "last_row: wanted an integer from 1 to 20"),
        ({"row_step": MOST_REACH_PX + 3}, r"field: wanted rows within 28 px of row_step 31"),
        ({"age_limit": 0}, "age_limit: wanted"),
        ({"hold_limit": 0.0}, "hold_limit: wanted"),
    ):
        with pytest.raises(ValueError, match=message):
            score(**change)
