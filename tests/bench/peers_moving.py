"""The stages of the onboard chain in Numba, each with the call of our kernel: same arguments, same arrays written.

So the chain itself can run on them in place of ours (`bench_chain.py`), and what it computes stays the same. Arguments
that only our kernels need, such as scratch, are left unused. Filter, whitening and extraction: `peers_score.py`.
"""

import cv2
import numba
import numpy as np

from tests.bench.peers_numba import blend_rows

compiled = numba.njit(error_model="numpy", fastmath=False)
F = np.float32
OUTLIER = F(9)
BEYOND_PX = 0.1


@compiled
def calibrate(samples, gain, offset, out):
    rows, cols = samples.shape
    for r in range(rows):
        for c in range(cols):
            out[r, c] = (F(samples[r, c]) - offset[r, c]) * gain[r, c]


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
def keys(t):
    taps = np.empty(4, np.float32)
    taps[0] = t * (-0.5 + t * (1.0 - 0.5 * t))
    taps[1] = 1.0 + t * t * (-2.5 + 1.5 * t)
    taps[2] = t * (0.5 + t * (2.0 - 1.5 * t))
    taps[3] = t * t * (-0.5 + 0.5 * t)
    return taps


@compiled
def linear(t):
    taps = np.empty(2, np.float32)
    taps[0] = 1 - t
    taps[1] = t
    return taps


@compiled
def resample_row(x, r, row, col, down, along, first, last, work, out):
    """Columns first to last - 1 of row r displaced by whole pixels and four or two taps; edges replicated."""
    rows, cols = x.shape
    taps = down.size
    before = taps // 2 - 1
    n = last - first + taps - 1
    start = first + col - before
    left = min(max(-start, 0), n)
    right = max(min(cols - start, n), left)
    top = rows - 1
    a = x[min(max(r + row - before, 0), top)]
    b = x[min(max(r + row - before + 1, 0), top)]
    c = x[min(max(r + row - before + 2, 0), top)]
    d = x[min(max(r + row - before + 3, 0), top)]
    if right > left:
        s, e = start + left, start + right
        blend_rows(a[s:e], b[s:e], c[s:e], d[s:e], down, work[left:right])
    if left > 0:
        blend_rows(a[:1], b[:1], c[:1], d[:1], down, work[:1])
        work[1:left] = work[0]
    if right < n:
        blend_rows(a[cols - 1 :], b[cols - 1 :], c[cols - 1 :], d[cols - 1 :], down, work[right : right + 1])
        work[right + 1 : n] = work[right]
    m = last - first
    blend_rows(work[:m], work[1 : m + 1], work[2 : m + 2], work[3 : m + 3], along, out[first:last])


@compiled
def plan_runs(field, sign, row_step, col_step, cubic, tile_cols, cols, runs, down, along):
    """Tiles of a row that move by the same whole pixels as runs of columns, with the taps of each column."""
    count = 0
    for j in range(field.shape[0]):
        first, last = j * tile_cols, min((j + 1) * tile_cols, cols)
        if first >= cols:
            break
        row, col = sign * np.float64(field[j, 0]) + row_step, sign * np.float64(field[j, 1]) + col_step
        p, q, near_row, near_col = np.floor(row), np.floor(col), np.rint(row), np.rint(col)
        row_taps = keys(row - p) if cubic else linear(row - p)
        col_taps = keys(col - q) if cubic else linear(col - q)
        for k in range(row_taps.size):
            down[k, first:last] = row_taps[k]
            along[k, first:last] = col_taps[k]
        if (
            count > 0
            and runs[count - 1, 2] == p
            and runs[count - 1, 3] == q
            and runs[count - 1, 4] == near_row
            and runs[count - 1, 5] == near_col
        ):
            runs[count - 1, 1] = last
            continue
        runs[count, 0], runs[count, 1], runs[count, 2], runs[count, 3] = first, last, int(p), int(q)
        runs[count, 4], runs[count, 5] = int(near_row), int(near_col)
        count += 1
    return count


