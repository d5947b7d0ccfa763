"""What the chain costs by the size of the frame and by the number of hits; sizes and thresholds take turns."""

import itertools
import time
from statistics import median
from typing import Any

import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture

from lookdown.flight.calibration import Calibration
from lookdown.flight.chain import Chain
from lookdown.flight.config import ChainParameters
from tests.bench.scenes import MovingScene

SIDES = {"512x640": (512, 640), "1024x1024": (1024, 1024), "2048x2048": (2048, 2048), "4096x4096": (4096, 4096)}
N_FRAMES, ROUNDS = 4, 7
HITS = {"0.001 %": 4.42, "0.01 %": 3.89, "0.1 %": 3.29, "1 %": 2.58}
"""Threshold that so many pixels of noise exceed."""


def take_turns(steps: dict[str, Any], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of the second of two calls, round by round."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            step()
            begin = time.perf_counter()
            step()
            seconds[name].append(time.perf_counter() - begin)
    return seconds


def stepper(chain: Chain, frames: list[np.ndarray]) -> Any:
    """Return a call that steps the chain through the frames, to and fro."""
    order = itertools.cycle(frames[::-1] + frames)
    for samples in frames:
        chain.step(samples)
    return lambda: chain.step(next(order))


def test_cost_by_pixels(benchmark: BenchmarkFixture) -> None:
    steps = {}
    for size, (rows, cols) in SIDES.items():
        scene = MovingScene(rows, cols, seed=21)
        frames = [scene.frame(k) for k in range(N_FRAMES)]
        calibration = Calibration(scene.gain, scene.offset, scene.bad)
        steps[size] = stepper(Chain(ChainParameters(), rows, cols, 16383, calibration), frames)
    seconds = take_turns(steps, ROUNDS)
    per_pixel = {size: 1e9 * median(seconds[size]) / (rows * cols) for size, (rows, cols) in SIDES.items()}
    benchmark.pedantic(steps["512x640"], rounds=3)
    benchmark.extra_info.update(stage="cost by pixels", ns_per_pixel_by=per_pixel)
    print(f"\ncost by pixels, ns/px: {per_pixel}", end="")


def test_cost_by_hits(benchmark: BenchmarkFixture) -> None:
    rows, cols = SIDES["1024x1024"]
    scene = MovingScene(rows, cols, seed=22)
    frames = [scene.frame(k) for k in range(2 * N_FRAMES)]
    calibration = Calibration(scene.gain, scene.offset, scene.bad)
    steps, shares = {}, {}
    for name, threshold in HITS.items():
        chain = Chain(ChainParameters(threshold=threshold, max_plots=65535), rows, cols, 16383, calibration)
        steps[name] = stepper(chain, frames)
        shares[name] = float(chain.step(frames[0]).plots["n_pixels"].sum()) / (rows * cols)
    seconds = take_turns(steps, ROUNDS)
    per_pixel = {name: 1e9 * median(seconds[name]) / (rows * cols) for name in HITS}
    benchmark.pedantic(steps["0.001 %"], rounds=3)
    benchmark.extra_info.update(stage="cost by hits", ns_per_pixel_by=per_pixel, hits=shares)
    print(f"\ncost by hits, ns/px: {per_pixel}; shares {shares}", end="")
