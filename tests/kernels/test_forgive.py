"""What was counted of plots goes out of the counts again, as slow twins in NumPy take it out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdown.kernels.extract import PLOT_DTYPE
from lookdown.kernels.forgive import forgive_peaks, forgive_pixels

SIDE, OWN, GAUSS, LEAST, PER_E, BINS = 8, 5.0, 3.0, 1.5, 18.0, 90


def crowd(n: int, rows: int, cols: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    plots = np.zeros(n, PLOT_DTYPE)
    plots["row"], plots["col"] = rng.uniform(-0.7, rows - 0.3, n), rng.uniform(-0.7, cols - 0.3, n)
    plots["snr"] = np.sort(rng.uniform(1.0, 40.0, n))[::-1]
    return plots


def peaks_reference(
    plots: np.ndarray, confirmed: np.ndarray, quantile: np.ndarray, power: np.ndarray, counts: np.ndarray
) -> None:
    place = np.stack((plots["row"], plots["col"]), 1)
    at = np.minimum(np.maximum(place, 0) // SIDE, np.array(power.shape) - 1).astype(int)
    taken: list[np.ndarray] = []
    for k in np.flatnonzero(confirmed):
        if any(np.abs(at[k] - block).max() <= 1 for block in taken):
            continue
        taken.append(at[k])
        for own in np.flatnonzero(((place - place[k]) ** 2).sum(1) <= OWN**2):
            i, j = at[own]
            size = float(quantile[i, j]) * (float(plots["snr"][own]) / GAUSS) ** (1.0 / float(power[i, j]))
            if size > LEAST:
                b = min(int(np.log(size / LEAST) * PER_E + 1e-3), BINS - 1)
                counts[i, j, b] = max(counts[i, j, b] - 1.0, 0.0)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(0, 80), rows=st.integers(1, 40), cols=st.integers(1, 90), seed=st.integers(0, 999))
def test_peaks_of_targets_go_as_in_the_twin(n: int, rows: int, cols: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = -(-rows // SIDE), -(-cols // SIDE)
    plots, confirmed = crowd(n, rows, cols, seed), rng.integers(0, 2, n - n // 4).astype(np.uint8)
    quantile, power = (rng.uniform(*limits, shape).astype(np.float32) for limits in ((2.0, 5.0), (0.4, 1.1)))
    counts = rng.uniform(0.0, 2.0, (*shape, BINS)).astype(np.float32)
    wanted = counts.copy()
    peaks_reference(plots, confirmed, quantile, power, wanted)
    forgive_peaks(
        plots, confirmed, OWN, SIDE, GAUSS, quantile, power, LEAST, PER_E, np.full(shape, 7, np.uint8), counts
    )
    np.testing.assert_array_equal(counts, wanted)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(0, 20), rows=st.integers(1, 40), cols=st.integers(1, 40), step=st.integers(1, 7),
    seed=st.integers(0, 999),
)  # fmt: skip
def test_pixels_about_plots_go_as_in_the_twin(n: int, rows: int, cols: int, step: int, seed: int) -> None:
    """The raster that was counted: every step-th row, every step-th column, one further on from row to row."""
    rng = np.random.default_rng(seed)
    z = (rng.normal(size=(rows, cols)) * 3).astype(np.float32)
    z.ravel()[::7] = 0.0
    plots, confirmed = crowd(n, rows, cols, seed), rng.integers(0, 2, n // 2).astype(np.uint8)
    history = rng.uniform(0.0, 3.0, 200)
    wanted = history.copy()
    for plot in plots[: n // 2][confirmed == 0]:
        row, col = round(float(plot["row"])), round(float(plot["col"]))
        for k in range(-(-rows // step)):
            for c in range(k % step, cols, step):
                if abs(k * step - row) <= 4 and abs(c - col) <= 4 and z[k * step, c] != 0:
                    wanted[int(min(abs(z[k * step, c]) * np.float32(50), 199))] -= 1
    forgive_pixels(z, plots, confirmed, 4, step, 50.0, history)
    np.testing.assert_array_equal(history, np.maximum(wanted, 0.0))


GIVEN = {
    forgive_peaks: {
        "plots": np.zeros(3, PLOT_DTYPE), "confirmed": np.ones(2, np.uint8), "own_px": OWN, "side": SIDE,
        "gauss": GAUSS, "quantile": np.ones((2, 3), np.float32), "power": np.ones((2, 3), np.float32), "least": LEAST,
        "per_e": PER_E, "taken": np.zeros((2, 3), np.uint8), "counts": np.zeros((2, 3, 4), np.float32),
    },
    forgive_pixels: {
        "z": np.ones((5, 5), np.float32), "plots": np.zeros(3, PLOT_DTYPE), "confirmed": np.ones(2, np.uint8),
        "half": 4, "step": 2, "per_unit": 50.0, "history": np.zeros(9),
    },
}  # fmt: skip


@pytest.mark.parametrize("kernel", GIVEN)
def test_what_does_not_fit_is_refused(kernel: object) -> None:
    for name, good in GIVEN[kernel].items():
        bad = np.nan if isinstance(good, float) else 0.5 if isinstance(good, int) else np.zeros(4, "int16")
        with pytest.raises(ValueError, match=f"{name}: wanted"):
            kernel(*(GIVEN[kernel] | {name: bad}).values())


@pytest.mark.parametrize("kernel", GIVEN)
def test_more_marks_than_plots_are_refused(kernel: object) -> None:
    with pytest.raises(ValueError, match="confirmed: wanted at most 3"):
        kernel(*(GIVEN[kernel] | {"confirmed": np.ones(4, np.uint8)}).values())
