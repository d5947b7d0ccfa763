"""The moving background in Numba, with the calls of our kernels: same arguments, same arrays written.

So the chain itself can run on them in place of ours (`bench_chain.py`), and what it computes stays the same. Arguments
that only our kernels need, such as scratch, are left unused. Calibration and spikes: `peers_clean.py`; filter,
whitening and extraction: `peers_score.py`.
"""

import numba
import numpy as np

from tests.bench.peers_resample import linear, plan_runs, resample_row, resample_run

compiled = numba.njit(error_model="numpy", fastmath=False)
F = np.float32
OUTLIER = F(9)
BEYOND_PX = 0.1


@compiled
def subtract_row(frame, mean, above, below, left, right, noise, age, factor, floor, residual, predicted):
    for i in range(frame.size):
        w = F(age[i])
        down = below[i] - above[i]
        along = right[i] - left[i]
        rest = frame[i] - mean[i]
        variance = noise[i] * (w + F(1)) / max(w, F(1)) + factor * (down * down + along * along)
        residual[i] = rest if w > F(0.5) else F(0)
        predicted[i] = variance + floor if w > F(0.5) else F(-1)


@compiled
def subtract_loop(
    frame, mean, noise, age, field, factor, floor, lines, work, runs, down, along, residual, predicted
):  # fmt: skip
    rows, cols = frame.shape
    n, m = field.shape[:2]
    tile_rows, tile_cols = (rows + n - 1) // n, (cols + m - 1) // m
    counts = np.zeros(2, np.int64)
    for r in range(rows + 1):
        if r < rows:
            row = lines[r % 3]
            which = (r // tile_rows) % 2
            if r % tile_rows == 0:
                counts[which] = plan_runs(
                    field[r // tile_rows], 1.0, 0.0, 0.0, True, tile_cols, cols, runs[which], down, along
                )
            for j in range(counts[which]):
                run = runs[which, j]
                if m > 1:
                    resample_run(mean, r, run, True, down, along, work, row[1 : cols + 1])
                else:
                    resample_row(
                        mean, r, run[2], run[3], down[:, 0].copy(), along[:, 0].copy(), 0, cols, work, row[1 : cols + 1]
                    )
            row[0] = row[1]
            row[cols + 1] = row[cols]
        if r == 0:
            continue
        k = r - 1
        row = lines[k % 3]
        above = lines[(k + 2) % 3] if k > 0 else row
        below = lines[r % 3] if r < rows else row
        which = (k // tile_rows) % 2
        for j in range(counts[which]):
            first, last, q, s = runs[which, j, 0], runs[which, j, 1], k + runs[which, j, 4], runs[which, j, 5]
            left = min(max(-s, first), last)
            right = min(max(cols - s, left), last)
            if not 0 <= q < rows:
                left = right = last
            residual[k, first:left] = 0
            predicted[k, first:left] = -1
            residual[k, right:last] = 0
            predicted[k, right:last] = -1
            if right > left:
                subtract_row(
                    frame[k, left:right], row[left + 1 : right + 1], above[left + 1 : right + 1],
                    below[left + 1 : right + 1], row[left:right], row[left + 2 : right + 2],
                    noise[q, left + s : right + s], age[q, left + s : right + s], factor, floor,
                    residual[k, left:right], predicted[k, left:right],
                )  # fmt: skip


class Lines:
    """Row buffers of one frame size."""

    def __init__(self, cols: int) -> None:
        self.lines = np.empty((3, cols + 2), np.float32)
        self.work, self.back, self.near = (np.empty(cols + 4, np.float32) for _ in range(3))
        self.runs = np.zeros((2, cols, 6), np.int64)
        self.down, self.along = np.empty((4, cols), np.float32), np.empty((4, cols), np.float32)

    def subtract(self, frame, mean, noise, age, field, blur, variance_floor, _scratch, residual, predicted):
        subtract_loop(
            frame, mean, noise, age, field, F(0.25 * blur**2), F(variance_floor), self.lines, self.work,
            self.runs, self.down, self.along, residual, predicted,
        )  # fmt: skip

    def renew(
        self, frame, residual, variance, mean, noise, age, field, row_step, col_step, age_limit, _scratch,
        new_mean, new_noise, new_age,
    ):  # fmt: skip
        renew_loop(
            frame, residual, variance, mean, noise, age, field, row_step, col_step, F(age_limit),
            self.work, self.back, self.near, self.runs[0], self.down, self.along, new_mean, new_noise, new_age,
        )  # fmt: skip


@compiled
def renew_row(residual, variance, mean, noise, age, limit, new_mean, new_noise, new_age):
    for i in range(residual.size):
        w = F(age[i])
        v = variance[i]
        most = OUTLIER * noise[i]
        v = v if (v < most) | (w < F(1.5)) else most
        new_mean[i] = mean[i] + residual[i] / (w + F(1))
        new_noise[i] = noise[i] + (v - noise[i]) / w if w > F(1.5) else v
        new_age[i] = np.uint8(np.int32(w + F(1) if w < limit else w))


@compiled
def renew_loop(
    frame, residual, variance, mean, noise, age, field, row_step, col_step, limit,
    work, back, near, runs, row_taps, col_taps, new_mean, new_noise, new_age,
):  # fmt: skip
    rows, cols = frame.shape
    n, m = field.shape[:2]
    tile_rows, tile_cols = (rows + n - 1) // n, (cols + m - 1) // m
    count = 0
    for r in range(rows):
        if r % tile_rows == 0:
            count = plan_runs(
                field[r // tile_rows], -1.0, row_step, col_step, False, tile_cols, cols, runs, row_taps, col_taps
            )
        for j in range(count):
            run = runs[j]
            first, last, p, s, near_row, near_col = run[0], run[1], run[2], run[3], run[4], run[5]
            # Of a run that is several tiles, the first speaks for where it ends.
            down = row_step - np.float64(field[r // tile_rows, first // tile_cols, 0])
            along = col_step - np.float64(field[r // tile_rows, first // tile_cols, 1])
            down_taps, along_taps = linear(down - p), linear(along - s)
            if m > 1:
                resample_run(residual, r, run, False, row_taps, col_taps, work, back)
            else:
                resample_row(residual, r, p, s, down_taps, along_taps, first, last, work, back)
            line = variance[min(max(r + near_row, 0), rows - 1)]
            left = min(max(-near_col, first), last)
            right = min(max(cols - near_col, left), last)
            near[first:left] = line[0]
            near[left:right] = line[left + near_col : right + near_col]
            near[right:last] = line[cols - 1]
            q = r + row_step
            left = min(max(-col_step, first), last)
            right = min(max(cols - col_step, left), last)
            if not 0 <= q < rows:
                left = right = last
            fresh = left > first or right < last
            if right > left:
                s0, s1 = left + col_step, right + col_step
                renew_row(
                    back[left:right], near[left:right], mean[q, s0:s1], noise[q, s0:s1], age[q, s0:s1], limit,
                    new_mean[r, left:right], new_noise[r, left:right], new_age[r, left:right],
                )  # fmt: skip
                zeros = np.int32(0)
                for w in age[q, s0:s1]:
                    zeros += np.int32(w == 0)
                fresh = fresh or zeros > 0
            if fresh:
                if m > 1:
                    resample_run(frame, r, run, False, row_taps, col_taps, work, back)
                else:
                    resample_row(frame, r, p, s, down_taps, along_taps, first, last, work, back)
                for c in range(first, last):
                    if c < left or c >= right or age[q, c + col_step] == 0:
                        new_mean[r, c] = back[c]
                        new_noise[r, c] = near[c]
                        new_age[r, c] = 1
            left = right = last
            if -BEYOND_PX <= r + down <= rows - 1 + BEYOND_PX:
                left = min(max(int(np.ceil(-along - BEYOND_PX)), first), last)
                right = min(max(int(np.floor(cols - 1 + BEYOND_PX - along)) + 1, left), last)
            if left > first or right < last:
                # What the frame does not show stays as it was.
                if m > 1:
                    resample_run(frame, r, run, False, row_taps, col_taps, work, back)
                else:
                    resample_row(frame, r, p, s, down_taps, along_taps, first, last, work, back)
                for c in range(first, last):
                    if left <= c < right:
                        continue
                    if 0 <= q < rows and 0 <= c + col_step < cols and age[q, c + col_step] > 0:
                        new_mean[r, c] = mean[q, c + col_step]
                        new_noise[r, c] = noise[q, c + col_step]
                        new_age[r, c] = age[q, c + col_step]
                    else:
                        new_mean[r, c] = back[c]
                        new_noise[r, c] = near[c]
                        new_age[r, c] = 0
