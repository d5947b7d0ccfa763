"""Plots that the slide of a layer explains, beside a plain twin, and what they are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdown.kernels.extract import PLOT_DTYPE
from lookdown.kernels.slid import find_slid
from tests.kernels.cases import image, quick, seeds, shapes


def plots_at(*places: tuple[int, int]) -> np.ndarray:
    plots = np.zeros(len(places), PLOT_DTYPE)
    plots["peak_row"], plots["peak_col"] = np.array(places).T
    return plots


@quick
@given(shapes, seeds, st.integers(0, 3))
def test_it_equals_its_twin(shape: tuple[int, int], seed: int, reach: int) -> None:
    rng = np.random.default_rng(seed)
    frame, residual = image(shape, seed, 100.0), image(shape, seed + 1)
    plots = plots_at(*zip(rng.integers(-1, shape[0] + 1, 6), rng.integers(-1, shape[1] + 1, 6), strict=True))
    mean = frame.astype(float) - residual
    down, along = mean[2:] - mean[:-2], mean[:, 2:] - mean[:, :-2]
    wanted = []
    for r, c in zip(plots["peak_row"], plots["peak_col"], strict=True):
        rows = range(max(r - reach, 1), min(r + reach + 1, shape[0] - 1))
        cols = range(max(c - reach, 1), min(c + reach + 1, shape[1] - 1))
        at = [(i, j) for i in rows for j in cols]
        g = np.array([-0.3 * down[i - 1, j] + 0.8 * along[i, j - 1] for i, j in at])
        x = np.array([float(residual[i, j]) for i, j in at])
        wanted.append(x @ g > 0 and (x @ g) ** 2 > 0.1 * (g @ g) * (x @ x))
    slid = np.full(6, 7, np.uint8)
    find_slid(plots, frame, residual, -0.3, 0.8, reach, 0.1, slid)
    np.testing.assert_array_equal(slid, wanted)


def test_an_edge_that_lies_off_is_explained_and_a_mover_beside_it_is_not() -> None:
    col = np.arange(60, dtype=np.float32)
    edge = np.tile(100 / (1 + np.exp(-(col - 20))), (40, 1)).astype(np.float32)
    moved = np.tile(100 / (1 + np.exp(-(col + 0.3 - 20))), (40, 1)).astype(np.float32)
    r, c = np.indices(edge.shape)
    moved += (40 * np.exp(-((r - 20) ** 2 + (c - 23) ** 2) / 1.6)).astype(np.float32)
    residual = moved - edge
    slid = np.zeros(2, np.uint8)
    find_slid(plots_at((8, 20), (20, 23)), moved, residual, 0.0, 1.0, 2, 0.5, slid)
    assert slid.tolist() == [1, 0]
    find_slid(plots_at((8, 20), (20, 23)), moved, residual, 0.0, -1.0, 2, 0.5, slid)
    assert slid.tolist() == [0, 0]


GIVEN = {
    "plots": np.zeros(3, PLOT_DTYPE), "frame": np.zeros((4, 5), np.float32), "residual": np.zeros((4, 5), np.float32),
    "row": 0.1, "col": 0.1, "reach": 2, "share": 0.5, "slid": np.zeros(3, np.uint8),
}  # fmt: skip


@pytest.mark.parametrize("name", GIVEN)
def test_what_does_not_fit_is_refused(name: str) -> None:
    bad = np.zeros(2) if isinstance(GIVEN[name], np.ndarray) else 1e12
    with pytest.raises(ValueError, match=f"{name}: wanted"):
        find_slid(*(GIVEN | {name: bad}).values())
