"""The view is a video that plays, with its marks where the plots are."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from lookdown.flight.view import ViewWriter

PLOT = np.dtype([("row", "f4"), ("col", "f4"), ("amplitude", "f4"), ("snr", "f4")])


def test_marks_stand_where_the_plots_are(tmp_path: Path) -> None:
    view = ViewWriter(tmp_path / "view.mp4", 10.0)
    plots = np.array([(40.0, 30.0, 9.0, 7.5), (10.0, 90.0, -9.0, 6.0)], PLOT)
    for k in range(3):
        view.add(k, np.full((64, 120), 100 + k, np.uint16), plots[: k + 1])
    view.close()
    video = cv2.VideoCapture(str(tmp_path / "view.mp4"))
    frames = []
    while (read := video.read())[0]:
        frames.append(read[1].astype(int))
    video.release()
    assert len(frames) == 3
    colourful = [np.ptp(frame, axis=2)[: 4 * 64] > 60 for frame in frames]
    scale = frames[0].shape[1] // 120
    for marked, (row, col) in ((colourful[0], (40, 30)), (colourful[1], (10, 90))):
        assert marked[(row - 5) * scale : (row + 6) * scale, (col - 5) * scale : (col + 6) * scale].any()
    assert not colourful[0][: 20 * scale, 70 * scale :].any()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    view = ViewWriter(tmp_path / "absent" / "view.mp4", 10.0)
    with pytest.raises(OSError, match="cannot write a video"):
        view.add(0, np.zeros((8, 8)), np.zeros(0, PLOT))
