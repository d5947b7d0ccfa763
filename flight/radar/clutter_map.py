r"""Clutter map: each cell is held against its own past, for clutter that differs from cell to cell and stays.

The map is a mean over the intervals, :math:`y \leftarrow y + w (x - y)` with ``w = max(1 / n, 1 / memory)``, and a cell
is a hit where ``x > T y``. After n intervals ``y`` weighs interval j by ``c_j``; on exponential cells (Nitzberg 1986,
IEEE Trans. AES 22, 777-780)

.. math:: P_{fa} = \prod_j 1 / (1 + T c_j),

exact from the first interval on. A hit enters the map as its threshold: a mover on its way through a cell raises that
one little, and what stands for some intervals becomes clutter. (Entering as less keeps a map low that was low by
chance: with twice the mean Pfa rose to 1.5 to 2.5 times the wanted one.)
Intervals of different repetition frequencies have maps of their own: their cells are not the same places.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from lookdown.kernels import thresholds
from lookdown.kernels.clutter_map import map_hits, renew_map

Image = NDArray[np.float32]
Real = NDArray[np.float64]

MOST_MAPS = 64
"""Maps that are held: frequencies times beams; beyond, the one that was not used for longest goes."""


ANYTHING = 1e30
"""As which times its mean a cell may enter the first map."""


@cache
def map_weights(intervals: int, memory: int) -> Real:
    """Return how much each of the intervals so far weighs in the map, the first one first, shape (intervals,)."""
    share = np.maximum(1.0 / np.arange(1, intervals + 1), 1.0 / memory)
    left = np.concatenate([np.cumprod((1.0 - share)[:0:-1])[::-1], [1.0]])
    return np.asarray(share * left, np.float64)


def map_log_pfa(multiplier: Real | float, intervals: int, memory: int) -> Real:
    """Natural logarithm of the chance that an exponential cell exceeds ``multiplier`` times its map."""
    weighed = np.multiply.outer(np.asarray(multiplier, np.float64), map_weights(intervals, memory))
    return np.asarray(-np.log1p(weighed).sum(axis=-1), np.float64)


@cache
def map_multiplier(intervals: int, memory: int, pfa: float) -> float:
    """Multiplier of the map for a false-alarm probability."""
    return thresholds.solve(lambda t: float(np.exp(map_log_pfa(t, intervals, memory))), pfa)


class ClutterMap:
    """Maps of one shape.

    Parameters
    ----------
    memory : int
        Intervals that the mean runs over, 2 or more.
    pfa : float
        Wanted false-alarm probability a cell.
    """

    def __init__(self, memory: int, pfa: float) -> None:
        self._memory, self._pfa = memory, pfa
        self._maps: dict[tuple[float, int], tuple[Image, int]] = {}

    def knows(self, place: tuple[float, int]) -> bool:
        """Whether the map of a frequency [Hz] and a beam has seen as many intervals as it remembers.

        A younger one is exact, too, but its multiplier is without use: 65 dB after one interval at 3e-7.
        """
        return place in self._maps and self._maps[place][1] >= self._memory

    def test(self, place: tuple[float, int], power: Image, hits: NDArray[np.uint8]) -> None:
        """Write 1 to ``hits`` where a cell exceeds its threshold, else 0."""
        mean, n = self._maps[place]
        map_hits(power, mean, map_multiplier(self._steady(n), self._memory, self._pfa), hits)

    def log_pfa(self, place: tuple[float, int], cells: Real, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> Real:
        """Natural logarithm of the false-alarm probability of cells, shape (n,)."""
        mean, n = self._maps[place]
        over = cells / np.maximum(mean[rows, cols], 1e-30)
        return map_log_pfa(np.asarray(over, np.float64), self._steady(n), self._memory)

    def remember(self, place: tuple[float, int], power: Image) -> None:
        """Take an interval's map into the mean; what is not finite leaves it as it was."""
        mean, n = self._maps.pop(place, (None, 0))
        if mean is None:
            mean = np.zeros(power.shape, np.float32)
        most = map_multiplier(self._steady(n), self._memory, self._pfa) if n else ANYTHING
        renew_map(power, most, max(1.0 / (n + 1), 1.0 / self._memory), mean)
        self._maps[place] = mean, n + 1
        if len(self._maps) > MOST_MAPS:
            del self._maps[next(iter(self._maps))]

    def _steady(self, n: int) -> int:
        """Return the intervals whose weights are those of n: beyond some memories nothing changes."""
        return min(n, 12 * self._memory)