@compiled
def blend_each(a, b, c, d, ta, tb, tc, td, out):
    for i in range(out.size):
        out[i] = (ta[i] * a[i] + tb[i] * b[i]) + (tc[i] * c[i] + td[i] * d[i])


@compiled
def blend_two_each(a, b, ta, tb, out):
    for i in range(out.size):
        out[i] = ta[i] * a[i] + tb[i] * b[i]


@compiled
def resample_run(x, r, run, cubic, down, along, work, out):
    """`resample_row` with taps for each column; a column is first blended down with the taps of its own."""
    rows, cols = x.shape
    first, last, row, col = run[0], run[1], run[2], run[3]
    before, taps = (1, 4) if cubic else (0, 2)
    n, top = last - first, rows - 1
    wide, start = n + taps - 1, first + col - before
    a = x[min(max(r + row - before, 0), top)]
    b = x[min(max(r + row - before + 1, 0), top)]
    c = x[min(max(r + row - before + 2, 0), top)]
    d = x[min(max(r + row - before + 3, 0), top)]
    left = min(max(-start, before), before + n)
    right = max(min(cols - start, before + n), left)
    for k in range(wide):
        if left <= k < right:
            continue
        i, t = min(max(start + k, 0), cols - 1), first + min(max(k - before, 0), n - 1)
        if cubic:
            work[k] = (down[0, t] * a[i] + down[1, t] * b[i]) + (down[2, t] * c[i] + down[3, t] * d[i])
        else:
            work[k] = down[0, t] * a[i] + down[1, t] * b[i]
    if right > left:
        s, e, t, u = start + left, start + right, first + left - before, first + right - before
        if cubic:
            blend_each(
                a[s:e], b[s:e], c[s:e], d[s:e], down[0, t:u], down[1, t:u], down[2, t:u], down[3, t:u],
                work[left:right],
            )  # fmt: skip
        else:
            blend_two_each(a[s:e], b[s:e], down[0, t:u], down[1, t:u], work[left:right])
    t, u = first, last
    if cubic:
        blend_each(
            work[:n], work[1 : n + 1], work[2 : n + 2], work[3 : n + 3], along[0, t:u], along[1, t:u], along[2, t:u],
            along[3, t:u], out[t:u],
        )  # fmt: skip
    else:
        blend_two_each(work[:n], work[1 : n + 1], along[0, t:u], along[1, t:u], out[t:u])


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


@compiled
def lagrange(t):
    taps = np.empty(4, np.float32)
    taps[0] = -t * (t - 1) * (t - 2) / 6
    taps[1] = (t + 1) * (t - 1) * (t - 2) / 2
    taps[2] = -t * (t + 1) * (t - 2) / 2
    taps[3] = t * (t + 1) * (t - 1) / 6
    return taps


@compiled
def resample_loop(source, field, work, out):
    rows, cols = source.shape
    n, m = field.shape[:2]
    tile_rows, tile_cols = (rows + n - 1) // n, (cols + m - 1) // m
    for r in range(rows):
        for j in range(m):
            first, last = j * tile_cols, min((j + 1) * tile_cols, cols)
            if first < cols:
                down, along = np.float64(field[r // tile_rows, j, 0]), np.float64(field[r // tile_rows, j, 1])
                p, q = int(np.floor(down)), int(np.floor(along))
                resample_row(source, r, p, q, lagrange(down - p), lagrange(along - q), first, last, work, out[r])


class Resample:
    """Row buffer of one frame size."""

    def __init__(self, cols: int) -> None:
        self.work = np.empty(cols + 4, np.float32)

    def field(self, source, field, _first_row, _last_row, _scratch, out):
        resample_loop(source, field, self.work, out)


def calibrate_opencv(samples, gain, offset, out):
    cv2.subtract(samples, offset, out, dtype=cv2.CV_32F)
    cv2.multiply(out, gain, out)
