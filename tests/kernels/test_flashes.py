"""Flashes by block, beside a plain twin."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdown.kernels.extract import PLOT_DTYPE
from lookdown.kernels.flashes import count_flashes, find_thick
from tests.kernels.cases import quick, seeds

SIDE = 32


def crowd(rng: np.random.Generator, n: int) -> np.ndarray:
    plots = np.zeros(n, PLOT_DTYPE)
    plots["row"], plots["col"], plots["snr"] = rng.uniform(-1, 130, n), rng.uniform(-1, 170, n), rng.uniform(3, 8, n)
    return plots


@quick
@given(seeds, st.integers(0, 60))
def test_flashes_are_counted_where_they_lie_and_looked_up_in_nine_blocks(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    plots, found = crowd(rng, n), rng.integers(0, 2, n).astype(np.uint8)
    flashes = rng.uniform(0, 2, (4, 5)).astype(np.float32)
    wanted = flashes.astype(float)
    row, col = ((plots[name] // SIDE).astype(int).clip(0, most) for name, most in (("row", 3), ("col", 4)))
    for k in np.flatnonzero((found == 0) & (plots["snr"] >= 5.0)):
        wanted[row[k], col[k]] += 1
    count_flashes(plots, found, 5.0, SIDE, flashes)
    np.testing.assert_allclose(flashes, wanted, rtol=1e-6)
    thick = np.full(n, 7, np.uint8)
    find_thick(plots, flashes, SIDE, 12.0, thick)
    around = [wanted[max(r - 1, 0) : r + 2, max(c - 1, 0) : c + 2].sum() > 12.0 for r, c in zip(row, col, strict=True)]
    np.testing.assert_array_equal(thick, np.array(around, bool))


GIVEN = {
    find_thick: {
        "plots": np.zeros(3, PLOT_DTYPE), "flashes": np.zeros((2, 2), np.float32), "side": 32, "limit": 1.0,
        "thick": np.zeros(3, np.uint8),
    },
    count_flashes: {
        "plots": np.zeros(3, PLOT_DTYPE), "found": np.zeros(3, np.uint8), "snr": 5.0, "side": 32,
        "flashes": np.zeros((2, 2), np.float32),
    },
}  # fmt: skip


@pytest.mark.parametrize(("kernel", "name"), [(kernel, name) for kernel, given in GIVEN.items() for name in given])
def test_what_does_not_fit_is_refused(kernel, name: str) -> None:
    bad = np.zeros(2) if isinstance(GIVEN[kernel][name], np.ndarray) else -1
    with pytest.raises(ValueError, match=f"{name}: wanted"):
        kernel(*(GIVEN[kernel] | {name: bad}).values())
