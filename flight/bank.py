"""The velocity bank of the multi-frame stage: straight paths through 2, 4, 8, 16 or 32 frames, made of their halves.

Along one axis a path of ``2^l`` frames is the same path of half as many frames twice, each time shifted by whole pixels
(`lookdown.kernels.stack` sums along them). The cells of a level lie ``STEP_PX`` apart in what they cover in a window;
each takes of all children and shifts those that leave the smallest squared distance from its straight line.

Whole pixels and this step cost: of the sum of a target at a random place and velocity .89 is left in the mean and .80
in one of a hundred, with 16 frames. That only has to be enough to notice it; place, velocity and score come from the
refinement (`lookdown.kernels.paths`). Steps of 1 px at every level leave .93 for 2.7 times as many sums.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.int32]

STEP_PX = (1.0, 1.0, 2.0, 2.0, 2.0)
"""Step between neighbouring cells in their displacement over the window, pairs of frames first [px]."""


@dataclass(frozen=True, slots=True, eq=False)
class Bank:
    """Cells of a bank along one axis; rows and columns have the same.

    Attributes
    ----------
    n_cells : ndarray of int32, shape (levels,)
        Cells of each level, pairs first.
    links : ndarray of int32, shape (n_cells.sum(), 3)
        Child and shifts of its two halves [px].
    paths : ndarray of int32, shape (n_cells[-1], n_frames)
        Place of each cell of the last level in each frame, from the place in the result [px].
    velocities : ndarray of float64, shape (n_cells[-1],)
        Velocity of its straight line [px/frame].
    """

    n_cells: Table
    links: Table
    paths: Table
    velocities: NDArray[np.float64]


def make_bank(n_frames: int, max_velocity_px: float) -> Bank:
    """Make the bank of a window.

    Parameters
    ----------
    n_frames : int
        Frames of the window: 2, 4, 8, 16 or 32.
    max_velocity_px : float
        Largest velocity along an axis [px/frame].

    Examples
    --------
    >>> bank = make_bank(16, 2.0)
    >>> bank.n_cells.tolist(), float(bank.velocities[-1])
    ([5, 13, 15, 31], 2.0)
    """
    if n_frames not in (2, 4, 8, 16, 32):
        raise ValueError(f"n_frames: wanted 2, 4, 8, 16 or 32, got {n_frames}; a window is halved until it is a frame")
    below = np.zeros((1, 1), np.int64)
    tree: list[list[tuple[int, int, int]]] = []
    velocities = np.zeros(1)
    for level in range(n_frames.bit_length() - 1):
        n = 2 << level
        most = max(0, int(np.ceil(max_velocity_px * (n - 1) / STEP_PX[level] - 0.5)))
        velocities = np.arange(-most, most + 1) * STEP_PX[level] / (n - 1)
        cells = [_nearest(velocity, below) for velocity in velocities]
        tree.append([cell[:3] for cell in cells])
        below = np.array([path for *_, path in cells])
    # What serves no cell above it would be summed in vain: it goes, and then what served it alone.
    for level in range(len(tree) - 1, 0, -1):
        used = sorted({child for child, _, _ in tree[level]})
        tree[level] = [(used.index(child), first, second) for child, first, second in tree[level]]
        tree[level - 1] = [tree[level - 1][child] for child in used]
    links = np.array([cell for cells in tree for cell in cells], np.int32)
    return Bank(np.array([len(cells) for cells in tree], np.int32), links, below.astype(np.int32), velocities)


def _nearest(velocity: float, below: NDArray[np.int64]) -> tuple[int, int, int, NDArray[np.int64]]:
    """Child, its two shifts and the path that stay nearest to a straight line."""
    half = below.shape[1]
    line = velocity * (np.arange(2 * half) - (2 * half - 1) / 2)
    found: tuple[float, int, int, int, NDArray[np.int64]] | None = None
    for child, path in enumerate(below):
        for middle in (0.0, 0.5):
            first, second = (int(np.rint(np.mean(part + middle - path) - 1e-6)) for part in (line[:half], line[half:]))
            whole = np.concatenate((path + first, path + second))
            error = whole - line
            cost = float(np.sum((error - error.mean()) ** 2) + 1e-6 * error.mean() ** 2)
            if found is None or cost < found[0] - 1e-12:
                found = cost, child, first, second, whole
    assert found is not None
    return found[1:]
