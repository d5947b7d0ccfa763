"""The first stages of the onboard chain in Numba, each with the call of our kernel: calibration, bad pixels, spikes.

Arguments that only our kernels need, such as scratch, are left unused (see `peers_moving.py`).
"""

import cv2
import numba
import numpy as np

compiled = numba.njit(error_model="numpy", fastmath=False)
F = np.float32


@compiled
def calibrate(samples, gain, offset, out):
    rows, cols = samples.shape
    for r in range(rows):
        for c in range(cols):
            out[r, c] = (F(samples[r, c]) - offset[r, c]) * gain[r, c]


def calibrate_opencv(samples, gain, offset, out):
    cv2.subtract(samples, offset, out, dtype=cv2.CV_32F)
    cv2.multiply(out, gain, out)


@compiled
def convert(samples, out):
    rows, cols = samples.shape
    for r in range(rows):
        for c in range(cols):
            out[r, c] = F(samples[r, c])


@compiled
def mark_bad(bad, mask):
    for at in bad:
        mask[at] = True


@compiled
def replace_marked(frame, bad, mask):
    """Mean of the good neighbours, by a mask of the bad ones; isolated clusters do not occur in the scenes."""
    rows, cols = frame.shape
    for at in bad:
        row, col = at // cols, at % cols
        total, count = F(0), 0
        for r in range(max(row - 1, 0), min(row + 2, rows)):
            for c in range(max(col - 1, 0), min(col + 2, cols)):
                if not mask[r * cols + c]:
                    total += frame[r, c]
                    count += 1
        frame[row, col] = total / F(count)


class BadPixels:
    """Keeps the mask of a list of bad pixels for as long as the list is the same one."""

    def __init__(self) -> None:
        self.bad: np.ndarray | None = None
        self.mask = np.zeros(0, bool)

    def of(self, bad: np.ndarray, size: int) -> np.ndarray:
        if bad is not self.bad or self.mask.size != size:
            self.mask = np.zeros(size, bool)
            mark_bad(bad, self.mask)
            self.bad = bad
        return self.mask

    def replace(self, frame: np.ndarray, bad: np.ndarray, _: np.ndarray) -> None:
        replace_marked(frame, bad, self.of(bad, frame.size))


@compiled
def screen(x, left, right, above, below, least):
    found = np.int32(0)
    for i in range(x.size):
        low_along, high_along = min(left[i], right[i]), max(left[i], right[i])
        low_down, high_down = min(above[i], below[i]), max(above[i], below[i])
        low, high = max(low_along, low_down), min(high_along, high_down)
        found += np.int32((x[i] - max(low, high) > least) | (min(low, high) - x[i] > least))
    return found


@compiled
def replace_spike(x, r, c, sigma, level, ratio, far):
    rows, cols = x.shape
    k = 0
    base = F(0)
    for i in range(-2, 3):
        row = x[min(max(r + i, 0), rows - 1)]
        for j in range(-2, 3):
            if abs(i) == 2 or abs(j) == 2:
                far[k] = row[min(max(c + j, 0), cols - 1)]
                base += far[k]
                k += 1
    base /= F(16)
    height = x[r, c] - base
    if abs(height) <= level * sigma:
        return False
    spread = F(0)
    for k in range(16):
        spread += abs(far[k] - base)
    if abs(height) <= level * (spread * F(1.25 / 16)):
        return False
    largest, second = F(0), F(0)
    for i in range(max(r - 1, 0), min(r + 2, rows)):
        for j in range(max(c - 1, 0), min(c + 2, cols)):
            if i != r or j != c:
                value = (x[i, j] - base) / height
                if value > largest:
                    largest, second = value, largest
                elif value > second:
                    second = value
    if second >= ratio:
        return False
    x[r, c] = base
    return True


@compiled
def spikes_loop(x, sigma, level, ratio, found):
    rows, cols = x.shape
    far = np.empty(16, np.float32)
    least = (F(1) - ratio) * level * sigma
    n = 0
    for r in range(rows):
        row, above, below = x[r], x[max(r - 1, 0)], x[min(r + 1, rows - 1)]
        for start in range(0, cols, 64):
            stop = min(start + 64, cols)
            first, last = max(start, 1), min(stop, cols - 1)
            count = screen(
                row[first:last], row[first - 1 : last - 1], row[first + 1 : last + 1], above[first:last],
                below[first:last], least,
            )  # fmt: skip
            if count == 0 and start > 0 and stop < cols:
                continue
            for c in range(start, stop):
                if 0 < c < cols - 1:
                    low_along, high_along = min(row[c - 1], row[c + 1]), max(row[c - 1], row[c + 1])
                    low_down, high_down = min(above[c], below[c]), max(above[c], below[c])
                    low, high = max(low_along, low_down), min(high_along, high_down)
                    if row[c] - max(low, high) <= least and min(low, high) - row[c] <= least:
                        continue
                if replace_spike(x, r, c, sigma, level, ratio, far):
                    if n < found.size:
                        found[n] = r * cols + c
                    n += 1
    return n


def remove_spikes(frame, sigma, level, ratio, found):
    return spikes_loop(frame, F(sigma), F(level), F(ratio), found)
