"""Where a layer slides over the ground: cloud by its parallax or by wind.

The background follows the ground; what slides over it leaves a residual along its gradients, everywhere alike, tile
beside tile (`lookdown.kernels.sliding`). A mover, too, looks like that in its own tile: a slow, large one cannot be
told from a small cloud. So a tile counts as part of a layer by its surroundings alone, without its neighbours.
"""

import numpy as np
from numpy.typing import NDArray

from lookdown.kernels.local_shift import tile_normals
from lookdown.kernels.sliding import find_sliding, tile_squares

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
"""Share of the residual that they must explain: CHI2 of the 256 pixels of a tile, where noise hangs together and passes
for motion, as in compressed video."""

AROUND_TILES, OWN_TILES = 7, 3
"""Sides of the surroundings of a tile, and of the square about it that is left out, wider than any target."""

LAYER_SHARE = 0.15
"""Share of the surroundings that makes a layer."""

ALONG_SHARE = 0.6
"""Share of a layer's tiles that lie off more along its direction than across it; of tiles without one, half do."""

FEWEST_TILES = 4
"""Tiles that tell a direction."""

LOOK_EVERY = 8
"""Frames from one look to the next as long as nothing slides."""


class Sliding:
    """Finds the tiles of layers that slide, with its buffers.

    Parameters
    ----------
    rows, cols : int
        Size of the frames [px].

    Attributes
    ----------
    found : bool
        There are layers that slide.
    tiles : ndarray of uint8, shape (n, m)
        1 for tiles that are part of such a layer.
    direction : tuple of float or None
        Where they lie off, from frame to background: the median of their displacements (row, col), if they have a
        direction in common [px].
    """

    def __init__(self, rows: int, cols: int) -> None:
        shape = -(-rows // TILE_PX), -(-cols // TILE_PX)
        self._normals, self._squares = np.zeros((*shape, 5)), np.zeros(shape)
        self._alone, self.tiles = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
        self.found = False
        self.direction: tuple[float, float] | None = None
        self._until_look = 0

    @property
    def looks_next(self) -> bool:
        """Whether the next `find` looks at what it is given."""
        return self.found or self._until_look <= 1

    def find(self, frame: Image, residual: Image, predicted: Image, scale: float) -> bool:
        """Find them in a frame and say whether there are any.

        Parameters
        ----------
        frame, residual, predicted : ndarray of float32, shape (rows, cols)
            Calibrated frame, what it left over the background, and the expected variance of that up to ``scale``.
        scale : float
            Factor from ``predicted`` to the variance of the residual.
        """
        looks = self.looks_next
        self._until_look -= 1
        if not looks:
            return False
        tile_normals(frame, residual, predicted, scale, CLIP_SIGMAS, 0, frame.shape[0], self._normals)
        tile_squares(residual, predicted, scale, CLIP_SIGMAS, self._squares)
        self.found = (
            find_sliding(
                self._normals,
                self._squares,
                PRIOR_PX,
                CHI2,
                SHARE,
                AROUND_TILES,
                OWN_TILES,
                LAYER_SHARE,
                self._alone,
                self.tiles,
            )
            > 0
        )
        self._until_look = LOOK_EVERY
        self.direction = self._common_direction() if self.found else None
        return self.found

    def _common_direction(self) -> tuple[float, float] | None:
        """Return the median displacement of the tiles that slide within layers, if most lie along it."""
        rr, rc, cc, down, along = self._normals[(self.tiles & self._alone) > 0].T
        if rr.size < FEWEST_TILES:
            return None
        rr, cc = rr + PRIOR_PX**-2, cc + PRIOR_PX**-2
        rows, cols = (cc * down - rc * along) / (rr * cc - rc**2), (rr * along - rc * down) / (rr * cc - rc**2)
        row, col = float(np.median(rows)), float(np.median(cols))
        with_it = rows * row + cols * col > np.abs(rows * col - cols * row)
        return (row, col) if np.mean(with_it) > ALONG_SHARE else None
