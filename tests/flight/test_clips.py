"""Real infrared video through the chain: the labelled aircraft is found, false plots are rare, and it is fast."""

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
def test_the_labelled_target_is_found_many_times_faster_than_it_was_filmed(
    clip: str, least_pd: float, recordings: Path
) -> None:
    boxes = json.loads((recordings / "drone-ir" / "labels.json").read_text())[clip]["boxes"]
    recording = open_recording(recordings / "drone-ir" / f"{clip}.mp4")
    chain: Chain | None = None
    hits = labelled = false = pixels = 0
    spent_s = 0.0
    for frame, box in zip(recording.frames, boxes[:N_FRAMES], strict=False):
        chain = chain or Chain(ChainParameters(threshold=4.5), *frame.samples.shape)
        begun_s = time.thread_time()
        plots = chain.step(frame.samples).plots
        spent_s += time.thread_time() - begun_s
        pixels += frame.samples.size
        row, col = box[1] - 1 + box[3] / 2, box[0] - 1 + box[2] / 2
        hits += bool((np.hypot(plots["row"] - row, plots["col"] - col) <= 3).any())
        labelled += 1
        far = (np.abs(plots["row"] - row) > box[3] / 2 + 2) | (np.abs(plots["col"] - col) > box[2] / 2 + 2)
        false += int(far.sum())
    assert labelled == N_FRAMES
    assert hits / labelled >= least_pd
    assert false / pixels < 5e-5
    assert N_FRAMES / spent_s > 3 * recording.rate_hz
