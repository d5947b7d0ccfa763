"""What every kernel and the chains make of the same input, written on one processor and compared with another's.

usage: python -m tests.board.results input IN.pickle             every kernel's arguments, frames and intervals
       python -m tests.board.results run IN.pickle OUT.pickle    what this processor makes of them
       python -m tests.board.results compare OUT OTHER           exit status 1 when they differ by too much

The input is made once and carried over, so that the random numbers of two NumPy versions and the mathematics of two
C libraries do not stand between the kernels.
"""

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np

from lookdown.flight import process
from lookdown.flight.radar.chain import RadarChain
from lookdown.flight.radar.config import RadarParameters
from tests.bench.scenes import displaced, textured
from tests.kernels.table import KERNELS

SIZES = ((67, 131), (128, 160))
TOLERANCE = 1e-6
"""Largest difference of a float array, relative to its largest finite value; float32 has 6e-8."""

RADAR_TOLERANCE = 1e-4
"""The same of the radar chain: NumPy's Fourier transforms and linear algebra sum in another order on another processor,
and the inverse of a covariance with clutter of 25 dB carries that by a factor of hundreds (measured: 4e-5)."""

N_FRAMES, ROWS, COLS = 40, 128, 160


def sequence() -> np.ndarray:
    """Textured ground that drifts under noise with a bright and a dark mover, uint16."""
    rng = np.random.default_rng(5)
    ground = textured(ROWS + 64, COLS + 96, 5, spread=60)
    row, col = np.indices((ROWS, COLS))
    frames = []
    for k in range(N_FRAMES):
        frame = displaced(ground, 8 + 0.4 * k, 10 + 0.9 * k)[:ROWS, :COLS] + rng.normal(0, 6, (ROWS, COLS))
        for sign, at_row, at_col in ((1, 30 + 0.8 * k, 40 + 1.5 * k), (-1, 100 - 0.6 * k, 120 - 1.1 * k)):
            frame += sign * 60 * np.exp(-((row - at_row) ** 2 + (col - at_col) ** 2) / (2 * 0.9**2))
        frames.append(frame)
    return np.clip(np.rint(frames), 0, 16383).astype(np.uint16)


def intervals() -> dict[str, Any]:
    """Radar: a sensor, the shape of its intervals, and four of them with movers in clutter."""
    # The simulator is not on a board.
    from lookdown.hil.radar.interval import draw
    from lookdown.hil.radar.settings import Clutter, Radar, Target
    from tests.flight.radar.intervals import frame_of, sensor_of

    radar = Radar(channels=4, pulses=64, ranges=400, bandwidth_hz=8e6, pulse_s=3e-6, sample_rate_hz=10e6)
    movers = [
        Target((60 + 90.2 * k) * radar.cell_m, speed, 3e-4 * (k - 1), 6.0)
        for k, speed in enumerate((15.0, -20.0, 40.0))
    ]
    drawn = [draw(radar, np.random.default_rng(seed), Clutter(25.0, patches=31), movers) for seed in range(4)]
    return {
        "sensor": sensor_of(radar), "shape": drawn[0].samples.shape,
        "frames": [frame_of(one, k) for k, one in enumerate(drawn)],
    }  # fmt: skip


def make_input() -> dict[str, Any]:
    """Arguments of every kernel at each of `SIZES`, the frames and the intervals of the chains."""
    kernels = {(name, size): kernel.arguments(*size) for name, kernel in KERNELS.items() for size in SIZES}
    return {"kernels": kernels, "frames": sequence(), "radar": intervals()}


def run(given: dict[str, Any]) -> dict[str, Any]:
    """Outputs by name: the arrays that a kernel writes, what it returns, the plots of every frame."""
    found: dict[str, Any] = {}
    for (name, size), arguments in given["kernels"].items():
        returned = KERNELS[name].call(*arguments.values())
        label = f"{name} {size[0]}x{size[1]}"
        for written in KERNELS[name].written.split():
            if written != "scratch":
                found[f"{label} {written}"] = np.asarray(arguments[written])
        if returned is not None:
            found[f"{label} returned"] = np.array([float(value) for value in np.ravel(np.asarray(returned))])
    for k, plots in enumerate(process(given["frames"])):
        found[f"chain plots of frame {k}"] = plots
    radar = given["radar"]
    chain = RadarChain(RadarParameters(), radar["sensor"], radar["shape"])
    for k, frame in enumerate(radar["frames"]):
        result = chain.step(frame)
        found[f"radar plots of interval {k}"] = result.plots
        found[f"radar power of interval {k}"] = result.power.copy()
        found[f"radar counts of interval {k}"] = np.array(
            [result.flags, result.n_left_out, result.n_side_lobes, result.n_slow, *result.channels]
        )
    return found


def fields(value: np.ndarray) -> dict[str, np.ndarray]:
    """An array by field: a structured one has many."""
    return {f" {name}": value[name] for name in value.dtype.names} if value.dtype.names else {"": value}


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, float]:
    """Largest difference by output: relative to its scale for floats; infinite where integers or shapes differ.

    Raises
    ------
    ValueError
        When one side has an output that the other lacks.
    """
    if ours.keys() != theirs.keys():
        raise ValueError(f"only one side has: {', '.join(sorted(ours.keys() ^ theirs.keys()))}")
    found = {}
    for name, mine in ours.items():
        other = theirs[name]
        if mine.shape != other.shape or mine.dtype != other.dtype:
            found[name] = np.inf
            continue
        for field, a in fields(mine).items():
            b = fields(other)[field]
            if a.dtype.kind != "f":
                found[name + field] = 0.0 if np.array_equal(a, b) else np.inf
                continue
            finite = np.isfinite(b)
            if not np.array_equal(np.where(finite, 0, b), np.where(np.isfinite(a), 0, a), equal_nan=True):
                found[name + field] = np.inf
                continue
            a, b = a[finite].astype(np.float64), b[finite].astype(np.float64)
            scale = float(np.abs(b).max(initial=0.0))
            found[name + field] = float(np.abs(a - b).max(initial=0.0)) / scale if scale else float(np.any(a != b))
    return found


def tolerance(name: str) -> float:
    """How far an output may be apart, relative to its scale."""
    return RADAR_TOLERANCE if name.startswith("radar ") else TOLERANCE


def compare(ours: Path, theirs: Path) -> int:
    """Print how far two processors are apart; the number of outputs that are too far."""
    found = differences(pickle.loads(ours.read_bytes()), pickle.loads(theirs.read_bytes()))
    beyond = {name: value for name, value in found.items() if not value <= tolerance(name)}
    for name, value in sorted(beyond.items()):
        print(f"  {name}: {'integers, shape or not-a-number differ' if value == np.inf else f'{value:.1e}'}")
    same = sum(value == 0 for value in found.values())
    worst = max(found.values())
    print(
        f"  {len(found)} outputs: {same} equal to the last bit, {len(found) - same - len(beyond)} within {TOLERANCE:g} "
        f"of their scale (radar {RADAR_TOLERANCE:g}), {len(beyond)} beyond; largest difference {worst:.1e}"
    )
    return len(beyond)


def main(arguments: list[str]) -> int:
    """Run the command; see the module."""
    match arguments:
        case ["input", path]:
            Path(path).write_bytes(pickle.dumps(make_input()))
        case ["run", path, out]:
            Path(out).write_bytes(pickle.dumps(run(pickle.loads(Path(path).read_bytes()))))
        case ["compare", ours, theirs]:
            return compare(Path(ours), Path(theirs)) > 0
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
