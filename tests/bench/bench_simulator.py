"""The simulator: whole frames with all effects of scene and sensor, and the detector alone beside pyxel-sim.

A whole frame is everything that `lookdown.hil.render.Renderer.frame` does: truth of movers and pointing, land, sea,
coast and cloud, twenty movers, and the sensor with each of its effects on. pyxel-sim, which has no such scene, gets the
finished photons of a frame and does those of the sensor's effects that both define alike; so do we when the detector is
measured alone. That both then give the same mean and the same noise is asserted first.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from lookdown.hil.motion.movers import MoverConfig, Start
from lookdown.hil.plan import Scenario
from lookdown.hil.render import Renderer
from lookdown.hil.scenario import load_scenario
from lookdown.hil.sensor.config import SensorConfig
from lookdown.hil.sensor.detector import Detector
from tests.bench.measure import SIZES, contest, report, timed
from tests.hil.sensor.pyxel_peer import PyxelSensor

DEFAULT = Path(__file__).resolve().parents[2] / "scenarios" / "default.toml"
BOUND_MS = {"512x640": 5.0, "1024x1024": 15.0}
BOUND = 0.01  # of mean and variance, relative
FRAMES_PER_CALL = 100  # as many share the computation of their truth
ROUNDS = 5
SATELLITE = 1
EFFECTS = {
    "gain_residual": 3e-4,
    "offset_residual_e": 200.0,
    "gain_drift_per_min": 1e-4,
    "offset_drift_e_per_min": 50.0,
    "bad_pixel_fraction": 1e-3,
    "crosstalk": 0.02,
    "nonlinearity": 0.02,
    "persistence": 0.005,
    "cosmic_rays_per_cm2_s": 5.0,
    "jitter_sigma_rad": 1e-5,
}
NO_PATTERN = {"gain_residual": 0.0, "offset_residual_e": 0.0, "bad_pixel_fraction": 0.0}

every_size = pytest.mark.parametrize("size", SIZES)


def crowded(size: str) -> Scenario:
    """The default scenario, with every effect of the sensor and twenty movers near the middle of the view."""
    scenario = load_scenario(DEFAULT)
    rows, cols = SIZES[size]
    rng = np.random.default_rng(20)
    kinds = ("airliner", "fighter", "cruise_missile", "hypersonic_glider")
    movers = list(scenario.mover)
    while len(movers) < 20:
        kind = kinds[len(movers) % len(kinds)]
        start = Start(
            lat_deg=43.0 + float(rng.uniform(-0.12, 0.12)),
            lon_deg=-9.5 + float(rng.uniform(-0.15, 0.15)),
            height_m=float(rng.uniform(8e3, 12e3)),
            heading_deg=float(rng.uniform(0.0, 360.0)),
            speed_m_s=250.0,
        )
        movers.append(MoverConfig(f"{kind} {len(movers)}", kind, start=start))  # signature of its kind
    return replace(scenario, sensor=replace(scenario.sensor, rows=rows, cols=cols, **EFFECTS), mover=tuple(movers))


def photons_of(sensor: SensorConfig, electrons: np.ndarray) -> np.ndarray:
    return np.maximum(electrons.astype(np.float64), 0.0) / sensor.quantum_efficiency


@every_size
def test_whole_frame(benchmark: BenchmarkFixture, size: str) -> None:
    scenario = crowded(size)
    renderer = Renderer(scenario, SATELLITE)
    inside = renderer.frame(0)[1]["inside"].sum()
    assert inside >= 19, f"only {inside} of 20 movers are in view"
    pyxel = PyxelSensor(scenario.sensor)
    photons = photons_of(scenario.sensor, renderer.electrons(0))
    frames = iter(range(scenario.n_frames))
    their_ms: list[float] = []

    def ours() -> None:
        for _ in range(FRAMES_PER_CALL):
            renderer.frame(next(frames))

    def play_peer() -> None:
        their_ms.append(1e3 * timed(lambda: pyxel.expose(photons, 1)))

    ours()  # the first block warms up
    benchmark.pedantic(ours, setup=play_peer, rounds=ROUNDS, iterations=1)
    times = benchmark.stats.stats.data if benchmark.stats else [timed(ours)]
    our_ms = [1e3 * seconds / FRAMES_PER_CALL for seconds in times]
    ratios = [a / b for a, b in zip(our_ms, their_ms, strict=False)]
    low, _, high = quantiles(ratios, n=4) if len(ratios) > 1 else (ratios[0],) * 3
    per_ms = 1e6 / np.prod(SIZES[size])
    name = "pyxel-sim, detector alone"
    benchmark.extra_info.update(
        stage="simulator, whole frame, 20 movers",
        size=size,
        ns_per_pixel=median(our_ms) * per_ms,
        peer=name,
        peer_ns_per_pixel=median(their_ms) * per_ms,
        ratio_to_peer=median(ratios),
        ratio_quartiles=[low, high],
        rounds=len(our_ms),
        peers={name: median(their_ms) * per_ms},
        goal=BOUND_MS[size] * per_ms,
    )
    report(benchmark.extra_info)
    print(f"  {median(our_ms):.2f} ms a frame, bound {BOUND_MS[size]:g} ms", end="", flush=True)


def noise_variance(frames: Iterator[np.ndarray], pairs: int) -> tuple[float, float]:
    """Mean, and variance of the noise from differences of pairs of frames [DN], [DN^2]."""
    means, variances = [], []
    for _ in range(pairs):
        a, b = (next(frames).astype(np.float64) for _ in range(2))
        means.append(0.5 * (a.mean() + b.mean()))
        variances.append(0.5 * np.mean((a - b) ** 2))
    return float(np.mean(means)), float(np.mean(variances))


@every_size
def test_detector(benchmark: BenchmarkFixture, size: str) -> None:
    """Photon noise, dark current, read noise, non-linearity, full well and converter, on the same frame."""
    scenario = crowded(size)
    plain = {"crosstalk": 0.0, "persistence": 0.0, "cosmic_rays_per_cm2_s": 0.0}
    still = {"gain_drift_per_min": 0.0, "offset_drift_e_per_min": 0.0}
    sensor = replace(scenario.sensor, **NO_PATTERN, **plain, **still)
    electrons = Renderer(scenario, SATELLITE).electrons(0).copy()
    photons = photons_of(sensor, electrons)
    detector, pyxel = Detector(sensor, 1, 1), PyxelSensor(sensor)
    work = np.empty_like(electrons)

    def ours(frame_id: int = 0) -> np.ndarray:
        np.copyto(work, electrons)  # which is work space of `expose`
        return detector.expose(work, frame_id)

    # Four pairs know the variance to 0.13 % or better.
    mine = noise_variance((ours(k) for k in range(8)), 4)
    theirs = noise_variance((pyxel.expose(photons, k) for k in range(8)), 4)
    deviations = [a / b - 1.0 for a, b in zip(mine, theirs, strict=True)]
    assert max(map(abs, deviations)) < BOUND, f"mean and variance deviate by {deviations}"

    def agree(a: np.ndarray, b: np.ndarray) -> float:
        worst = max(abs(a.mean() / b.mean() - 1.0), abs(a.std() / b.std() - 1.0))
        assert worst < BOUND
        return float(worst)

    contest(
        benchmark, "simulator, detector alone", size, ours, {"pyxel-sim": lambda: pyxel.expose(photons, 1)}, agree,
        deviations={"mean": deviations[0], "variance": deviations[1]},
    )  # fmt: skip
