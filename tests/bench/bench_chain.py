"""The whole onboard chain, raw frame to plots, beside the same chain composed of peers.

The peer chain is the chain itself, line by line, with every kernel replaced by a peer that takes the same call: so the
order of the stages, their parameters and the arithmetic are the same, and only who computes them differs. Both see the
same frames of a drifting ground with movers, and frame by frame the plots must be the same.
"""

import importlib.util
import itertools
import time
from collections import defaultdict
from collections.abc import Callable
from statistics import median
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from lookdown.flight.calibration import Calibration
from lookdown.flight.config import ChainParameters
from lookdown.kernels.fit import fit_plots
from lookdown.wire.messages import SensorState
from tests.bench import peers_clean, peers_local, peers_moving, peers_register, peers_resample, peers_score
from tests.bench.ledger import ledger
from tests.bench.measure import SIZES, contest
from tests.bench.scenes import MovingScene, pointing

N_FRAMES = 30
FRAMES_PER_CALL = 6
GOAL_NS = {"512x640": 6.1, "1024x1024": 6.0}
PLACE_TOLERANCE_PX, SNR_TOLERANCE, BORDERLINE = 0.005, 0.005, 0.005  # the latter two relative
PARAMETERS = ChainParameters()

STAGES = {
    "calibrate": ("calibrate", "convert", "replace_bad"),
    "despike": ("remove_spikes",),
    "register": ("estimate_shift", "resample", "tile_normals"),
    "score": ("score_and_renew", "matched_filter", "whiten", "renew_background"),
    "extract": ("count_peaks", "tail_histogram", "map_scores", "extract_plots", "fit_plots"),
}
MODULES = {
    "calibration": "Intake",
    "registration": "Registration",
    "tail": "TailCalibration",
    "cleaning": "Cleaning",
    "background": "Background",
    "extraction": "Extraction",
    "chain": "Chain",
}
"""Modules of the chain that call kernels, each with the class that does; those further down use those above."""


