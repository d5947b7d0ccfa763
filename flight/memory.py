"""How long the background remembers, place by place.

Where cloud slides over ground (parallax: some hundredths of a pixel a frame), no single displacement fits, and a mean
over many frames smears what lies there: its residual grows for as long as the memory lasts. Where nothing slides, a long
memory is what keeps a slow mover out of its own background. So the memory of a place is that of the quiet places times

    quiet noise / noise of the place

with both noises the variance of the residual, of the place's surroundings (a mover must not shorten its own memory), and
of the quietest tenth of the frame.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

SURROUNDINGS_PX = 15
"""Side of the box over which the noise of a place is taken [px]; a mover fills a tenth of it."""

QUIET_SHARE = 0.1
"""Share of the frame that counts as quiet."""

QUIET_MEMORY = 0.4
"""Memory of a quiet place, as a part of the longest."""

SHORTEST_FRAMES = 4

_EVERY = 4  # pixels between those that tell what is quiet


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
    around = cv2.blur(noise, (SURROUNDINGS_PX, SURROUNDINGS_PX))
    quiet = float(np.quantile(around[::_EVERY, ::_EVERY], QUIET_SHARE))
    longest = QUIET_MEMORY * longest_frames
    np.maximum(around, max(quiet, np.finfo(np.float32).tiny), out=around)
    np.divide(np.float32(longest * quiet), around, out=around)
    np.maximum(around, np.float32(min(SHORTEST_FRAMES, longest)), out=around)
    np.minimum(age, np.rint(around).astype(np.uint8), out=age)
