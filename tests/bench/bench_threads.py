"""Row bands: the chain in two threads beside the chain in one, and which part of a step is cut into bands."""

import time
from statistics import median, quantiles

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from lookdown.flight.bands import Bands, Parts, Work
from lookdown.flight.calibration import Calibration
from lookdown.flight.chain import Chain
from lookdown.flight.config import ChainParameters
from tests.bench.bench_chain import N_FRAMES, runner
from tests.bench.measure import SIZES, Run, timed
from tests.bench.scenes import MovingScene, pointing

ROUNDS = 15
BOARD_CORES = 4  # of a Raspberry Pi 4 or 5


def share_in_bands(run: Run, monkeypatch: pytest.MonkeyPatch) -> float:
    """Return the part of the processor's time of some steps in one thread that goes into what bands share."""
    spent = 0.0
    in_bands = Bands.run

    def clocked(self: Bands, work: Work, parts: Parts) -> None:
        nonlocal spent
        begin = time.process_time()
        in_bands(self, work, parts)
        spent += time.process_time() - begin

    run()
    shares = []
    with monkeypatch.context() as patch:
        patch.setattr(Bands, "run", clocked)
        for _ in range(ROUNDS):
            spent, begin = 0.0, time.process_time()
            run()
            shares.append(spent / (time.process_time() - begin))
    return median(shares)


@pytest.mark.parametrize("pointed", [False, True], ids=["image alone", "with pointing"])
@pytest.mark.parametrize("size", SIZES)
def test_two_threads(benchmark: BenchmarkFixture, monkeypatch: pytest.MonkeyPatch, size: str, pointed: bool) -> None:
    rows, cols = SIZES[size]
    scene = MovingScene(rows, cols, seed=20)
    frames = [scene.frame(k) for k in range(N_FRAMES)]
    states = pointing(N_FRAMES) if pointed else [None] * N_FRAMES
    runs = {}
    for threads in (1, 2):
        calibration = Calibration(scene.gain, scene.offset, scene.bad)
        chain = Chain(ChainParameters(threads=threads), rows, cols, 16383, calibration)
        for samples, state in zip(frames, states, strict=True):
            chain.step(samples, state)
        runs[threads] = runner(chain, frames, states)
    share = share_in_bands(runs[1], monkeypatch)
    alone: list[float] = []
    benchmark.pedantic(runs[2], setup=lambda: alone.append(timed(runs[1])), rounds=ROUNDS)
    together = benchmark.stats.stats.data if benchmark.stats else [timed(runs[2])]
    ratios = [two / one for two, one in zip(together, alone, strict=True)]
    low, middle, high = quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    benchmark.extra_info.update(
        stage="chain with pointing" if pointed else "chain",
        size=size,
        ratio_to_one_thread=middle,
        quartiles=[low, high],
        share_in_bands=share,
        by_share={n: 1 - share + share / n for n in (2, BOARD_CORES)},
    )
    print(f"\ntwo threads by one, {size}: {middle:.2f} ({low:.2f}-{high:.2f}); {share:.2f} in bands", end="")
