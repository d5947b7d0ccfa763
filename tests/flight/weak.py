"""Targets too weak for one frame: windows of scores in white noise, and frames of recorded Earth under sensor noise."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from lookdown.flight.multiframe import MultiFrame, Window
from lookdown.flight.psf import psf_taps
from lookdown.kernels.suppress import filter_scratch_size, matched_filter

PSF_SIGMA_PX = 0.9
NOISE_DN = 12.0
HALF = 5
PEAK_OF_SNR = 2 * np.sqrt(np.pi) * PSF_SIGMA_PX  # total light of a spot of SNR 1 after the filter [noise sigma]


@dataclass(frozen=True)
class Targets:
    """Straight movers: place in the middle of a window, velocity against the background, polarity, SNR; n of each."""

    place: np.ndarray
    velocity: np.ndarray
    sign: np.ndarray
    snr: np.ndarray

    def at(self, frames_from_middle: float) -> np.ndarray:
        return self.place + self.velocity * frames_from_middle


def targets(
    rng: np.random.Generator, shape: tuple[int, int], most_velocity: float, snr: float | np.ndarray, apart: int = 64
) -> Targets:
    """Movers at random places within pixels of a lattice wide enough to keep them apart, at random velocities."""
    lattice = np.stack(np.meshgrid(*(np.arange(56, side - 55, apart) for side in shape), indexing="ij"), -1).reshape(
        -1, 2
    )
    n = len(lattice)
    return Targets(
        lattice + rng.uniform(-0.5, 0.5, (n, 2)),
        rng.uniform(-most_velocity, most_velocity, (n, 2)),
        rng.choice([-1.0, 1.0], n),
        np.broadcast_to(rng.choice(np.atleast_1d(snr), n), n),
    )


def add_spots(frame: np.ndarray, places: np.ndarray, light: np.ndarray, sigma_px: float = PSF_SIGMA_PX) -> None:
    """Add Gaussian spots of a total light; those that reach over the border are left out."""
    g = np.arange(-HALF, HALF + 1)
    for (row, col), total in zip(places, light, strict=True):
        r, c = round(row), round(col)
        if HALF <= r < frame.shape[0] - HALF and HALF <= c < frame.shape[1] - HALF:
            spot = np.exp(-((g[:, None] + r - row) ** 2 + (g + c - col) ** 2) / (2 * sigma_px**2))
            spot *= total / (2 * np.pi * sigma_px**2)
            frame[r - HALF : r + HALF + 1, c - HALF : c + HALF + 1] += spot


class WhiteNoise:
    """Scores of unit sigma: white noise and targets after the matched filter."""

    def __init__(self, shape: tuple[int, int], seed: int) -> None:
        self.rng, self._shape = np.random.default_rng(seed), shape
        self._taps = psf_taps(PSF_SIGMA_PX)
        self._scratch = np.zeros(filter_scratch_size(shape[1], self._taps.size), np.float32)
        self._score = np.zeros(shape, np.float32)

    def score(self, movers: Targets | None, frames_from_middle: float) -> np.ndarray:
        frame = self.rng.standard_normal(self._shape, np.float32)
        if movers is not None:
            add_spots(frame, movers.at(frames_from_middle), movers.sign * movers.snr * PEAK_OF_SNR)
        matched_filter(frame, self._taps, self._taps, self._scratch, self._score)
        self._score /= np.sum(self._taps.astype(float) ** 2)
        return self._score

    def window(self, stage: MultiFrame, movers: Targets | None, threshold: float) -> Window:
        """Pass a fresh window of scores through a stage."""
        n = stage.parameters.frames
        stage.step(None, (0.0, 0.0), threshold)
        for k in range(n):
            window = stage.step(self.score(movers, k - (n - 1) / 2), (0.0, 0.0), threshold)
        assert window is not None
        return window


def found(window: Window, movers: Targets, frame_from_newest: int = 0, within_px: float = 3.0) -> np.ndarray:
    """SNR with which each mover was found in one frame of a window; 0 if it was not."""
    plots = window.plots(frame_from_newest)
    n = len(window.places)
    places = movers.at((n - 1) / 2 - frame_from_newest)
    apart = np.hypot(plots["row"][:, None] - places[:, 0], plots["col"][:, None] - places[:, 1])
    hits = (apart <= within_px) & ((plots["amplitude"] > 0)[:, None] == (movers.sign > 0))
    return np.where(hits, plots["snr"][:, None], 0.0).max(0, initial=0.0)


def texture(path: Path, rng: np.random.Generator) -> np.ndarray:
    """A piece of recorded radiance, enlarged three times, with fractal detail below its resolution; unit variance."""
    import h5py

    radiance = h5py.File(path)["Rad"][:].astype(np.float32)
    radiance = np.minimum(radiance, np.percentile(radiance, 99.9))
    height, width = 330, 400
    row, col = (int(rng.integers(0, side - part)) for side, part in zip(radiance.shape, (height, width), strict=True))
    piece = radiance[row : row + height, col : col + width]
    large = cv2.resize(piece, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    spectrum = np.fft.rfft2(rng.standard_normal(large.shape))
    wave = np.hypot(np.fft.fftfreq(large.shape[0])[:, None], np.fft.rfftfreq(large.shape[1]))
    wave[0, 0] = 1.0
    fine = np.fft.irfft2(spectrum * wave**-1.3, s=large.shape)
    large = (large - large.mean()) / large.std()
    return (large + 0.08 * fine / fine.std()).astype(np.float32)


class OverEarth:
    """Frames of a drifting, jittering sensor over recorded texture, with movers against it."""

    def __init__(
        self,
        ground: np.ndarray,
        contrast_dn: float,
        shape: tuple[int, int],
        movers: Targets | None,
        middle: float,
        n_frames: int,
        seed: int,
    ) -> None:
        self._rng = np.random.default_rng(seed)
        self._ground, self._shape, self._movers, self._middle = ground * contrast_dn + 3000, shape, movers, middle
        drift = self._rng.uniform(-1.6, 1.6, 2)
        jitter = np.cumsum(self._rng.normal(0, 0.05, (n_frames, 2)), 0) + self._rng.normal(0, 0.08, (n_frames, 2))
        path = drift * (np.arange(n_frames)[:, None] - middle) + jitter
        self._path = path - path[int(middle)]  # the ground lies this far towards lower pixels
        self._fixed = self._rng.normal(0, 2.0, shape)

    def frame(self, k: int) -> np.ndarray:
        rows, cols = self._shape
        start = np.array(self._ground.shape) / 2 - np.array(self._shape) / 2 + self._path[k]
        move = np.array([[1, 0, start[1]], [0, 1, start[0]]], np.float32)
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        frame = cv2.warpAffine(self._ground, move, (cols, rows), flags=flags, borderMode=cv2.BORDER_REFLECT)
        if self._movers is not None:
            add_spots(frame, self.places(k), self._movers.sign * self._movers.snr * PEAK_OF_SNR * NOISE_DN)
        frame = frame + self._fixed + self._rng.normal(0, NOISE_DN, self._shape)
        return np.clip(np.rint(frame), 0, 16383).astype(np.uint16)

    def places(self, k: int) -> np.ndarray:
        """Where the movers stand in a frame [px]."""
        assert self._movers is not None
        return self._movers.at(k - self._middle) - self._path[k]
