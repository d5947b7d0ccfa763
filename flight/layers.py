"""Frames of several layers: the displacement of the ground, where cloud, space or a bright edge moves otherwise.

One least-squares estimate over a frame follows what has the strongest gradients, and that may be the limb or the edge
of a cloud. Such a frame shows itself: more of its pixels than noise explains lie beyond the estimate's clip. Then the
tiles of the frame are asked one by one, and the displacement that most of them agree on holds
(`lookdown.kernels.consensus`). Where not even half of them agree the image says nothing, and the prediction stands.
"""

import numpy as np
from numpy.typing import NDArray

from lookdown.kernels.consensus import agree_on_shift
from lookdown.kernels.local_shift import tile_normals
from lookdown.kernels.shift import shift, shift_scratch_size

Image = NDArray[np.float32]

WHOLE_SHARE = 0.992
"""Share of the pixels within the clip of three sigmas below which a frame has layers; of Gaussian noise 0.997 are."""

FEWEST_TILES = 8
"""Tiles with a say, at least."""

LEAST_SHARE = 0.5
"""Share of them that must agree."""

TILE_SPREAD_PX = 0.1
"""One sigma by which tiles of one layer may differ: relief, distortion [px]."""

STEPS = 3
"""Steps from the first estimate, which may be off by half a pixel, to that of the layer."""

SETTLED_PX = 0.005
"""Length of the last step."""

CLIP_SIGMAS = 3.0

SAMPLED_EVERY = 8
"""Rows and columns whose residual tells the noise."""


class Layers:
    """Finds the displacement of the largest layer, with its buffers.

    Parameters
    ----------
    rows, cols : int
        Size of the frames [px].
    tile_px : int
        Side of a tile [px].
    """

    def __init__(self, rows: int, cols: int, tile_px: int) -> None:
        self._rows, self._cols = rows, cols
        self._moved, self._left = np.zeros((rows, cols), np.float32), np.zeros((rows, cols), np.float32)
        self._even = np.ones((rows, cols), np.float32)
        self._normals = np.zeros((-(-rows // tile_px), -(-cols // tile_px), 5))
        self._scratch = np.zeros(shift_scratch_size(cols), np.float32)

    def has_layers(self, at: NDArray[np.float64], every: int, n_used: int) -> bool:
        """Tell from the pixels that an estimate used whether the frame has layers.

        Parameters
        ----------
        at : ndarray of float64, shape (2,)
            The estimate (row, col) [px].
        every : int
            Every how many rows it looked at.
        n_used : int
            Pixels that it used.
        """
        rows, cols = self._rows - 4 - abs(int(at[0])), self._cols - 3 - abs(int(at[1]))
        return n_used < WHOLE_SHARE * (rows // every + 1) * cols

    def settle(self, mean: Image, frame: Image, at: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Find the displacement that most tiles agree on.

        Parameters
        ----------
        mean, frame : ndarray of float32, shape (rows, cols)
            Background and frame: ``frame[x] = mean[x + at]``.
        at : ndarray of float64, shape (2,)
            First estimate (row, col) [px].

        Returns
        -------
        ndarray of float64, shape (2,), or None
            The displacement; None if too few tiles have texture, or fewer than half of them agree.
        """
        self._even.fill(1.0)
        for _ in range(STEPS):
            shift(mean, float(at[0]), float(at[1]), self._scratch, self._moved)
            np.subtract(frame, self._moved, out=self._left)
            level = np.float32(np.median(self._left[::SAMPLED_EVERY, ::SAMPLED_EVERY]))
            self._left -= level
            sigma = 1.4826 * float(np.median(np.abs(self._left[::SAMPLED_EVERY, ::SAMPLED_EVERY])))
            # What the frame shows beyond the edge of the background says nothing.
            self._hide_outside(at)
            variance = max(sigma, 1e-6) ** 2
            tile_normals(frame, self._left, self._even, variance, CLIP_SIGMAS, 0, self._rows, self._normals)
            row, col, share, n_tiles = agree_on_shift(self._normals, TILE_SPREAD_PX)
            if n_tiles < FEWEST_TILES:
                return None
            at = np.array([at[0] + row, at[1] + col])
            if np.hypot(row, col) < SETTLED_PX:
                break
        return at if share >= LEAST_SHARE else None

    def _hide_outside(self, at: NDArray[np.float64]) -> None:
        down, along = int(np.ceil(abs(at[0]))) + 2, int(np.ceil(abs(at[1]))) + 2
        rows = slice(0, down) if at[0] < 0 else slice(max(self._rows - down, 0), None)
        cols = slice(0, along) if at[1] < 0 else slice(max(self._cols - along, 0), None)
        self._even[rows] = 0.0
        self._even[:, cols] = 0.0
