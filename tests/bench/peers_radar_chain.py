"""The radar chain's stages as a user of SciPy and NumPy would write them."""

from typing import Any

import numpy as np
from scipy import fft, ndimage, signal

from tests.bench.measure import Run


def compress_scipy(cpi: np.ndarray, pulse: np.ndarray) -> Run:
    length = fft.next_fast_len(cpi.shape[2])
    response = np.conj(fft.fft(pulse, length))
    ranges = cpi.shape[2] - pulse.size + 1

    def run() -> np.ndarray:
        spectrum = fft.fft(cpi, length, axis=2)
        spectrum *= response
        return fft.ifft(spectrum, axis=2, overwrite_x=True)[:, :, :ranges]

    return run


def compress_overlap(cpi: np.ndarray, pulse: np.ndarray) -> Run:
    taps = pulse[::-1].conj()[None, None]
    return lambda: signal.oaconvolve(cpi, taps, mode="valid", axes=2)


def adapt_numpy(spectrum: np.ndarray, steering: np.ndarray, loading: float, block: int) -> Run:
    """Batched products, one solve of LAPACK for all blocks of a Doppler bin; ranges are whole blocks."""
    channels, dopplers, ranges = spectrum.shape
    bins = len(steering)
    blocks = ranges // block
    n = channels * bins
    s = np.tile(steering.reshape(n, 1), (blocks, 1, 1))
    power = np.empty((dopplers, ranges), np.float32)
    beside = np.abs(np.subtract.outer(np.arange(blocks), np.arange(blocks))) > 1
    cells = (beside.sum(axis=1) * block)[:, None, None]

    def run() -> np.ndarray:
        for d in range(dopplers):
            at = (d + np.arange(bins) - bins // 2) % dopplers
            x = spectrum[:, at].swapaxes(0, 1).reshape(n, blocks, block).swapaxes(0, 1)
            sums = x @ x.conj().swapaxes(1, 2)
            r = np.tensordot(beside.astype(np.float32), sums, 1) / cells
            mean = np.trace(r, axis1=1, axis2=2).real / n
            r += (loading * mean)[:, None, None] * np.eye(n)
            w = np.linalg.solve(r.astype(np.complex128), s)
            y = (w.conj() * x).sum(axis=1)
            power[d] = (np.abs(y) ** 2 / (s.conj() * w).sum(axis=1).real).reshape(-1)
        return power

    return run


def clusters(hits: np.ndarray) -> dict[str, Run]:
    corners = np.ones((3, 3), bool)
    return {"SciPy": lambda: ndimage.label(hits, corners)[1]}


def whole_scipy(cpi: np.ndarray, pulse: np.ndarray, chain: Any, block: int, loading: float) -> Run:
    """Compression, transform, adaptive filter once, CA-CFAR by uniform filters, labels and their peaks' cells."""
    setup = chain._setup(tuple(range(len(cpi))))
    compress = compress_scipy(cpi, pulse)
    window, guard = chain.parameters.window, chain.parameters.guard
    n = window[0] * window[1] - guard[0] * guard[1]
    multiplier = n * (np.exp(np.log(1 / 2.9e-7) / n) - 1)
    corners = np.ones((3, 3), bool)

    def run() -> np.ndarray:
        spectrum = fft.fft(compress() * setup.weights[:, None], axis=1)
        power = adapt_numpy(spectrum, setup.steering[0], loading, block)()
        ring = ndimage.uniform_filter(power, window, mode="wrap") * (window[0] * window[1])
        ring -= ndimage.uniform_filter(power, guard, mode="wrap") * (guard[0] * guard[1])
        labels, found = ndimage.label(power > multiplier / n * ring, corners)
        peaks = ndimage.maximum_position(power, labels, range(1, found + 1))
        return np.array([column for _, column in peaks])

    return run
