"""Velocity bank or dynamic programming? Pd of both in white noise through 16 frames, at 1e-6 false plots per pixel.

Dynamic programming (Barniv 1985, IEEE Trans. AES 21, 144; Tonissen and Evans 1996, IEEE Trans. AES 32, 1440) carries,
for each pixel and cell of velocity, the best sum of any path that ends there: 25 cells of 1 px/frame with 3 x 3
transitions about the cell's own, 81 cells of 0.5 px/frame with 2 x 2, or one cell with 5 x 5. The threshold comes from
noise alone: counts of plots by level, a straight line through the logarithm of the density against the level squared
between 1e-3 and 1e-5, read at 1e-6 (the bank's own calibration needs no such line).

usage: PYTHONPATH=. .venv/bin/python docs/decisions/track_before_detect.py [windows of noise, default 12]
(from the root of the checkout)
"""

import sys
import time
from collections.abc import Callable

import cv2
import numpy as np

from lookdown.flight.config import MultiFrameParameters
from lookdown.flight.multiframe import MultiFrame
from tests.flight.weak import PSF_SIGMA_PX, Targets, WhiteNoise, found, targets

SHAPE, N_FRAMES, PFA = (512, 640), 16, 1e-6
SNRS = (1.8, 2.0, 2.25, 2.5, 3.0)
Score = Callable[[list[np.ndarray]], np.ndarray]


def moved(image: np.ndarray, down: float, along: float) -> np.ndarray:
    """Shift by whole pixels; what comes in is out of reach."""
    matrix = np.array([[1, 0, along], [0, 1, down]], np.float32)
    return cv2.warpAffine(image, matrix, image.shape[::-1], flags=cv2.INTER_NEAREST, borderValue=-1e3)


def dynamic_programming(step: float, reach: int) -> Score:
    """Best sum that ends at each pixel; cells of ``step`` px/frame, ``reach`` x ``reach`` transitions."""
    velocities = np.arange(-2, 2.01, step) if step else np.zeros(1)
    square = np.ones((reach, reach), np.uint8)
    # With an even square the cell lies between pixels: its anchor and the floor of the velocity go together.
    anchor = (-1, -1) if reach % 2 else (1, 1)

    def best(frames: list[np.ndarray]) -> np.ndarray:
        top = np.zeros(SHAPE, np.float32)
        for polarity in (1.0, -1.0):
            for down in velocities:
                for along in velocities:
                    total = polarity * frames[0]
                    for score in frames[1:]:
                        before = cv2.dilate(total, square, anchor=anchor)
                        total = polarity * score + moved(before, np.floor(down), np.floor(along))
                    np.maximum(top, total, out=top)
        return top / N_FRAMES**0.5

    return best


def maxima(image: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Places (n, 2) and values of the maxima in 11 x 11 pixels."""
    places = np.argwhere((image == cv2.dilate(image, np.ones((11, 11), np.uint8))) & (image > least))
    return places, image[tuple(places.T)]


def threshold(levels: np.ndarray, n_pixels: float) -> float:
    """Level of noise at PFA, by a line through log density against level squared."""
    levels = np.sort(levels)[::-1]
    density = np.arange(1, len(levels) + 1) / n_pixels
    use = (density < 1e-3) & (density > max(1e-5, 5 / n_pixels))
    slope, start = np.polyfit(levels[use] ** 2, np.log(density[use]), 1)
    return float(np.sqrt((np.log(PFA) - start) / slope))


def scores(noise: WhiteNoise, movers: Targets | None) -> list[np.ndarray]:
    """Make a window of scores."""
    return [noise.score(movers, k - (N_FRAMES - 1) / 2).copy() for k in range(N_FRAMES)]


def main(n_noise: int) -> None:
    """Print a line for each way."""
    ways = {
        "DP, 25 cells, 3 x 3": dynamic_programming(1.0, 3),
        "DP, 81 cells, 2 x 2": dynamic_programming(0.5, 2),
        "DP, 1 cell, 5 x 5": dynamic_programming(0.0, 5),
    }
    for name, way in ways.items():
        noise = WhiteNoise(SHAPE, 1)
        windows = [scores(noise, None) for _ in range(n_noise)]
        begun_s = time.perf_counter()
        levels = np.concatenate([maxima(way(window), 3.0)[1] for window in windows])
        spent_s = (time.perf_counter() - begun_s) / n_noise
        level = threshold(levels, n_noise * SHAPE[0] * SHAPE[1])
        pd = []
        for snr in SNRS:
            hits = []
            for _ in range(2):
                movers = targets(noise.rng, SHAPE, 2.0, snr)
                places, _ = maxima(way(scores(noise, movers)), level)
                ends = movers.at((N_FRAMES - 1) / 2)
                hits.append((np.hypot(*(places[:, None] - ends).transpose(2, 0, 1)) <= 3.0).any(0))
            pd.append(np.mean(hits))
        report(name, f"threshold {level:5.2f}", pd, spent_s)
    noise = WhiteNoise(SHAPE, 1)
    stage = MultiFrame(MultiFrameParameters(enabled=True, every=N_FRAMES), *SHAPE, PSF_SIGMA_PX)
    pd, seconds = [], []
    for snr in SNRS:
        hits = []
        for _ in range(4):
            movers = targets(noise.rng, SHAPE, 2.0, snr)
            for score in scores(noise, movers)[:-1]:
                stage.step(score, (0.0, 0.0), 4.89)
            begun_s = time.perf_counter()
            window = stage.step(noise.score(movers, (N_FRAMES - 1) / 2), (0.0, 0.0), 4.89)
            seconds.append(time.perf_counter() - begun_s)
            hits.append(found(window, movers) > 0)
        pd.append(np.mean(hits))
    report("bank, refined", "calibrated     ", pd, float(np.median(seconds)))


def report(name: str, level: str, pd: list[float], window_s: float) -> None:
    """Print a line."""
    table = "  ".join(f"SNR {snr}: {p:.2f}" for snr, p in zip(SNRS, pd, strict=True))
    print(f"{name:20} {level}  {table}  {window_s:.2f} s a window", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 12)
