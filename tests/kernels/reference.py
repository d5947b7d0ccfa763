"""The plain NumPy twin of each kernel: the oracle of the tests, written for reading, in float64, slow."""

from math import erf, erfc, exp, expm1, floor, pi, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lookdown.kernels.extract import DARK, EDGE, NEAR_BAD_PIXEL, PLOT_DTYPE, SATURATED

Array = NDArray[np.float64]
EIGHT = np.ones((3, 3), int)


def calibrate(samples: Array, gain: Array, offset: Array) -> Array:
    return (samples.astype(np.float32) - offset) * gain


def replace_bad(frame: Array, bad: NDArray[np.int32]) -> Array:
    good = np.ones(frame.size, bool)
    good[bad] = False
    good = good.reshape(frame.shape)
    out = frame.astype(np.float64)
    for flat in bad:
        row, col = divmod(int(flat), frame.shape[1])
        out[row, col] = 0
        for radius in range(1, max(frame.shape) + 1):
            square = (slice(max(row - radius, 0), row + radius + 1), slice(max(col - radius, 0), col + radius + 1))
            if good[square].any():
                out[row, col] = frame[square][good[square]].astype(np.float64).mean()
                break
    return out


def judge_neighbours(bad: NDArray[np.int32], rows: int, cols: int) -> NDArray[np.uint8]:
    good = np.zeros((rows + 2, cols + 2), bool)
    good[1:-1, 1:-1] = True
    good[1:-1, 1:-1].flat[bad] = False
    row, col = np.divmod(bad, cols)
    steps = [(r, c) for r in range(3) for c in range(3) if (r, c) != (1, 1)]
    bits = [good[row + r, col + c].astype(np.uint8) << k for k, (r, c) in enumerate(steps)]
    return np.bitwise_or.reduce(bits, axis=0)


def double_difference(before: Array, frame: Array, behind: Array) -> Array:
    d, e = frame - before, frame - behind
    return np.where(np.sign(d) == np.sign(e), np.sign(d) * np.minimum(np.abs(d), np.abs(e)), 0)


def temporal_median(*frames: Array) -> Array:
    return np.median(frames, axis=0)


def white_top_hat(frame: Array) -> Array:
    """SciPy's repeated border adds no value that the square does not hold, so it counts as none."""
    return frame - ndimage.grey_opening(frame, (5, 5), mode="nearest")


def black_top_hat(frame: Array) -> Array:
    return ndimage.grey_closing(frame, (5, 5), mode="nearest") - frame


def update_background(
    frame: Array, age_limit: int, clip: float, variance_floor: float, mean: Array, variance: Array, age: Array
) -> tuple[Array, Array, Array, Array, Array]:
    """Returns mean, variance, age, residual and z."""
    x, w = frame.astype(np.float64), age.astype(np.float64)
    within = erf(clip / sqrt(2)) - 2 * clip * exp(-clip * clip / 2) / sqrt(2 * pi)
    unclip = 1 / (within + clip * clip * erfc(clip / sqrt(2)))
    mean = np.where(w >= 1, mean, x).astype(np.float64)
    variance = np.where(w >= 2, variance, 0).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        finite = np.isfinite(x)
        d = np.where(finite, x - mean, 0)
        sigma = np.sqrt(np.maximum(variance, variance_floor) * (1 + 1 / w))
        z = np.where(w >= 2, d / sigma, 0)
        clipped = np.where(w >= 8, np.clip(d, -clip * sigma, clip * sigma), d)
        grown = np.where(w >= 8, unclip, 1) * clipped**2 * w / (w + 1)
        new_mean = mean + clipped / (w + 1)
        new_variance = np.where(w >= 1, variance + (grown - variance) / w, 0)
    return (
        np.where(finite, new_mean, mean),
        np.where(finite, new_variance, variance),
        np.where(finite, np.minimum(w + 1, np.maximum(w, age_limit)), w).astype(np.uint8),
        d,
        z,
    )


def matched_filter(frame: Array, row_taps: Array, col_taps: Array) -> Array:
    out = frame.astype(np.float64)
    for taps, axis in ((row_taps, 0), (col_taps, 1)):
        half = taps.size // 2
        width = [(half, half) if axis == k else (0, 0) for k in range(2)]
        padded = np.pad(out, width, mode="edge")
        n = out.shape[axis]
        out = sum(float(tap) * np.take(padded, range(k, k + n), axis) for k, tap in enumerate(taps))
    return out


def box_sum(values: Array, window: int) -> Array:
    """Sum over the window about each pixel, nothing outside the frame."""
    half = window // 2
    padded = np.pad(values, half)
    rows, cols = values.shape
    return sum(padded[i : i + rows, j : j + cols] for i in range(window) for j in range(window))


