"""Estimate of the shift between two frames: the same least squares in Numba, and what libraries offer.

OpenCV and scikit-image find the same shift by other means (phase correlation, enhanced correlation coefficient), so it
is the truth that all are held to, and the error of each is noted beside its time.
"""

from collections.abc import Callable

import cv2
import numba
import numpy as np
from skimage.registration import phase_cross_correlation

from tests.bench.measure import Run

compiled = numba.njit(error_model="numpy", fastmath=False)
F = np.float32

CONVERGED_PX, LONGEST_STEP_PX, WORST_SIGMA_PX = 0.02, 2.0, 0.3
MAX_STEPS, FEWEST_PIXELS = 12, 64
COARSE, FEWEST_COARSE_ROWS, COARSE_SIGMA_PX, NEAR_PX = 4, 16, 0.1, 0.25
Taps = Callable[[float], np.ndarray]


@compiled
def lagrange(t):
    """Weights of the pixels at -1, 0, 1, 2 for a place t in 0 to 1, and their derivatives."""
    taps, slopes = np.empty(4, np.float32), np.empty(4, np.float32)
    taps[0] = t * (-1 / 3.0 + t * (0.5 - t / 6))
    taps[1] = 1.0 + t * (-0.5 + t * (-1.0 + 0.5 * t))
    taps[2] = t * (1.0 + t * (0.5 - 0.5 * t))
    taps[3] = t * (-1 / 6.0 + t * t / 6)
    slopes[0] = -1 / 3.0 + t * (1.0 - 0.5 * t)
    slopes[1] = -0.5 + t * (-2.0 + 1.5 * t)
    slopes[2] = 1.0 + t * (1.0 - 1.5 * t)
    slopes[3] = -1 / 6.0 + 0.5 * t * t
    return taps, slopes


@compiled
def blend(a, b, c, d, taps, out):
    ta, tb, tc, td = taps[0], taps[1], taps[2], taps[3]
    for i in range(out.size):
        out[i] = (ta * a[i] + tb * b[i]) + (tc * c[i] + td * d[i])


@compiled
def errors_of_row(above, frame, below, values, slopes, along, along_slopes, bias, limit, left, right):
    """Fill gr, gc, e, use and wr, wc of one row; what does not count becomes zero."""
    ta, tb, tc, td = along[0], along[1], along[2], along[3]
    da, db, dc, dd = along_slopes[0], along_slopes[1], along_slopes[2], along_slopes[3]
    gr, gc, err, use = left[0], left[1], left[2], left[3]
    wr, wc = right[0], right[1]
    largest = F(3.4e38)
    for i in range(gr.size):
        v0, v1, v2, v3 = values[i], values[i + 1], values[i + 2], values[i + 3]
        e = frame[i + 1] - ((ta * v0 + tb * v1) + (tc * v2 + td * v3)) - bias
        c = (da * v0 + db * v1) + (dc * v2 + dd * v3)
        r = (ta * slopes[i] + tb * slopes[i + 1]) + (tc * slopes[i + 2] + td * slopes[i + 3])
        down = F(0.5) * (below[i] - above[i])
        side = F(0.5) * (frame[i + 2] - frame[i])
        good = (abs(e) <= limit) & (abs(down + side + r + c) <= largest)
        gr[i] = down if good else F(0)
        gc[i] = side if good else F(0)
        err[i] = e if good else F(0)
        use[i] = F(1) if good else F(0)
        wr[i] = r if good else F(0)
        wc[i] = c if good else F(0)


@compiled
def add_up(reference, frame, row_shift, col_shift, bias, limit, step, totals):
    """Sums of products of gradients and errors, each by one BLAS call a row; False without overlap."""
    rows, cols = frame.shape
    row, col = int(np.floor(row_shift)), int(np.floor(col_shift))
    first_row, last_row = max(1, 1 - row), min(rows - 2, rows - 3 - row)
    first_col, last_col = max(1, 1 - col), min(cols - 2, cols - 3 - col)
    n = last_col - first_col + 1
    if last_row < first_row or n < 1:
        return False
    down, down_slopes = lagrange(row_shift - row)
    along, along_slopes = lagrange(col_shift - col)
    rows_of = np.empty((6, n), np.float32)
    values, slopes = np.empty(n + 3, np.float32), np.empty(n + 3, np.float32)
    totals[:] = 0
    start = first_col + col - 1
    for r in range(first_row, last_row + 1, step):
        a = reference[r + row - 1, start : start + n + 3]
        b = reference[r + row, start : start + n + 3]
        c = reference[r + row + 1, start : start + n + 3]
        d = reference[r + row + 2, start : start + n + 3]
        blend(a, b, c, d, down, values)
        blend(a, b, c, d, down_slopes, slopes)
        errors_of_row(
            frame[r - 1, first_col : first_col + n],
            frame[r, first_col - 1 : first_col + n + 1],
            frame[r + 1, first_col : first_col + n],
            values, slopes, along, along_slopes, bias, limit, rows_of[:4], rows_of[4:],
        )  # fmt: skip
        for i in range(4):
            # Of the products with gr, gc, e and use only half are needed, for they are symmetric.
            for j in range(i, 6 if i < 2 else 4):
                totals[i, j] += np.dot(rows_of[i], rows_of[j])
    return totals[3, 3] >= FEWEST_PIXELS


