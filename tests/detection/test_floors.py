"""The chain's defaults on all clips of real video: Pd, and a threshold that carries from some clips to others."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from tests.detection import clips
from tests.detection.compare import on_clip
from tests.detection.results import OURS, Results


@pytest.mark.recordings
def test_the_chain_reaches_its_floors_on_real_video(recordings: Path) -> None:
    folder = recordings / "drone-ir"
    names = clips.names(folder)
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:  # threads do not outlive a fork
        counts = list(pool.map(on_clip, [folder] * len(names), names, [(OURS,)] * len(names)))
    results = Results({OURS: [found[OURS] for found in counts]}, {})
    for floor in results.clip_floors():
        assert floor.met, f"{floor.text}: {floor.value:.3f}, wanted {floor.sense} {floor.bound:.3f}"
