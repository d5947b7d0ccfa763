"""Real infrared video through the chain: the labelled aircraft is found, false plots are rare, and it is fast."""

import itertools
import json
import time
from pathlib import Path

import numpy as np
import pytest

from lookdown.flight.chain import Chain
from lookdown.flight.config import ChainParameters
from lookdown.flight.sources import open_recording

N_FRAMES = 150


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("clip", "least_pd"), [("IR_AIRPLANE_027", 0.7), ("IR_AIRPLANE_045", 0.8), ("IR_DRONE_059", 0.8)]
)
def test_the_labelled_target_is_found(clip: str, least_pd: float, recordings: Path) -> None:
    boxes = json.loads((recordings / "drone-ir" / "labels.json").read_text())[clip]["boxes"]
    recording = open_recording(recordings / "drone-ir" / f"{clip}.mp4")
    chain: Chain | None = None
    hits = labelled = false = pixels = 0
    for frame, box in zip(recording.frames, boxes[:N_FRAMES], strict=False):
        chain = chain or Chain(ChainParameters(threshold=4.5), *frame.samples.shape)
        plots = chain.step(frame.samples).plots
        pixels += frame.samples.size
        row, col = box[1] - 1 + box[3] / 2, box[0] - 1 + box[2] / 2
        hits += bool((np.hypot(plots["row"] - row, plots["col"] - col) <= 3).any())
        labelled += 1
        far = (np.abs(plots["row"] - row) > box[3] / 2 + 2) | (np.abs(plots["col"] - col) > box[2] / 2 + 2)
        false += int(far.sum())
    assert labelled == N_FRAMES
    assert hits / labelled >= least_pd
    assert false / pixels < 5e-5


@pytest.mark.recordings
@pytest.mark.parametrize("clip", ["IR_AIRPLANE_027", "IR_AIRPLANE_045", "IR_DRONE_059"])
def test_a_clip_takes_a_third_of_the_time_in_which_it_was_filmed(clip: str, recordings: Path) -> None:
    recording = open_recording(recordings / "drone-ir" / f"{clip}.mp4")
    frames = [frame.samples for frame in itertools.islice(recording.frames, N_FRAMES)]
    chain = Chain(ChainParameters(threshold=4.5), *frames[0].shape)
    begun_s = time.thread_time()
    for samples in frames:
        chain.step(samples)
    assert N_FRAMES / (time.thread_time() - begun_s) > 3 * recording.rate_hz
