"""Both versions of a row function, AVX2 and baseline, give the same bits: the same frames through two builds."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lookdown.hil.sampling import N_FIELDS, sample
from lookdown.hil.scene.fields import Texture
from lookdown.hil.sensor.charge import diffuse, trap
from lookdown.hil.sensor.noise import expose
from lookdown.kernels import background, calibrate, cfar, extract, fit, paths, register, shift, stack, suppress
from tests.kernels.reference_cfar import MODES, Detector

ROOT = Path(__file__).resolve().parents[2]


def digest() -> str:
    """Hash of the outputs of all kernels on one textured scene."""
    rng = np.random.default_rng(12)
    shape = (67, 131)
    samples = rng.integers(0, 16384, shape).astype(np.uint16)
    gain, offset = (rng.uniform(0.9, 1.1, shape).astype(np.float32) for _ in range(2))
    out, filtered, residual, z, score, moved = (np.zeros(shape, np.float32) for _ in range(6))
    scratch, words = np.zeros(100_000, np.float32), np.zeros(50_000, np.int64)
    bad = np.flatnonzero(rng.random(out.size) < 0.01).astype(np.int32)
    good = np.zeros(bad.size, np.uint8)
    calibrate.judge_neighbours(bad, *shape, good)
    taps = np.array([0.1, 0.3, 0.7, 1, 0.7, 0.3, 0.1], np.float32)
    mean, variance, age = np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, np.uint8)
    plots = np.zeros(200, extract.PLOT_DTYPE)
    sums = hashlib.sha256()
    for _ in range(12):
        calibrate.calibrate(samples, gain, offset, out)
        calibrate.replace_bad(out, bad, good)
        suppress.matched_filter(out, taps, taps, scratch, filtered)
        background.update_background(filtered, 10, 3.0, 0.1, mean, variance, age, residual, z)
        cfar.ca_cfar(residual, 17, 5, 5.0, 0.1, scratch, score)
        shift.shift(filtered, 0.3, -1.6, scratch, moved)
        found = register.estimate_shift(filtered, moved, 0.0, -1.0, 3.0, 1, scratch)
        counts = extract.extract_plots(score, residual, 2.5, samples, 16000, bad, words, plots)
        parted = fit.fit_plots(filtered, residual, score, 2.5, 0.9, 8.0, 32, 40, counts[1], words, plots)
        suppress.local_normalise(moved, 9, 0.1, scratch, out)
        for array in (filtered, mean, variance, residual, z, score, moved, out, plots):
            sums.update(array.tobytes())
        sums.update(repr((found, counts, parted)).encode())
        samples = np.roll(samples, 1, axis=1)
    power = rng.standard_exponential((67, 301), np.float32)
    for mode in MODES:
        for window, guard in (((11, 11), (5, 5)), ((21, 33), (3, 5))):
            sums.update(Detector(mode, power.shape, window, guard, 0.01)(power).tobytes())
    sums.update(stacked(rng, shape))
    sums.update(simulated(rng, shape).tobytes())
    return sums.hexdigest()


def stacked(rng: np.random.Generator, shape: tuple[int, int]) -> bytes:
    """Sum a window of scores along all paths and refine some."""
    n_cells = np.array([3, 3], np.int32)
    links = np.array([[0, 0, -1], [0, 0, 0], [0, 0, 1], [0, 1, -1], [1, 0, 0], [2, -1, 1]], np.int32)
    lines = np.array([[1, 0, -1, -2], [0, 0, 0, 0], [-1, 0, 1, 2]], np.int32)
    frames = np.zeros((4, *shape), np.int16)
    for frame in frames:
        stack.quantise(rng.standard_normal(shape).astype(np.float32), 64.0, 384, frame)
    order, at, best = np.arange(4, dtype=np.int32), rng.integers(-3, 4, (4, 2)).astype(np.int32), frames[0].copy()
    scratch = np.zeros(stack.stack_scratch_size(n_cells, links), np.int16)
    stack.stack_velocities(frames, order, at, n_cells, links, scratch, best)
    places = np.ascontiguousarray(np.argwhere(best > 400)[:50], np.int32)
    found, work = (np.zeros(len(places), paths.PATH_DTYPE) for _ in range(2))
    masks, speeds = np.zeros(len(places), np.uint32), np.array([-1.0, 0.0, 1.0])
    given = (frames, order, at, lines, speeds, 1 / 64, 4.0, 0.5, 0.73, places, 4.0, 9.0, 9.0, masks, work, found)
    assert paths.refine_paths(*given) > 5
    return best.tobytes() + found.tobytes()


def simulated(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Draw one frame with every row function of the simulator."""
    corners = np.zeros((10, 10, N_FIELDS), np.float32)
    # Rows and columns of ground and cloud, partly beyond the borders; scales, haze and path; the finest texels.
    corners[..., [0, 5]] = np.linspace(-20.0, 150.0, 10)[:, None, None]
    corners[..., [1, 6]] = np.linspace(10.0, 120.0, 10)[None, :, None]
    corners[..., 2:5] = rng.uniform(1.0, 2.0, (10, 10, 3))
    corners[..., 7:9] = rng.uniform(1.0, 2.0, (10, 10, 2))
    ground, sea, cloud = (Texture.of(rng.uniform(0.0, 1.0, (128, 128))) for _ in range(3))
    light, held = np.empty(shape, np.float32), np.ones(shape, np.float32)
    sample(corners, ground, sea, cloud, light, 1e5)
    trap(light, held, 0.7, 0.01, 3e5)
    diffuse(light, 0.02)
    gain, offset, rate = (rng.uniform(a, b, shape).astype(np.float32) for a, b in ((0.02, 0.03), (0, 9), (0, 1e-4)))
    counts = np.empty(shape, np.uint16)
    expose(
        light, gain, offset, counts, (7, 9), noise_floor_e2=1e4, noise_scale=1.0, loss_per_e=1e-8, largest_dn=16383.0,
        gain_rate_dn_s=rate, offset_rate_dn_s=rate, t_s=3.0,
    )  # fmt: skip
    assert 1000 < np.median(counts) < 15000
    return np.concatenate([counts.ravel().astype(np.float32), held.ravel()])


@pytest.mark.proof
def test_the_baseline_build_gives_the_same_bits(tmp_path: Path) -> None:
    copy = tmp_path / "lookdown-baseline"
    for room in ("kernels", "hil"):
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    for room in ("wire", "geo", "flight", "ground"):
        (copy / room).mkdir()
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    run = {"cwd": copy, "check": True, "capture_output": True, "text": True, "timeout": 280}
    flags = os.environ | {"CFLAGS": "-DLOOKDOWN_ONE_PATH"}
    subprocess.run([sys.executable, "setup.py", "-q", "build_ext", "--build-lib", "built"], env=flags, **run)
    for room in ("kernels", "hil"):
        others = shutil.ignore_patterns("*.pyx", "*.pxd")
        shutil.copytree(copy / room, copy / "built" / "lookdown" / room, ignore=others, dirs_exist_ok=True)
    code = f"""
import sys, lookdown
lookdown.__path__ = [{str(copy / "built" / "lookdown")!r}]
sys.path.insert(0, {str(ROOT)!r})
from tests.kernels.test_dispatch import digest
import lookdown.hil.sampling, lookdown.kernels.cfar
assert all("lookdown-baseline" in part.__file__ for part in (lookdown.hil.sampling, lookdown.kernels.cfar))
print(digest())
"""
    assert subprocess.run([sys.executable, "-c", code], **run).stdout.strip() == digest()
