"""Every kernel beside its peers: first that they compute the same, then how long each takes."""

import cv2
import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from scipy.stats import norm

from lookdown.kernels import calibrate, difference
from tests.bench import peers, peers_numba
from tests.bench.measure import SIZES, close, contest
from tests.bench.scenes import textured

every_size = pytest.mark.parametrize("size", SIZES)

# Goals in nanoseconds per pixel at 1024x1024.
BIG = "1024x1024"


def goal(size: str, value: float) -> float | None:
    return value if size == BIG else None


@every_size
def test_calibrate(benchmark: BenchmarkFixture, size: str) -> None:
    shape = SIZES[size]
    rng = np.random.default_rng(1)
    samples = rng.integers(0, 16384, shape, dtype=np.uint16)
    gain = rng.uniform(0.9, 1.1, shape).astype(np.float32)
    offset = rng.uniform(400, 600, shape).astype(np.float32)
    bad = np.sort(rng.choice(samples.size, samples.size // 200, replace=False)).astype(np.int32)
    out = np.empty(shape, np.float32)

    def ours() -> np.ndarray:
        calibrate.calibrate(samples, gain, offset, out)
        calibrate.replace_bad(out, bad)
        return out

    given = (samples, gain, offset, bad)
    contest(
        benchmark,
        "calibrate, replace 0.5 % bad pixels",
        size,
        ours,
        {
            "Numba": peers_numba.calibrate_numba(*given),
            "OpenCV+NumPy": peers.calibrate_opencv(*given),
            "NumPy": peers.calibrate_numpy(*given),
        },
        close(1e-6),
        goal(size, 0.55),
    )


@every_size
def test_difference(benchmark: BenchmarkFixture, size: str) -> None:
    frame, previous = textured(*SIZES[size], seed=2), textured(*SIZES[size], seed=3)
    out = np.empty_like(frame)

    def ours() -> np.ndarray:
        difference.temporal_difference(frame, previous, out)
        return out

    contest(
        benchmark,
        "temporal difference",
        size,
        ours,
        {
            "Numba": peers_numba.difference_numba(frame, previous),
            "OpenCV": peers.difference_opencv(frame, previous),
            "NumPy": peers.difference_numpy(frame, previous),
        },
        close(0),
    )
