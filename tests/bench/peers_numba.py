"""The stages as plain loops compiled by Numba, one thread, same rounding as IEEE floats ask for.

`error_model="numpy"` leaves out the test for division by zero, without which no loop with a division vectorises.
"""

import numba
import numpy as np

from tests.bench.measure import Run
from tests.bench.peers import cubic_taps, linear_taps, neighbour_table, ring_factors

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
        age[i] = np.uint8(np.int32(w + F(1) if w < age_limit else w))


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
    numbers = F(age_limit), F(clip), F(unclip), F(floor)

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
def slide_rows(x, r, half, pivot, first, second):
    """Move the column sums of x - pivot and of its square on to the window about row r."""
    rows, cols = x.shape
    if half < r and r + half < rows:
        new, old = x[r + half], x[r - half - 1]
        for c in range(cols):
            a, b = np.float64(new[c] - pivot), np.float64(old[c] - pivot)
            first[c] += a - b
            second[c] += a * a - b * b
    elif r + half < rows:
        new = x[r + half]
        for c in range(cols):
            a = np.float64(new[c] - pivot)
            first[c] += a
            second[c] += a * a
    elif half < r:
        old = x[r - half - 1]
        for c in range(cols):
            b = np.float64(old[c] - pivot)
            first[c] -= b
            second[c] -= b * b


@compiled
def first_rows(x, half, pivot, first, second):
    """Column sums over the rows before the first window's last."""
    first[:] = 0
    second[:] = 0
    for r in range(min(half, x.shape[0])):
        for c in range(x.shape[1]):
            a = np.float64(x[r, c] - pivot)
            first[c] += a
            second[c] += a * a


@compiled
def slide_columns(first, second, half, n, mean, square):
    """Sums over 2 half + 1 columns; first and second are padded by half + 1 zeros before and half after."""
    width = 2 * half + 1
    a = 0.0
    b = 0.0
    for c in range(width):
        a += first[c]
        b += second[c]
    for c in range(n):
        a += first[c + width] - first[c]
        b += second[c + width] - second[c]
        mean[c] = F(a)
        square[c] = F(b)


@compiled
def normalise_loop(x, half, pivot, floor, sums, lines, share, out):
    rows, cols = x.shape
    first, second = sums[0, half + 1 : half + 1 + cols], sums[1, half + 1 : half + 1 + cols]
    mean, square = lines[0], lines[1]
    first_rows(x, half, pivot, first, second)
    for r in range(rows):
        slide_rows(x, r, half, pivot, first, second)
        slide_columns(sums[0], sums[1], half, cols, mean, square)
        below = F(1) / F(min(r + half, rows - 1) - max(r - half, 0) + 1)
        y, line = out[r], x[r]
        for c in range(cols):
            s = share[c] * below
            m = mean[c] * s
            v = max(square[c] * s - m * m, floor)
            y[c] = (line[c] - pivot - m) / np.sqrt(v)


def inverse_line(cols: int, half: int) -> np.ndarray:
    """One by the number of columns within ``half`` of each column, float32 [cols]."""
    c = np.arange(cols)
    return (1 / (np.minimum(c + half, cols - 1) - np.maximum(c - half, 0) + 1)).astype(np.float32)


def normalise_numba(frame: np.ndarray, window: int, sigma_floor: float, pivot: float) -> Run:
    cols, half = frame.shape[1], window // 2
    out, sums, lines = np.empty_like(frame), np.zeros((2, cols + window)), np.empty((2, cols), np.float32)
    share = inverse_line(cols, half)

    def run() -> np.ndarray:
        normalise_loop(frame, half, F(pivot), F(sigma_floor**2), sums, lines, share, out)
        return out

    return run


@compiled
def blend_rows(a, b, c, d, taps, out):
    """Write the sum of four rows by their taps, or of two; as slices: an index that may be negative is slow."""
    t0, t1 = taps[0], taps[1]
    if taps.size == 4:
        t2, t3 = taps[2], taps[3]
        for i in range(out.size):
            out[i] = (t0 * a[i] + t1 * b[i]) + (t2 * c[i] + t3 * d[i])
    else:
        for i in range(out.size):
            out[i] = t0 * a[i] + t1 * b[i]


