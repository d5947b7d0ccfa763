"""Peers of the kernels that serve a view with pointing: holding back what stands out, and the tiles' displacements."""

import numpy as np

from tests.bench.measure import Run
from tests.bench.peers_numba import F, compiled


@compiled
def hold_loop(z, limit, residual, out):
    for i in range(z.size):
        size = abs(z[i])
        out[i] = residual[i] * (limit / (size if size > limit else limit))


def hold_numba(z: np.ndarray, limit: float, residual: np.ndarray) -> Run:
    out = np.empty_like(residual)

    def run() -> np.ndarray:
        np.copyto(out, residual)
        hold_loop(z.ravel(), F(limit), out.ravel(), out.ravel())
        return out

    return run


def hold_numpy(z: np.ndarray, limit: float, residual: np.ndarray) -> Run:
    out, work = np.empty_like(residual), np.empty_like(residual)

    def run() -> np.ndarray:
        np.copyto(out, residual)
        np.abs(z, out=work)
        np.maximum(work, F(limit), out=work)
        np.divide(F(limit), work, out=work)
        np.multiply(out, work, out=out)
        return out

    return run


@compiled
def normals_loop(frame, residual, predicted, scale, clip2, tile, out):
    rows, cols = frame.shape
    out[:] = 0
    for r in range(1, rows - 1):
        for j in range(out.shape[1]):
            rr = rc = cc = br = bc = F(0)
            for c in range(max(j * tile, 1), min((j + 1) * tile, cols - 1)):
                down = F(0.5) * ((frame[r + 1, c] - residual[r + 1, c]) - (frame[r - 1, c] - residual[r - 1, c]))
                along = F(0.5) * ((frame[r, c + 1] - residual[r, c + 1]) - (frame[r, c - 1] - residual[r, c - 1]))
                e = residual[r, c]
                variance = scale * predicted[r, c]
                if variance > 0 and e * e <= clip2 * variance:
                    w = F(1) / variance
                    rr += w * down * down
                    rc += w * down * along
                    cc += w * along * along
                    br += w * down * e
                    bc += w * along * e
            sums = out[r // tile, j]
            sums[0] += rr
            sums[1] += rc
            sums[2] += cc
            sums[3] += br
            sums[4] += bc


def tile_normals(frame, residual, predicted, scale, clip, _first_row, _last_row, out):
    """With the call of our kernel."""
    normals_loop(frame, residual, predicted, F(scale), F(clip**2), -(-frame.shape[0] // out.shape[0]), out)


def normals_numba(
    frame: np.ndarray, residual: np.ndarray, predicted: np.ndarray, scale: float, clip: float, tile: int
) -> Run:
    out = np.empty((-(-frame.shape[0] // tile), -(-frame.shape[1] // tile), 5))

    def run() -> np.ndarray:
        normals_loop(frame, residual, predicted, F(scale), F(clip**2), tile, out)
        return out

    return run


def normals_numpy(
    frame: np.ndarray, residual: np.ndarray, predicted: np.ndarray, scale: float, clip: float, tile: int
) -> Run:
    n, m = frame.shape[0] // tile, frame.shape[1] // tile
    assert (n * tile, m * tile) == frame.shape

    def run() -> np.ndarray:
        background = frame - residual
        e, variance = residual[1:-1, 1:-1], F(scale) * predicted[1:-1, 1:-1]
        down = F(0.5) * (background[2:, 1:-1] - background[:-2, 1:-1])
        along = F(0.5) * (background[1:-1, 2:] - background[1:-1, :-2])
        weight = np.where((variance > 0) & (e * e <= F(clip**2) * variance), 1 / variance, F(0))
        terms = (down * down, down * along, along * along, down * e, along * e)
        sums = [np.pad(weight * term, 1).reshape(n, tile, m, tile).sum((1, 3), np.float64) for term in terms]
        return np.stack(sums, axis=-1)

    return run
