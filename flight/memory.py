"""How long the background remembers, place by place.

Where cloud slides over ground (parallax: some hundredths of a pixel a frame), no single displacement fits, and a mean
over many frames smears what lies there: its residual grows for as long as the memory lasts. Where nothing slides, a
long memory is what keeps a slow mover out of its own background. So the memory of a place is that of the quiet places
times

    quiet noise / noise of the place

with both noises the variance of the residual: that of the surroundings of the place (a mover must not shorten its own
memory), and that of the quietest tenth of the frame. With pointing that holds everywhere. Without it nothing tells
cloud from a large mover that hardly moves and must not be forgotten; only where a layer is seen to slide
(`lookdown.flight.sliding`) the memory is cut down, the more so: by the square of the ratio.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from lookdown.kernels.sampled import sampled_quantile

BLOCK_PX = 4
"""Side of the blocks that share a memory [px]."""

SURROUNDINGS_BLOCKS = 4
"""Side of the box over which the noise of a place is taken [blocks]; a mover fills a twentieth of it."""

QUIET_SHARE = 0.1
"""Share of the frame that counts as quiet."""

QUIET_MEMORY = 0.4
"""Memory of a quiet place, as a part of the longest."""

SLIDING_MEMORY = 0.2
"""The same where a layer is seen to slide; there the memory goes with the square of the ratio, as the variance of a lag
does with the memory."""

SHORTEST_FRAMES = 4
"""Memory that every place keeps [frames]."""


class MemoryLimit:
    """Makes places whose background slides forget sooner.

    Parameters
    ----------
    rows, cols : int
        Size of the frames [px].
    longest_frames : int
        Longest memory of any place [frames].

    Examples
    --------
    >>> noise, age = np.ones((64, 64), np.float32), np.full((64, 64), 100, np.uint8)
    >>> noise[:, 32:] = 4.0
    >>> MemoryLimit(64, 64, 100).apply(noise, age)
    >>> int(age[0, 0]), int(age[0, 63])
    (40, 10)
    """

    def __init__(self, rows: int, cols: int, longest_frames: int) -> None:
        shape = max(1, rows // BLOCK_PX), max(1, cols // BLOCK_PX)
        self._longest_frames = longest_frames
        self._blocks, self._around = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self._ranked = np.zeros(shape[0] * shape[1], np.float32)
        self._where = np.zeros(shape, np.uint8)
        self._frames, self._most = np.zeros(shape, np.uint8), np.zeros((rows, cols), np.uint8)

    def apply(self, noise: NDArray[np.float32], age: NDArray[np.uint8]) -> None:
        """Cut ages down.

        Parameters
        ----------
        noise : ndarray of float32, shape (rows, cols)
            Variance of the residual.
        age : ndarray of uint8, shape (rows, cols)
            Frames that the background of each pixel holds; changed in place.
        """
        self._measure(noise)
        quiet = sampled_quantile(self._around, 1, QUIET_SHARE, self._ranked)
        self._share_quiet(quiet, QUIET_MEMORY * self._longest_frames)
        self._cut(QUIET_MEMORY * self._longest_frames, age)

    def forget_sliding(self, noise: NDArray[np.float32], tiles: NDArray[np.uint8], age: NDArray[np.uint8]) -> None:
        """Cut ages down where a layer slides.

        Parameters
        ----------
        noise, age
            As for `apply`.
        tiles : ndarray of uint8, shape (n, m)
            Not 0 where a layer slides.

        Examples
        --------
        >>> noise, age = np.ones((64, 64), np.float32), np.full((64, 64), 100, np.uint8)
        >>> noise[:, 48:] = 1.5
        >>> MemoryLimit(64, 64, 100).forget_sliding(noise, np.array([[0, 1]], np.uint8), age)
        >>> age[0, [0, 36, 63]].tolist()
        [100, 20, 9]
        """
        self._measure(noise)
        cv2.resize(tiles, self._where.shape[::-1], self._where, interpolation=cv2.INTER_NEAREST)
        sliding = self._around[self._where > 0]
        if not sliding.size:
            return
        quiet = float(np.quantile(sliding, QUIET_SHARE))
        longest = SLIDING_MEMORY * self._longest_frames
        self._share_quiet(quiet, longest**0.5)
        np.square(self._blocks, out=self._blocks)
        self._blocks[self._where == 0] = np.iinfo(np.uint8).max
        self._cut(longest, age)

    def _measure(self, noise: NDArray[np.float32]) -> None:
        """Take the noise of the surroundings of each block."""
        cv2.resize(noise, self._blocks.shape[::-1], self._blocks, interpolation=cv2.INTER_AREA)
        cv2.blur(self._blocks, (SURROUNDINGS_BLOCKS, SURROUNDINGS_BLOCKS), self._around)

    def _share_quiet(self, quiet: float, whole: float) -> None:
        """Give each block the share of ``whole`` that its noise leaves it."""
        quiet = max(quiet, float(np.finfo(np.float32).tiny))
        np.maximum(self._around, np.float32(quiet), out=self._blocks)
        np.divide(np.float32(whole * quiet), self._blocks, out=self._blocks)

    def _cut(self, longest: float, age: NDArray[np.uint8]) -> None:
        memory = self._blocks
        np.maximum(memory, np.float32(min(SHORTEST_FRAMES, longest)), out=memory)
        np.rint(memory, out=memory)
        np.copyto(self._frames, memory, casting="unsafe")
        cv2.resize(self._frames, age.shape[::-1], self._most, interpolation=cv2.INTER_NEAREST)
        np.minimum(age, self._most, out=age)
