"""Frames to measure on: texture like that of ground and cloud, a drift of the view, movers, noise; all from a seed."""

import numpy as np

PSF_SIGMA_PX = 0.9
NOISE_DN = 3.0


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
