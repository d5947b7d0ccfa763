"""What tells plots from movers, beside slow twins in NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdown.kernels.extract import PLOT_DTYPE
from lookdown.kernels.judge import aim_plots, find_clipped, find_lone, find_young, keep_plots


def crowd(n: int, rows: int, cols: int, seed: int) -> np.ndarray:
    """Plots in a frame and a little beyond, many of them half-way between pixels."""
    rng = np.random.default_rng(seed)
    plots = np.zeros(n, PLOT_DTYPE)
    plots["row"] = np.round(2 * rng.uniform(-0.7, rows - 0.3, n)) / 2
    plots["col"] = np.round(2 * rng.uniform(-0.7, cols - 0.3, n)) / 2
    plots["peak_row"], plots["peak_col"] = rng.integers(-1, rows + 1, n), rng.integers(-1, cols + 1, n)
    plots["snr"] = rng.uniform(0.0, 20.0, n)
    plots["amplitude"] = rng.normal(size=n) * 30.0
    return plots


def lone_reference(
    plots: np.ndarray, x: np.ndarray, filtered: np.ndarray, narrow: float, light: float, noise: float
) -> np.ndarray:
    rows, cols = x.shape
    row, col = plots["peak_row"], plots["peak_col"]
    known = (row > 0) & (row < rows - 1) & (col > 0) & (col < cols - 1)
    row, col = np.where(known, row, 0), np.where(known, col, 0)
    limit = np.maximum(np.float32(narrow), np.float32(light) + np.float32(noise) / np.maximum(plots["snr"], 1e-6))
    return np.asarray(known & (x[row, col] * np.sign(filtered[row, col]) > limit * np.abs(filtered[row, col])))


def young_reference(
    plots: np.ndarray, age: np.ndarray, field: np.ndarray, step: tuple[int, int], youngest: int
) -> np.ndarray:
    rows, cols = age.shape
    tile = -(-rows // field.shape[0]), -(-cols // field.shape[1])
    row = np.clip(np.rint(plots["row"]).astype(int), 0, rows - 1)
    col = np.clip(np.rint(plots["col"]).astype(int), 0, cols - 1)
    exact = field[row // tile[0], col // tile[1]]
    place = np.stack((row, col), 1) + exact
    reached = ((place >= -0.1) & (place <= np.array((rows, cols)) - 0.9)).all(1)
    moved = np.rint(exact).astype(int) - step
    row, col = row + moved[:, 0], col + moved[:, 1]
    inside = reached & (row >= 0) & (row < rows) & (col >= 0) & (col < cols)
    return np.asarray(~inside | (age[np.where(inside, row, 0), np.where(inside, col, 0)] <= youngest))


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(0, 40), rows=st.integers(1, 20), cols=st.integers(1, 20), seed=st.integers(0, 999),
    noise=st.sampled_from([0.0, 7.4]),
)  # fmt: skip
def test_lone_plots_are_those_of_the_twin(n: int, rows: int, cols: int, seed: int, noise: float) -> None:
    plots, rng = crowd(n, rows, cols, seed), np.random.default_rng(seed)
    x, filtered = (rng.normal(size=(rows, cols)).astype(np.float32) for _ in range(2))
    filtered *= 0.3
    filtered.ravel()[::5] = 0.0
    lone = np.full(n, 7, np.uint8)
    find_lone(plots, x, filtered, 4.0, 2.0, noise, lone)
    np.testing.assert_array_equal(lone, lone_reference(plots, x, filtered, 4.0, 2.0, noise))


@settings(max_examples=40, deadline=None)
@given(n=st.integers(0, 40), rows=st.integers(4, 40), cols=st.integers(4, 40), seed=st.integers(0, 999))
def test_young_plots_are_those_of_the_twin(n: int, rows: int, cols: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    plots, age = crowd(n, rows, cols, seed), rng.integers(1, 7, (rows, cols)).astype(np.uint8)
    field = (rng.normal(size=(-(-rows // 16), -(-cols // 16), 2)) * 4).astype(np.float32)
    young = np.full(n, 7, np.uint8)
    find_young(plots, age, field, 2, -1, 3, young)
    np.testing.assert_array_equal(young, young_reference(plots, age, field, (2, -1), 3))


def clipped_reference(plots, raw, saturation, frame, mean, field, step, share, reach):
    rows, cols = raw.shape
    tile = -(-rows // field.shape[0]), -(-cols // field.shape[1])
    found = []
    for plot in plots:
        r, c = np.clip(np.rint((plot["row"], plot["col"])).astype(int), 0, (rows - 1, cols - 1))
        down, along = np.rint(field[r // tile[0], c // tile[1]]).astype(int) - step
        found.append(
            any(
                raw[i, j] >= saturation and mean[i + down, j + along] >= np.float32(share) * frame[i, j]
                for i in range(max(r - reach, 0), min(r + reach + 1, rows))
                for j in range(max(c - reach, 0), min(c + reach + 1, cols))
                if 0 <= i + down < rows and 0 <= j + along < cols
            )
        )
    return np.array(found, bool)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(0, 40), rows=st.integers(4, 40), cols=st.integers(4, 40), seed=st.integers(0, 999))
def test_clipped_plots_are_those_of_the_twin(n: int, rows: int, cols: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    plots = crowd(n, rows, cols, seed)
    raw = np.where(rng.random((rows, cols)) < 0.05, 1000, rng.integers(0, 999, (rows, cols))).astype(np.uint16)
    frame, mean = raw.astype(np.float32), rng.uniform(500, 1100, (rows, cols)).astype(np.float32)
    field = (rng.normal(size=(-(-rows // 16), -(-cols // 16), 2)) * 4).astype(np.float32)
    clipped = np.full(n, 7, np.uint8)
    find_clipped(plots, raw, 1000, frame, mean, field, 2, -1, 0.9, 2, clipped)
    np.testing.assert_array_equal(clipped, clipped_reference(plots, raw, 1000, frame, mean, field, (2, -1), 0.9, 2))


def test_partners_are_looked_for_where_the_ground_was() -> None:
    plots = crowd(30, 50, 60, 1)
    places, least = np.full((30, 6), 7, np.int32), np.full(30, 7, np.float32)
    aim_plots(plots, 0.25, -1.5, 0.5, 3.0, -2.0, 0.25, 0.4, places, least)
    before = np.stack((plots["row"], plots["col"]), 1).astype(np.float64) + np.array((0.25, -1.5))
    older = before + np.array((0.5, 3.0))
    oldest = older + np.array((-2.0, 0.25))
    np.testing.assert_array_equal(places, np.rint(np.concatenate((before, older, oldest), 1)))
    np.testing.assert_array_equal(least, np.copysign(np.float32(0.4) * plots["snr"], plots["amplitude"]))


@pytest.mark.parametrize("n", [0, 1, 2, 17])
def test_plots_that_stay_keep_their_order(n: int) -> None:
    plots, kept = crowd(n, 50, 60, 2), np.random.default_rng(3).integers(0, 2, n).astype(np.uint8)
    wanted = plots[kept != 0]
    left = keep_plots(plots, kept)
    np.testing.assert_array_equal(plots[:left], wanted)


GIVEN = {
    find_lone: {
        "plots": np.zeros(3, PLOT_DTYPE), "residual": np.ones((5, 5), np.float32),
        "filtered": np.ones((5, 5), np.float32), "narrow": 4.0, "light": 2.0, "noise": 1.2,
        "lone": np.zeros(3, np.uint8),
    },
    find_young: {
        "plots": np.zeros(3, PLOT_DTYPE), "age": np.ones((5, 5), np.uint8), "field": np.zeros((1, 1, 2), np.float32),
        "row_step": 0, "col_step": 0, "youngest": 3, "young": np.zeros(3, np.uint8),
    },
    find_clipped: {
        "plots": np.zeros(3, PLOT_DTYPE), "raw": np.zeros((5, 5), np.uint16), "saturation": 9,
        "frame": np.zeros((5, 5), np.float32), "mean": np.zeros((5, 5), np.float32),
        "field": np.zeros((1, 1, 2), np.float32), "row_step": 0, "col_step": 0, "share": 0.9, "reach": 3,
        "clipped": np.zeros(3, np.uint8),
    },
    aim_plots: {
        "plots": np.zeros(3, PLOT_DTYPE), "row_shift": 0.0, "col_shift": 0.0, "older_row_shift": 0.0,
        "older_col_shift": 0.0, "oldest_row_shift": 0.0, "oldest_col_shift": 0.0, "share": 0.4,
        "places": np.zeros((3, 6), np.int32), "least": np.zeros(3, np.float32),
    },
    keep_plots: {"plots": np.zeros(3, PLOT_DTYPE), "kept": np.ones(3, np.uint8)},
}  # fmt: skip


@pytest.mark.parametrize("kernel", GIVEN)
def test_what_does_not_fit_is_refused(kernel: object) -> None:
    for name, good in GIVEN[kernel].items():
        bad = np.nan if isinstance(good, float) else 0.5 if isinstance(good, int) else np.zeros(2, "float64")
        with pytest.raises(ValueError, match=f"{name}: wanted"):
            kernel(*(GIVEN[kernel] | {name: bad if good is not GIVEN[kernel]["plots"] else good[::2]}).values())


def test_a_field_of_more_tiles_than_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match="field: wanted"):
        find_young(*(GIVEN[find_young] | {"field": np.zeros((6, 1, 2), np.float32)}).values())
