"""Rows of an image resampled along a field of displacements by tile, in Numba: what the moving background rests on.

`Resample` has the call of our kernel; the rest serves `peers_moving.py`.
"""

import numba
import numpy as np

from tests.bench.peers_numba import blend_rows

compiled = numba.njit(error_model="numpy", fastmath=False)
F = np.float32


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
