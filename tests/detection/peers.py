"""Detectors as one builds them from OpenCV in an afternoon, one setting each, and what they are held to.

Each takes frames and gives plots a frame: the strongest maxima of its score, of both polarities. So all are ranked on
the same footing: a curve, not one point.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import cv2
import numpy as np

from tests.detection.scoring import Plots

PLOTS_A_FRAME = 300
PSF_SIGMA_PX = 0.9
SURROUND = 2.0
"""Width of the surround by that of the centre, in differences of Gaussians."""

LOCAL_PX, WIDE_PX = 15, 31
APART_FRAMES = 5
"""Frames between those that are subtracted: most targets are slow."""

MEMORY_FRAMES = 20
FLOOR_DN = 0.5
SPIKE_SIGMAS = 12.0

Detector = Callable[[Iterable[np.ndarray]], Iterator[Plots]]


def plots_of(score: np.ndarray) -> Plots:
    """Take the strongest maxima over 5 x 5 pixels."""
    peaks = (score == cv2.dilate(score, np.ones((5, 5), np.uint8))) & (score > 0)
    row, col = np.nonzero(peaks)
    value = score[row, col]
    if len(value) > PLOTS_A_FRAME:
        kept = np.argpartition(value, -PLOTS_A_FRAME)[-PLOTS_A_FRAME:]
        row, col, value = row[kept], col[kept], value[kept]
    return np.stack([row, col, value], axis=1).astype(float)


def blur(image: np.ndarray, sigma_px: float) -> np.ndarray:
    """Gaussian filter."""
    return cv2.GaussianBlur(image, (0, 0), sigma_px)


def despiked(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Replace pixels that stand far off the median of their neighbours: for sensors whose pixels blink."""
    for frame in frames:
        smooth = cv2.medianBlur(frame, 3)
        away = cv2.absdiff(frame, smooth)
        yield np.where(away > SPIKE_SIGMAS * 1.4826 * max(float(np.median(away)), 1.0), smooth, frame)


def over_local_sigma(image: np.ndarray, window_px: int = LOCAL_PX) -> np.ndarray:
    """Size of an image over its deviation in the neighbourhood."""
    mean, square = (cv2.blur(part, (window_px, window_px)) for part in (image, image * image))
    return np.abs(image - mean) / np.sqrt(np.maximum(square - mean * mean, 0.0) + FLOOR_DN**2)


def over_frame_sigma(image: np.ndarray) -> np.ndarray:
    """Size of an image over its deviation in the frame, by the median."""
    return np.abs(image) / (1.4826 * float(np.median(np.abs(image))) + FLOOR_DN)


def centre_surround(image: np.ndarray, sigma_px: float = PSF_SIGMA_PX, window_px: int = LOCAL_PX) -> np.ndarray:
    """Difference of Gaussians, over the local deviation."""
    return over_local_sigma(blur(image, sigma_px) - blur(image, SURROUND * sigma_px), window_px)


def difference_of_gaussians(frames: Iterable[np.ndarray], window_px: int = LOCAL_PX) -> Iterator[Plots]:
    """One scale."""
    for frame in frames:
        yield plots_of(centre_surround(frame.astype(np.float32), window_px=window_px))


def two_scales(frames: Iterable[np.ndarray]) -> Iterator[Plots]:
    """The larger of two scales."""
    for frame in frames:
        image = frame.astype(np.float32)
        yield plots_of(np.maximum(centre_surround(image), centre_surround(image, 2 * PSF_SIGMA_PX, WIDE_PX)))


def mixture_of_gaussians(frames: Iterable[np.ndarray]) -> Iterator[Plots]:
    """MOG2: what its mask holds, ranked by how far it lies from its background."""
    model = cv2.createBackgroundSubtractorMOG2(history=100, varThreshold=16, detectShadows=False)
    for frame in frames:
        image = frame.astype(np.float32)
        mask = model.apply(image)
        away = blur(image - model.getBackgroundImage().astype(np.float32), PSF_SIGMA_PX)
        yield plots_of(np.where(mask > 0, over_frame_sigma(away), np.float32(0.0)))


def frame_difference(frames: Iterable[np.ndarray]) -> Iterator[Plots]:
    """A frame less an earlier one."""
    past: deque[np.ndarray] = deque(maxlen=APART_FRAMES + 1)
    for frame in frames:
        past.append(frame.astype(np.float32))
        yield plots_of(centre_surround(past[-1] - past[0]))


def registered_difference(frames: Iterable[np.ndarray]) -> Iterator[Plots]:
    """A frame less an earlier one, moved onto it by phase correlation."""
    past: deque[np.ndarray] = deque(maxlen=APART_FRAMES + 1)
    window: Any = None
    for frame in frames:
        image = frame.astype(np.float32)
        size = image.shape[::-1]
        window = cv2.createHanningWindow(size, cv2.CV_32F) if window is None else window
        past.append(image)
        (right, down), _ = cv2.phaseCorrelate(past[0].copy(), image.copy(), window)  # overwrites what it is given
        move = np.array([[1, 0, right], [0, 1, down]], np.float32)
        moved = cv2.warpAffine(past[0], move, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        yield plots_of(centre_surround(image - moved))


def running_mean(frames: Iterable[np.ndarray]) -> Iterator[Plots]:
    """A frame less a running mean."""
    mean: Any = None
    for n, frame in enumerate(frames):
        image = frame.astype(np.float32)
        mean = image.copy() if mean is None else mean
        yield plots_of(centre_surround(image - mean))
        mean += (image - mean) / min(n + 1, MEMORY_FRAMES)


def temporal_and_spatial(frames: Iterable[np.ndarray]) -> Iterator[Plots]:
    """The geometric mean of what stands out in space and against a running mean."""
    mean: Any = None
    for n, frame in enumerate(frames):
        image = frame.astype(np.float32)
        mean = image.copy() if mean is None else mean
        yield plots_of(np.sqrt(centre_surround(image) * over_local_sigma(blur(image - mean, PSF_SIGMA_PX))))
        mean += (image - mean) / min(n + 1, MEMORY_FRAMES)


PEERS: dict[str, Detector] = {
    "DoG over local sigma": difference_of_gaussians,
    "DoG, wider window": partial(difference_of_gaussians, window_px=WIDE_PX),
    "DoG, two scales": two_scales,
    "MOG2": mixture_of_gaussians,
    "frame difference": frame_difference,
    "registered difference": registered_difference,
    "running mean": running_mean,
    "temporal and spatial": temporal_and_spatial,
}
