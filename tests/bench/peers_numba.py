"""The stages as plain loops compiled by Numba, one thread, same rounding as IEEE floats ask for.

`error_model="numpy"` leaves out the test for division by zero, without which no loop with a division vectorises.
"""

import numba
import numpy as np

from tests.bench.measure import Run
from tests.bench.peers import neighbour_table

compiled = numba.njit(error_model="numpy", fastmath=False)
F = np.float32  # a plain literal would make the arithmetic double


@compiled
def calibrate_loop(samples, gain, offset, bad, index, share, out):
    for i in range(samples.size):
        out[i] = (F(samples[i]) - offset[i]) * gain[i]
    for k in range(bad.size):
        total = F(0)
        for j in range(8):
            total += out[index[k, j]] * share[k, j]
        out[bad[k]] = total


def calibrate_numba(samples: np.ndarray, gain: np.ndarray, offset: np.ndarray, bad: np.ndarray) -> Run:
    out = np.empty(samples.shape, np.float32)
    index, share = neighbour_table(*samples.shape, bad)

    def run() -> np.ndarray:
        calibrate_loop(samples.ravel(), gain.ravel(), offset.ravel(), bad, index, share, out.ravel())
        return out

    return run


@compiled
def difference_loop(frame, previous, out):
    for i in range(frame.size):
        out[i] = frame[i] - previous[i]


def difference_numba(frame: np.ndarray, previous: np.ndarray) -> Run:
    out = np.empty_like(frame)

    def run() -> np.ndarray:
        difference_loop(frame.ravel(), previous.ravel(), out.ravel())
        return out

    return run


@compiled
def background_loop(frame, age_limit, clip, unclip, floor, mean, variance, age, residual, z):
    for i in range(frame.size):
        w = F(age[i])
        m = mean[i]
        v = variance[i]
        d = frame[i] - m
        share = F(1) / (w * (w + F(1)))
        inverse = share * (w + F(1))
        alpha = share * w
        root = np.sqrt(max(v, floor) * (F(1) + inverse))
        residual[i] = d
        z[i] = d / root
        settled = w >= F(8)
        limit = clip * root if settled else F(1e30)
        factor = unclip if settled else F(1)
        d = max(min(d, limit), -limit)
        mean[i] = m + alpha * d
        variance[i] = v + inverse * (factor * d * d * (w * alpha) - v)
        age[i] = min(age[i] + 1, age_limit)


def background_numba(
    frame: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    age: np.ndarray,
    age_limit: int,
    clip: float,
    unclip: float,
    floor: float,
) -> Run:
    mean, variance, age = mean.copy(), variance.copy(), age.copy()
    residual, z = np.empty_like(frame), np.empty_like(frame)
    flat = [a.ravel() for a in (mean, variance, age, residual, z)]
    numbers = np.int64(age_limit), F(clip), F(unclip), F(floor)

    def run() -> tuple[np.ndarray, ...]:
        background_loop(frame.ravel(), *numbers, *flat)
        return mean, variance, age, residual, z

    return run


@compiled
def filter_loop(x, down, along, padded, out):
    rows, cols = x.shape
    a0, a1, a2, a3 = down[3], down[4], down[5], down[6]
    b0, b1, b2, b3 = along[3], along[4], along[5], along[6]
    last = rows - 1
    for r in range(rows):
        x0 = x[r]
        u1, u2, u3 = x[max(r - 1, 0)], x[max(r - 2, 0)], x[max(r - 3, 0)]
        d1, d2, d3 = x[min(r + 1, last)], x[min(r + 2, last)], x[min(r + 3, last)]
        for i in range(cols):
            padded[i + 3] = a0 * x0[i] + a1 * (u1[i] + d1[i]) + a2 * (u2[i] + d2[i]) + a3 * (u3[i] + d3[i])
        padded[:3] = padded[3]
        padded[cols + 3 :] = padded[cols + 2]
        y = out[r]
        for i in range(cols):
            y[i] = (
                b0 * padded[i + 3]
                + b1 * (padded[i + 2] + padded[i + 4])
                + b2 * (padded[i + 1] + padded[i + 5])
                + b3 * (padded[i] + padded[i + 6])
            )


def filter_numba(frame: np.ndarray, row_taps: np.ndarray, col_taps: np.ndarray) -> Run:
    """Seven taps each way, written out."""
    assert row_taps.size == col_taps.size == 7
    padded, out = np.empty(frame.shape[1] + 6, np.float32), np.empty_like(frame)

    def run() -> np.ndarray:
        filter_loop(frame, row_taps, col_taps, padded, out)
        return out

    return run


@compiled
def add_row(x, pivot, sign, first, second):
    for c in range(x.size):
        d = np.float64(x[c] - pivot)
        first[c] += sign * d
        second[c] += sign * d * d


@compiled
def along_row(columns, half, n, out):
    """Sums over 2 half + 1 columns, those outside as zero."""
    total = 0.0
    for c in range(half):
        total += columns[c]
    for c in range(half + 1):
        total += columns[c + half]
        out[c] = total
    for c in range(half + 1, n - half):
        total += columns[c + half] - columns[c - half - 1]
        out[c] = total
    for c in range(n - half, n):
        total -= columns[c - half - 1]
        out[c] = total


@compiled
def normalise_loop(x, half, pivot, floor, sums, share, out):
    rows, cols = x.shape
    first, second, mean, square = sums[0], sums[1], sums[2], sums[3]
    first[:] = 0
    second[:] = 0
    for r in range(half):
        add_row(x[r], pivot, 1.0, first, second)
    for r in range(rows):
        if r + half < rows:
            add_row(x[r + half], pivot, 1.0, first, second)
        if r - half - 1 >= 0:
            add_row(x[r - half - 1], pivot, -1.0, first, second)
        along_row(first, half, cols, mean)
        along_row(second, half, cols, square)
        below = F(1) / F(min(r + half, rows - 1) - max(r - half, 0) + 1)
        y, line = out[r], x[r]
        for c in range(cols):
            s = share[c] * below
            m = F(mean[c]) * s
            v = max(F(square[c]) * s - m * m, floor)
            y[c] = (line[c] - pivot - m) / np.sqrt(v)


def inverse_line(cols: int, half: int) -> np.ndarray:
    """One by the number of columns within ``half`` of each column, float32 [cols]."""
    c = np.arange(cols)
    return (1 / (np.minimum(c + half, cols - 1) - np.maximum(c - half, 0) + 1)).astype(np.float32)


def normalise_numba(frame: np.ndarray, window: int, sigma_floor: float, pivot: float) -> Run:
    out, half = np.empty_like(frame), window // 2
    sums, share = np.empty((4, frame.shape[1])), inverse_line(frame.shape[1], half)

    def run() -> np.ndarray:
        normalise_loop(frame, half, F(pivot), F(sigma_floor**2), sums, share, out)
        return out

    return run