def local_normalise(frame: Array, window: int, sigma_floor: float) -> Array:
    x = frame.astype(np.float64)
    x = x - np.mean(x[np.isfinite(x)]) if np.isfinite(x).any() else x
    n = box_sum(np.ones_like(x), window)
    with np.errstate(invalid="ignore"):
        mean = box_sum(x, window) / n
        variance = box_sum(x**2, window) / n - mean**2
        out = (x - mean) / np.sqrt(np.maximum(variance, sigma_floor**2))
    return np.where(np.isfinite(out), out, 0)


def t_quantile(z: float, v: float) -> float:
    """Student t with ``v`` degrees of freedom whose tail is that of a standard normal beyond ``z`` (Wallace 1959)."""
    c = (8 * v + 1) / (8 * v + 3)
    return sqrt(v * expm1(min((z / c) ** 2 / v, 600)))


def ca_cfar(frame: Array, window: int, guard: int, design: float, sigma_floor: float) -> Array:
    x = frame.astype(np.float64)
    x = x - np.mean(x[np.isfinite(x)]) if np.isfinite(x).any() else x
    half, inner = window // 2, guard // 2
    padded = np.pad(x, half)
    there = np.pad(np.ones_like(x), half)
    rows, cols = x.shape
    n, first, second = (np.zeros_like(x) for _ in range(3))
    for i in range(-half, half + 1):
        for j in range(-half, half + 1):
            if abs(i) > inner or abs(j) > inner:
                cells = (slice(half + i, half + i + rows), slice(half + j, half + j + cols))
                n += there[cells]
                with np.errstate(invalid="ignore"):
                    first += padded[cells]
                    second += padded[cells] ** 2
    out = np.zeros_like(x)
    for at in map(tuple, np.argwhere((n >= 2) & np.isfinite(first) & np.isfinite(x))):
        mean, square = first[at] / n[at], second[at] / n[at]
        variance = max(square - mean**2, 1e-6 * square, sigma_floor**2) * n[at] / (n[at] - 1)
        k = t_quantile(design, n[at] - 1) * sqrt(1 + 1 / n[at])
        out[at] = (x[at] - mean) / sqrt(variance) * design / k
    return np.where(np.isfinite(out), out, 0)


def taps(t: float, cubic: bool) -> dict[int, float]:
    """Interpolation weights at the pixels about a place ``t`` in 0 to 1: Lagrange polynomials."""
    points = (-1, 0, 1, 2) if cubic else (0, 1)
    return {p: float(np.prod([(t - q) / (p - q) for q in points if q != p])) for p in points}


def shift(source: Array, row_shift: float, col_shift: float, cubic: bool = True) -> Array:
    rows, cols = source.shape
    out = np.zeros(source.shape)
    row, col = floor(row_shift), floor(col_shift)
    for i, down in taps(row_shift - row, cubic).items():
        for j, along in taps(col_shift - col, cubic).items():
            at_row = np.clip(np.arange(rows) + row + i, 0, rows - 1)
            at_col = np.clip(np.arange(cols) + col + j, 0, cols - 1)
            out += down * along * source[np.ix_(at_row, at_col)].astype(np.float64)
    return out


