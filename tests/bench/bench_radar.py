"""Radar kernels beside their peers: the Doppler filter, and CFAR on square-law cells.

The cells are exponential noise with a target in one of five thousand.
"""

from collections.abc import Callable

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from lookdown.kernels import cfar_ordered, cfar_power, clutter_map, doppler, thresholds
from tests.bench import peers_radar
from tests.bench.apart import Apart
from tests.bench.measure import INTERVAL_SIZES, RADAR_SIZES, contest
from tests.kernels import reference_radar

GUARD, PFA = 5, 1e-4

every_window = pytest.mark.parametrize("window", [21, 11])


def noise_and_targets(size: str) -> np.ndarray:
    rng = np.random.default_rng(30)
    power = rng.standard_exponential(RADAR_SIZES[size], np.float32)
    power.flat[rng.choice(power.size, power.size // 5000, replace=False)] *= 40
    return power


def every_row(table: np.ndarray, rows: int) -> np.ndarray:
    """A table by distance to the nearer of upper and lower border, for each row of the image."""
    line = np.arange(rows)
    return np.ascontiguousarray(table[np.minimum(np.minimum(line, line[::-1]), len(table) - 1)])


def same_hits(most: int) -> Callable[[np.ndarray, np.ndarray], float]:
    """Agreement of hits in all cells but ``most``; what a peer cannot test does not count."""

    def agree(ours: np.ndarray, theirs: np.ndarray) -> float:
        told = theirs != peers_radar.NOT_TOLD
        different = int(((ours > 0) != (theirs > 0))[told].sum())
        assert ours.any()
        assert different <= most, f"{different} hits differ"
        return float(different)

    return agree


@pytest.mark.parametrize("size", RADAR_SIZES)
@every_window
def test_cell_average(benchmark: BenchmarkFixture, window: int, size: str) -> None:
    power, sides, guard = noise_and_targets(size), (window, window), (GUARD, GUARD)
    factors = thresholds.average_factors(power.shape, sides, guard, PFA)
    scratch = np.empty(cfar_power.power_scratch_size(power.shape[1], sides, guard), np.float32)
    hits = np.empty(power.shape, np.uint8)

    def ours() -> np.ndarray:
        cfar_power.cell_average(power, sides, guard, factors, scratch, hits)
        return hits

    given = (power, window, GUARD, every_row(factors, len(power)))
    contest(
        benchmark,
        f"power CA-CFAR, window {window}, guard {GUARD}",
        size,
        ours,
        {
            "OpenCV": peers_radar.average_opencv(*given),
            "Numba": peers_radar.average_numba(*given),
            "SciPy": peers_radar.average_scipy(*given),
        },
        # A peer rounds its sums; one cell in a million may lie as close to its threshold.
        same_hits(1),
        2.0 if window == 21 else 1.3,
    )


@every_window
def test_ordered_statistic(benchmark: BenchmarkFixture, window: int) -> None:
    """At one size only, for the peers take seconds."""
    size = "1024x256"
    power, sides, guard = noise_and_targets(size), (window, window), (GUARD, GUARD)
    multipliers, ranks = thresholds.ordered_tables(power.shape, sides, guard, PFA)
    scratch = np.empty(cfar_ordered.ordered_scratch_size(power.shape[1], sides), np.float32)
    hits = np.empty(power.shape, np.uint8)

    def ours() -> np.ndarray:
        cfar_ordered.ordered_statistic(power, sides, guard, multipliers, ranks, scratch, hits)
        return hits

    given = (power, window, GUARD, every_row(multipliers, len(power)), every_row(ranks, len(power)))
    contest(
        benchmark,
        f"power OS-CFAR, window {window}, guard {GUARD}",
        size,
        ours,
        {"Numba partition": peers_radar.ordered_numba(*given), "SciPy rank filter": peers_radar.ordered_scipy(*given)},
        same_hits(0),
        30 if window == 21 else 9,
    )


@pytest.mark.parametrize("size", RADAR_SIZES)
def test_clutter_map(benchmark: BenchmarkFixture, size: str) -> None:
    """Test and renewal, two passes for all: between them the old map says how improbable the hits are."""
    power, multiplier, share = noise_and_targets(size), 12.0, 1 / 16
    mean, hits = np.ones(power.shape, np.float32), np.empty(power.shape, np.uint8)
    given = (power, mean, multiplier, share)
    peers = {"Numba": peers_radar.map_numba(*given), "NumPy": peers_radar.map_numpy(*given)}

    def ours() -> np.ndarray:
        clutter_map.map_hits(power, mean, multiplier, hits)
        clutter_map.renew_map(power, multiplier, share, mean)
        return hits

    # Each has a map of its own, which changes from call to call: compared are the first calls.
    contest(benchmark, "clutter map: test and renewal", size, ours, peers, same_hits(0))


@pytest.mark.parametrize("size", INTERVAL_SIZES)
def test_doppler(benchmark: BenchmarkFixture, size: str) -> None:
    """Two-pulse canceller, window, transform along the pulses and power; everybody's error against float64."""
    rng = np.random.default_rng(31)
    shape = INTERVAL_SIZES[size]
    cpi = rng.standard_normal((*shape, 2), np.float32).view(np.complex64)[..., 0]
    window, bins = np.hamming(shape[1] - 1).astype(np.float32), shape[1]
    truth = np.abs(reference_radar.doppler(cpi, 1, window, bins)) ** 2
    turns, scratch = doppler.doppler_turns(bins), np.empty(doppler.doppler_scratch_size(bins), np.float32)
    power = np.empty(shape, np.float32)

    def ours() -> np.ndarray:
        doppler.doppler(cpi, 1, window, turns, scratch, None, power)
        return power

    def agree(mine: np.ndarray, theirs: np.ndarray) -> float:
        errors = [float(np.linalg.norm(one - truth) / np.linalg.norm(truth)) for one in (mine, theirs)]
        assert max(errors) <= 3e-7, f"relative error {errors[0]:.2g} of ours, {errors[1]:.2g} of theirs"
        return errors[1]

    with Apart("tests.bench.peer_ducc0:doppler_ducc0", cpi, cpi.shape, "f4", window) as ducc0:
        contest(
            benchmark,
            "Doppler: canceller, window, transform, power",
            size,
            ours,
            {
                "ducc0+Numba": ducc0,
                "SciPy+Numba": peers_radar.doppler_scipy(cpi, window),
                "NumPy": peers_radar.doppler_numpy(cpi, window),
            },
            agree,
            3.5,
        )
    mine = float(np.linalg.norm(ours() - truth) / np.linalg.norm(truth))
    errors = {"ours": mine, **benchmark.extra_info["differences"]}
    benchmark.extra_info["remark"] = "relative error: " + ", ".join(f"{name} {x:.1e}" for name, x in errors.items())
