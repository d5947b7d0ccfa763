"""Paths are refined to the place and velocity of what moves, and each takes its scores away from the others."""

from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates

from lookdown.flight.bank import make_bank
from lookdown.kernels.paths import PATH_DTYPE, refine_paths

N, UNIT, CORRELATION = 16, 1 / 64, float(np.exp(-0.25 / 0.9**2))
BANK = make_bank(N, 2.0)
TIME = np.arange(N) - (N - 1) / 2
SHAPE = (90, 110)


def scene(movers: list[tuple[float, float, float, float, float]], noise: float = 0.0) -> np.ndarray:
    """Filtered spots (row, col, velocities, score) in integers."""
    rng = np.random.default_rng(2)
    r, c = np.indices(SHAPE)
    frames = gaussian_filter(rng.standard_normal((N, *SHAPE)), (0, 0.9, 0.9))
    frames *= noise / frames.std()
    for row, col, down, along, score in movers:
        for t in range(N):
            apart = (r - row - down * TIME[t]) ** 2 + (c - col - along * TIME[t]) ** 2
            frames[t] += score * np.exp(-apart / (4 * 0.9**2))
    size = np.abs(frames)
    limited = np.minimum(size, 4.0) + 0.5 * np.log(np.maximum(size, 4.0) / 4.0)  # as the stage does it
    return np.rint(np.copysign(limited, frames) / UNIT).astype(np.int16)


def refined(scores: np.ndarray, seeds: list[tuple[int, int]], **changed: Any) -> np.ndarray:
    n = len(seeds)
    given = {
        "frames": scores,
        "order": np.arange(N, dtype=np.int32),
        "at": np.zeros((N, 2), np.int32),
        "paths": BANK.paths,
        "velocities": BANK.velocities,
        "unit": UNIT,
        "limit": 4.0,
        "beyond": 0.5,
        "correlation": CORRELATION,
        "places": np.array(seeds, np.int32).reshape(n, 2),
        "own": 4.0,
        "uneven": 2.4,
        "even_mean": 2.2,
        "left_out": np.zeros(n, np.uint32),
        "work": np.zeros(n, PATH_DTYPE),
        "out": np.zeros(n, PATH_DTYPE),
    } | changed
    found = refine_paths(*given.values())
    return given["out"][:found]


