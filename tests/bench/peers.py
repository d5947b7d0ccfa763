"""The stages as their best users of OpenCV, NumPy, SciPy, scikit-image and sep would write them.

A peer computes what the kernel of ours computes. Each function here takes what is fixed, makes tables and buffers once,
and returns the call that does one frame and gives back its result, so that no peer pays for allocation or set-up. All
run in one thread. The same in Numba stands in `peers_numba.py`.
"""

import cv2
import numpy as np
from scipy import ndimage

from tests.bench.measure import Run

cv2.setNumThreads(1)

# Frames, states and outputs are float32 [rows, cols] unless a comment says otherwise.


def neighbour_table(rows: int, cols: int, bad: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flat indices of the eight neighbours of each bad pixel, int64 [n, 8], and their shares, 0 for a bad neighbour."""
    mask = np.zeros((rows + 2, cols + 2), bool)
    mask[1:-1, 1:-1] = True
    mask[1:-1, 1:-1].flat[bad] = False
    row, col = np.divmod(bad.astype(np.int64), cols)
    steps = [(r, c) for r in (-1, 0, 1) for c in (-1, 0, 1) if (r, c) != (0, 0)]
    good = np.stack([mask[row + 1 + r, col + 1 + c] for r, c in steps], 1)
    index = np.where(good, np.stack([(row + r) * cols + col + c for r, c in steps], 1), 0)
    return index, (good / good.sum(1, keepdims=True)).astype(np.float32)


def calibrate_opencv(samples: np.ndarray, gain: np.ndarray, offset: np.ndarray, bad: np.ndarray) -> Run:
    out = np.empty(samples.shape, np.float32)
    index, share = neighbour_table(*samples.shape, bad)
    gathered = np.empty(index.shape, np.float32)

    def run() -> np.ndarray:
        cv2.subtract(samples, offset, out, dtype=cv2.CV_32F)
        cv2.multiply(out, gain, out)
        np.take(out.ravel(), index, out=gathered, mode="clip")
        out.flat[bad] = np.einsum("ij,ij->i", gathered, share)
        return out

    return run


def calibrate_numpy(samples: np.ndarray, gain: np.ndarray, offset: np.ndarray, bad: np.ndarray) -> Run:
    out = np.empty(samples.shape, np.float32)
    index, share = neighbour_table(*samples.shape, bad)

    def run() -> np.ndarray:
        np.subtract(samples, offset, out=out)
        np.multiply(out, gain, out=out)
        out.ravel()[bad] = np.einsum("ij,ij->i", out.ravel()[index], share)
        return out

    return run


def difference_opencv(frame: np.ndarray, previous: np.ndarray) -> Run:
    out = np.empty_like(frame)
    return lambda: cv2.subtract(frame, previous, out)


def difference_numpy(frame: np.ndarray, previous: np.ndarray) -> Run:
    out = np.empty_like(frame)
    return lambda: np.subtract(frame, previous, out=out)


def double_difference_opencv(before: np.ndarray, frame: np.ndarray, behind: np.ndarray) -> Run:
    d, e, least = (np.empty_like(frame) for _ in range(3))

    def run() -> np.ndarray:
        cv2.subtract(frame, before, d)
        cv2.subtract(frame, behind, e)
        cv2.max(cv2.min(d, e, least), 0, least)
        cv2.min(cv2.max(d, e, d), 0, d)
        return cv2.add(least, d, d)

    return run


def double_difference_numpy(before: np.ndarray, frame: np.ndarray, behind: np.ndarray) -> Run:
    d, e, least, zero = (*(np.empty_like(frame) for _ in range(3)), np.float32(0))

    def run() -> np.ndarray:
        np.subtract(frame, before, out=d)
        np.subtract(frame, behind, out=e)
        np.maximum(np.minimum(d, e, out=least), zero, out=least)
        np.minimum(np.maximum(d, e, out=d), zero, out=d)
        return np.add(least, d, out=d)

    return run


def median_opencv(frames: list[np.ndarray]) -> Run:
    """Minima and maxima of pairs."""
    a, b, c, d, e = frames
    low, high, other_low, other_high = (np.empty_like(a) for _ in range(4))

    def run() -> np.ndarray:
        cv2.max(cv2.min(a, b, low), cv2.min(c, d, other_low), low)
        cv2.min(cv2.max(a, b, high), cv2.max(c, d, other_high), high)
        cv2.min(low, high, other_low)
        cv2.max(low, high, other_high)
        return cv2.max(cv2.min(e, other_high, other_high), other_low, other_high)

    return run


def median_numpy(frames: list[np.ndarray]) -> Run:
    stack, out = np.stack(frames), np.empty_like(frames[0])

    def run() -> np.ndarray:
        out[...] = np.partition(stack, 2, axis=0)[2]
        return out

    return run


def top_hat_opencv(frame: np.ndarray, how: int) -> Run:
    out, square = np.empty_like(frame), np.ones((5, 5), np.uint8)
    return lambda: cv2.morphologyEx(frame, how, square, out)


def top_hat_scipy(frame: np.ndarray) -> Run:
    out = np.empty_like(frame)
    return lambda: ndimage.white_tophat(frame, (5, 5), output=out, mode="nearest")


class AgeTables:
    """What the recursive background derives from the age alone, float32 [256] each; ages of two and more."""

    def __init__(self, age_limit: int, clip: float, unclip: float) -> None:
        w = np.maximum(np.arange(256), 2).astype(np.float64)
        settled = w >= 8
        self.alpha = (1 / (w + 1)).astype(np.float32)
        self.predict = (1 + 1 / w).astype(np.float32)
        self.inverse = (1 / w).astype(np.float32)
        self.clip = np.where(settled, clip, 1e30).astype(np.float32)
        self.gain = (np.where(settled, unclip, 1) * w / (w + 1)).astype(np.float32)
        self.age = np.minimum(np.arange(256) + 1, age_limit).astype(np.uint8)


def background_opencv(
    frame: np.ndarray, mean: np.ndarray, variance: np.ndarray, age: np.ndarray, tables: AgeTables, floor: float
) -> Run:
    mean, variance, age = mean.copy(), variance.copy(), age.copy()
    residual, z, root, term, low = (np.empty_like(frame) for _ in range(5))

    def run() -> tuple[np.ndarray, ...]:
        cv2.subtract(frame, mean, residual)
        cv2.max(variance, floor, root)
        cv2.multiply(root, cv2.LUT(age, tables.predict, term), root)
        cv2.sqrt(root, root)
        cv2.divide(residual, root, z)
        cv2.multiply(root, cv2.LUT(age, tables.clip, term), root)
        cv2.min(residual, root, term)
        cv2.max(term, cv2.subtract(0, root, low), root)  # root is now the clipped residual
        cv2.accumulateProduct(root, cv2.LUT(age, tables.alpha, term), mean)
        cv2.multiply(root, root, root)
        cv2.multiply(root, cv2.LUT(age, tables.gain, term), root)
        cv2.subtract(root, variance, root)
        cv2.accumulateProduct(root, cv2.LUT(age, tables.inverse, term), variance)
        cv2.LUT(age, tables.age, age)
        return mean, variance, age, residual, z

    return run


def background_numpy(
    frame: np.ndarray, mean: np.ndarray, variance: np.ndarray, age: np.ndarray, tables: AgeTables, floor: float
) -> Run:
    mean, variance, age = mean.copy(), variance.copy(), age.copy()
    residual, z, root, term, low = (np.empty_like(frame) for _ in range(5))

    def table(values: np.ndarray) -> np.ndarray:
        return np.take(values, age, out=term, mode="clip")

    def run() -> tuple[np.ndarray, ...]:
        np.subtract(frame, mean, out=residual)
        np.maximum(variance, np.float32(floor), out=root)
        np.multiply(root, table(tables.predict), out=root)
        np.sqrt(root, out=root)
        np.divide(residual, root, out=z)
        np.multiply(root, table(tables.clip), out=root)
        np.minimum(residual, root, out=low)
        np.negative(root, out=root)
        np.maximum(low, root, out=root)
        np.add(mean, np.multiply(root, table(tables.alpha), out=low), out=mean)
        np.square(root, out=root)
        np.multiply(root, table(tables.gain), out=root)
        np.subtract(root, variance, out=root)
        np.add(variance, np.multiply(root, table(tables.inverse), out=low), out=variance)
        age[...] = tables.age[age]
        return mean, variance, age, residual, z

    return run


def filter_opencv(frame: np.ndarray, row_taps: np.ndarray, col_taps: np.ndarray) -> Run:
    out = np.empty_like(frame)
    return lambda: cv2.sepFilter2D(frame, cv2.CV_32F, col_taps, row_taps, out, borderType=cv2.BORDER_REPLICATE)


def filter_scipy(frame: np.ndarray, row_taps: np.ndarray, col_taps: np.ndarray) -> Run:
    middle, out = np.empty_like(frame), np.empty_like(frame)

    def run() -> np.ndarray:
        ndimage.correlate1d(frame, row_taps, 0, output=middle, mode="nearest")
        return ndimage.correlate1d(middle, col_taps, 1, output=out, mode="nearest")

    return run


def inverse_counts(rows: int, cols: int, window: int) -> np.ndarray:
    """One by the number of pixels of the frame in the box about each pixel."""
    one = np.ones((rows, cols), np.float32)
    return 1 / cv2.boxFilter(one, cv2.CV_32F, (window, window), normalize=False, borderType=cv2.BORDER_CONSTANT)


def normalise_opencv(frame: np.ndarray, window: int, sigma_floor: float, pivot: float) -> Run:
    x, mean, square, out = (np.empty_like(frame) for _ in range(4))
    share = inverse_counts(*frame.shape, window)
    box = {"ksize": (window, window), "normalize": False, "borderType": cv2.BORDER_CONSTANT}

    def run() -> np.ndarray:
        cv2.subtract(frame, pivot, x)
        cv2.boxFilter(x, cv2.CV_32F, dst=mean, **box)
        cv2.multiply(mean, share, mean)
        cv2.sqrBoxFilter(x, cv2.CV_32F, dst=square, **box)
        cv2.multiply(square, share, square)
        cv2.subtract(square, cv2.multiply(mean, mean, out), square)
        cv2.max(square, sigma_floor**2, square)
        cv2.sqrt(square, square)
        cv2.subtract(x, mean, x)
        return cv2.divide(x, square, out)

    return run


def normalise_scipy(frame: np.ndarray, window: int, sigma_floor: float, pivot: float) -> Run:
    x, mean, square, out = (np.empty_like(frame) for _ in range(4))
    share = inverse_counts(*frame.shape, window) * window**2

    def run() -> np.ndarray:
        np.subtract(frame, np.float32(pivot), out=x)
        ndimage.uniform_filter(x, window, output=mean, mode="constant")
        np.multiply(mean, share, out=mean)
        ndimage.uniform_filter(np.square(x, out=out), window, output=square, mode="constant")
        np.multiply(square, share, out=square)
        np.subtract(square, np.square(mean, out=out), out=square)
        np.maximum(square, np.float32(sigma_floor**2), out=square)
        np.sqrt(square, out=square)
        np.subtract(x, mean, out=x)
        return np.divide(x, square, out=out)

    return run


def cubic_taps(t: float) -> np.ndarray:
    """Weights of the pixels at -1, 0, 1, 2 for a place ``t`` in 0 to 1 (third-degree Lagrange polynomial)."""
    return np.array(
        [
            -t * (t - 1) * (t - 2) / 6,
            (t + 1) * (t - 1) * (t - 2) / 2,
            -(t + 1) * t * (t - 2) / 2,
            (t + 1) * t * (t - 1) / 6,
        ],
        np.float32,
    )


def linear_taps(t: float) -> np.ndarray:
    """Weights of the pixels at 0 and 1."""
    return np.array([1 - t, t], np.float32)


def shift_opencv(source: np.ndarray, row_shift: float, col_shift: float, cubic: bool) -> Run:
    """Whole pixels by a region of a bordered copy, the rest by a separable filter with an anchor."""
    row, col = int(np.floor(row_shift)), int(np.floor(col_shift))
    taps = cubic_taps if cubic else linear_taps
    anchor = (1, 1) if cubic else (0, 0)
    down, along = taps(row_shift - row), taps(col_shift - col)
    rows, cols = source.shape
    border = (max(-row, 0), max(row, 0), max(-col, 0), max(col, 0))
    wide = np.empty((rows + abs(row), cols + abs(col)), np.float32)
    filtered = np.empty_like(wide)
    view = filtered[max(row, 0) : max(row, 0) + rows, max(col, 0) : max(col, 0) + cols]

    def run() -> np.ndarray:
        image = cv2.copyMakeBorder(source, *border, cv2.BORDER_REPLICATE, wide) if row or col else source
        cv2.sepFilter2D(image, cv2.CV_32F, along, down, filtered, anchor, borderType=cv2.BORDER_REPLICATE)
        return view

    return run


def shift_warp(source: np.ndarray, row_shift: float, col_shift: float) -> Run:
    out, size = np.empty_like(source), source.shape[::-1]
    matrix = np.array([[1, 0, col_shift], [0, 1, row_shift]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return lambda: cv2.warpAffine(source, matrix, size, out, flags, cv2.BORDER_REPLICATE)


def shift_scipy(source: np.ndarray, row_shift: float, col_shift: float) -> Run:
    """Bilinear; its spline of order 3 is another interpolation than cubic convolution."""
    out = np.empty_like(source)
    return lambda: ndimage.shift(source, (-row_shift, -col_shift), out, order=1, mode="nearest")


def ring_factors(rows: int, cols: int, window: int, guard: int, design: float) -> tuple[np.ndarray, np.ndarray]:
    """One by the cells of each pixel's ring, and what turns their biased variance into that of the score."""
    n = np.rint(1 / inverse_counts(rows, cols, window)) - np.rint(1 / inverse_counts(rows, cols, guard))
    n = n.astype(np.float64)
    v = n - 1
    c = (8 * v + 1) / (8 * v + 3)
    scale = np.expm1((design / c) ** 2 / v) * (n + 1) / design**2
    return (1 / n).astype(np.float32), scale.astype(np.float32)


def cfar_opencv(frame: np.ndarray, window: int, guard: int, design: float, sigma_floor: float, pivot: float) -> Run:
    x, mean, square, inner, out = (np.empty_like(frame) for _ in range(5))
    share, scale = ring_factors(*frame.shape, window, guard, design)
    outer_box, inner_box = (
        {"ksize": (side, side), "normalize": False, "borderType": cv2.BORDER_CONSTANT} for side in (window, guard)
    )

    def run() -> np.ndarray:
        cv2.subtract(frame, pivot, x)
        cv2.subtract(
            cv2.boxFilter(x, cv2.CV_32F, dst=mean, **outer_box),
            cv2.boxFilter(x, cv2.CV_32F, dst=inner, **inner_box),
            mean,
        )
        cv2.multiply(mean, share, mean)
        cv2.subtract(
            cv2.sqrBoxFilter(x, cv2.CV_32F, dst=square, **outer_box),
            cv2.sqrBoxFilter(x, cv2.CV_32F, dst=inner, **inner_box),
            square,
        )
        cv2.multiply(square, share, square)
        cv2.subtract(square, cv2.multiply(mean, mean, inner), square)
        cv2.max(square, sigma_floor**2, square)
        cv2.sqrt(cv2.multiply(square, scale, square), square)
        cv2.subtract(x, mean, x)
        return cv2.divide(x, square, out)

    return run


def cfar_scipy(frame: np.ndarray, window: int, guard: int, design: float, sigma_floor: float, pivot: float) -> Run:
    x, mean, square, inner, out = (np.empty_like(frame) for _ in range(5))
    share, scale = ring_factors(*frame.shape, window, guard, design)

    def ring(image: np.ndarray, sums: np.ndarray) -> None:
        ndimage.uniform_filter(image, window, output=sums, mode="constant")
        ndimage.uniform_filter(image, guard, output=inner, mode="constant")
        np.multiply(sums, np.float32(window**2), out=sums)
        np.multiply(inner, np.float32(guard**2), out=inner)
        np.multiply(np.subtract(sums, inner, out=sums), share, out=sums)

    def run() -> np.ndarray:
        np.subtract(frame, np.float32(pivot), out=x)
        ring(x, mean)
        ring(np.square(x, out=out), square)
        np.subtract(square, np.square(mean, out=out), out=square)
        np.maximum(square, np.float32(sigma_floor**2), out=square)
        np.sqrt(np.multiply(square, scale, out=square), out=square)
        np.subtract(x, mean, out=x)
        return np.divide(x, square, out=out)

    return run
