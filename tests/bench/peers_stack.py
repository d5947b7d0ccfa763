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

    def halves(self, level: int, p: int, q: int, image: int) -> tuple:
        """The two parts of the level below that make a sum: image and first pixel of each."""
        below = self.images[level]
        apart = self.margins[level] - self.margins[level + 1]
        (_, row_first, row_second), (_, col_first, col_second) = self.levels[level][p], self.levels[level][q]
        first, second = below[2 * image], below[2 * image + 1]
        return first, apart + row_first, apart + col_first, second, apart + row_second, apart + col_second

    def run(self, add, top) -> np.ndarray:
        """Go through the tree with two functions of the two halves and what they write to."""
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


# Row by row: what is not known to be contiguous, or may count from the end, Numba does not vectorise.
@numba.njit(cache=True, error_model="numpy")
def add_numba(a, ar, ac, b, br, bc, out):
    cols = out.shape[1]
    for r in range(out.shape[0]):
        x, y, z = a[ar + r, ac : ac + cols], b[br + r, bc : bc + cols], out[r]
        for c in range(cols):
            z[c] = np.int16(x[c] + y[c])


@numba.njit(cache=True, error_model="numpy")
def top_numba(a, ar, ac, b, br, bc, best):
    cols = best.shape[1]
    for r in range(best.shape[0]):
        x, y, z = a[ar + r, ac : ac + cols], b[br + r, bc : bc + cols], best[r]
        for c in range(cols):
            total = np.int16(x[c] + y[c])
            size = np.int16(-total) if total < 0 else total
            z[c] = size if size > z[c] else z[c]


class OpenCv:
    """The same with OpenCV, on views."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self._total = np.zeros(shape, np.int16)
        self._size = np.zeros(shape, np.int16)

    def add(self, a, ar, ac, b, br, bc, out) -> None:
        rows, cols = out.shape
        cv2.add(a[ar : ar + rows, ac : ac + cols], b[br : br + rows, bc : bc + cols], out)

    def top(self, a, ar, ac, b, br, bc, best) -> None:
        self.add(a, ar, ac, b, br, bc, self._total)
        cv2.absdiff(self._total, 0, self._size)
        cv2.max(best, self._size, best)
