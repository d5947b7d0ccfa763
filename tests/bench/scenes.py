"""Frames to measure on: texture like that of ground and cloud, a drift of the view, movers, noise; all from a seed."""

import numpy as np

from lookdown.geo.attitude import stare_attitude
from lookdown.geo.earth import geodetic_to_ecef
from lookdown.wire.messages import SensorState

PSF_SIGMA_PX = 0.9
NOISE_DN = 3.0
GROUND_DN = 60.0


def textured(rows: int, cols: int, seed: int, level: float = 4000, spread: float = 300) -> np.ndarray:
    """Noise with a power spectrum of f^-2.4 about ``level``, float32 [rows, cols] [DN]."""
    noise = np.random.default_rng(seed).standard_normal((rows, cols))
    frequency = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(cols)[None, :])
    frequency[0, 0] = np.inf
    # Above a third of the sampling rate optics pass little.
    spectrum = np.fft.rfft2(noise) * frequency**-1.2 * np.exp(-2 * (np.pi * PSF_SIGMA_PX * frequency) ** 2)
    texture = np.fft.irfft2(spectrum, (rows, cols))
    return (level + spread * texture / texture.std()).astype(np.float32)


def displaced(image: np.ndarray, row_shift: float, col_shift: float) -> np.ndarray:
    """Move a periodic image without any interpolation error: ``out[r, c] = image[r + row_shift, c + col_shift]``."""
    rows, cols = image.shape
    phase = np.fft.fftfreq(rows)[:, None] * row_shift + np.fft.rfftfreq(cols)[None, :] * col_shift
    return np.fft.irfft2(np.fft.rfft2(image) * np.exp(2j * np.pi * phase), (rows, cols))


class MovingScene:
    """Raw frames of a drifting textured ground with movers of both signs, fixed pattern, bad pixels and noise.

    Attributes
    ----------
    gain, offset : ndarray of float32, shape (rows, cols)
        Its calibration, as the chain takes it.
    bad : ndarray of int32, shape (n,)
        Flat indices of its bad pixels, one in 500.
    """

    drift_px = np.array([0.37, -0.81])  # per frame
    n_movers = 12

    def __init__(self, rows: int, cols: int, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        shape = rows, cols
        self.ground = np.fft.rfft2(textured(rows, cols, seed, spread=GROUND_DN).astype(np.float64))
        self.gain = self.rng.uniform(0.95, 1.05, shape).astype(np.float32)
        self.offset = self.rng.uniform(480, 520, shape).astype(np.float32)
        self.bad = np.sort(self.rng.choice(rows * cols, rows * cols // 500, replace=False)).astype(np.int32)
        self.at = self.rng.uniform(0.2, 0.8, (self.n_movers, 2)) * shape
        self.by = self.rng.uniform(-1.5, 1.5, (self.n_movers, 2))
        # Peaks from eight to sixty sigmas of the noise.
        self.light = np.geomspace(8, 60, self.n_movers) * NOISE_DN * np.where(np.arange(self.n_movers) % 2, -1, 1)
        self.shape = shape

    def frame(self, k: int) -> np.ndarray:
        """Raw samples of frame k, uint16 [rows, cols]; call in order, for the noise goes on from frame to frame."""
        rows, cols = self.shape
        row, col = -k * self.drift_px
        phase = np.fft.fftfreq(rows)[:, None] * row + np.fft.rfftfreq(cols)[None, :] * col
        image = np.fft.irfft2(self.ground * np.exp(2j * np.pi * phase), self.shape)
        for (r, c), light in zip(self.at + k * self.by, self.light, strict=True):
            top, left = int(r) - 6, int(c) - 6
            down = np.exp(-0.5 * ((np.arange(top, top + 13) - r) / PSF_SIGMA_PX) ** 2)
            along = np.exp(-0.5 * ((np.arange(left, left + 13) - c) / PSF_SIGMA_PX) ** 2)
            image[top : top + 13, left : left + 13] += light * np.outer(down, along)
        image += NOISE_DN * self.rng.standard_normal(self.shape)
        raw = image / self.gain + self.offset
        raw.ravel()[self.bad] = self.rng.uniform(0, 16383, self.bad.size)
        return np.clip(np.rint(raw), 0, 16383).astype(np.uint16)


def pointing(n: int) -> list[SensorState]:
    """A sensor in orbit that stares at a place: the view turns and nears, and every tile has a displacement."""
    aim = geodetic_to_ecef(0.7, 0.2, 0.0)
    up, east = aim / np.linalg.norm(aim), np.array([-np.sin(0.2), np.cos(0.2), 0.0])
    states = []
    for k in range(n):
        position = aim + up * 800e3 + east * 7e3 * 0.02 * k
        states.append(SensorState(position, 7e3 * east, stare_attitude(position, 7e3 * east, aim), 10.0, 1e-5, 3e-5))
    return states