@compiled
def shift_loop(x, row, col, down, along, line, out):
    rows, cols = x.shape
    taps = down.size
    n = cols + taps - 1
    # Columns of the source that the row reads and that exist; beyond them the edge repeats.
    left, right = min(max(-col, 0), n), min(max(cols - col, 0), n)
    for r in range(rows):
        a = x[min(max(r + row, 0), rows - 1)][left + col : right + col]
        b = x[min(max(r + row + 1, 0), rows - 1)][left + col : right + col]
        c = x[min(max(r + row + 2, 0), rows - 1)][left + col : right + col]
        d = x[min(max(r + row + 3, 0), rows - 1)][left + col : right + col]
        blend_rows(a, b, c, d, down, line[left:right])
        line[:left] = line[left]
        line[right:n] = line[right - 1]
        blend_rows(line[:cols], line[1 : cols + 1], line[2 : cols + 2], line[3 : cols + 3], along, out[r])


def shift_numba(source: np.ndarray, row_shift: float, col_shift: float, cubic: bool) -> Run:
    row, col = int(np.floor(row_shift)), int(np.floor(col_shift))
    taps = cubic_taps if cubic else linear_taps
    down, along = taps(row_shift - row), taps(col_shift - col)
    first = 1 if cubic else 0
    line, out = np.empty(source.shape[1] + 3, np.float32), np.empty_like(source)

    def run() -> np.ndarray:
        shift_loop(source, row - first, col - first, down, along, line, out)
        return out

    return run


@compiled
def slide_ring(sums, half, guard_half, n, mean, square):
    """Sums over the columns of the window less those of the guard, four running sums at once; padding as above."""
    wide, narrow = 2 * half + 1, 2 * guard_half + 1
    first, second = sums[0], sums[1]
    # The guard's sums stand in the same columns, so its window starts half - guard_half further on.
    inner, inner2 = sums[2, half - guard_half :], sums[3, half - guard_half :]
    a = 0.0
    b = 0.0
    p = 0.0
    q = 0.0
    for c in range(wide):
        a += first[c]
        b += second[c]
    for c in range(narrow):
        p += inner[c]
        q += inner2[c]
    for c in range(n):
        a += first[c + wide] - first[c]
        b += second[c + wide] - second[c]
        p += inner[c + narrow] - inner[c]
        q += inner2[c + narrow] - inner2[c]
        mean[c] = F(a - p)
        square[c] = F(b - q)


@compiled
def cfar_loop(x, half, guard_half, pivot, floor, sums, lines, share, scale, out):
    rows, cols = x.shape
    inside = sums[:, half + 1 : half + 1 + cols]
    mean, square = lines[0], lines[1]
    first_rows(x, half, pivot, inside[0], inside[1])
    first_rows(x, guard_half, pivot, inside[2], inside[3])
    for r in range(rows):
        slide_rows(x, r, half, pivot, inside[0], inside[1])
        slide_rows(x, r, guard_half, pivot, inside[2], inside[3])
        slide_ring(sums, half, guard_half, cols, mean, square)
        y, line, one, factor = out[r], x[r], share[r], scale[r]
        for c in range(cols):
            m = mean[c] * one[c]
            v = max(square[c] * one[c] - m * m, floor)
            y[c] = (line[c] - pivot - m) / np.sqrt(v * factor[c])


def cfar_numba(frame: np.ndarray, window: int, guard: int, design: float, sigma_floor: float, pivot: float) -> Run:
    cols = frame.shape[1]
    out, sums, lines = np.empty_like(frame), np.zeros((4, cols + window)), np.empty((2, cols), np.float32)
    share, scale = ring_factors(*frame.shape, window, guard, design)

    def run() -> np.ndarray:
        cfar_loop(frame, window // 2, guard // 2, F(pivot), F(sigma_floor**2), sums, lines, share, scale, out)
        return out

    return run