@compiled
def estimate_loop(reference, frame, row, col, clip, step):
    rows, cols = frame.shape
    s = np.zeros((4, 6))
    bias, limit = 0.0, 3.4e38
    sigma_row = sigma_col = rms = 0.0
    used = 0
    coarse = rows // (COARSE * step) >= FEWEST_COARSE_ROWS
    for k in range(MAX_STEPS):
        every = COARSE * step if coarse else step
        if not add_up(reference, frame, row, col, F(bias), F(min(limit, 3.4e38)), every, s):
            if coarse:
                coarse = False
                continue
            break
        # Rows of s: gr, gc, e, use; columns: gr, gc, e, use, wr, wc.
        n, total, square = s[3, 3], s[2, 3], s[2, 2]
        determinant = s[0, 4] * s[1, 5] - s[0, 5] * s[1, 4]
        variance = square / n - (total / n) ** 2
        used, rms = int(n), np.sqrt(max(variance, 0.0))
        if not (determinant > 0 and np.isfinite(variance)):
            if coarse:
                coarse = False
                continue
            break
        a, b, c, d = s[1, 5] / determinant, -s[0, 5] / determinant, -s[1, 4] / determinant, s[0, 4] / determinant
        step_row, step_col = a * s[0, 2] + b * s[1, 2], c * s[0, 2] + d * s[1, 2]
        variance = max(variance, 0.0)
        sigma_row = np.sqrt(max(variance * (a * a * s[0, 0] + 2 * a * b * s[0, 1] + b * b * s[1, 1]), 0.0))
        sigma_col = np.sqrt(max(variance * (c * c * s[0, 0] + 2 * c * d * s[0, 1] + d * d * s[1, 1]), 0.0))
        if coarse and max(sigma_row, sigma_col) > COARSE_SIGMA_PX:
            coarse = False
            continue
        length = np.hypot(step_row, step_col)
        if not np.isfinite(length):
            break
        if length > LONGEST_STEP_PX:
            step_row *= LONGEST_STEP_PX / length
            step_col *= LONGEST_STEP_PX / length
        row += step_row
        col += step_col
        if not (abs(row) < rows and abs(col) < cols):
            break
        if k > 1 and not coarse and length < max(CONVERGED_PX, 0.25 * min(sigma_row, sigma_col)):
            if sigma_row < WORST_SIGMA_PX and sigma_col < WORST_SIGMA_PX:
                return row, col, sigma_row, sigma_col, rms, used
            break
        bias += total / n
        limit = clip * rms if length < 0.5 else 3.4e38
        coarse = coarse and (k == 0 or length > NEAR_PX)
    return np.nan, np.nan, np.nan, np.nan, rms, used


def estimate_shift_numba(reference, frame, initial_row, initial_col, clip, step, scratch=None):
    """Same call as `lookdown.kernels.register.estimate_shift`."""
    return estimate_loop(reference, frame, float(initial_row), float(initial_col), float(clip), step)


def shift_phase_opencv(reference: np.ndarray, frame: np.ndarray, prediction: tuple[float, float], side: int) -> Run:
    """Phase correlation of the middle, after a shift by the whole pixels of the prediction."""
    rows, cols = frame.shape
    row, col = (round(p) for p in prediction)
    top, left = (rows - side) // 2, (cols - side) // 2
    window = cv2.createHanningWindow((side, side), cv2.CV_32F)
    a, b = np.empty((side, side), np.float32), np.empty((side, side), np.float32)

    def run() -> np.ndarray:
        # cv2.phaseCorrelate overwrites its inputs.
        a[...] = reference[top + row : top + row + side, left + col : left + col + side]
        b[...] = frame[top : top + side, left : left + side]
        (along, down), _ = cv2.phaseCorrelate(a, b, window)
        return np.array([row - down, col - along])

    return run


def shift_phase_skimage(reference: np.ndarray, frame: np.ndarray, upsampling: int) -> Run:
    return lambda: phase_cross_correlation(reference, frame, upsample_factor=upsampling)[0].astype(float)


def shift_ecc_opencv(reference: np.ndarray, frame: np.ndarray, prediction: tuple[float, float]) -> Run:
    """Enhanced correlation coefficient over the whole frame, from the prediction on."""
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 20, 1e-6)

    def run() -> np.ndarray:
        warp = np.array([[1, 0, prediction[1]], [0, 1, prediction[0]]], np.float32)
        _, warp = cv2.findTransformECC(frame, reference, warp, cv2.MOTION_TRANSLATION, criteria, None, 1)
        return warp[::-1, 2].astype(float)

    return run
