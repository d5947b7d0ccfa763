"""Radar stages as the best users of OpenCV, Numba and SciPy would write them; hits as uint8 [rows, cols]."""

from collections.abc import Callable

import cv2
import numpy as np
import scipy.fft
from scipy import ndimage

from tests.bench.measure import Run
from tests.bench.peers_numba import F, compiled

cv2.setNumThreads(1)

NOT_TOLD = 9  # a cell that a peer cannot test, at the border

# `factors` and `multipliers` are float32 [rows, cols], for every cell of the image.


def average_opencv(power: np.ndarray, window: int, guard: int, factors: np.ndarray) -> Run:
    outer, inner = np.empty_like(power), np.empty_like(power)
    hits = np.empty(power.shape, np.uint8)
    edge = {"normalize": False, "borderType": cv2.BORDER_CONSTANT}

    def run() -> np.ndarray:
        cv2.boxFilter(power, cv2.CV_32F, (window, window), outer, **edge)
        cv2.boxFilter(power, cv2.CV_32F, (guard, guard), inner, **edge)
        cv2.subtract(outer, inner, outer)
        cv2.multiply(outer, factors, outer)
        return cv2.compare(power, outer, cv2.CMP_GT, hits)

    return run


@compiled
def integral_loop(x, half, guard_half, factors, sums, hits):
    """Integral image in float64 with a border as wide as half the window, so that no cell needs a test."""
    rows, cols = x.shape
    for r in range(rows):
        total = 0.0
        above, line = sums[r + half], sums[r + half + 1]
        for c in range(cols):
            total += np.float64(x[r, c])
            line[c + half + 1] = above[c + half + 1] + total
        line[cols + half + 1 :] = line[cols + half]
    for r in range(rows + half + 1, rows + 2 * half + 1):
        sums[r] = sums[rows + half]
    band, wide = half - guard_half, 2 * half + 1
    near = band + 2 * guard_half + 1
    for r in range(rows):
        a, b = sums[r], sums[r + wide]
        c, d = sums[r + band], sums[r + near]
        line, factor, out = x[r], factors[r], hits[r]
        for i in range(cols):
            outer = (b[i + wide] - b[i]) - (a[i + wide] - a[i])
            inner = (d[i + near] - d[i + band]) - (c[i + near] - c[i + band])
            out[i] = line[i] > F(outer - inner) * factor[i]