@pytest.mark.parametrize("velocity", [(0.0, 0.0), (1.37, -0.61), (-1.93, 1.88)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_spot_between_pixels_and_cells_is_found_where_it_is(velocity: tuple[float, float], sign: int) -> None:
    (path,) = refined(scene([(44.3, 55.6, *velocity, 3.0 * sign)]), [(44, 55)])
    assert abs(path["row"] - 44.3) < 0.03
    assert abs(path["col"] - 55.6) < 0.03
    assert abs(path["row_velocity"] - velocity[0]) < 0.01
    assert abs(path["col_velocity"] - velocity[1]) < 0.01
    assert path["score"] == pytest.approx(sign * 12.0, rel=0.03)
    assert path["spread"] < 0.02
    assert path["n_used"] == N


def test_the_score_is_the_interpolated_sum_by_the_noise_it_has() -> None:
    """Cubic Lagrange differs a little from the spline of SciPy; noise of unit sigma stays so between pixels."""
    frames = scene([(40.0, 50.0, 0.5, 0.25, 2.5)], noise=0.3)
    (path,) = refined(frames, [(40, 50)])
    places = np.array([path["row"] + path["row_velocity"] * TIME, path["col"] + path["col_velocity"] * TIME])
    scores = [map_coordinates(frames[t] * UNIT, places[:, t : t + 1], order=3)[0] for t in range(N)]
    assert path["score"] == pytest.approx(np.sum(scores) / 4.0, rel=0.02)
    assert path["spread"] == pytest.approx(np.var(scores, ddof=1), abs=0.03)


def test_no_path_near_by_is_better() -> None:
    frames = scene([(40.4, 50.2, 0.7, -1.2, 2.0)], noise=1.0)
    (best,) = refined(frames, [(40, 50)])
    rng = np.random.default_rng(4)
    line = np.array([best[name] for name in ("row", "col", "row_velocity", "col_velocity")])
    for _ in range(100):
        other = line + rng.normal(0, 1, 4) * [0.15, 0.15, 0.03, 0.03]
        places = other[:2, None] + other[2:, None] * TIME
        total = sum(map_coordinates(frames[t] * UNIT, places[:, t : t + 1], order=3)[0] for t in range(N))
        assert total / 4.0 < best["score"] + 0.08


def test_slots_in_any_order_and_frames_displaced_give_the_same_path() -> None:
    rng = np.random.default_rng(3)
    frames = scene([(44.3, 55.6, 0.8, -0.4, 3.0)])
    (plain,) = refined(frames, [(44, 55)])
    order, at = rng.permutation(N).astype(np.int32), rng.integers(-3, 4, (N, 2)).astype(np.int32)
    moved = np.empty_like(frames)
    for t in range(N):
        moved[order[t]] = np.roll(frames[t], tuple(at[t]), (0, 1))
    (again,) = refined(moved, [(44, 55)], order=order, at=at)
    assert again == plain


def test_the_fan_of_a_strong_mover_falls_and_a_weak_one_beside_it_stays() -> None:
    frames = scene([(40.0, 40.0, 1.0, 1.0, 30.0), (40.0, 60.0, -0.5, 0.3, 2.5)], noise=0.5)
    places = [(r, c) for r in range(28, 53, 3) for c in range(28, 68, 3)]
    paths = refined(frames, places)
    strong = paths[np.abs(paths["score"]) > 6.0]
    assert len(strong) == 2
    np.testing.assert_allclose(strong["col"], [40.0, 60.0], atol=0.3)
    without = refined(frames, places, own=0.0)
    assert (np.abs(without["score"]) > 6.0).sum() > 15


def test_what_crosses_a_mover_faster_than_the_bank_is_uneven() -> None:
    frames = scene([(40.0, 55.0, 0.0, 3.6, 30.0)], noise=0.7)
    assert np.abs(refined(frames, [(40, 55)])["score"]).max(initial=0.0) < 5.0
    assert np.abs(refined(frames, [(40, 55)], uneven=99.0)["score"]).max() > 5.0


def test_a_spike_in_one_frame_is_one_limited_score() -> None:
    frames = np.zeros((N, *SHAPE), np.int16)
    frames[5, 40, 50] = 256
    assert len(refined(frames, [(40, 50)])) == 0 or abs(refined(frames, [(40, 50)])["score"][0]) < 1.2


def test_paths_at_the_border_use_the_frames_they_are_in() -> None:
    (path,) = refined(scene([(3.0, 50.0, -0.5, 0.0, 3.5)]), [(3, 50)])
    assert N / 2 <= path["n_used"] < N
    assert np.abs(refined(scene([]), [(0, 0), (89, 109), (-40, 300)])["score"]).max(initial=0.0) == 0.0


def test_no_places_no_paths() -> None:
    assert len(refined(scene([]), [])) == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("frames", np.zeros((N, *SHAPE), np.float32)),
        ("frames", np.zeros((33, *SHAPE), np.int16)),
        ("order", np.zeros(N, np.int32)),
        ("at", np.full((N, 2), 1 << 21, np.int32)),
        ("paths", BANK.paths[:4].copy()),
        ("velocities", np.zeros(0)),
        ("unit", 0.0),
        ("limit", 0.0),
        ("beyond", float("nan")),
        ("correlation", 1.0),
        ("places", np.zeros((1, 3), np.int32)),
        ("places", np.zeros((1, 2), np.int64)),
        ("own", -1.0),
        ("uneven", float("nan")),
        ("left_out", np.zeros(2, np.uint32)),
        ("work", np.zeros(2, PATH_DTYPE)),
        ("out", np.zeros(1, np.float32)),
    ],
)
def test_what_does_not_fit_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name}.*: wanted|paths: wanted"):
        refined(scene([]), [(40, 50)], **{name: value})
