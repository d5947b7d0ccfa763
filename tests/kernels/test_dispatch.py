"""Both versions of a row function, AVX2 and baseline, give the same bits: the same frames through two builds."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lookdown.kernels import background, calibrate, cfar, extract, register, shift, suppress

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
    taps = np.array([0.1, 0.3, 0.7, 1, 0.7, 0.3, 0.1], np.float32)
    mean, variance, age = np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, np.uint8)
    plots = np.zeros(200, extract.PLOT_DTYPE)
    sums = hashlib.sha256()
    for _ in range(12):
        calibrate.calibrate(samples, gain, offset, out)
        calibrate.replace_bad(out, bad)
        suppress.matched_filter(out, taps, taps, scratch, filtered)
        background.update_background(filtered, 10, 3.0, 0.1, mean, variance, age, residual, z)
        cfar.ca_cfar(residual, 17, 5, 5.0, 0.1, scratch, score)
        shift.shift(filtered, 0.3, -1.6, scratch, moved)
        found = register.estimate_shift(filtered, moved, 0.0, -1.0, 3.0, 1, scratch)
        counts = extract.extract_plots(score, residual, 2.5, samples, 16000, bad, words, plots)
        suppress.local_normalise(moved, 9, 0.1, scratch, out)
        for array in (filtered, mean, variance, residual, z, score, moved, out, plots):
            sums.update(array.tobytes())
        sums.update(repr((found, counts)).encode())
        samples = np.roll(samples, 1, axis=1)
    return sums.hexdigest()


@pytest.mark.proof
def test_the_baseline_build_gives_the_same_bits(tmp_path: Path) -> None:
    copy = tmp_path / "lookdown-baseline"
    shutil.copytree(ROOT / "kernels", copy / "kernels", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    for room in ("wire", "geo", "flight", "ground", "hil"):
        (copy / room).mkdir()
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    run = {"cwd": copy, "check": True, "capture_output": True, "text": True, "timeout": 280}
    flags = os.environ | {"CFLAGS": "-DLOOKDOWN_ONE_PATH"}
    subprocess.run([sys.executable, "setup.py", "-q", "build_ext", "--build-lib", "built"], env=flags, **run)
    for source in [*copy.glob("kernels/*.py")]:
        shutil.copy(source, copy / "built" / "lookdown" / "kernels")
    code = f"""
import sys, lookdown
lookdown.__path__ = [{str(copy / "built" / "lookdown")!r}]
sys.path.insert(0, {str(ROOT)!r})
from tests.kernels.test_dispatch import digest
import lookdown.kernels.cfar
assert "lookdown-baseline" in lookdown.kernels.cfar.__file__
print(digest())
"""
    assert subprocess.run([sys.executable, "-c", code], **run).stdout.strip() == digest()
