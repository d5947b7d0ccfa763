"""Every kernel beside its peers: first that they compute the same, then how long each takes."""

import cv2
import numpy as np
import pytest
import sep
from pytest_benchmark.fixture import BenchmarkFixture
from scipy.stats import norm

from lookdown.kernels import background, calibrate, cfar, difference, extract, fit, register, shift, suppress
from lookdown.kernels.extract import PLOT_DTYPE
from tests.bench import peers, peers_extract, peers_numba, peers_register
from tests.bench.measure import SIZES, close, contest
from tests.bench.scenes import NOISE_DN, PSF_SIGMA_PX, displaced, textured

MEMORY_SIZE = 16 * 1024 * 1024  # float32; 64 MiB an array, beyond the caches

every_size = pytest.mark.parametrize("size", SIZES)

# Goals in nanoseconds per pixel at 1024x1024.
BIG = "1024x1024"


def goal(size: str, value: float) -> float | None:
    return value if size == BIG else None


@pytest.mark.parametrize("stage", ["memory copy", "memory triad"])
def test_memory(benchmark: BenchmarkFixture, stage: str) -> None:
    """Bandwidth that NumPy reaches in one thread, counting each read and each write once (STREAM; McCalpin 1995)."""
    a, b, c = (np.ones(MEMORY_SIZE, np.float32) for _ in range(3))
    if stage == "memory copy":
        arrays_moved = 2
        benchmark.pedantic(np.copyto, (a, b), rounds=9, warmup_rounds=1)
    else:
        # NumPy needs two passes for a = b + s c: two arrays move in the first, three in the second.
        arrays_moved = 5

        def triad() -> None:
            np.multiply(c, np.float32(3), out=a)
            np.add(a, b, out=a)

        benchmark.pedantic(triad, rounds=9, warmup_rounds=1)
    seconds = benchmark.stats.stats.min
    rate = 1e-9 * arrays_moved * a.nbytes / seconds
    benchmark.extra_info.update(stage=stage, size="64 MiB", gigabytes_per_second=rate)
    print(f"\n{stage:<42} {'64 MiB':>9}  {rate:7.1f} GB/s", end="", flush=True)