def shift_field(source: Array, field: Array) -> Array:
    tile_rows, tile_cols = (-(-size // n) for size, n in zip(source.shape, field.shape, strict=False))
    out = np.zeros(source.shape)
    for i, j in np.ndindex(*field.shape[:2]):
        tile = (
            slice(i * tile_rows, (i + 1) * tile_rows),
            slice(j * tile_cols, (j + 1) * tile_cols),
        )
        out[tile] = shift(source, *field[i, j].astype(float))[tile]
    return out


def shift_age(age: NDArray[np.uint8], row_shift: float, col_shift: float) -> NDArray[np.uint8]:
    out = np.zeros_like(age)
    for row, col in np.ndindex(*age.shape):
        r, c = row + floor(row_shift + 0.5), col + floor(col_shift + 0.5)
        if 0 <= r < age.shape[0] and 0 <= c < age.shape[1]:
            out[row, col] = age[r, c]
    return out


def shift_equations(reference: Array, frame: Array, row_shift: float, col_shift: float) -> tuple[Array, Array, Array]:
    """Errors, gradients of the frame and gradients of the resampled reference over the overlap, one row a pixel."""
    rows, cols = frame.shape
    step = 1e-5
    warped = shift(reference, row_shift, col_shift)
    slope_row = (shift(reference, row_shift + step, col_shift) - shift(reference, row_shift - step, col_shift)) / 2
    slope_col = (shift(reference, row_shift, col_shift + step) - shift(reference, row_shift, col_shift - step)) / 2
    row, col = floor(row_shift), floor(col_shift)
    inside = (
        slice(max(1, 1 - row), min(rows - 2, rows - 3 - row) + 1),
        slice(max(1, 1 - col), min(cols - 2, cols - 3 - col) + 1),
    )
    x = frame.astype(np.float64)
    gradient_row, gradient_col = np.gradient(x)
    return (
        (x - warped)[inside].ravel(),
        np.stack([gradient_row[inside].ravel(), gradient_col[inside].ravel()], axis=1),
        np.stack([slope_row[inside].ravel(), slope_col[inside].ravel()], axis=1) / step,
    )


def parabola(low: float, middle: float, high: float, snr: float) -> tuple[float, float]:
    """Offset of the vertex through the logarithms, and its sigma [pixel]."""
    offset, width = 0.0, 3.0
    if middle > 0:
        low, high = max(low, 0.1 * middle), max(high, 0.1 * middle)
        curvature = 2 * np.log(middle) - np.log(low) - np.log(high)
        if curvature > 1 / width**2:
            offset = float(np.clip((np.log(high) - np.log(low)) / (2 * curvature), -0.5, 0.5))
            width = 1 / sqrt(curvature)
    return offset, sqrt((width / snr) ** 2 + 0.02**2)


def compact_place(residual: Array, row: int, col: int, snr: float) -> tuple[float, float, float, float]:
    """Row, column and their sigmas from the 3 x 3 pixels about a peak; ``residual`` is positive there."""
    padded = np.pad(residual, 1, mode="edge")
    nine = padded[row : row + 3, col : col + 3].astype(np.float64)
    place = []
    for at, size, sums in (
        (row, residual.shape[0], nine @ [1, 2, 1]),
        (col, residual.shape[1], nine.T @ [1, 2, 1]),
    ):
        if 0 < at < size - 1:
            offset, sigma = parabola(*sums, snr)
        else:
            offset, sigma = 0.0, sqrt((3.0 / snr) ** 2 + 0.02**2)
        place.append((at + offset, sigma))
    return place[0][0], place[1][0], place[0][1], place[1][1]


def moments_of(rows: NDArray[np.int64], cols: NDArray[np.int64], weights: Array) -> tuple[float, float, float]:
    """Second moments of row, of column and of both about the weighted mean."""
    down, along = (x - (x * weights).sum() / weights.sum() for x in (rows, cols))
    row_row, col_col, row_col = (float((weights * a * b).sum() / weights.sum()) for a, b in
                                 ((down, down), (along, along), (down, along)))  # fmt: skip
    return row_row, col_col, row_col


def extract_plots(
    z: Array, residual: Array, threshold: float, samples: Array | None, saturation: int, bad: NDArray[np.int32]
) -> NDArray[np.void]:
    """All plots, strongest first."""
    plots = []
    near_bad = np.zeros(z.size, bool)
    near_bad[bad] = True
    near_bad = ndimage.binary_dilation(near_bad.reshape(z.shape), EIGHT)
    for sign in (1, -1):
        with np.errstate(invalid="ignore"):
            labels, n = ndimage.label(sign * z > np.float32(threshold), EIGHT)
        for k in range(1, n + 1):
            rows, cols = np.nonzero(labels == k)
            scores = np.abs(z[rows, cols])
            peak = int(np.argmax(scores))  # the first one in row order
            snr = float(scores[peak])
            flags = DARK if sign < 0 else 0
            if rows.min() == 0 or cols.min() == 0 or rows.max() == z.shape[0] - 1 or cols.max() == z.shape[1] - 1:
                flags |= EDGE
            if samples is not None and (samples[rows, cols] >= saturation).any():
                flags |= SATURATED
            if near_bad[rows, cols].any():
                flags |= NEAR_BAD_PIXEL
            n_rows, n_cols = np.ptp(rows) + 1, np.ptp(cols) + 1
            amplitude = residual[rows[peak], cols[peak]]
            weights = np.abs(residual[rows, cols]).astype(np.float64)
            if max(n_rows, n_cols) <= 7 or weights.sum() == 0:
                place = compact_place(sign * residual, int(rows[peak]), int(cols[peak]), snr)
            else:
                row, col = (rows * weights).sum() / weights.sum(), (cols * weights).sum() / weights.sum()
                noise = abs(amplitude) / snr / weights.sum()
                place = (
                    row,
                    col,
                    sqrt(noise**2 * ((rows - row) ** 2).sum() + 0.02**2),
                    sqrt(noise**2 * ((cols - col) ** 2).sum() + 0.02**2),
                )
            shape = min(rows.size, 65535), flags, n_rows, n_cols
            flux = residual[rows, cols].astype(np.float64).sum()
            moments = moments_of(rows, cols, weights) if weights.sum() else (0.0, 0.0, 0.0)
            plots.append((*place, amplitude, snr, *shape, 0.0, flux, *moments, rows[peak], cols[peak]))
    out = np.array(plots, PLOT_DTYPE)
    return out[np.lexsort((out["col"], out["row"], -out["snr"]))]
