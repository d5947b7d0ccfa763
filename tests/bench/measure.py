"""How an entry of the benches is measured: first that all compute the same, then how long each takes, in turn.

In each round every peer runs twice and then ours twice, and the second call of each counts: caches hold its own data,
not that of the one before, and a machine that slows down slows all of them. The ratio of an entry is the median over
the rounds of our time by that of the best peer in the same round, so it holds still where the times themselves drift;
the times given for the two are those of the round that was fastest for both together.
"""

import time
from collections.abc import Callable
from statistics import median, quantiles
from typing import Any

import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture

from tests.bench.apart import Apart

Run = Callable[[], Any]

SIZES = {"512x640": (512, 640), "1024x1024": (1024, 1024)}
RADAR_SIZES = {"1024x256": (1024, 256), "1024x1024": (1024, 1024)}
INTERVAL_SIZES = {"4x128x2048": (4, 128, 2048)}
FEWEST_ROUNDS, MOST_ROUNDS = 9, 61
BUDGET_S = 1.2  # what the rounds of one entry may take, if the fewest take no longer
LONG_S = 0.2
FAR_SLOWER = 5.0  # a peer this many times slower than the fastest one cannot be the best; it does not play on


def close(tolerance: float) -> Callable[[Any, Any], float]:
    """Agreement of two arrays: largest absolute difference by the spread of the first; raises when above tolerance."""

    def agree(ours: Any, theirs: Any) -> float:
        pairs = zip(ours, theirs, strict=True) if isinstance(ours, tuple) else ((ours, theirs),)
        worst = 0.0
        for a, b in pairs:
            assert a.shape == b.shape
            worst = max(worst, float(np.abs(a.astype(np.float64) - b).max()) / max(float(np.std(a)), 1e-30))
        assert worst <= tolerance, f"differs by {worst:.2g} of the spread, tolerance {tolerance:.2g}"
        return worst

    return agree


def first_look(run: Run) -> float:
    """Seconds of one call: the shortest of three, unless one is long."""
    seconds = timed(run)
    return seconds if seconds > LONG_S else min(seconds, timed(run), timed(run))


def timed(run: Run) -> float:
    """Seconds of the second of two calls; a peer in its own process says how long the call took there."""
    run()
    start = time.perf_counter()
    run()
    seconds = time.perf_counter() - start
    return run.seconds if isinstance(run, Apart) else seconds


def contest(
    benchmark: BenchmarkFixture,
    stage: str,
    size: str,
    ours: Run,
    peers: dict[str, Run],
    agree: Callable[[Any, Any], float],
    goal: float | None = None,
    apart: tuple[str, ...] = (),
    per_call: int = 1,
    **notes: Any,
) -> None:
    """Assert that ours and every peer agree, time them in turn, and note the result for ``docs/numbers.md``.

    Parameters
    ----------
    benchmark : BenchmarkFixture
        Takes our times; `extra_info` takes the rest.
    stage, size : str
        Names of the entry; size is a key of `SIZES`, `RADAR_SIZES` or `INTERVAL_SIZES`.
    ours, peers : callable
        Each does one frame (or `per_call` frames) and returns its result.
    agree : callable
        Takes our result and that of a peer, raises when they differ and returns by how much they do.
    goal : float, optional
        Nanoseconds per pixel at which we want to stand.
    apart : tuple of str
        Peers that are timed but give less, so that they are not candidates for the best one.
    per_call : int
        Frames that one call does.
    notes : object
        Further entries of `extra_info`.
    """
    pixels = int(np.prod((SIZES | RADAR_SIZES | INTERVAL_SIZES)[size])) * per_call
    result = ours()
    differences = {name: agree(result, run()) for name, run in peers.items()}
    once = {name: first_look(run) for name, run in peers.items()}
    fastest = min(seconds for name, seconds in once.items() if name not in apart)
    playing = {name: run for name, run in peers.items() if once[name] <= FAR_SLOWER * fastest}
    a_round = 2 * (first_look(ours) + sum(once[name] for name in playing))
    rounds = int(np.clip(BUDGET_S / a_round, FEWEST_ROUNDS, MOST_ROUNDS))
    times = {name: [] if name in playing else [seconds] for name, seconds in once.items()}

    def play_peers() -> None:
        for name, run in playing.items():
            times[name].append(timed(run))
        ours()

    benchmark.pedantic(ours, setup=play_peers, rounds=rounds, iterations=1)
    mine = benchmark.stats.stats.data if benchmark.stats else [timed(ours)]
    best = min(times.keys() - set(apart), key=lambda name: min(times[name]))
    pairs = list(zip(mine, times[best], strict=False))
    ratios = [a / b for a, b in pairs]
    fastest_pair = min(pairs, key=sum)
    per_pixel = {name: 1e9 * min(seconds) / pixels for name, seconds in times.items()}
    per_pixel[best] = 1e9 * fastest_pair[1] / pixels
    low, _, high = quantiles(ratios, n=4) if len(ratios) > 1 else (ratios[0],) * 3
    benchmark.extra_info.update(
        stage=stage,
        size=size,
        ns_per_pixel=1e9 * fastest_pair[0] / pixels,
        peer=best,
        peer_ns_per_pixel=per_pixel[best],
        ratio_to_peer=median(ratios),
        ratio_quartiles=[low, high],
        rounds=len(mine),
        peers=per_pixel,
        differences=differences,
        **({} if goal is None else {"goal": goal}),
        **notes,
    )
    report(benchmark.extra_info)


def report(entry: dict[str, Any]) -> None:
    """Print one line about an entry, so that a run says where it is."""
    others = ", ".join(f"{name} {value:.2f}" for name, value in sorted(entry["peers"].items(), key=lambda x: x[1]))
    print(
        f"\n{entry['stage']:<42} {entry['size']:>9}  {entry['ns_per_pixel']:7.2f} ns/px  "
        f"ratio {entry['ratio_to_peer']:5.2f}  ({others})",
        end="",
        flush=True,
    )
