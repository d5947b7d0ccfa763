"""Where plots flashed the background becomes what it was, beside a slow twin."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdown.kernels.extract import PLOT_DTYPE
from lookdown.kernels.retract import retract_flashes
from tests.kernels.cases import image, quick, seeds, shapes


def grids(shape: tuple[int, int], seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [image(shape, seed), image(shape, seed + 1), rng.integers(0, 6, shape).astype(np.uint8)]


@quick
@given(shapes, seeds, st.integers(-3, 3), st.integers(-3, 3), st.integers(0, 4))
def test_it_equals_its_twin(shape: tuple[int, int], seed: int, row_step: int, col_step: int, reach: int) -> None:
    rng = np.random.default_rng(seed)
    tiles = min(2, shape[0]), min(3, shape[1])
    plots = np.zeros(5, PLOT_DTYPE)
    plots["peak_row"], plots["peak_col"] = rng.integers(0, shape[0], 5), rng.integers(0, shape[1], 5)
    flashed = rng.integers(0, 2, 5).astype(np.uint8)
    field = rng.uniform(-2, 2, (*tiles, 2)).astype(np.float32)
    before, after = grids(shape, seed), grids(shape, seed + 2)
    wanted = [x.copy() for x in after]
    side = -(-shape[0] // tiles[0]), -(-shape[1] // tiles[1])
    for plot in plots[flashed > 0]:
        at = np.array([plot["peak_row"], plot["peak_col"]])
        middle = at + np.rint(field[tuple(at // side)]).astype(int) - (row_step, col_step)
        for r, c in np.ndindex(shape):
            q, p = r + row_step, c + col_step
            near = max(abs(middle - (r, c))) <= reach
            if near and 0 <= q < shape[0] and 0 <= p < shape[1] and 0 < before[2][q, p] <= 4:
                for x, old in zip(wanted, before, strict=True):
                    x[r, c] = old[q, p]
    retract_flashes(plots, flashed, reach, 4, field, row_step, col_step, *before, *after)
    for x, y in zip(after, wanted, strict=True):
        np.testing.assert_array_equal(x, y)


def test_a_peak_far_outside_touches_the_nearest_corner_alone() -> None:
    plots = np.zeros(2, PLOT_DTYPE)
    plots["peak_row"], plots["peak_col"] = (-(2**31), 2**31 - 1), (-(2**31), 2**31 - 1)
    before, after = grids((6, 7), 1), grids((6, 7), 2)
    before[2][:] = 3
    was = after[0].copy()
    retract_flashes(plots, np.ones(2, np.uint8), 0, 20, np.zeros((1, 1, 2), np.float32), 0, 0, *before, *after)
    changed = np.zeros((6, 7), bool)
    changed[0, 0] = changed[5, 6] = True
    np.testing.assert_array_equal(after[0], np.where(changed, before[0], was))


GIVEN = {
    "plots": np.zeros(3, PLOT_DTYPE), "flashed": np.zeros(3, np.uint8), "reach": 9, "oldest": 20,
    "field": np.zeros((1, 1, 2), np.float32), "row_step": 0, "col_step": 0,
    **dict(zip(("mean", "noise", "age"), grids((4, 5), 3), strict=True)),
    **dict(zip(("new_mean", "new_noise", "new_age"), grids((4, 5), 5), strict=True)),
}  # fmt: skip


@pytest.mark.parametrize("name", GIVEN)
def test_what_does_not_fit_is_refused(name: str) -> None:
    bad = np.zeros(2) if isinstance(GIVEN[name], np.ndarray) else 10**7
    with pytest.raises(ValueError, match=f"{name}: wanted"):
        retract_flashes(*(GIVEN | {name: bad}).values())


def test_a_grid_is_not_put_back_into_itself() -> None:
    with pytest.raises(ValueError, match="new_mean: wanted"):
        retract_flashes(*(GIVEN | {"new_mean": GIVEN["mean"]}).values())