@every_size
def test_calibrate(benchmark: BenchmarkFixture, size: str) -> None:
    shape = SIZES[size]
    rng = np.random.default_rng(1)
    samples = rng.integers(0, 16384, shape, dtype=np.uint16)
    gain = rng.uniform(0.9, 1.1, shape).astype(np.float32)
    offset = rng.uniform(400, 600, shape).astype(np.float32)
    bad = np.sort(rng.choice(samples.size, samples.size // 200, replace=False)).astype(np.int32)
    out, good = np.empty(shape, np.float32), np.empty(bad.size, np.uint8)
    calibrate.judge_neighbours(bad, *shape, good)

    def ours() -> np.ndarray:
        calibrate.calibrate(samples, gain, offset, out)
        calibrate.replace_bad(out, bad, good)
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


def floats(size: int) -> np.ndarray:
    return np.empty(size, np.float32)


AGE_LIMIT, CLIP, VARIANCE_FLOOR = 255, 4.0, 1 / 12


@every_size
def test_background(benchmark: BenchmarkFixture, size: str) -> None:
    """A drifting view: most pixels as old as they get, one in ten younger, and so young that they stay it."""
    rng = np.random.default_rng(4)
    mean = textured(*SIZES[size], seed=4)
    variance = rng.uniform(5, 15, mean.shape).astype(np.float32)
    frame = (mean + 3 * rng.standard_normal(mean.shape)).astype(np.float32)
    age = np.where(rng.random(mean.shape) < 0.9, AGE_LIMIT, rng.integers(2, 100, mean.shape)).astype(np.uint8)
    state = mean.copy(), variance.copy(), age.copy(), np.empty_like(frame), np.empty_like(frame)
    unclip = 1 / (1 - 2 * norm.sf(CLIP) - 2 * CLIP * norm.pdf(CLIP) + 2 * CLIP**2 * norm.sf(CLIP))

    def ours() -> tuple[np.ndarray, ...]:
        background.update_background(frame, AGE_LIMIT, CLIP, VARIANCE_FLOOR, *state)
        return state

    start = (frame, mean, variance, age)
    tables = peers.AgeTables(AGE_LIMIT, CLIP, unclip)
    contest(
        benchmark,
        "recursive mean, variance, z-score",
        size,
        ours,
        {
            "Numba": peers_numba.background_numba(*start, AGE_LIMIT, CLIP, unclip, VARIANCE_FLOOR),
            "OpenCV": peers.background_opencv(*start, tables, VARIANCE_FLOOR),
            "NumPy": peers.background_numpy(*start, tables, VARIANCE_FLOOR),
        },
        close(1e-5),
        goal(size, 0.85),
    )


@every_size
def test_estimate_shift(benchmark: BenchmarkFixture, size: str) -> None:
    """Texture that moved by a known shift, white noise in both frames, a prediction 0.6 px off each way."""
    rng = np.random.default_rng(10)
    scene, truth, prediction = textured(*SIZES[size], seed=10), np.array([1.37, -2.61]), (2.0, -2.0)
    reference, frame = (
        (displaced(scene, *by) + NOISE_DN * rng.standard_normal(scene.shape)).astype(np.float32)
        for by in ((0, 0), truth)
    )
    scratch, step = floats(register.register_scratch_size(scene.shape[1])), scene.shape[0] // 128
    given = (reference, frame, *prediction, 3.0, step)

    def ours() -> np.ndarray:
        return np.array(register.estimate_shift(*given, scratch)[:2])

    def agree(mine: np.ndarray, theirs: np.ndarray) -> float:
        """Every estimate against the truth."""
        assert np.abs(mine - truth).max() <= 0.01
        assert np.abs(theirs - truth).max() <= 0.25
        return float(np.abs(theirs - truth).max())

    entrants = {
        "Numba": lambda: np.array(peers_register.estimate_shift_numba(*given)[:2]),
        "OpenCV phase, 256x256": peers_register.shift_phase_opencv(reference, frame, prediction, 256),
        "OpenCV ECC": peers_register.shift_ecc_opencv(reference, frame, prediction),
        "scikit-image, 1/50 px": peers_register.shift_phase_skimage(reference, frame, 50),
    }
    contest(
        benchmark,
        "shift estimate, 128 rows",
        size,
        ours,
        entrants,
        agree,
        goal(size, 1.0),
        # Phase correlation over a part of the frame is fast, but a hundred times less exact.
        apart=("OpenCV phase, 256x256",),
    )
    errors = {"ours": float(np.abs(ours() - truth).max()), **benchmark.extra_info["differences"]}
    benchmark.extra_info["remark"] = "error in px: " + ", ".join(f"{name} {x:.4f}" for name, x in errors.items())


@every_size
@pytest.mark.parametrize("kind", ["bicubic", "bilinear"])
def test_shift(benchmark: BenchmarkFixture, size: str, kind: str) -> None:
    source = textured(*SIZES[size], seed=5)
    out, scratch = np.empty_like(source), floats(shift.shift_scratch_size(source.shape[1]))
    kernel = shift.shift if kind == "bicubic" else shift.shift_bilinear
    by = (1.3, -2.6)

    def ours() -> np.ndarray:
        kernel(source, *by, scratch, out)
        return out

    entrants = {
        "Numba": peers_numba.shift_numba(source, *by, kind == "bicubic"),
        "OpenCV": peers.shift_opencv(source, *by, kind == "bicubic"),
    }
    if kind == "bilinear":
        entrants |= {"OpenCV warp": peers.shift_warp(source, *by), "SciPy": peers.shift_scipy(source, *by)}
    contest(
        benchmark, f"{kind} shift", size, ours, entrants, close(3e-5), goal(size, 1.0 if kind == "bicubic" else 0.6)
    )


@every_size
def test_matched_filter(benchmark: BenchmarkFixture, size: str) -> None:
    frame = textured(*SIZES[size], seed=6, level=0)
    taps = np.exp(-0.5 * (np.arange(-3, 4) / PSF_SIGMA_PX) ** 2).astype(np.float32)
    taps /= taps.sum()
    out, scratch = np.empty_like(frame), floats(suppress.filter_scratch_size(frame.shape[1], taps.size))

    def ours() -> np.ndarray:
        suppress.matched_filter(frame, taps, taps, scratch, out)
        return out

    contest(
        benchmark,
        "matched filter, 7 + 7 taps",
        size,
        ours,
        {
            "Numba": peers_numba.filter_numba(frame, taps, taps),
            "OpenCV": peers.filter_opencv(frame, taps, taps),
            "SciPy": peers.filter_scipy(frame, taps, taps),
        },
        close(1e-5),
    )


@every_size
def test_local_normalise(benchmark: BenchmarkFixture, size: str) -> None:
    frame, window, sigma_floor = textured(*SIZES[size], seed=7), 17, 0.5
    out, scratch = np.empty_like(frame), floats(suppress.normalise_scratch_size(frame.shape[1], window))

    def ours() -> np.ndarray:
        suppress.local_normalise(frame, window, sigma_floor, scratch, out)
        return out

    given = (frame, window, sigma_floor, float(frame.mean()))
    contest(
        benchmark,
        "local mean and sigma, 17x17",
        size,
        ours,
        {
            "Numba": peers_numba.normalise_numba(*given),
            "OpenCV": peers.normalise_opencv(*given),
            "SciPy": peers.normalise_scipy(*given),
        },
        close(1e-3),
        goal(size, 2.5),
    )


@every_size
def test_cfar(benchmark: BenchmarkFixture, size: str) -> None:
    frame, window, guard, design, sigma_floor = textured(*SIZES[size], seed=8), 17, 5, 5.0, 0.5
    out, scratch = np.empty_like(frame), floats(cfar.cfar_scratch_size(frame.shape[1], window, guard))

    def ours() -> np.ndarray:
        cfar.ca_cfar(frame, window, guard, design, sigma_floor, scratch, out)
        return out

    given = (frame, window, guard, design, sigma_floor, float(frame.mean()))
    contest(
        benchmark,
        "CA-CFAR, window 17, guard 5",
        size,
        ours,
        {
            "Numba": peers_numba.cfar_numba(*given),
            "OpenCV": peers.cfar_opencv(*given),
            "SciPy": peers.cfar_scipy(*given),
        },
        close(1e-3),
        goal(size, 2.6),
    )


@every_size
@pytest.mark.parametrize("hits", ["0.012 %", "0.7 %"])
def test_extract(benchmark: BenchmarkFixture, size: str, hits: str) -> None:
    """White noise after a matched filter with spots of both signs; the threshold gives the share of hits."""
    shape = SIZES[size]
    rng = np.random.default_rng(9)
    points = rng.standard_normal(shape).astype(np.float32)
    points.flat[rng.choice(points.size, 64, replace=False)] += np.tile(np.float32([60, -60]), 32)
    residual = cv2.GaussianBlur(points, (0, 0), PSF_SIGMA_PX)
    z = residual / np.sqrt(1 / (4 * np.pi * PSF_SIGMA_PX**2), dtype=np.float32)
    threshold = float(np.quantile(np.abs(z), 1 - float(hits[:-2]) / 100))
    plots, scratch = np.empty(16384, PLOT_DTYPE), np.empty(extract.extract_scratch_size(shape[1], 16384), np.int64)
    none_bad = np.empty(0, np.int32)

    def ours() -> np.ndarray:
        _, n = extract.extract_plots(z, residual, threshold, None, 65535, none_bad, scratch, plots)
        return plots[:n]

    given = (z, residual, threshold)
    contest(
        benchmark,
        f"plot extraction, {hits} hits",
        size,
        ours,
        {
            "Numba": peers_extract.extract_numba(*given, plots.size),
            "OpenCV+SciPy graph": peers_extract.extract_sparse(*given),
            "OpenCV labels": peers_extract.extract_opencv(*given),
            "SciPy": peers_extract.extract_scipy(*given),
            "sep": peers_extract.extract_sep(z, threshold),
            "scikit-image": peers_extract.extract_skimage(z, threshold),
        },
        peers_extract.agree_plots,
        goal(size, 0.2 if hits == "0.012 %" else 0.7),
        plots=int(ours().size),
    )


@every_size
def test_fit(benchmark: BenchmarkFixture, size: str) -> None:
    """Places of the 128 spots of one frame; sep's windowed centroid has no covariance, light or pairs told apart."""
    shape = SIZES[size]
    rng = np.random.default_rng(10)
    points = np.zeros(shape, np.float32)
    at = (np.indices((8, 16)).reshape(2, -1) + 0.5) * np.array([[shape[0] / 8], [shape[1] / 16]])
    points[tuple(at.astype(int))] = 200 * rng.choice([1, 2, 4], 128)
    residual = cv2.GaussianBlur(points, (0, 0), PSF_SIGMA_PX) + rng.standard_normal(shape).astype(np.float32)
    filtered = cv2.GaussianBlur(residual, (0, 0), PSF_SIGMA_PX)
    white_gain = float(4 * np.pi * PSF_SIGMA_PX**2)
    z = filtered * np.float32(white_gain**0.5)
    first, plots = np.zeros(1024, PLOT_DTYPE), np.zeros(1024, PLOT_DTYPE)
    scratch = np.empty(extract.extract_scratch_size(shape[1], 1024), np.int64)
    _, n = extract.extract_plots(z, filtered, 6.0, None, 65535, np.empty(0, np.int32), scratch, first)
    rows, cols = first["row"][:n].astype(float), first["col"][:n].astype(float)

    def ours() -> np.ndarray:
        plots[:] = first
        fit.fit_plots(residual, filtered, z, 6.0, PSF_SIGMA_PX, white_gain, 32, 1024, n, scratch, plots)
        return np.stack([plots["row"][:n], plots["col"][:n]])

    def windowed() -> np.ndarray:
        along, down, _ = sep.winpos(residual, cols, rows, PSF_SIGMA_PX)
        return np.stack([down, along])

    def agree(mine: np.ndarray, theirs: np.ndarray) -> float:
        assert n == 128
        worst = float(np.sqrt(np.mean((mine - theirs) ** 2)))
        assert worst < 0.03, f"places differ by {worst:.2g} px RMS"
        return worst

    contest(benchmark, "places of 128 plots", size, ours, {"sep winpos": windowed}, agree, plots=n)
