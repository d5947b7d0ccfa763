"""The scoring stages of the onboard chain on Numba, OpenCV and SciPy, each with the call of our kernel.

Filter, whitening, histogram of the tail and extraction; the rest stands in `peers_clean.py` and `peers_moving.py`.
Arguments that only our kernels need, such as scratch, are left unused.
"""

import cv2
import numba
import numpy as np

from tests.bench.peers import ring_factors
from tests.bench.peers_extract import HitFlags, Pool, extract_sparse
from tests.bench.peers_numba import filter_loop, slide_ring

compiled = numba.njit(error_model="numpy", fastmath=False)
F = np.float32


@compiled
def tail_loop(z, step, per_unit, counts):
    rows, cols = z.shape
    counts[:] = 0
    most = F(counts.size - 1)
    for r in range(0, rows, step):
        for c in range((r // step) % step, cols, step):
            level = abs(z[r, c]) * per_unit
            if level > 0:
                counts[int(min(level, most))] += 1


def tail_histogram(z, step, per_unit, counts):
    tail_loop(z, step, F(per_unit), counts)


@compiled
def mark_peaks(above, here, below, least, marks):
    """Mark the peaks of a row with a pixel on either side; eight neighbours without a branch, so that it vectorises."""
    for i in range(marks.size):
        size = abs(here[i + 1])
        before = max(max(abs(above[i]), abs(above[i + 1])), max(abs(above[i + 2]), abs(here[i])))
        behind = max(max(abs(below[i]), abs(below[i + 1])), max(abs(below[i + 2]), abs(here[i + 2])))
        marks[i] = np.uint8((size > before) & (size >= behind) & (size > least))


@compiled
def is_peak(z, r, c, size):
    rows, cols = z.shape
    for i in range(max(r - 1, 0), min(r + 2, rows)):
        for j in range(max(c - 1, 0), min(c + 2, cols)):
            other = abs(z[i, j])
            if other > size or (other == size and (i < r or (i == r and j < c))):
                return False
    return True


@compiled
def peak_loop(z, side, least, per_e, keep, marks, counts):
    rows, cols = z.shape
    counts *= keep
    last = counts.shape[2] - 1
    eights = marks.view(np.uint64)
    for r in range(rows):
        edge = r == 0 or r == rows - 1
        for c in range(0, cols, 1 if edge else cols - 1):
            size = abs(z[r, c])
            if size > least and is_peak(z, r, c, size):
                counts[r // side, c // side, min(int(np.log(size / least) * per_e), last)] += F(1)
        if edge:
            continue
        mark_peaks(z[r - 1], z[r], z[r + 1], least, marks[: cols - 2])
        for k in range((cols - 2 + 7) // 8):
            if eights[k]:
                for c in range(8 * k + 1, min(8 * k + 9, cols - 1)):
                    if marks[c - 1]:
                        size = abs(z[r, c])
                        counts[r // side, c // side, min(int(np.log(size / least) * per_e), last)] += F(1)


MARKS = np.zeros(1 << 16, np.uint8)


def count_peaks(z, side, least, per_e, keep, _first_row, _last_row, counts):
    peak_loop(z, side, F(least), F(per_e), F(keep), MARKS, counts)


@compiled
def scale_row(z, factor, least, out):
    """Scale a row and count what lies beyond the level; without a branch, so that it vectorises."""
    found = np.int32(0)
    for i in range(z.size):
        y = z[i] * factor[i]
        out[i] = y
        found += np.int32(abs(y) > least)
    return found


@compiled
def map_loop(z, side, level, power, least, factor, out):
    rows, cols = z.shape
    for r in range(rows):
        if r % side == 0:
            for c in range(cols):
                one = level[r // side, c // side]
                factor[c] = least / one if one > 0 else F(0)
        for first in range(0, cols, 64):
            stop = min(first + 64, cols)
            if scale_row(z[r, first:stop], factor[first:stop], least, out[r, first:stop]):
                for c in range(first, stop):
                    y = out[r, c]
                    size = abs(y)
                    if size > least:
                        out[r, c] = np.copysign(least * (size / least) ** power[r // side, c // side], y)


FACTORS = np.zeros(1 << 16, np.float32)


def map_scores(z, side, level, power, least, out):
    map_loop(z, side, level, power, F(least), FACTORS[: z.shape[1]], out)


@compiled
def block_sums(x, first, second):
    """Sums over blocks of 2 x 2 pixels, and over their squares."""
    for r in range(first.shape[0]):
        upper, lower, p, q = x[2 * r], x[2 * r + 1], first[r], second[r]
        for i in range(p.size):
            a, b, c, d = upper[2 * i], upper[2 * i + 1], lower[2 * i], lower[2 * i + 1]
            p[i] = (a + b) + (c + d)
            q[i] = (a * a + b * b) + (c * c + d * d)


@compiled
def slide_blocks(x, r, half, sums):
    """Move column sums on to the window about row r."""
    rows, cols = x.shape
    if r == 0:
        sums[:] = 0
        for k in range(min(half, rows)):
            for c in range(cols):
                sums[c] += x[k, c]
    if r + half < rows:
        new = x[r + half]
        for c in range(cols):
            sums[c] += new[c]
    if r - half - 1 >= 0:
        old = x[r - half - 1]
        for c in range(cols):
            sums[c] -= old[c]


@compiled
def score_row(x, mean, spread, predicted, floor, variance, z):
    for c in range(x.size):
        v = max(max(spread[c] + floor, predicted[c]), F(1e-30))
        score = (x[c] - mean[c]) / np.sqrt(v)
        z[c] = score if predicted[c] >= 0 else F(0)
        variance[c] = spread[c]


@compiled
def whiten_loop(x, predicted, half, guard_half, floor, first, second, sums, lines, wide, share, variance, z):
    block_sums(x, first, second)
    rows, cols = first.shape
    inside = sums[:, half + 1 : half + 1 + cols]
    mean, square = lines[0], lines[1]
    for r in range(rows):
        slide_blocks(first, r, half, inside[0])
        slide_blocks(second, r, half, inside[1])
        slide_blocks(first, r, guard_half, inside[2])
        slide_blocks(second, r, guard_half, inside[3])
        slide_ring(sums, half, guard_half, cols, mean, square)
        one = share[r]
        for c in range(cols):
            m = mean[c] * one[c]
            v = max(square[c] * one[c] - m * m, F(0))
            wide[0, 2 * c] = m
            wide[0, 2 * c + 1] = m
            wide[1, 2 * c] = v
            wide[1, 2 * c + 1] = v
        for k in range(2 * r, 2 * r + 2):
            score_row(x[k], wide[0], wide[1], predicted[k], floor, variance[k], z[k])


class Whiten:
    """Tables of one frame size (even sides), window and guard; on Numba, or on OpenCV's box filters."""

    def __init__(self, rows: int, cols: int, window: int, guard: int) -> None:
        half_size = rows // 2, cols // 2
        self.half, self.guard_half = (window + 1) // 4, (guard + 1) // 4
        ring = ring_factors(*half_size, 2 * self.half + 1, 2 * self.guard_half + 1, 5.0)[0]
        self.share = ring / 4
        self.sums = np.zeros((4, half_size[1] + 2 * self.half + 1))
        self.lines, self.wide = np.empty((2, half_size[1]), np.float32), np.empty((2, cols), np.float32)
        self.first, self.second, self.mean, self.square, self.inner = (
            np.empty(half_size, np.float32) for _ in range(5)
        )
        self.spread, self.nothing = np.empty((rows, cols), np.float32), np.zeros((rows, cols), np.float32)
        self.unknown = np.empty((rows, cols), np.uint8)

    def numba(self, filtered, predicted, _window, _guard, variance_floor, _scratch, variance, z):
        whiten_loop(
            filtered, predicted, self.half, self.guard_half, F(variance_floor), self.first, self.second, self.sums,
            self.lines, self.wide, self.share, variance, z,
        )  # fmt: skip

    def opencv(self, filtered, predicted, _window, _guard, variance_floor, _scratch, variance, z):
        first, second, mean, square, inner, spread = (
            self.first, self.second, self.mean, self.square, self.inner, self.spread,
        )  # fmt: skip
        outer_box, inner_box = (
            {"ksize": (2 * half + 1,) * 2, "normalize": False, "borderType": cv2.BORDER_CONSTANT}
            for half in (self.half, self.guard_half)
        )
        size = first.shape[::-1]
        cv2.resize(filtered, size, first, interpolation=cv2.INTER_AREA)
        cv2.resize(cv2.multiply(filtered, filtered, z), size, second, interpolation=cv2.INTER_AREA)
        for blocks, sums in ((first, mean), (second, square)):
            cv2.boxFilter(blocks, cv2.CV_32F, dst=sums, **outer_box)
            cv2.subtract(sums, cv2.boxFilter(blocks, cv2.CV_32F, dst=inner, **inner_box), sums)
            cv2.multiply(sums, self.share, sums, 4.0)
        cv2.subtract(square, cv2.multiply(mean, mean, inner), square)
        cv2.max(square, 0, square)
        size = filtered.shape[::-1]
        cv2.resize(square, size, variance, interpolation=cv2.INTER_NEAREST)
        cv2.resize(mean, size, z, interpolation=cv2.INTER_NEAREST)
        cv2.max(cv2.add(variance, variance_floor, spread), predicted, spread)
        cv2.sqrt(spread, spread)
        cv2.subtract(filtered, z, z)
        cv2.divide(z, spread, z)
        cv2.compare(predicted, 0, cv2.CMP_LT, self.unknown)
        cv2.copyTo(self.nothing, self.unknown, z)


class Extract:
    """Extraction with the capacity of a report."""

    def __init__(self, capacity: int = 65536) -> None:
        self.flags, self.pool = HitFlags(), Pool(capacity)

    def numba(self, z, residual, threshold, samples, saturation, bad, _words, plots_out):
        plots = self.pool.extract(z, residual, threshold, self.flags.of(samples, saturation, bad))
        return keep(plots, plots_out)

    def opencv(self, z, residual, threshold, samples, saturation, bad, _words, plots_out):
        flags = self.flags.of(samples, saturation, bad)
        return keep(extract_sparse(z, residual, threshold, flags)(), plots_out)


def keep(plots: np.ndarray, plots_out: np.ndarray) -> tuple[int, int]:
    """Write the strongest; return how many there were and how many fit."""
    n = min(plots.size, plots_out.size)
    plots_out[:n] = plots[:n]
    return plots.size, n


def filter_numba(frame, row_taps, col_taps, scratch, out):
    filter_loop(frame, row_taps, col_taps, scratch[: frame.shape[1] + 6], out)
