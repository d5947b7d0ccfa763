"""Where a layer slides over the ground: cloud by its parallax, by wind, a limb.

The background follows the ground; what slides over it leaves a residual along its gradients, everywhere alike, tile
beside tile. A tile has such a residual where one displacement explains more of it than noise would: with the normal
equations ``A d = b`` of `lookdown.kernels.local_shift` and ``E`` the sum of squares, all over the expected variance,

    b' (A + I / prior^2)^-1 b > max(CHI2, SHARE E)

(the second bound where noise hangs together and passes for motion, as in compressed video). A mover, too, looks like
that in its own tile: a slow, large one cannot be told from a small cloud. So a tile counts as part of a layer by its
surroundings alone: where ``LAYER_SHARE`` of the tiles about it, its neighbours left out, have such a residual.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from lookdown.kernels.local_shift import tile_normals

Image = NDArray[np.float32]

TILE_PX = 16
"""Side of a tile [px]."""

PRIOR_PX = 0.3
"""One sigma of the displacement that is left, before it is known [px]."""

CLIP_SIGMAS = 3.0
"""Pixels further off than this are movers."""

CHI2 = 15.0
"""Chi^2 that the two parameters must explain; noise reaches it in one tile of 1800."""

SHARE = 0.06
"""Share of the residual that they must explain: CHI2 of the 256 pixels of a tile, whatever their noise is."""

AROUND_TILES, OWN_TILES = 7, 3
"""Sides of the surroundings of a tile, and of the square about it that is left out, wider than any target."""

LAYER_SHARE = 0.2
"""Share of the surroundings that makes a layer."""


class Sliding:
    """Finds the tiles of layers that slide, with its buffers.

    Parameters
    ----------
    rows, cols : int
        Size of the frames [px].

    Attributes
    ----------
    tiles : ndarray of bool, shape (n, m)
        Tiles that are part of such a layer.
    """

    def __init__(self, rows: int, cols: int) -> None:
        self._shape = n, m = -(-rows // TILE_PX), -(-cols // TILE_PX)
        self._normals = np.zeros((n, m, 5))
        self._squares, self._expected = (np.zeros((rows, cols), np.float32) for _ in range(2))
        self._about = np.maximum(_around(np.ones((n, m), np.float32)), 1.0)
        self.tiles = np.zeros((n, m), bool)

    def find(self, frame: Image, residual: Image, predicted: Image, scale: float) -> bool:
        """Find them in a frame and say whether there are any.

        Parameters
        ----------
        frame, residual, predicted : ndarray of float32, shape (rows, cols)
            Calibrated frame, what it left over the background, and the expected variance of that up to ``scale``.
        scale : float
            Factor from ``predicted`` to the variance of the residual.
        """
        tile_normals(frame, residual, predicted, scale, CLIP_SIGMAS, self._normals)
        rr, rc, cc, br, bc = np.moveaxis(self._normals, -1, 0)
        rr, cc = rr + PRIOR_PX**-2, cc + PRIOR_PX**-2
        explained = (cc * br * br - 2.0 * rc * br * bc + rr * bc * bc) / (rr * cc - rc * rc)
        slides = explained > np.maximum(CHI2, SHARE * self._sum_of_squares(residual, predicted, scale))
        np.greater(_around(slides.astype(np.float32)), LAYER_SHARE * self._about, out=self.tiles)
        return bool(self.tiles.any())

    def _sum_of_squares(self, residual: Image, predicted: Image, scale: float) -> NDArray[np.float32]:
        """Sum over each tile of the squared residual by its variance, clipped."""
        np.multiply(predicted, np.float32(scale), out=self._expected)
        np.maximum(self._expected, np.finfo(np.float32).tiny, out=self._expected)  # no residual without a background
        np.square(residual, out=self._squares)
        np.divide(self._squares, self._expected, out=self._squares)
        np.minimum(self._squares, np.float32(CLIP_SIGMAS**2), out=self._squares)
        n, m = self._shape
        mean = cv2.resize(self._squares, (m, n), interpolation=cv2.INTER_AREA).reshape(n, m)
        return np.asarray(mean * np.float32(TILE_PX**2))


def _around(tiles: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sum over the surroundings of each tile, without its neighbours."""

    def box(side: int) -> NDArray[np.float32]:
        return np.asarray(
            cv2.boxFilter(tiles, -1, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT), np.float32
        ).reshape(tiles.shape)

    return box(AROUND_TILES) - box(OWN_TILES)
