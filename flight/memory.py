"""How long the background remembers, place by place.

Where cloud slides over ground (parallax: some hundredths of a pixel a frame), no single displacement fits, and a mean
over many frames smears what lies there: its residual grows for as long as the memory lasts. Where nothing slides, a
long memory is what keeps a slow mover out of its own background. So the memory of a place is that of the quiet places
times

    quiet noise / noise of the place

with both noises the variance of the residual: that of the surroundings of the place (a mover must not shorten its own
memory), and that of the quietest tenth of the frame.
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
    rows, cols = noise.shape
    blocks = max(1, cols // BLOCK_PX), max(1, rows // BLOCK_PX)
    around = cv2.resize(noise, blocks, interpolation=cv2.INTER_AREA)
    around = np.atleast_2d(cv2.blur(around, (SURROUNDINGS_BLOCKS, SURROUNDINGS_BLOCKS)))
    quiet = max(float(np.quantile(around, QUIET_SHARE)), float(np.finfo(np.float32).tiny))
    longest = QUIET_MEMORY * longest_frames
    memory = longest * quiet / np.maximum(around, quiet)
    frames = np.rint(np.maximum(memory, min(SHORTEST_FRAMES, longest))).astype(np.uint8)
    np.minimum(age, cv2.resize(frames, (cols, rows), interpolation=cv2.INTER_NEAREST), out=age)
