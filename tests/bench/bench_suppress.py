"""Median, double difference and top-hat beside their peers."""

import cv2
import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from lookdown.kernels import difference, median, tophat
from tests.bench import peers, peers_suppress
from tests.bench.bench_kernels import every_size, floats, goal
from tests.bench.measure import SIZES, close, contest
from tests.bench.scenes import NOISE_DN, textured


def frames(size: str, n: int) -> list[np.ndarray]:
    """Frames of one scene with noise."""
    rng, scene = np.random.default_rng(2), textured(*SIZES[size], seed=2)
    return [(scene + NOISE_DN * rng.standard_normal(scene.shape)).astype(np.float32) for _ in range(n)]


@every_size
def test_double_difference(benchmark: BenchmarkFixture, size: str) -> None:
    before, frame, behind = frames(size, 3)
    out = np.empty_like(frame)

    def ours() -> np.ndarray:
        difference.double_difference(before, frame, behind, out)
        return out

    contest(
        benchmark,
        "double difference",
        size,
        ours,
        {
            "Numba": peers_suppress.double_difference_numba(before, frame, behind),
            "OpenCV": peers.double_difference_opencv(before, frame, behind),
            "NumPy": peers.double_difference_numpy(before, frame, behind),
        },
        close(0),
    )


@every_size
def test_median(benchmark: BenchmarkFixture, size: str) -> None:
    five = frames(size, 5)
    out = np.empty_like(five[0])

    def ours() -> np.ndarray:
        median.temporal_median(*five, out)
        return out

    contest(
        benchmark,
        "temporal median of 5",
        size,
        ours,
        {
            "Numba": peers_suppress.median_numba(five),
            "OpenCV": peers.median_opencv(five),
            "NumPy": peers.median_numpy(five),
        },
        close(0),
        goal(size, 0.9),
    )


@every_size
@pytest.mark.parametrize("kind", ["white", "black"])
def test_top_hat(benchmark: BenchmarkFixture, size: str, kind: str) -> None:
    frame = textured(*SIZES[size], seed=3)
    out, scratch = np.empty_like(frame), floats(tophat.top_hat_scratch_size(frame.shape[1]))
    kernel = tophat.white_top_hat if kind == "white" else tophat.black_top_hat

    def ours() -> np.ndarray:
        kernel(frame, scratch, out)
        return out

    entrants = {"OpenCV": peers.top_hat_opencv(frame, cv2.MORPH_TOPHAT if kind == "white" else cv2.MORPH_BLACKHAT)}
    if kind == "white":
        entrants |= {"Numba": peers_suppress.top_hat_numba(frame), "SciPy": peers.top_hat_scipy(frame)}
    contest(benchmark, f"{kind} top-hat, 5x5", size, ours, entrants, close(0), goal(size, 1.2))
