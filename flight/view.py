"""A video of a recording with its plots drawn, so that a person can look."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_SMALLEST_WIDTH_PX = 960
_LARGEST_SCALE = 4
_BRIGHT, _DARK, _TEXT = (80, 220, 80), (255, 170, 60), (235, 235, 235)
_BAR_PX = 22
_STRETCH_MEMORY = 0.9


class ViewWriter:
    """Writes frames with plots as an MPEG-4 video; complete only after `close`.

    The grey levels are stretched from the 0.5 to the 99.5 percentile, smoothed over frames so that the picture does not
    flicker. A circle marks each plot, with its SNR beside it: green where brighter than its surroundings,
    blue where darker.

    Parameters
    ----------
    path : Path
        Video file, ``.mp4``.
    rate_hz : float
        Frame rate [Hz].

    Raises
    ------
    OSError
        If the file cannot be written.
    """

    def __init__(self, path: Path, rate_hz: float) -> None:
        self._path, self._rate_hz = path, rate_hz
        self._video: cv2.VideoWriter | None = None
        self._scale = 1
        self._range: NDArray[np.float64] | None = None

    def add(self, index: int, samples: NDArray[Any], plots: NDArray[Any], note: str = "") -> None:
        """Append one frame.

        Parameters
        ----------
        index : int
            Number of the frame, shown below it.
        samples : ndarray, shape (rows, cols)
            The frame.
        plots : ndarray of PLOT_DTYPE
            Its plots.
        note : str
            Shown at the end of the line below the frame.
        """
        rows, cols = samples.shape
        if self._video is None:
            self._open(rows, cols)
        picture = cv2.cvtColor(self._grey(samples), cv2.COLOR_GRAY2BGR)
        picture = cv2.resize(picture, None, fx=self._scale, fy=self._scale, interpolation=cv2.INTER_NEAREST)
        for plot in plots:
            self._mark(picture, plot)
        bar = np.zeros((_BAR_PX, picture.shape[1], 3), np.uint8)
        line = f"frame {index}   plots {len(plots)}   {note}"
        cv2.putText(bar, line, (6, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _TEXT, 1, cv2.LINE_AA)
        assert self._video is not None
        self._video.write(np.ascontiguousarray(np.vstack([picture, bar])[: self._height, : self._width]))

    def close(self) -> None:
        """Finish the file."""
        if self._video is not None:
            self._video.release()

    def _open(self, rows: int, cols: int) -> None:
        self._scale = min(max(-(-_SMALLEST_WIDTH_PX // cols), 1), _LARGEST_SCALE)
        # The encoder wants even sizes.
        self._width, self._height = cols * self._scale // 2 * 2, (rows * self._scale + _BAR_PX) // 2 * 2
        code = cv2.VideoWriter.fourcc(*"mp4v")
        self._video = cv2.VideoWriter(str(self._path), code, self._rate_hz, (self._width, self._height))
        if not self._video.isOpened():
            raise OSError(f"{self._path}: cannot write a video there; check the folder and the suffix (.mp4)")

    def _grey(self, samples: NDArray[Any]) -> NDArray[np.uint8]:
        values = np.nan_to_num(np.asarray(samples, np.float32))
        span = np.asarray(np.percentile(values[::4, ::4], (0.5, 99.5)), np.float64)
        if self._range is not None:
            span = _STRETCH_MEMORY * self._range + (1.0 - _STRETCH_MEMORY) * span
        self._range = span
        low, high = span.tolist()
        return np.asarray(np.clip((values - low) * (255.0 / max(high - low, 1e-6)), 0, 255), np.uint8)

    def _mark(self, picture: NDArray[Any], plot: Any) -> None:
        row, col = ((float(plot[name]) + 0.5) * self._scale for name in ("row", "col"))
        radius = 4 * self._scale
        colour = _DARK if plot["amplitude"] < 0 else _BRIGHT
        centre = (round(col), round(row))
        cv2.circle(picture, centre, radius, colour, 1, cv2.LINE_AA)
        where = (centre[0] + radius + 2, centre[1] + 4)
        cv2.putText(picture, f"{plot['snr']:.1f}", where, cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1, cv2.LINE_AA)
