"""Plots between score and SNR, beside the map in NumPy."""

import numpy as np
import pytest

from lookdown.kernels.extract import PLOT_DTYPE
from lookdown.kernels.peaks import sum_peaks
from lookdown.kernels.rank import rank_plots, score_plots

SIDE, ROWS, COLS = 8, 20, 30
RNG = np.random.default_rng(4)
LEVEL, POWER = (RNG.uniform(*limits, (3, 4)).astype(np.float32) for limits in ((2.0, 5.0), (0.4, 1.1)))
Z = (RNG.normal(size=(ROWS, COLS)) * 5).astype(np.float32)


def crowd(n: int) -> np.ndarray:
    plots = np.zeros(n, PLOT_DTYPE)
    at = np.random.default_rng(n).permutation(ROWS * COLS)[:n]
    plots["peak_row"], plots["peak_col"] = at // COLS, at % COLS
    plots["row"], plots["col"] = plots["peak_row"], plots["peak_col"]
    return plots


@pytest.mark.parametrize("n", [0, 1, 5, 300])
def test_scores_and_the_least_that_is_over_the_threshold(n: int) -> None:
    plots = crowd(n)
    block = plots["peak_row"] // SIDE, plots["peak_col"] // SIDE
    wanted = (LEVEL[block] * 2.0 ** (1 / POWER[block].astype(float))).min(initial=np.inf)
    assert score_plots(plots, Z, SIDE, LEVEL, POWER, 2.0) == pytest.approx(wanted, rel=1e-6)
    np.testing.assert_array_equal(plots["snr"], np.abs(Z[plots["peak_row"], plots["peak_col"]]))


@pytest.mark.parametrize("n", [0, 1, 5, 300])
def test_the_snr_is_that_of_the_map_and_orders_the_plots(n: int) -> None:
    plots = crowd(n)
    plots["snr"] = np.random.default_rng(5).uniform(0.1, 30.0, n)
    block = plots["peak_row"] // SIDE, plots["peak_col"] // SIDE
    share = plots["snr"] / LEVEL[block].astype(float)
    snr = 2.5 * np.where(share > 1, share ** POWER[block], share)
    wanted = plots[np.argsort(-snr, kind="stable")]
    rank_plots(plots, SIDE, LEVEL, POWER, 2.5, np.zeros(2 * n, np.int64))
    np.testing.assert_allclose(plots["snr"], np.sort(snr)[::-1], rtol=1e-6)
    np.testing.assert_array_equal(plots["peak_row"], wanted["peak_row"])
    np.testing.assert_array_equal(plots["peak_col"], wanted["peak_col"])


GIVEN = {
    score_plots: {"plots": crowd(3), "z": Z, "side": SIDE, "level": LEVEL, "power": POWER, "ratio": 2.0},
    rank_plots: {
        "plots": crowd(3), "side": SIDE, "level": LEVEL, "power": POWER, "least": 2.5, "scratch": np.zeros(6, np.int64),
    },
}  # fmt: skip


@pytest.mark.parametrize("kernel", GIVEN)
def test_what_does_not_fit_is_refused(kernel: object) -> None:
    for name, good in GIVEN[kernel].items():
        bad = np.nan if isinstance(good, float) else 0.5 if isinstance(good, int) else np.zeros(4, "int16")
        with pytest.raises(ValueError, match=f"{name}: wanted"):
            kernel(*(GIVEN[kernel] | {name: bad}).values())
    outside = crowd(3)
    outside["peak_row"][1] = 24
    with pytest.raises(ValueError, match="plots: wanted peaks inside"):
        kernel(*(GIVEN[kernel] | {"plots": outside}).values())


def test_peaks_of_all_blocks_are_added() -> None:
    counts = RNG.uniform(size=(3, 5, 7)).astype(np.float32)
    sums = np.full(7, 9.0)
    sum_peaks(counts, sums)
    np.testing.assert_allclose(sums, counts.sum((0, 1), dtype=np.float64), rtol=1e-14)
    for name, given in (("counts", (counts[:, ::2], sums)), ("sums", (counts, np.zeros(6)))):
        with pytest.raises(ValueError, match=f"{name}: wanted"):
            sum_peaks(*given)
