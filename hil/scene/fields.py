"""Random fields, smooth steps, and textures with their coarser levels."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]
Image = NDArray[np.float32]


def random_field(size: int, texel_m: float, slope: float, outer_scale_m: float, seed: tuple[int, ...]) -> Image:
    """Periodic Gaussian random field of zero mean and unit variance.

    Parameters
    ----------
    size : int
        Rows and columns.
    texel_m, outer_scale_m : float
        Step of the grid and scale beyond which the spectrum is flat [m].
    slope : float
        Exponent of the one-dimensional power spectrum; in two dimensions ``(k^2 + k_0^2)^(-(slope + 1) / 2)``.
    seed : tuple of int
        Seed.

    Returns
    -------
    ndarray of float32, shape (size, size)
        Field [1].
    """
    rng = np.random.Generator(np.random.SFC64(seed))
    shape = (size, size // 2 + 1)
    spectrum = np.empty(shape, np.complex64)
    spectrum.real = rng.standard_normal(shape, np.float32)
    spectrum.imag = rng.standard_normal(shape, np.float32)
    down = scipy.fft.fftfreq(size, texel_m).astype(np.float32)[:, None]
    across = scipy.fft.rfftfreq(size, texel_m).astype(np.float32)[None, :]
    weight = down**2 + across**2
    weight += np.float32(outer_scale_m**-2)
    np.log(weight, out=weight)
    weight *= np.float32(-0.25 * (slope + 1.0))
    spectrum *= np.exp(weight, out=weight)
    spectrum[0, 0] = 0.0
    values = scipy.fft.irfft2(spectrum, s=(size, size), overwrite_x=True)
    values /= np.std(values)
    return np.asarray(values, np.float32)


def smooth_step(values: NDArray[Any]) -> NDArray[Any]:
    """Rise from 0 at -1/2 to 1 at +1/2 without corners, in place."""
    values += np.float32(0.5)
    np.clip(values, 0.0, 1.0, out=values)
    values *= values * (np.float32(3.0) - np.float32(2.0) * values)
    return values


def enlarge(coarse: NDArray[Any], size: int) -> NDArray[Any]:
    """Resample a square image to ``size`` rows and columns by cubics."""
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)


@dataclass(frozen=True)
class Texture:
    """A square texture and its coarser levels, each a mean over half as many rows and columns; mirrored beyond.

    Values are kept as ``offset + step * number`` with numbers of 16 bits: rendering waits for memory.

    Attributes
    ----------
    packed : ndarray of uint16, shape (n,)
        Numbers of all levels, one level after the other.
    sizes : tuple of int
        Rows (and columns) of each level.
    offset, step : float
        What the numbers stand for.
    """

    packed: NDArray[np.uint16]
    sizes: tuple[int, ...]
    offset: float
    step: float

    @classmethod
    def of(cls, values: NDArray[Any]) -> "Texture":
        """Make a texture of values, shape (size, size), with its coarser levels down to 8 rows."""
        level = np.ascontiguousarray(values, np.float32)
        offset = float(level.min())
        step = max((float(level.max()) - offset) / 65535.0, 1e-30)
        sizes, packed = [], []
        while True:
            numbers = (level - np.float32(offset)) * np.float32(1.0 / step) + np.float32(0.5)
            packed.append(numbers.astype(np.uint16).reshape(-1))
            sizes.append(len(level))
            half = len(level) // 2
            if half < 8:
                return cls(np.concatenate(packed), tuple(sizes), offset, step)
            level = np.asarray(cv2.resize(level, (half, half), interpolation=cv2.INTER_AREA), np.float32)

    @property
    def values(self) -> Image:
        """Values of the finest level, shape (size, size)."""
        size = self.sizes[0]
        numbers = self.packed[: size * size].reshape(size, size).astype(np.float32)
        return np.asarray(np.float32(self.offset) + np.float32(self.step) * numbers, np.float32)

    def at(self, row: ArrayLike, col: ArrayLike, level: ArrayLike = 0.0) -> Float:
        """Value at places of the finest level, linear between texels and levels, of any shape."""
        row, col, level = np.broadcast_arrays(
            np.asarray(row, np.float64), np.asarray(col, np.float64), np.clip(level, 0.0, len(self.sizes) - 1.0)
        )
        result = np.zeros(row.shape)
        first = 0
        for k, size in enumerate(self.sizes):
            weight = np.maximum(1.0 - np.abs(level - k), 0.0)
            used = weight > 0.0
            if used.any():
                texture = self.packed[first : first + size * size].reshape(size, size)
                ratio = size / self.sizes[0]
                places = ((place[used] + 0.5) * ratio - 0.5 for place in (row, col))
                result[used] += weight[used] * (self.offset + self.step * _bilinear(texture, *places))
            first += size * size
        return result


def _bilinear(texture: NDArray[Any], row: Float, col: Float) -> Float:
    """Read between texels, mirrored beyond the borders; the first texel for what is no number."""
    size, period = len(texture), 2 * (len(texture) - 1)
    folded = (np.nan_to_num(place) % period for place in (row, col))
    r, c = (np.minimum(place, period - place) for place in folded)
    i, j = (np.minimum(place.astype(int), size - 2) for place in (r, c))
    r, c = r - i, c - j
    upper = texture[i, j] * (1.0 - c) + texture[i, j + 1] * c
    lower = texture[i + 1, j] * (1.0 - c) + texture[i + 1, j + 1] * c
    return np.asarray(upper * (1.0 - r) + lower * r, np.float64)
