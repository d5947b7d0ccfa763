"""The velocity bank beside its peers, and the whole multi-frame stage."""

import time
from statistics import median

import cv2
import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from lookdown.flight.bank import make_bank
from lookdown.flight.config import MultiFrameParameters
from lookdown.flight.multiframe import MultiFrame
from lookdown.kernels.stack import stack_scratch_size, stack_velocities
from tests.bench import peers_stack
from tests.bench.measure import SIZES, close, contest

N_FRAMES = 16
SCORE_SIGMA = 64
every_size = pytest.mark.parametrize("size", SIZES)


def stage_ms(shape: tuple[int, int]) -> tuple[float, float]:
    """Milliseconds a frame of the stage with a window every 16 frames: amortised, and of the frame that ends one."""
    rng = np.random.default_rng(4)
    stage = MultiFrame(MultiFrameParameters(enabled=True, every=N_FRAMES), *shape, 0.9)
    scores = [cv2.GaussianBlur(rng.standard_normal(shape).astype(np.float32), (7, 7), 0.9) for _ in range(N_FRAMES)]
    scores = [score / score.std() for score in scores]
    windows, ends = [], []
    for _ in range(5):
        begun_s = time.perf_counter()
        for k, score in enumerate(scores):
            last_s = time.perf_counter()
            window = stage.step(score, (0.3, -0.4) if k else (0.0, 0.0), 5.0)
        assert window is not None
        ends.append(time.perf_counter() - last_s)
        windows.append(time.perf_counter() - begun_s)
    return 1e3 * median(windows[1:]) / N_FRAMES, 1e3 * median(ends[1:])


@every_size
def test_velocity_bank(benchmark: BenchmarkFixture, size: str) -> None:
    rng = np.random.default_rng(4)
    shape = SIZES[size]
    bank = make_bank(N_FRAMES, 2.0)
    frames = np.clip(SCORE_SIGMA * rng.standard_normal((N_FRAMES, *shape)), -384, 384).astype(np.int16)
    order, at = np.arange(N_FRAMES, dtype=np.int32), np.zeros((N_FRAMES, 2), np.int32)
    scratch = np.zeros(stack_scratch_size(bank.n_cells, bank.links), np.int16)
    best = np.zeros(shape, np.int16)

    def ours() -> np.ndarray:
        stack_velocities(frames, order, at, bank.n_cells, bank.links, scratch, best)
        return best

    tree, opencv = peers_stack.Tree(bank, frames, at), peers_stack.OpenCv(shape)
    amortised, at_end = stage_ms(shape)
    contest(
        benchmark,
        "velocity bank, 16 frames, +-2 px",
        size,
        ours,
        {
            "Numba": lambda: tree.run(peers_stack.add_numba, peers_stack.top_numba),
            "OpenCV": lambda: tree.run(opencv.add, opencv.top),
        },
        close(0.0),
        per_call=N_FRAMES,
        remark=f"the whole multi-frame stage takes {amortised:.2f} ms a frame with a window every 16, "
        f"{at_end:.0f} ms for the frame that ends one",
    )
    print(f"\n{benchmark.extra_info['remark']}")
