"""Runs the onboard chain and its peers over real clips and orbital sequences, and holds the chain to its floors.

usage: python -m tests.detection.compare [--recordings DIR] [--jobs N]      (from the root; `make detection` does it)

Writes `docs/detection-numbers.md` and the pictures beside it. Ends with status 1 if a floor is not reached.
"""

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from lookdown.flight import process
from lookdown.flight.config import MultiFrameParameters
from tests.detection import clips, orbital
from tests.detection.page import write_page
from tests.detection.peers import PEERS, Detector, despiked
from tests.detection.results import OURS, OURS_MULTI, Results
from tests.detection.scoring import Count, Plots, count

ROOT = Path(__file__).resolve().parents[2]
THRESHOLD = 2.5  # low enough for the curves to reach 1e-4
REGULAR = next(iter(orbital.SENSORS))


def chain(frames: Iterable[np.ndarray], multi_frame: bool = False) -> Iterator[Plots]:
    """Run the onboard chain with its defaults."""
    for plots in process(frames, threshold=THRESHOLD, multi_frame=MultiFrameParameters(enabled=multi_frame)):
        yield np.stack([plots["row"], plots["col"], plots["snr"]], axis=1).astype(float)


DETECTORS: dict[str, Detector] = {OURS: chain, OURS_MULTI: partial(chain, multi_frame=True), **PEERS}


def on_clip(folder: Path, name: str, detectors: Iterable[str] = tuple(DETECTORS)) -> dict[str, Count]:
    """Run detectors over a clip."""
    cv2.setNumThreads(1)
    frames, truth = clips.load(folder, name)
    return {
        detector: count(name, frames[0].size, zip(DETECTORS[detector](frames), truth, strict=True))
        for detector in detectors
    }


def on_orbit(folder: Path, sensor: str, number: int) -> dict[str, Count]:
    """Run the detectors over a sequence: all where the sensor is the regular one, ours alone elsewhere.

    The peers have no defence of their own against blinking pixels: they get frames without them.
    """
    cv2.setNumThreads(1)
    drawn = list(orbital.sequence(orbital.SENSORS[sensor], folder, number))
    frames, truth = [frame for frame, _ in drawn], [targets for _, targets in drawn]
    found = {}
    for detector, run in DETECTORS.items():
        if sensor == REGULAR or detector in (OURS, OURS_MULTI):
            # All have ten frames to learn the background.
            given = despiked(frames) if detector in PEERS else frames
            pairs = list(zip(run(given), truth, strict=True))[10:]
            found[detector] = count(f"{number}", frames[0].size, pairs)
    return found


def measure(recordings: Path, jobs: int) -> Results:
    """Run all, in processes of their own, and show how far it is."""
    tasks = [
        (("clips", name), on_clip, (recordings / "drone-ir", name)) for name in clips.names(recordings / "drone-ir")
    ]
    tasks += [
        ((sensor, str(number)), on_orbit, (recordings / "goes17", sensor, number))
        for sensor, made in orbital.SENSORS.items()
        for number in range(made.sequences)
    ]
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    done = {}
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn()) as progress, ProcessPoolExecutor(jobs) as pool:
        shown = progress.add_task("recordings", total=len(tasks))
        futures = {pool.submit(work, *arguments): key for key, work, arguments in tasks}
        for future in as_completed(futures):
            done[futures[future]] = future.result()
            progress.advance(shown)
    results = Results({}, {})
    for (kind, name), _, _ in tasks:  # in their order, whichever was ready first
        for detector, counted in done[(kind, name)].items():
            if kind == "clips":
                results.clips.setdefault(detector, []).append(counted)
            else:
                results.orbital.setdefault(kind, {}).setdefault(detector, []).append(counted)
    return results


def main() -> int:
    """Measure, write the page, and tell what is below its floor."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    there = Path(os.environ.get("LOOKDOWN_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--recordings", type=Path, default=there, help="folder that holds drone-ir/ and goes17/")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (all cores)")
    asked = parser.parse_args()
    for part in ("drone-ir/labels.json", "goes17"):
        if not (asked.recordings / part).exists():
            print(
                f"{asked.recordings / part}: not found; name the recordings' folder with --recordings or LOOKDOWN_DATA"
            )
            return 2
    results = measure(asked.recordings, asked.jobs)
    page = write_page(results, ROOT / "docs")
    print(page)
    missed = [floor for floor in results.floors() if not floor.met]
    for floor in missed:
        print(f"below its floor: {floor.text}: {floor.value:.3f}, wanted {floor.sense} {floor.bound:.3f}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
