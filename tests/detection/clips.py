"""Eleven clips of real infrared video with labelled aircraft and drones (Svanström et al. 2021, Data in Brief, CC0).

A folder holds ``NAME.mp4`` and ``labels.json``: for each name ``boxes``, a list of [x, y, width, height] in pixels from
1, or null, one a frame.
"""

import json
from pathlib import Path

import numpy as np

from lookdown.flight.sources import open_recording
from tests.detection.scoring import Target

GROWN_PX = 2.0


def names(folder: Path) -> list[str]:
    """Names of the clips that are labelled."""
    return list(json.loads((folder / "labels.json").read_text()))


def load(folder: Path, name: str) -> tuple[np.ndarray, list[list[Target]]]:
    """Read a clip: frames [frames, rows, cols] and the targets of each."""
    boxes = json.loads((folder / "labels.json").read_text())[name]["boxes"]
    frames = np.stack([frame.samples.copy() for frame in open_recording(folder / f"{name}.mp4").frames])
    boxes += [None] * (len(frames) - len(boxes))
    return frames, [[] if box is None else [target_of(*box)] for box in boxes[: len(frames)]]


def target_of(x: float, y: float, width: float, height: float) -> Target:
    """Make the target of a box."""
    half_rows, half_cols = 0.5 * (height - 1) + GROWN_PX, 0.5 * (width - 1) + GROWN_PX
    return Target(y - 1 + height / 2, x - 1 + width / 2, half_rows + 0.5, half_cols + 0.5)
