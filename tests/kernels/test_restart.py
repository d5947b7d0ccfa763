"""A young background starts anew where a frame contradicts it, an old one does not."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lookdown.kernels.restart import restart_young
from tests.kernels.cases import image, quick, seeds, shapes


@quick
@given(shapes, seeds, st.integers(-2, 2), st.integers(-2, 2))
def test_it_equals_its_twin(shape: tuple[int, int], seed: int, row_step: int, col_step: int) -> None:
    rng = np.random.default_rng(seed)
    tiles = min(2, shape[0]), min(3, shape[1])
    z, age = image(shape, seed), rng.integers(0, 6, shape).astype(np.uint8)
    field = rng.uniform(-1, 1, (*tiles, 2)).astype(np.float32)
    wanted = age.copy()
    side = -(-shape[0] // tiles[0]), -(-shape[1] // tiles[1])
    for r, c in zip(*np.nonzero(np.abs(z) > 2.0), strict=True):
        down, along = np.rint(field[r // side[0], c // side[1]]).astype(int) - (row_step, col_step)
        if 0 <= r + down < shape[0] and 0 <= c + along < shape[1] and age[r + down, c + along] <= 3:
            wanted[r + down, c + along] = 0
    strong = (np.abs(z) > 2.0).any(1)
    for told in (strong, strong | rng.integers(0, 2, shape[0]).astype(bool)):
        left = age.copy()
        restart_young(z, told.view(np.uint8), field, row_step, col_step, 2.0, 3, left)
        np.testing.assert_array_equal(left, wanted)


def test_rows_without_a_strong_score_are_not_looked_at() -> None:
    z, age, field = np.full((4, 5), 9, np.float32), np.ones((4, 5), np.uint8), np.zeros((1, 1, 2), np.float32)
    restart_young(z, np.array([0, 1, 0, 0], np.uint8), field, 0, 0, 2.0, 3, age)
    np.testing.assert_array_equal(age, np.ones((4, 1)) - [[0], [1], [0], [0]] + np.zeros((1, 5)))
