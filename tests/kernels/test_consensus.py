"""The consensus of tiles: half of them, however strong, cannot break it; without texture it says nothing."""

import numpy as np
import pytest

from lookdown.kernels.consensus import agree_on_shift


def normals(shifts: np.ndarray, information: np.ndarray, seed: int = 1) -> np.ndarray:
    """Sums of tiles that saw their displacements through noise of that information."""
    rng = np.random.default_rng(seed)
    out = np.zeros((*information.shape, 5))
    seen = shifts + rng.standard_normal(shifts.shape) / np.sqrt(information)[..., None]
    out[..., 0] = out[..., 2] = information
    out[..., 3:] = information[..., None] * seen
    return out


def test_the_largest_layer_holds_though_another_is_a_thousand_times_as_bright() -> None:
    shifts, information = np.full((10, 12, 2), (0.21, -0.34)), np.full((10, 12), 2e3)
    shifts[:4], information[:4] = (-0.4, 0.5), 2e6
    row, col, share, n = agree_on_shift(normals(shifts, information), 0.05)
    assert np.hypot(row - 0.21, col + 0.34) < 0.02
    assert n == 120
    assert 0.55 < share < 0.65
    plain = (normals(shifts, information)[..., 3].sum()) / information.sum()
    assert abs(plain - 0.21) > 0.5


def test_tiles_of_one_layer_agree_and_straight_edges_have_no_say() -> None:
    shifts, information = np.full((6, 6, 2), 0.1), np.full((6, 6), 5e3)
    sums = normals(shifts, information)
    sums[0, :, 2] = 0.0  # gradients along rows alone
    sums[0, :, 4] = 0.0
    row, col, share, n = agree_on_shift(sums, 0.05)
    assert (n, share) == (30, 1.0)
    assert np.hypot(row - 0.1, col - 0.1) < 0.01


def test_without_texture_nothing_is_said() -> None:
    assert agree_on_shift(np.zeros((4, 4, 5)), 0.05) == (0.0, 0.0, 0.0, 0)


def test_other_arrays_and_numbers_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="normals: wanted"):
        agree_on_shift(np.zeros((2, 2, 4)), 0.05)
    for spread in (0.0, float("nan")):
        with pytest.raises(ValueError, match="spread: wanted"):
            agree_on_shift(np.zeros((2, 2, 5)), spread)
