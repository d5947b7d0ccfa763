"""What each tile of a frame adds to the motion that the pointing predicts, learnt from residuals.

Pointing errors that turn or stretch the view are smooth over the frame: an affine displacement

    delta(row, col) = p0 + p1 row + p2 col,    one such p for rows and one for columns,

fitted to the normal equations of all tiles together, takes them out with the noise of the whole frame instead of that
of one tile. Relief is not smooth and changes slowly: what is left in a tile moves it, held by a tight prior. Cloud over
ground slides: where the frame has layers (`lookdown.flight.layers`) each tile goes its own way.
"""

import numpy as np
from numpy.typing import NDArray

from lookdown.kernels.local_shift import tile_normals

Image = NDArray[np.float32]

PRIOR_PX = 0.02
"""One sigma of what a tile may move in a frame beyond the prediction, where a frame has layers; keeps a tile without
texture where it is [px]."""

SMOOTH_PRIOR_PX = 0.005
"""The same beyond the affine displacement of the frame, where it has no layers [px]."""


class Tiles:
    """Displacements that tiles add to a predicted field.

    Parameters
    ----------
    n, m : int
        Tiles down and along the frame.

    Attributes
    ----------
    added : ndarray of float64, shape (n, m, 2)
        Displacement (row, col) of each tile beyond the prediction [px].
    """

    def __init__(self, n: int, m: int) -> None:
        self.added = np.zeros((n, m, 2))
        self._normals = np.zeros((n, m, 5))
        down, along = np.meshgrid((np.arange(n) + 0.5) / n - 0.5, (np.arange(m) + 0.5) / m - 0.5, indexing="ij")
        self._basis = np.stack((np.ones((n, m)), down, along), axis=-1)

    def forget(self) -> None:
        """Take the prediction as it is."""
        self.added[...] = 0.0

    def follow(
        self, frame: Image, residual: Image, predicted: Image, scale: float, clip_sigmas: float, layered: bool
    ) -> None:
        """Learn from a residual how the tiles move against the prediction: one least-squares step.

        Parameters
        ----------
        frame, residual, predicted : ndarray of float32, shape (rows, cols)
            Calibrated frame, what it left over the background, and the expected variance of that up to ``scale``.
        scale : float
            Factor from ``predicted`` to the variance of the residual.
        clip_sigmas : float
            Pixels further off than this do not count.
        layered : bool
            The frame has layers that move otherwise than each other.
        """
        tile_normals(frame, residual, predicted, scale, clip_sigmas, self._normals)
        rr, rc, cc, br, bc = np.moveaxis(self._normals, -1, 0)
        prior_px = PRIOR_PX
        if not layered:
            affine = self._affine(rr, rc, cc, br, bc)
            self.added += affine
            br = br - rr * affine[..., 0] - rc * affine[..., 1]
            bc = bc - rc * affine[..., 0] - cc * affine[..., 1]
            prior_px = SMOOTH_PRIOR_PX
        rr, cc = rr + prior_px**-2, cc + prior_px**-2
        determinant = rr * cc - rc * rc
        self.added[..., 0] += (cc * br - rc * bc) / determinant
        self.added[..., 1] += (rr * bc - rc * br) / determinant

    def _affine(self, *normals: NDArray[np.float64]) -> NDArray[np.float64]:
        """Displacement of each tile by the affine field that explains all of them best."""
        rr, rc, cc, br, bc = normals
        basis = self._basis

        def blend(weights: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.asarray(np.einsum("ijk,ij,ijl->kl", basis, weights, basis))

        matrix = np.block([[blend(rr), blend(rc)], [blend(rc), blend(cc)]])
        matrix += np.eye(matrix.shape[0]) * PRIOR_PX**-2
        right = np.concatenate([np.einsum("ijk,ij->k", basis, b) for b in (br, bc)])
        down, along = np.split(np.linalg.solve(matrix, right), 2)
        return np.stack((basis @ down, basis @ along), axis=-1)
