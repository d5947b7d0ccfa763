"""The radar chain and its stages beside the same in SciPy and NumPy: an interval of 4 x 128 x 2048 with ten movers.

The peer chain's stages are those of `peers_radar_chain`; fits are not among them, for no peer gives places with
covariance in coloured noise. What each stage of ours takes of the whole is noted with the chain.
"""

import time
from collections import defaultdict
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from lookdown.flight.compression import PulseCompressor
from lookdown.flight.radar import chain as chain_module
from lookdown.hil.radar.interval import Interval, draw
from lookdown.hil.radar.settings import Clutter, Radar, Target
from lookdown.kernels.adaptive import adaptive_filter, adaptive_scratch_size
from lookdown.kernels.cluster import label_clusters
from tests.bench import peers_radar_chain
from tests.bench.measure import close, contest
from tests.flight.radar.intervals import chain_of, frame_of, pulse_of

SIZE = "4x128x2048"
RADAR = Radar(channels=4, pulses=128, ranges=2048)
BLOCK, LOADING = 128, 1e-4
ROUNDS = 9


def interval() -> Interval:
    rng = np.random.default_rng(1)
    speeds = (-40, 25, 15, 40, -35, 19, 30, -30, 45, -22)
    movers = tuple(
        Target((60 + 190 * k + 0.3) * RADAR.cell_m, speed, rng.uniform(-5e-4, 5e-4), 0.0)
        for k, speed in enumerate(speeds)
    )
    return draw(RADAR, rng, Clutter(cnr_db=30, patches=31), movers)


@pytest.fixture(scope="module")
def seen() -> Any:
    return interval()


def spectrum(seen: Any) -> np.ndarray:
    chain = chain_of(RADAR)
    chain.step(frame_of(seen))
    return chain._setup(tuple(range(RADAR.channels))).spectrum


def test_pulse_compression(benchmark: BenchmarkFixture, seen: Any) -> None:
    pulse = pulse_of(RADAR)
    ours = PulseCompressor(pulse, seen.samples.shape[2])
    out = np.empty((4, 128, 2048), np.complex64)
    peers = {
        "SciPy": peers_radar_chain.compress_scipy(seen.samples, pulse),
        "SciPy oaconvolve": peers_radar_chain.compress_overlap(seen.samples, pulse),
    }

    def agree(mine: np.ndarray, theirs: np.ndarray) -> float:
        return close(1e-4)(mine.view(np.float32), np.ascontiguousarray(theirs, np.complex64).view(np.float32))

    contest(benchmark, "pulse compression", SIZE, lambda: ours(seen.samples, out), peers, agree)


@pytest.mark.parametrize("bins", [1, 3])
def test_adaptive_filter(benchmark: BenchmarkFixture, seen: Any, bins: int) -> None:
    x = spectrum(seen)
    steering = np.ones((bins, 4), np.complex64)
    scratch = np.empty(adaptive_scratch_size(4, 2048, bins, BLOCK), np.float32)
    power = np.empty((128, 2048), np.float32)
    everything = np.zeros(0, np.int64), np.ones(128, np.uint8)

    def ours() -> np.ndarray:
        adaptive_filter(x, steering, LOADING, BLOCK, *everything, scratch, power)
        return power

    peer = peers_radar_chain.adapt_numpy(x, steering, LOADING, BLOCK)
    # Both sum products in float32, in another order; clutter of 45 dB leaves that much of the difference.
    contest(benchmark, f"adaptive filter, bins {bins}", SIZE, ours, {"NumPy and LAPACK": peer}, close(2e-2))


def test_clusters(benchmark: BenchmarkFixture) -> None:
    power = np.random.default_rng(2).standard_exponential((128, 2048), np.float32)
    hits = (power > 6).astype(np.uint8)

    def ours() -> int:
        cells = np.flatnonzero(hits)
        return int(label_clusters(cells, 128, 2048, np.empty(cells.size, np.int32)))

    def agree(mine: int, theirs: int) -> float:
        # A peer does not fold Doppler over: it finds a few more.
        assert 0 <= theirs - mine <= 0.02 * mine
        return float(theirs - mine)

    contest(benchmark, "clusters of hits", SIZE, ours, peers_radar_chain.clusters(hits), agree)


def test_chain(benchmark: BenchmarkFixture, seen: Any) -> None:
    chain, frame = chain_of(RADAR), frame_of(seen)
    peer = peers_radar_chain.whole_scipy(seen.samples, pulse_of(RADAR), chain, BLOCK, LOADING)

    def ours() -> np.ndarray:
        plots = chain.step(frame).plots
        return np.sort(np.rint(plots["range_cell"])).astype(int)

    def agree(mine: np.ndarray, theirs: np.ndarray) -> float:
        """Every mover that ours finds is among the hits of the peer, to a cell."""
        assert mine.size >= 8
        apart = np.abs(mine[:, None] - theirs[None]).min(axis=1)
        assert (apart <= 1).all()
        return float(apart.max())

    contest(benchmark, "radar chain, interval to plots", SIZE, ours, {"SciPy": peer}, agree, stage_ms=shares(frame))


def shares(frame: Any) -> dict[str, float]:
    """Median time of each stage, and of what lies between [ms per interval]."""
    chain = chain_of(RADAR)
    setup = chain._setup(tuple(range(RADAR.channels)))
    spent: dict[str, float] = defaultdict(float)

    def clocked(stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            begin = time.perf_counter()
            result = call(*arguments)
            spent[stage] += time.perf_counter() - begin
            return result

        return run

    setup.compressor = clocked("compress", setup.compressor)  # type: ignore[assignment]
    setup.fit.__class__.__call__, kept = clocked("fit", setup.fit.__class__.__call__), setup.fit.__class__.__call__
    names = {"take": "intake", "doppler": "doppler", "adaptive_filter": "adapt", "label_clusters": "detect"}
    originals = {name: getattr(chain_module, name) for name in names}
    setup.detector.__class__.__call__, held = (
        clocked("detect", setup.detector.__class__.__call__),
        setup.detector.__class__.__call__,
    )
    steps = []
    try:
        for name, stage in names.items():
            setattr(chain_module, name, clocked(stage, originals[name]))
        for _ in range(ROUNDS):
            spent.clear()
            begin = time.perf_counter()
            chain.step(frame)
            total = time.perf_counter() - begin
            steps.append({**spent, "between": total - sum(spent.values())})
    finally:
        setup.fit.__class__.__call__, setup.detector.__class__.__call__ = kept, held
        for name, original in originals.items():
            setattr(chain_module, name, original)
    stages = ("intake", "compress", "doppler", "adapt", "detect", "fit", "between")
    return {stage: 1e3 * median(step.get(stage, 0.0) for step in steps) for stage in stages}
