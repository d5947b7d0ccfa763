"""Kernels that serve a view with pointing, beside their peers."""

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from lookdown.kernels.hold import hold_back
from lookdown.kernels.local_shift import tile_normals
from tests.bench import peers_local
from tests.bench.measure import SIZES, close, contest
from tests.bench.scenes import NOISE_DN, textured

TILE_PX = 16
LIMIT = 7.0
CLIP = 3.0

every_size = pytest.mark.parametrize("size", SIZES)


@every_size
def test_hold_back(benchmark: BenchmarkFixture, size: str) -> None:
    rng = np.random.default_rng(4)
    z = (3 * rng.standard_normal(SIZES[size])).astype(np.float32)
    residual = (NOISE_DN * rng.standard_normal(SIZES[size])).astype(np.float32)
    out = np.empty_like(residual)

    def ours() -> np.ndarray:
        # Changed in place, so each call starts from a copy; so do the peers'.
        np.copyto(out, residual)
        hold_back(z, LIMIT, out)
        return out

    given = (z, LIMIT, residual)
    peers = {"Numba": peers_local.hold_numba(*given), "NumPy": peers_local.hold_numpy(*given)}
    contest(benchmark, "hold back, with a copy", size, ours, peers, close(1e-6))


@every_size
def test_tile_normals(benchmark: BenchmarkFixture, size: str) -> None:
    rng = np.random.default_rng(5)
    shape = SIZES[size]
    residual = (NOISE_DN * rng.standard_normal(shape)).astype(np.float32)
    frame = textured(*shape, seed=6) + residual
    predicted = np.full(shape, NOISE_DN**2, np.float32)
    out = np.empty((shape[0] // TILE_PX, shape[1] // TILE_PX, 5))

    def ours() -> np.ndarray:
        tile_normals(frame, residual, predicted, 1.0, CLIP, 0, frame.shape[0], out)
        return out

    given = (frame, residual, predicted, 1.0, CLIP, TILE_PX)
    peers = {"Numba": peers_local.normals_numba(*given), "NumPy": peers_local.normals_numpy(*given)}
    contest(benchmark, "displacements of tiles of 16 px", size, ours, peers, close(1e-4))
