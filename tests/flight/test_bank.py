"""The bank covers every velocity to within what its docstring says, and its paths are what its links make."""

import numpy as np
import pytest

from lookdown.flight.bank import Bank, make_bank


def paths_of(bank: Bank) -> np.ndarray:
    """Follow the links, level by level."""
    below, k = np.zeros((1, 1), int), 0
    for count in bank.n_cells:
        cells = bank.links[k : k + count]
        below = np.array([np.concatenate((below[c] + first, below[c] + second)) for c, first, second in cells])
        k += count
    return below


@pytest.mark.parametrize("n_frames", [2, 4, 8, 16, 32])
@pytest.mark.parametrize("velocity", [0.25, 0.5, 1.0, 1.3, 2.0, 3.0, 4.0])
def test_paths_are_nearly_straight_and_nearly_cover_the_range(n_frames: int, velocity: float) -> None:
    bank = make_bank(n_frames, velocity)
    np.testing.assert_array_equal(bank.paths, paths_of(bank))
    lines = bank.velocities[:, None] * (np.arange(n_frames) - (n_frames - 1) / 2)
    assert np.abs(bank.paths - lines).max() <= 1.75
    steps = np.diff(bank.velocities) * (n_frames - 1)
    assert steps.max(initial=0.0) <= 2.0 + 1e-9
    assert velocity * (n_frames - 1) - bank.velocities.max() * (n_frames - 1) <= 1.0 + 1e-9
    np.testing.assert_allclose(bank.velocities, -bank.velocities[::-1], atol=1e-12)


def test_what_the_steps_cost() -> None:
    """The figures of the docstring: part of the sum of a spot left at random places and velocities."""
    bank, rng, time = make_bank(16, 2.0), np.random.default_rng(1), np.arange(16) - 7.5

    def errors() -> np.ndarray:
        """Errors along one axis of the paths that come nearest."""
        off = bank.paths - (rng.uniform(-0.5, 0.5) + rng.uniform(-2, 2) * time)
        near = off - np.rint(off.mean(1, keepdims=True)) + np.array([-1.0, 0.0, 1.0])[:, None, None]
        near = near.reshape(-1, 16)
        return near[np.argsort((near**2).mean(1))[:4]]

    left = []
    for _ in range(800):
        down, along = errors(), errors()
        left.append(np.exp(-(down[:, None] ** 2 + along**2) / (4 * 0.9**2)).mean(2).max())
    assert np.mean(left) > 0.88
    assert np.quantile(left, 0.01) > 0.79


@pytest.mark.parametrize("n_frames", [0, 1, 3, 12, 64])
def test_windows_that_are_no_tree_are_refused(n_frames: int) -> None:
    with pytest.raises(ValueError, match="n_frames: wanted 2, 4, 8, 16 or 32"):
        make_bank(n_frames, 2.0)