def average_numba(power: np.ndarray, window: int, guard: int, factors: np.ndarray) -> Run:
    sums = np.zeros((power.shape[0] + window, power.shape[1] + window))
    hits = np.empty(power.shape, np.uint8)

    def run() -> np.ndarray:
        integral_loop(power, window // 2, guard // 2, factors, sums, hits)
        return hits

    return run


def average_scipy(power: np.ndarray, window: int, guard: int, factors: np.ndarray) -> Run:
    outer, inner = np.empty_like(power), np.empty_like(power)
    hits = np.empty(power.shape, bool)

    def run() -> np.ndarray:
        ndimage.uniform_filter(power, window, output=outer, mode="constant")
        ndimage.uniform_filter(power, guard, output=inner, mode="constant")
        np.multiply(outer, F(window**2), out=outer)
        np.multiply(inner, F(guard**2), out=inner)
        np.multiply(np.subtract(outer, inner, out=outer), factors, out=outer)
        return np.greater(power, outer, out=hits).view(np.uint8)

    return run


@compiled
def map_test_loop(x, mean, multiplier, hits):
    for i in range(x.size):
        hits[i] = x[i] > mean[i] * multiplier


@compiled
def map_renew_loop(x, mean, multiplier, share):
    for i in range(x.size):
        y, top = mean[i], mean[i] * multiplier
        cell = x[i] if np.isfinite(x[i]) else y
        mean[i] = y + share * ((cell if cell < top or y <= F(0) else top) - y)


def map_numba(power: np.ndarray, mean: np.ndarray, multiplier: float, share: float) -> Run:
    """Two passes, as a chain needs them: between them the old map says how improbable the hits are."""
    kept, hits = mean.copy(), np.empty(power.shape, np.uint8)

    def run() -> np.ndarray:
        map_test_loop(power.ravel(), kept.ravel(), F(multiplier), hits.ravel())
        map_renew_loop(power.ravel(), kept.ravel(), F(multiplier), F(share))
        return hits

    return run


def map_numpy(power: np.ndarray, mean: np.ndarray, multiplier: float, share: float) -> Run:
    kept, top, hits = mean.copy(), np.empty_like(power), np.empty(power.shape, bool)

    def run() -> np.ndarray:
        np.multiply(kept, F(multiplier), out=top)
        np.greater(power, top, out=hits)
        np.copyto(top, np.inf, where=kept <= 0)
        np.minimum(power, top, out=top)
        np.copyto(top, kept, where=~np.isfinite(power))
        np.subtract(top, kept, out=top)
        np.multiply(top, F(share), out=top)
        np.add(kept, top, out=kept)
        return hits.view(np.uint8)

    return run


@compiled
def partition_loop(x, half, guard_half, multipliers, ranks, ring, hits):
    rows, cols = x.shape
    for r in range(rows):
        for c in range(cols):
            n = 0
            for i in range(max(r - half, 0), min(r + half, rows - 1) + 1):
                for j in range(max(c - half, 0), min(c + half, cols - 1) + 1):
                    if abs(i - r) > guard_half or abs(j - c) > guard_half:
                        ring[n] = x[i, j]
                        n += 1
            k = ranks[r, c]
            hits[r, c] = x[r, c] > multipliers[r, c] * np.partition(ring[:n], k - 1)[k - 1]


def ordered_numba(power: np.ndarray, window: int, guard: int, multipliers: np.ndarray, ranks: np.ndarray) -> Run:
    ring, hits = np.empty(window**2, np.float32), np.empty(power.shape, np.uint8)

    def run() -> np.ndarray:
        partition_loop(power, window // 2, guard // 2, multipliers, ranks, ring, hits)
        return hits

    return run


def ordered_scipy(power: np.ndarray, window: int, guard: int, multipliers: np.ndarray, ranks: np.ndarray) -> Run:
    """Its rank is the same everywhere, so it tells nothing where the window leaves the image."""
    half, near = window // 2, (window - guard) // 2
    ring = np.ones((window, window), bool)
    ring[near:-near, near:-near] = False
    ranked, hits = np.empty_like(power), np.empty(power.shape, np.uint8)
    inside = (slice(half, -half), slice(half, -half))
    rank = int(ranks[half, half])

    def run() -> np.ndarray:
        ndimage.rank_filter(power, rank - 1, footprint=ring, output=ranked, mode="nearest")
        np.multiply(ranked, multipliers, out=ranked)
        hits[:] = NOT_TOLD
        np.greater(power[inside], ranked[inside], out=hits[inside], casting="unsafe")
        return hits

    return run


@compiled
def cancel_loop(cpi, window, out):
    """Two-pulse canceller and window; what is left of the pulses of ``out`` stays as it is."""
    for c in range(cpi.shape[0]):
        for p in range(window.size):
            x, y, line, w = cpi[c, p], cpi[c, p + 1], out[c, p], window[p]
            for i in range(line.size):
                line[i] = w * x[i] - w * y[i]


@compiled
def power_loop(spectrum, power):
    for i in range(power.size):
        power[i] = spectrum[i].real * spectrum[i].real + spectrum[i].imag * spectrum[i].imag


def doppler_numpy(cpi: np.ndarray, window: np.ndarray) -> Run:
    def run() -> np.ndarray:
        kept = np.multiply(cpi[:, :-1] - cpi[:, 1:], window[:, None])
        spectrum = np.fft.fft(kept, cpi.shape[1], axis=1)
        return spectrum.real**2 + spectrum.imag**2

    return run


def doppler_scipy(cpi: np.ndarray, window: np.ndarray) -> Run:
    return doppler_by(lambda work: scipy.fft.fft(work, axis=1, overwrite_x=True, workers=1), cpi, window)


def doppler_by(transform: Callable[[np.ndarray], np.ndarray], cpi: np.ndarray, window: np.ndarray) -> Run:
    """Canceller and window in one pass, a library's transform along the pulses in place, power in one pass."""
    work, power = np.zeros_like(cpi), np.empty(cpi.shape, np.float32)

    def run() -> np.ndarray:
        cancel_loop(cpi, window, work)
        work[:, -1] = 0
        power_loop(transform(work).ravel(), power.ravel())
        return power

    return run
