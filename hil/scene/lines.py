"""Narrow bands on the ground, such as roads: how much of each texel they cover.

A band is cut along and across into pieces smaller than half a texel; each gives its area to the four texels around its
middle, in proportion to their nearness. So the area of a band is exact however narrow it is, and of one wider than a
texel to half a percent.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lookdown.hil.scene.fields import Float, Image

_PIECE = 0.5  # longest piece, in texels


@dataclass(frozen=True, eq=False)
class Line:
    """A band along its middle line.

    Attributes
    ----------
    position_m : ndarray of float64, shape (n, 3)
        Points of its middle line, ECEF [m].
    width_m : float
        Width [m].
    contrast : float
        Radiance over that of the ground beside it, less 1 [1].
    """

    position_m: Float
    width_m: float
    contrast: float


def coverage(row: Float, col: Float, width: float, size: int) -> Image:
    """Share of each texel that a band covers.

    Parameters
    ----------
    row, col : ndarray of float64, shape (n,)
        Points of its middle line [texel].
    width : float
        Its width [texel].
    size : int
        Rows and columns of the texture.

    Returns
    -------
    ndarray of float32, shape (size, size)
        Share covered, at most 1 [1].
    """
    covered = np.zeros((size, size), np.float32)
    length = np.hypot(np.diff(row), np.diff(col))
    way = np.concatenate([[0.0], np.cumsum(length)])
    if way[-1] == 0.0:
        return covered
    along = max(int(np.ceil(way[-1] / _PIECE)), 1)
    middle = (np.arange(along) + 0.5) * (way[-1] / along)
    r, c = np.interp(middle, way, row), np.interp(middle, way, col)
    down, right = np.gradient(r) if along > 1 else np.zeros(1), np.gradient(c) if along > 1 else np.ones(1)
    norm = np.maximum(np.hypot(down, right), 1e-12)
    across = max(int(np.ceil(width / _PIECE)), 1)
    area = way[-1] / along * width / across
    for aside in ((np.arange(across) + 0.5) / across - 0.5) * width:
        _give(covered, r - aside * right / norm, c + aside * down / norm, area)
    return np.minimum(covered, np.float32(1.0))


def _give(covered: NDArray[np.float32], row: Float, col: Float, area: float) -> None:
    """Give an area to the texels around places; what lies outside is left out."""
    size = len(covered)
    inside = (row >= 0.0) & (row < size - 1) & (col >= 0.0) & (col < size - 1)
    i, j = row[inside].astype(np.int64), col[inside].astype(np.int64)
    r, c = row[inside] - i, col[inside] - j
    for down, weight in ((0, 1.0 - r), (1, r)):
        for right, share in ((0, 1.0 - c), (1, c)):
            np.add.at(covered, (i + down, j + right), (area * weight * share).astype(np.float32))
