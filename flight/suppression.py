"""Suppressions to choose in place of the recursive background: temporal median, double difference, top-hat.

Each leaves a residual of a frame, which is filtered with the point-spread function and scored over the ring about each
pixel alone; no memory of the noise of a place goes with it::

    median              f - median of the five frames before        white noise of sigma s leaves 1.13 s
    double_difference   of f - f(3 frames before) and f - f(5 before) the smaller where both have one sign, else 0
    top_hat             white less black top-hat of the frame alone: nothing is remembered

Frames before lie in a ring of five and are laid on the present one by the displacement of the whole frame, each of them
resampled once. The difference does not wait for a frame behind (`lookdown.kernels.difference`): two frames before tell
as well where a mover is from where it was. The recursive background is kept beside, as what the registration follows.
"""

from math import ceil

import numpy as np
from numpy.typing import NDArray

from lookdown.flight.config import ChainParameters
from lookdown.flight.psf import PointSpread
from lookdown.kernels.difference import double_difference
from lookdown.kernels.median import temporal_median
from lookdown.kernels.shift import shift, shift_scratch_size
from lookdown.kernels.suppress import matched_filter
from lookdown.kernels.tophat import black_top_hat, top_hat_scratch_size, white_top_hat
from lookdown.kernels.whiten import whiten

Image = NDArray[np.float32]

FRAMES_BEFORE = 5
"""Frames of the ring; the median kernel takes five."""

DIFFERENCE_LAGS = 3, 5
"""Frames before that the double difference takes: a mover of 0.6 px a frame has left 0.86 of its own spot after three,
and 0.2 after one; what it leaves behind stands at two places, which the signs tell from where it is [frames]."""

ALL_BEFORE = 1, 2, 3, 4, 5


class Suppression:
    """A suppression other than the recursive background, with its buffers.

    Parameters
    ----------
    parameters : ChainParameters
        How the chain is set; its ``suppression`` is not ``recursive``.
    rows, cols : int
        Size of the frames [px].
    spread : PointSpread
        Optics and detector.
    scratch : ndarray of float32
        At least `lookdown.kernels.score.score_scratch_size` elements; its content does not matter.

    Attributes
    ----------
    residual, filtered : ndarray of float32, shape (rows, cols)
        What the present frame leaves, before and after the matched filter [frame unit].
    z : ndarray of float32, shape (rows, cols)
        Its score [1].
    """

    def __init__(self, parameters: ChainParameters, rows: int, cols: int, spread: PointSpread, scratch: Image) -> None:
        self._parameters, self._spread, self._scratch = parameters, spread, scratch
        self.residual, self.filtered, self.z, self._predicted, self._variance = self._frames_of(5, rows, cols)
        self._in_space = parameters.suppression == "top_hat"
        self._lags: tuple[int, ...] = DIFFERENCE_LAGS if parameters.suppression == "double_difference" else ALL_BEFORE
        n_before = 0 if self._in_space else FRAMES_BEFORE
        self._before = self._frames_of(n_before, rows, cols)  # newest first
        self._laid = self._frames_of(1 if self._in_space else len(self._lags), rows, cols)
        self._at = np.zeros((n_before, 2))  # of the present frame in each of them [px]
        self._own_scratch = np.zeros(max(top_hat_scratch_size(cols), shift_scratch_size(cols)), np.float32)

    @staticmethod
    def _frames_of(n: int, rows: int, cols: int) -> list[Image]:
        return [np.zeros((rows, cols), np.float32) for _ in range(n)]

    def start(self, frame: Image, residual: Image, variance_floor: float) -> None:
        """Score a frame that has none before; it stands for all five before the next one.

        Parameters
        ----------
        frame, residual : ndarray of float32, shape (rows, cols)
            Clean frame, and the same less its level [frame unit].
        variance_floor : float
            As for `score`.
        """
        self._at.fill(0.0)
        for before in self._before:
            np.copyto(before, frame)
        self._predicted.fill(0.0)
        if self._in_space:
            self._top_hat(frame)
        else:
            np.copyto(self.residual, residual)
        self._score(variance_floor)

    def score(self, frame: Image, moved: tuple[float, float], variance_floor: float) -> None:
        """Score a frame.

        Parameters
        ----------
        frame : ndarray of float32, shape (rows, cols)
            Clean frame.
        moved : tuple of float
            Where its middle lies in the frame before (row, col) [px].
        variance_floor : float
            Smallest variance of the filtered residual that is believed [frame unit^2].
        """
        self._predicted.fill(0.0)
        if self._in_space:
            self._top_hat(frame)
        else:
            self._over_time(frame, moved)
        self._score(variance_floor)

    def _top_hat(self, frame: Image) -> None:
        black = self._laid[0]
        white_top_hat(frame, self._own_scratch, self.residual)
        black_top_hat(frame, self._own_scratch, black)
        self.residual -= black

    def _over_time(self, frame: Image, moved: tuple[float, float]) -> None:
        """Hold the frame against those before, then put it in the place of the oldest."""
        self._at += moved
        for laid, lag in zip(self._laid, self._lags, strict=True):
            row, col = self._at[lag - 1]
            shift(self._before[lag - 1], row, col, self._own_scratch, laid)
        if self._lags == DIFFERENCE_LAGS:
            before, older = self._laid
            double_difference(before, frame, older, self.residual)
        else:
            first, second, third, fourth, fifth = self._laid
            temporal_median(first, second, third, fourth, fifth, self.residual)
            np.subtract(frame, self.residual, self.residual)
        self._leave_out_unseen()
        self._before.insert(0, self._before.pop())
        np.copyto(self._before[0], frame)
        self._at[1:] = self._at[:-1]
        self._at[0] = 0.0

    def _leave_out_unseen(self) -> None:
        """Give no residual and no score to what a frame before did not show."""
        rows, cols = self.residual.shape
        down, along = self._at.T.tolist()
        top, bottom = min(max(ceil(-min(down)), 0), rows), min(max(ceil(max(down)), 0), rows)
        left, right = min(max(ceil(-min(along)), 0), cols), min(max(ceil(max(along)), 0), cols)
        for image, unseen in ((self.residual, 0.0), (self._predicted, -1.0)):
            image[:top] = image[rows - bottom :] = unseen
            image[:, :left] = image[:, cols - right :] = unseen

    def _score(self, variance_floor: float) -> None:
        taps, parameters = self._spread.taps, self._parameters
        matched_filter(self.residual, taps, taps, self._scratch, self.filtered)
        # Replicated edges make noise stronger after the filter, which the ring, further in, does not know.
        for lines in (self.filtered, self.filtered.T):
            for k, factor in enumerate(self._spread.edge[: len(lines) // 2]):
                lines[k] /= factor
                lines[-1 - k] /= factor
        whiten(
            self.filtered,
            self._predicted,
            parameters.window_px,
            parameters.guard_px,
            variance_floor,
            self._scratch,
            self._variance,
            self.z,
        )
