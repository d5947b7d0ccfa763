"""Trails beside their slow twin, which compares each plot with each."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdown.kernels.extract import PLOT_DTYPE
from lookdown.kernels.trails import remove_trails, trails_scratch_size


def reference(plots: np.ndarray, reach_px: float, share: float) -> np.ndarray:
    """Return the plots that stay."""
    dark, row, col, snr = plots["amplitude"] < 0, plots["row"], plots["col"], plots["snr"]
    apart = (row[:, None] - row) ** 2 + (col[:, None] - col) ** 2
    behind = (dark[:, None] != dark) & (apart <= np.float32(reach_px) ** 2) & (snr[:, None] < np.float32(share) * snr)
    return plots[~behind.any(axis=1)]


def crowd(n: int, side_px: float, step_px: float, seed: int) -> np.ndarray:
    """Plots on a raster, so that many lie exactly as far apart as trails may, or on borders of cells."""
    rng = np.random.default_rng(seed)
    plots = np.zeros(n, PLOT_DTYPE)
    for name in ("row", "col"):
        plots[name] = np.round(rng.uniform(-2.0, side_px, n) / step_px) * step_px
    plots["snr"] = np.round(np.sort(rng.uniform(4.0, 20.0, n))[::-1], 1)
    plots["amplitude"] = rng.normal(size=n) * 30.0
    plots["peak_col"] = np.arange(n)
    return plots


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(0, 300),
    side_px=st.sampled_from([8.0, 60.0, 400.0, 60000.0]),
    step_px=st.sampled_from([0.1, 1.0, 1e-3]),
    reach_px=st.sampled_from([5.0, 0.7, 33.3]),
    share=st.sampled_from([0.7, 1.0, 0.0]),
    seed=st.integers(0, 1000),
)
def test_equal_to_the_twin(n: int, side_px: float, step_px: float, reach_px: float, share: float, seed: int) -> None:
    plots = crowd(n, side_px, step_px, seed)
    wanted = reference(plots, reach_px, share)
    kept = remove_trails(plots, reach_px, share, np.full(trails_scratch_size(n), 7, np.int32))
    np.testing.assert_array_equal(plots[:kept], wanted)


def test_places_that_are_no_places_are_near_to_nothing() -> None:
    plots = crowd(6, 4.0, 1.0, 1)
    plots["amplitude"] = [30, -30, -30, -30, -30, -30]
    plots["snr"] = [20, 5, 5, 5, 5, 5]
    plots["row"], plots["col"] = [1, 1, np.nan, np.inf, -np.inf, 3e38], 1
    kept = remove_trails(plots, 5.0, 0.7, np.zeros(trails_scratch_size(6), np.int32))
    assert plots["peak_col"][:kept].tolist() == [0, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("plots", np.zeros((2, 2), PLOT_DTYPE)),
        ("plots", np.zeros(3, PLOT_DTYPE)[::2]),
        ("plots", np.zeros(3, np.float32)),
        ("reach_px", 0.0),
        ("reach_px", np.nan),
        ("share", 1.5),
        ("scratch", np.zeros(3, np.int32)),
        ("scratch", np.zeros(99, np.int64)),
    ],
)
def test_what_does_not_fit_is_refused(name: str, value: object) -> None:
    given = {"plots": np.zeros(3, PLOT_DTYPE), "reach_px": 5.0, "share": 0.7, "scratch": np.zeros(16, np.int32)}
    with pytest.raises(ValueError, match=f"{name}: wanted"):
        remove_trails(*(given | {name: value}).values())
