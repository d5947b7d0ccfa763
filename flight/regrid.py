"""A new grid for the background: its mean, noise and age resampled to where a frame lies.

Between two such moments the background follows the ground in whole pixels and its mean is never resampled onto itself.
Under a turning or nearing view the tiles' displacements drift apart, though; before their steps show, the background is
laid on the present frame. Displacements between the tiles' centres are interpolated, so that no seam is left.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lookdown.geo.ground_shift import tile_centres

Image = NDArray[np.float32]

REACH_PX = 4.0
"""How far the windowed sinc reaches from its place [px]."""


def spread(values: Image, size: int, axis: int) -> Image:
    """Interpolate between tiles linearly along an axis, and go on linearly beyond the outer centres.

    Parameters
    ----------
    values : ndarray of float32, shape (n, m)
        Values at the tiles' centres.
    size : int
        Pixels along the axis.
    axis : int
        0 or 1.

    Returns
    -------
    ndarray of float32, shape (size, m) or (n, size)

    Examples
    --------
    >>> spread(np.array([[1.0, 3.0]], np.float32), 4, 1).tolist()
    [[0.5, 1.5, 2.5, 3.5]]
    """
    tiles = values.shape[axis]
    if tiles == 1:
        return np.repeat(values, size, axis)
    centres = tile_centres(size, tiles)
    pixels = np.arange(size)
    left = np.clip(np.searchsorted(centres, pixels, side="right") - 1, 0, tiles - 2)
    share = ((pixels - centres[left]) / (centres[left + 1] - centres[left])).astype(np.float32)
    out = np.take(np.diff(values, axis=axis), left, axis)
    out *= share[:, None] if axis == 0 else share
    out += np.take(values, left, axis)
    return out


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
    map_row, map_col = (spread(spread(field[..., axis], cols, 1), rows, 0) for axis in (0, 1))
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
