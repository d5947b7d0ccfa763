"""Tiles of layers that slide, beside a plain twin."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdown.kernels.sliding import find_sliding, tile_squares
from tests.kernels.cases import quick, seeds


@quick
@given(seeds, st.integers(1, 40), st.integers(1, 50))
def test_squares_are_summed_tile_by_tile_and_clipped(seed: int, rows: int, cols: int) -> None:
    rng = np.random.default_rng(seed)
    residual = (3 * rng.standard_normal((rows, cols))).astype(np.float32)
    predicted = rng.uniform(-0.5, 2, (rows, cols)).astype(np.float32)
    n, m = -(-rows // 16), -(-cols // 16)
    out = np.ones((n, m))
    tile_squares(residual, predicted, 4.0, 3.0, out)
    known = predicted > 0
    square = np.where(known, np.minimum(residual.astype(float) ** 2 / np.where(known, 4.0 * predicted, 1), 9.0), 0)
    height, width = -(-rows // n), -(-cols // m)
    wanted = [
        [square[i * height : (i + 1) * height, j * width : (j + 1) * width].sum() for j in range(m)] for i in range(n)
    ]
    np.testing.assert_allclose(out, wanted, rtol=1e-5, atol=1e-5)


def twin(normals, squares, prior_px, chi2, share, around, own, layer_share):
    n, m = squares.shape
    alone = np.zeros((n, m), bool)
    for i, j in np.ndindex(n, m):
        rr, rc, cc, *right = normals[i, j]
        explained = np.array(right) @ np.linalg.solve(np.array([[rr, rc], [rc, cc]]) + np.eye(2) / prior_px**2, right)
        alone[i, j] = explained > max(chi2, share * squares[i, j])
    down, along = np.indices((n, m))
    layer = np.zeros((n, m), bool)
    for i, j in np.ndindex(n, m):
        far = np.maximum(abs(down - i), abs(along - j))
        about = alone[(far <= around // 2) & (far > own // 2)]
        layer[i, j] = about.sum() > layer_share * about.size
    return alone, layer


@quick
@given(seeds, st.integers(1, 12), st.integers(1, 12))
def test_a_layer_is_what_slides_in_the_surroundings(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(n, m, 8, 2)) * 20
    sums = np.swapaxes(roots, -1, -2) @ roots
    right = rng.normal(size=(n, m, 2)) * rng.uniform(10, 400, (n, m, 1))
    normals = np.ascontiguousarray(np.concatenate([sums.reshape(n, m, 4)[..., [0, 1, 3]], right], -1))
    squares = rng.uniform(0, 500, (n, m))
    alone, tiles = np.ones((n, m), np.uint8), np.ones((n, m), np.uint8)
    found = find_sliding(normals, squares, 0.3, 12.0, 0.05, 5, 3, 0.3, alone, tiles)
    wanted = twin(normals, squares, 0.3, 12.0, 0.05, 5, 3, 0.3)
    np.testing.assert_array_equal(alone, wanted[0])
    np.testing.assert_array_equal(tiles, wanted[1])
    assert found == wanted[1].sum()


GOOD = {
    tile_squares: {
        "residual": np.zeros((20, 30), np.float32), "predicted": np.zeros((20, 30), np.float32), "scale": 1.0,
        "clip": 3.0, "out": np.zeros((2, 2)),
    },
    find_sliding: {
        "normals": np.zeros((2, 3, 5)), "squares": np.zeros((2, 3)), "prior_px": 0.3, "chi2": 15.0, "share": 0.1,
        "around": 7, "own": 3, "layer_share": 0.2, "alone": np.zeros((2, 3), np.uint8),
        "tiles": np.zeros((2, 3), np.uint8),
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("kernel", "name", "value"),
    [
        (kernel, name, value)
        for kernel, arguments in GOOD.items()
        for name, good in arguments.items()
        for value in ((np.zeros(3), None) if isinstance(good, np.ndarray) else (-1, np.nan, None))
    ]
    + [(find_sliding, "around", 8), (find_sliding, "around", 3)],
)
def test_what_does_not_fit_is_refused(kernel, name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name}.*: wanted"):
        kernel(*(GOOD[kernel] | {name: value}).values())
