"""A new grid for the background: its mean, noise and age resampled to where a frame lies.

Between two such moments the background follows the ground in whole pixels and its mean is never resampled onto itself.
Under a turning or nearing view the tiles' displacements drift apart, though; before their steps show, the background is
laid on the present frame. Displacements between the tiles' centres are interpolated, so that no seam is left.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lookdown.geo.camera import tile_centres

Image = NDArray[np.float32]

REACH_PX = 4.0
"""How far the windowed sinc reaches from its place [px]."""


def interpolation(size: int, tiles: int) -> Image:
    """Weights that interpolate linearly from tile centres to pixels, and go on linearly beyond the outer centres.

    Parameters
    ----------
    size, tiles : int
        Pixels and tiles along an axis.

    Returns
    -------
    ndarray of float32, shape (size, tiles)
        Rows sum to 1.

    Examples
    --------
    >>> interpolation(4, 2).tolist()
    [[1.25, -0.25], [0.75, 0.25], [0.25, 0.75], [-0.25, 1.25]]
    """
    centres = tile_centres(size, tiles)
    weights = np.zeros((size, tiles))
    if tiles == 1:
        weights[:] = 1.0
        return weights.astype(np.float32)
    pixels = np.arange(size)
    left = np.clip(np.searchsorted(centres, pixels, side="right") - 1, 0, tiles - 2)
    share = (pixels - centres[left]) / (centres[left + 1] - centres[left])
    weights[pixels, left] = 1.0 - share
    weights[pixels, left + 1] = share
    return weights.astype(np.float32)


def lay_on_frame(field: Image, mean: Image, noise: Image, age: NDArray[np.uint8]) -> None:
    """Resample a background to the frame whose displacements are given, in place.

    Parameters
    ----------
    field : ndarray of float32, shape (n, m, 2)
        Displacement (row, col) from frame to grid, per tile [px].
    mean, noise : ndarray of float32, shape (rows, cols)
        Mean, by windowed sinc (Lanczos, 8 x 8), and its noise, by linear.
    age : ndarray of uint8, shape (rows, cols)
        Age, of the nearest pixel; 0 where the grid ends or the interpolation would reach beyond it.
    """
    rows, cols = mean.shape
    down, along = interpolation(rows, field.shape[0]), interpolation(cols, field.shape[1]).T
    # Not matmul: its threads wait in busy loops at the cost of the other processes.
    coarse = (np.einsum("ij,jk->ik", field[..., axis], along) for axis in (0, 1))
    map_row, map_col = (np.einsum("ij,jk->ik", down, part) for part in coarse)
    map_row += np.arange(rows, dtype=np.float32)[:, None]
    map_col += np.arange(cols, dtype=np.float32)
    kinds: tuple[tuple[NDArray[Any], int, int], ...] = (
        (mean, cv2.INTER_LANCZOS4, cv2.BORDER_REPLICATE),
        (noise, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE),
        (age, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT),
    )
    for array, how, border in kinds:
        array[...] = cv2.remap(array, map_col, map_row, how, borderMode=border)
    inside = (map_row >= REACH_PX) & (map_row <= rows - 1 - REACH_PX)
    inside &= (map_col >= REACH_PX) & (map_col <= cols - 1 - REACH_PX)
    age *= inside
