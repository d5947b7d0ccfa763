"""Local registration: the sums are those of the twin, and their solution is the displacement that was left."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, shift

from lookdown.kernels.local_shift import tile_normals
from tests.kernels import reference_chain
from tests.kernels.cases import bands_of, image, quick, seeds, shapes


@quick
@given(shapes, seeds, st.integers(1, 4), st.integers(1, 4))
def test_sums_are_those_of_the_twin(shape: tuple[int, int], seed: int, n: int, m: int) -> None:
    frame, residual = image(shape, seed, 100.0), image(shape, seed + 1)
    predicted = np.abs(image(shape, seed + 2))
    predicted.flat[:: 1 + seed % 5] = 0.0  # without background
    out = np.full((n, m, 5), np.nan)
    tile_normals(frame, residual, predicted, 0.7, 3.0, 0, shape[0], out)
    banded = np.full_like(out, np.nan)
    for first, last in bands_of(shape[0], -(-shape[0] // n)):
        tile_normals(frame, residual, predicted, 0.7, 3.0, first, last, banded)
    assert banded.tobytes() == out.tobytes()
    wanted = reference_chain.tile_normals(frame, residual, predicted, 0.7, 3.0, (n, m))
    np.testing.assert_allclose(out, wanted, rtol=2e-4, atol=2e-3 * (1 + np.abs(wanted).max()))


def test_the_displacement_of_each_tile_is_found() -> None:
    rng = np.random.default_rng(5)
    background = (200 * gaussian_filter(rng.standard_normal((64, 96)), 2.0)).astype(np.float64)
    moved = background.copy()
    moved[:, 48:] = shift(background, (0.06, -0.1), order=3, mode="nearest")[:, 48:]
    frame = moved.astype(np.float32)
    residual = (moved - background).astype(np.float32)
    out = np.zeros((2, 2, 5))
    tile_normals(frame, residual, np.full((64, 96), 4.0, np.float32), 1.0, 50.0, 0, 64, out)
    for tile, wanted in (((0, 0), (0, 0)), ((1, 1), (-0.06, 0.1))):
        rr, rc, cc, br, bc = out[tile]
        np.testing.assert_allclose(np.linalg.solve([[rr, rc], [rc, cc]], [br, bc]), wanted, atol=0.01)


def test_a_mover_does_not_count() -> None:
    rng = np.random.default_rng(6)
    frame = (100 * gaussian_filter(rng.standard_normal((32, 32)), 2.0)).astype(np.float32)
    residual, predicted = np.zeros_like(frame), np.ones_like(frame)
    residual[10:13, 10:13] = 40.0
    frame += residual
    out = np.zeros((1, 1, 5))
    tile_normals(frame, residual, predicted, 1.0, 3.0, 0, 32, out)
    np.testing.assert_allclose(out[0, 0, 3:], 0.0, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"residual": np.zeros((5, 6), np.float32)}, "residual"),
        ({"predicted": np.zeros((4, 6))}, "predicted"),
        ({"out": np.zeros((2, 2, 4))}, r"out: wanted shape \(n, m, 5\)"),
        ({"scale": 0.0}, "scale"),
        ({"clip": np.nan}, "clip"),
        ({"first_row": 2}, "first_row, last_row: wanted multiples of 4"),
        ({"last_row": 5}, "last_row: wanted an integer from 1 to 4"),
    ],
)
def test_wrong_arguments_are_refused(change: dict, said: str) -> None:
    frame = np.zeros((4, 6), np.float32)
    given_arguments = {
        "frame": frame,
        "residual": frame,
        "predicted": frame,
        "scale": 1.0,
        "clip": 3.0,
        "first_row": 0,
        "last_row": 4,
        "out": np.zeros((1, 1, 5)),
    }
    with pytest.raises(ValueError, match=said):
        tile_normals(*(given_arguments | change).values())
