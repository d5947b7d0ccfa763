"""Median, double difference and top-hat as plain loops compiled by Numba, one thread."""

import numpy as np

from tests.bench.measure import Run
from tests.bench.peers_numba import F, compiled


@compiled
def median_loop(a, b, c, d, e, out):
    for i in range(a.size):
        low = max(min(a[i], b[i]), min(c[i], d[i]))
        high = min(max(a[i], b[i]), max(c[i], d[i]))
        out[i] = max(min(e[i], max(low, high)), min(low, high))


def median_numba(frames: list[np.ndarray]) -> Run:
    out, flat = np.empty_like(frames[0]), [frame.ravel() for frame in frames]

    def run() -> np.ndarray:
        median_loop(*flat, out.ravel())
        return out

    return run


@compiled
def double_difference_loop(before, frame, behind, out):
    for i in range(frame.size):
        d = frame[i] - before[i]
        e = frame[i] - behind[i]
        out[i] = max(min(d, e), F(0)) + min(max(d, e), F(0))


def double_difference_numba(before: np.ndarray, frame: np.ndarray, behind: np.ndarray) -> Run:
    out = np.empty_like(frame)

    def run() -> np.ndarray:
        double_difference_loop(before.ravel(), frame.ravel(), behind.ravel(), out.ravel())
        return out

    return run


@compiled
def least_of_rows(a, b, c, d, e, padded, out):
    n = out.size
    for i in range(n):
        padded[i + 2] = min(min(min(a[i], b[i]), min(c[i], d[i])), e[i])
    padded[0] = padded[1] = padded[2]
    padded[n + 2] = padded[n + 3] = padded[n + 1]
    p1, p2, p3, p4 = padded[1:], padded[2:], padded[3:], padded[4:]
    for i in range(n):
        out[i] = min(min(min(padded[i], p1[i]), min(p2[i], p3[i])), p4[i])


@compiled
def most_of_rows(a, b, c, d, e, padded, out):
    n = out.size
    for i in range(n):
        padded[i + 2] = max(max(max(a[i], b[i]), max(c[i], d[i])), e[i])
    padded[0] = padded[1] = padded[2]
    padded[n + 2] = padded[n + 3] = padded[n + 1]
    p1, p2, p3, p4 = padded[1:], padded[2:], padded[3:], padded[4:]
    for i in range(n):
        out[i] = max(max(max(padded[i], p1[i]), max(p2[i], p3[i])), p4[i])


@compiled
def top_hat_loop(x, padded, ring, opened, out):
    last = x.shape[0] - 1
    done = 0
    for r in range(last + 1):
        while done <= min(r + 2, last):
            u, v = x[max(done - 2, 0)], x[max(done - 1, 0)]
            s, t = x[min(done + 1, last)], x[min(done + 2, last)]
            least_of_rows(u, v, x[done], s, t, padded, ring[done % 5])
            done += 1
        u, v = ring[max(r - 2, 0) % 5], ring[max(r - 1, 0) % 5]
        s, t = ring[min(r + 1, last) % 5], ring[min(r + 2, last) % 5]
        most_of_rows(u, v, ring[r % 5], s, t, padded, opened)
        row, y = x[r], out[r]
        for i in range(row.size):
            y[i] = row[i] - opened[i]


def top_hat_numba(frame: np.ndarray) -> Run:
    cols = frame.shape[1]
    padded, opened = np.empty(cols + 4, np.float32), np.empty(cols, np.float32)
    ring, out = np.empty((5, cols), np.float32), np.empty_like(frame)

    def run() -> np.ndarray:
        top_hat_loop(frame, padded, ring, opened, out)
        return out

    return run
