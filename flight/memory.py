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

BLOCK_PX = 4
"""Side of the blocks that share a memory [px]."""

SURROUNDINGS_BLOCKS = 4
"""Side of the box over which the noise of a place is taken [blocks]; a mover fills a twentieth of it."""

QUIET_SHARE = 0.1
"""Share of the frame that counts as quiet."""

QUIET_MEMORY = 0.4
"""Memory of a quiet place, as a part of the longest."""

SLIDING_MEMORY, SLIDING_POWER = 0.2, 2.0
"""The same where a layer slides, and the power of the ratio of noises there: lag grows with the memory, its
variance with the square."""

SHORTEST_FRAMES = 4
"""Memory that every place keeps [frames]."""


def limit_memory(noise: NDArray[np.float32], longest_frames: int, age: NDArray[np.uint8]) -> None:
    """Make places whose background slides forget sooner.

    Parameters
    ----------
    noise : ndarray of float32, shape (rows, cols)
        Variance of the residual.
    longest_frames : int
        Longest memory of any place [frames].
    age : ndarray of uint8, shape (rows, cols)
        Frames that the background of each pixel holds; cut down in place.

    Examples
    --------
    >>> noise, age = np.ones((64, 64), np.float32), np.full((64, 64), 100, np.uint8)
    >>> noise[:, 32:] = 4.0
    >>> limit_memory(noise, 100, age)
    >>> int(age[0, 0]), int(age[0, 63])
    (40, 10)
    """
    around = _around(noise)
    _cut(_memory(around, around, QUIET_MEMORY * longest_frames, 1.0), age)


def forget_sliding(
    noise: NDArray[np.float32], longest_frames: int, tiles: NDArray[np.bool_], age: NDArray[np.uint8]
) -> None:
    """Make places forget sooner where a layer slides.

    Parameters
    ----------
    noise, longest_frames, age
        As for `limit_memory`.
    tiles : ndarray of bool, shape (n, m)
        Where a layer slides.

    Examples
    --------
    >>> noise, age = np.ones((64, 64), np.float32), np.full((64, 64), 100, np.uint8)
    >>> noise[:, 48:] = 2.0
    >>> forget_sliding(noise, 100, np.array([[False, True]]), age)
    >>> age[0, [0, 32, 63]].tolist()
    [100, 20, 5]
    """
    around = _around(noise)
    blocks = (around.shape[1], around.shape[0])
    where = cv2.resize(tiles.astype(np.uint8), blocks, interpolation=cv2.INTER_NEAREST).reshape(around.shape) > 0
    if where.any():
        memory = _memory(around, around[where], SLIDING_MEMORY * longest_frames, SLIDING_POWER)
        _cut(np.where(where, memory, np.uint8(255)), age)


def _around(noise: NDArray[np.float32]) -> NDArray[np.float32]:
    """Noise of the surroundings of each block."""
    rows, cols = noise.shape
    blocks = max(1, cols // BLOCK_PX), max(1, rows // BLOCK_PX)
    around = cv2.resize(noise, blocks, interpolation=cv2.INTER_AREA)
    return np.atleast_2d(cv2.blur(around, (SURROUNDINGS_BLOCKS, SURROUNDINGS_BLOCKS)))


def _memory(around: NDArray[np.float32], of: NDArray[np.float32], longest: float, power: float) -> NDArray[np.uint8]:
    """Memory of each block, with the quiet ones among ``of`` for quiet [frames]."""
    quiet = max(float(np.quantile(of, QUIET_SHARE)), float(np.finfo(np.float32).tiny))
    memory = longest * (quiet / np.maximum(around, quiet)) ** power
    return np.asarray(np.rint(np.maximum(memory, min(SHORTEST_FRAMES, longest))), np.uint8)


def _cut(frames: NDArray[np.uint8], age: NDArray[np.uint8]) -> None:
    rows, cols = age.shape
    np.minimum(age, cv2.resize(frames, (cols, rows), interpolation=cv2.INTER_NEAREST), out=age)