def modules(replace: Callable[[str, Callable[..., Any]], Callable[..., Any]]) -> ModuleType:
    """Return a copy of the chain's module whose kernels, and those of the modules it uses, went through ``replace``."""
    copies = {}
    for name in MODULES:
        spec = importlib.util.find_spec(f"lookdown.flight.{name}")
        assert spec is not None
        assert spec.loader is not None
        copies[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(copies[name])
    kernels = [kernel for names in STAGES.values() for kernel in names]
    replaced = set()
    for module in copies.values():
        for kernel in kernels:
            if hasattr(module, kernel):
                setattr(module, kernel, replace(kernel, getattr(module, kernel)))
                replaced.add(kernel)
    assert replaced == set(kernels), f"the chain uses no {set(kernels) - replaced}; adapt STAGES to it"
    for user in copies.values():
        for name, made in MODULES.items():
            if hasattr(user, made):
                setattr(user, made, getattr(copies[name], made))
    return copies["chain"]


def numba_kernels(rows: int, cols: int) -> dict[str, Callable[..., Any]]:
    """Every kernel in Numba."""
    lines = peers_moving.Lines(cols)
    whiten = peers_score.Whiten(rows, cols, PARAMETERS.window_px, PARAMETERS.guard_px).numba
    return {
        "calibrate": peers_clean.calibrate,
        "convert": peers_clean.convert,
        "replace_bad": peers_clean.BadPixels().replace,
        "remove_spikes": peers_clean.remove_spikes,
        "estimate_shift": peers_register.estimate_shift_numba,
        "resample": peers_resample.Resample(cols).field,
        "tile_normals": peers_local.tile_normals,
        "score_and_renew": score(lines.subtract, peers_score.filter_numba, whiten, lines.renew, rows, cols),
        "matched_filter": peers_score.filter_numba,
        "whiten": whiten,
        "tail_histogram": peers_score.tail_histogram,
        "extract_plots": peers_score.Extract().numba,
        "fit_plots": fit_plots,  # ours in all chains: no peer parts plots
        "count_peaks": peers_score.count_peaks,
        "map_scores": peers_score.map_scores,
        "renew_background": lines.renew,
    }


def opencv_kernels(rows: int, cols: int) -> dict[str, Callable[..., Any]]:
    """OpenCV where it has the arithmetic of a stage, Numba elsewhere."""
    whiten = peers_score.Whiten(rows, cols, PARAMETERS.window_px, PARAMETERS.guard_px).opencv
    lines = peers_moving.Lines(cols)

    def matched_filter(frame: Any, down: Any, along: Any, _scratch: Any, out: Any) -> None:
        cv2.sepFilter2D(frame, cv2.CV_32F, along, down, out, borderType=cv2.BORDER_REPLICATE)

    return numba_kernels(rows, cols) | {
        "calibrate": peers_clean.calibrate_opencv,
        "convert": lambda samples, out: np.copyto(out, samples),
        "score_and_renew": score(lines.subtract, matched_filter, whiten, lines.renew, rows, cols),
        "matched_filter": matched_filter,
        "whiten": whiten,
        "extract_plots": peers_score.Extract().opencv,
    }


def score(
    subtract: Callable[..., Any], matched_filter: Callable[..., Any], whiten: Callable[..., Any],
    renew: Callable[..., Any], rows: int, cols: int,
) -> Callable[..., None]:  # fmt: skip
    """Our pass from frame to score to background, stage by stage."""
    held, variance, own = (np.empty((rows, cols), np.float32) for _ in range(3))

    def run(
        frame: Any, mean: Any, noise: Any, age: Any, field: Any, blur: float, floor: float, taps: Any, edge: Any,
        window: int, guard: int, limit: float, _strong: float, row_step: int, col_step: int, age_limit: int,
        _first: int, _last: int, scratch: Any, residual: Any, predicted: Any, filtered: Any, z: Any, strong: Any,
        new_mean: Any, new_noise: Any, new_age: Any,
    ) -> None:  # fmt: skip
        predicted = own if predicted is None else predicted
        subtract(frame, mean, noise, age, field, blur, floor, scratch, residual, predicted)
        matched_filter(residual, taps, taps, scratch, filtered)
        for lines in (filtered, filtered.T):
            for k, factor in enumerate(edge):
                lines[k] /= factor
                lines[-1 - k] /= factor
        whiten(filtered, predicted, window, guard, floor, scratch, variance, z)
        strong.fill(1)  # all rows are looked through afterwards
        peers_local.hold_loop(z.ravel(), np.float32(limit), residual.ravel(), held.ravel())
        renew(
            frame, held, variance, mean, noise, age, field, row_step, col_step, age_limit, scratch,
            new_mean, new_noise, new_age,
        )  # fmt: skip

    return run


def compare(ours: np.ndarray, theirs: np.ndarray, borderline: int, where: str) -> tuple[int, float]:
    """Assert that two reports hold the same plots; return how many differ and the largest difference of place [px].

    Sums in another order differ in the last bits, so a pixel that lies on the threshold may be over it for one and not
    for the other. Each such pixel excuses two plots, for it may join them.
    """
    apart = np.hypot(ours["row"][:, None] - theirs["row"], ours["col"][:, None] - theirs["col"])
    same = apart <= PLACE_TOLERANCE_PX
    for name in ("n_pixels", "n_rows", "n_cols", "flags"):
        same &= ours[name][:, None] == theirs[name]
    same &= np.abs(ours["snr"][:, None] / theirs["snr"] - 1) <= SNR_TOLERANCE
    alone = int((~same.any(0)).sum() + (~same.any(1)).sum())
    assert alone <= 2 * borderline, f"{where}: {alone} plots differ, {borderline} pixels lie on the threshold"
    return alone, float(apart[same].max(initial=0))


def check(ours: Any, peer: Any, frames: list[np.ndarray], states: list[SensorState | None]) -> tuple[int, int, float]:
    """Step two chains through the frames side by side; return plots, those that differ, largest difference [px]."""
    plots, different, worst = 0, 0, 0.0
    for k, (samples, state) in enumerate(zip(frames, states, strict=True)):
        mine, other = ours.step(samples, state), peer.step(samples, state)
        assert mine.flags == other.flags, f"frame {k}: {mine.flags}, by the peer {other.flags}"
        snr = np.abs(ours._extraction.snr)
        borderline = int(np.count_nonzero(np.abs(snr / PARAMETERS.threshold - 1) < BORDERLINE))
        alone, apart = compare(mine.plots, other.plots, borderline, f"frame {k}")
        plots += mine.plots.size
        different += alone
        worst = max(worst, apart)
    assert plots > 5 * len(frames), f"only {plots} plots in {len(frames)} frames: the scene shows nothing"
    assert different <= 0.02 * plots, f"{different} of {plots} plots differ"
    return plots, different, worst


def runner(chain: Any, frames: list[np.ndarray], states: list[SensorState | None]) -> Callable[[], None]:
    """One call is a few frames, there and back through all, so that the ground moves on smoothly."""
    pairs = list(zip(frames, states, strict=True))
    order = itertools.cycle(pairs[::-1] + pairs)

    def run() -> None:
        for samples, state in itertools.islice(order, FRAMES_PER_CALL):
            chain.step(samples, state)

    return run


@pytest.mark.parametrize("pointed", [False, True], ids=["image alone", "with pointing"])
@pytest.mark.parametrize("size", SIZES)
def test_chain(benchmark: BenchmarkFixture, size: str, pointed: bool) -> None:
    rows, cols = SIZES[size]
    scene = MovingScene(rows, cols, seed=20)
    frames = [scene.frame(k) for k in range(N_FRAMES)]
    states = pointing(N_FRAMES) if pointed else [None] * N_FRAMES
    calibration = scene.gain, scene.offset, scene.bad

    def start(module: ModuleType) -> Any:
        return module.Chain(PARAMETERS, rows, cols, 16383, Calibration(*calibration))

    # Each table of kernels has buffers of one chain; the clocked chains see each frame once, after all else.
    tables = {"Numba": numba_kernels(rows, cols), "OpenCV + Numba": opencv_kernels(rows, cols)}
    peers = {name: start(modules(lambda kernel, _, table=table: table[kernel])) for name, table in tables.items()}
    found = {
        name: check(start(modules(lambda _, kernel: kernel)), peer, frames, states) for name, peer in peers.items()
    }
    ours = start(modules(lambda _, kernel: kernel))
    for samples, state in zip(frames, states, strict=True):
        ours.step(samples, state)
    spent = {
        name: shares(start, frames, states, replace)
        for name, replace in (
            ("ours", lambda _, kernel: kernel),
            ("Numba", lambda kernel, _: tables["Numba"][kernel]),
        )
    }
    contest(
        benchmark,
        "chain with pointing, raw frame to plots" if pointed else "chain, raw frame to plots",
        size,
        runner(ours, frames, states),
        {name: runner(peer, frames, states) for name, peer in peers.items()},
        lambda *_: 0.0,
        None if pointed else GOAL_NS[size],
        per_call=FRAMES_PER_CALL,
        stage_ms=spent,
        **({} if pointed else {"ledger": ledger(modules, start, frames[:8])}),
        compared={
            name: {"plots": plots, "different": different, "largest_difference_px": worst}
            for name, (plots, different, worst) in found.items()
        },
    )


def shares(
    start: Callable[[ModuleType], Any],
    frames: list[np.ndarray],
    states: list[SensorState | None],
    replace: Callable[[str, Callable[..., Any]], Callable[..., Any]],
) -> dict[str, float]:
    """Return the median time of each stage and of the Python between them [ms per frame]."""
    spent: dict[str, float] = defaultdict(float)

    def clocked(name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        stage = next(stage for stage, kernels in STAGES.items() if name in kernels)
        chosen = replace(name, kernel)

        def call(*arguments: Any) -> Any:
            begin = time.perf_counter()
            result = chosen(*arguments)
            spent[stage] += time.perf_counter() - begin
            return result

        return call

    chain = start(modules(clocked))
    steps = []
    for samples, state in zip(frames, states, strict=True):
        spent.clear()
        begin = time.perf_counter()
        chain.step(samples, state)
        total = time.perf_counter() - begin
        steps.append({**spent, "between": total - sum(spent.values())})
    return {stage: 1e3 * median(step.get(stage, 0.0) for step in steps) for stage in (*STAGES, "between")}
