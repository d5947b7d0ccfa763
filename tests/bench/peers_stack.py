"""Peers of the velocity bank: the same tree of sums over whole images, in Numba and in OpenCV."""

import cv2
import numba
import numpy as np

from lookdown.flight.bank import Bank


class Tree:
    """The cells of a bank, level by level, with the images that their sums need, wide enough for every path.

    Depth first over the cells, so that no more than one image of each half is held a level; each sum runs over all
    pixels that a later one can reach.
    """

    def __init__(self, bank: Bank, frames: np.ndarray, at: np.ndarray) -> None:
        n, rows, cols = frames.shape
        starts = np.cumsum(bank.n_cells) - bank.n_cells
        levels = [bank.links[start : start + count] for start, count in zip(starts, bank.n_cells, strict=True)]
        reach = [int(np.abs(cells[:, 1:]).max()) for cells in levels]
        self.margins = np.concatenate((np.cumsum(reach[::-1])[::-1], [0]))
        self.levels, self.shape = levels, (rows, cols)
        self.images = []
        for level in range(len(levels)):
            m = self.margins[level]
            self.images.append(np.zeros((n >> level, rows + 2 * m, cols + 2 * m), np.int16))
        m = self.margins[0] - int(np.abs(at).max(initial=0))
        assert m >= 0, "frames displaced further than the paths reach do not fit here"
        self.frames, self.at = frames, at
        self.best = np.zeros((rows, cols), np.int16)

    def load(self) -> None:
        m = self.margins[0]
        rows, cols = self.shape
        for image, frame, (down, along) in zip(self.images[0], self.frames, self.at, strict=True):
            image[m - down : m - down + rows, m - along : m - along + cols] = frame
        self.best[:] = 0

    def halves(self, level: int, p: int, q: int, image: int) -> tuple[np.ndarray, np.ndarray]:
        """The two parts of the level below that make a sum, as views of its size."""
        below = self.images[level]
        inner, outer = self.margins[level + 1], self.margins[level]
        (_, row_first, row_second), (_, col_first, col_second) = self.levels[level][p], self.levels[level][q]
        rows, cols = self.shape[0] + 2 * inner, self.shape[1] + 2 * inner
        parts = []
        for half, down, along in ((0, row_first, col_first), (1, row_second, col_second)):
            r, c = outer - inner + down, outer - inner + along
            parts.append(below[2 * image + half, r : r + rows, c : c + cols])
        return parts[0], parts[1]

    def run(self, add, top) -> np.ndarray:
        """Go through the tree with two functions: ``add(a, b, out)`` and ``top(a, b, best)``."""
        self.load()
        self._below(0, 0, 0, add, top)
        return self.best

    def _below(self, level: int, p: int, q: int, add, top) -> None:
        cells = self.levels[level]
        for i in np.flatnonzero(cells[:, 0] == p):
            for j in np.flatnonzero(cells[:, 0] == q):
                if level == len(self.levels) - 1:
                    top(*self.halves(level, i, j, 0), self.best)
                    continue
                for k in range(len(self.images[level + 1])):
                    add(*self.halves(level, i, j, k), self.images[level + 1][k])
                self._below(level + 1, i, j, add, top)


@numba.njit(cache=True, error_model="numpy")
def add_numba(a, b, out):
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            out[r, c] = a[r, c] + b[r, c]


@numba.njit(cache=True, error_model="numpy")
def top_numba(a, b, best):
    for r in range(best.shape[0]):
        for c in range(best.shape[1]):
            total = np.int16(a[r, c] + b[r, c])
            best[r, c] = max(best[r, c], np.int16(abs(total)))


class OpenCv:
    """The same with OpenCV; it has no maximum of sizes, so both signs are held against the best."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self._total = np.zeros(shape, np.int16)
        self._size = np.zeros(shape, np.int16)

    def add(self, a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
        cv2.add(a, b, out)

    def top(self, a: np.ndarray, b: np.ndarray, best: np.ndarray) -> None:
        cv2.add(a, b, self._total)
        cv2.absdiff(self._total, 0, self._size)
        cv2.max(best, self._size, best)
