"""Point-spread function: how the light of a point spreads over pixels.

Gaussian, or the diffraction of a clear circular aperture blurred by a Gaussian. The latter is made from the product of
their optical transfer functions, ``2/pi (acos v - v sqrt(1 - v^2)) exp(-2 (pi sigma f)^2)`` with ``v = f lambda F``
(Goodman, "Introduction to Fourier Optics", 4th ed., eq. 7-31), on a square of 32 pixels; the wings beyond are folded
back into it, so that the whole flux stays. Jitter within the exposure widens the Gaussian.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import map_coordinates

from lookdown.hil.sensor.config import SensorConfig
from lookdown.hil.sensor.spot import add_gaussian, add_tabled

Float = NDArray[np.float64]

_PER_PX = 16
_SPAN_PX = 32
_PHASES = 16


class PointSpread:
    """Spot of a point target.

    Parameters
    ----------
    config : SensorConfig
        Sensor.
    blur_sigma_rad : float
        One sigma of the motion of the line of sight within an exposure [rad].

    Attributes
    ----------
    sigma_px : float
        One sigma of the Gaussian, blur included [px].
    pixel_sigma_px : float
        One sigma of Gaussian and pixel together [px].
    """

    def __init__(self, config: SensorConfig, blur_sigma_rad: float = 0.0) -> None:
        self.sigma_px = float(np.hypot(config.psf_sigma_px, blur_sigma_rad / config.ifov_rad))
        self.pixel_sigma_px = float(np.hypot(self.sigma_px, 12**-0.5))
        self._table = _diffraction_table(config, self.sigma_px) if config.psf == "diffraction" else None
        self._energy = self._energy_by_phase()

    def add(self, image: NDArray[np.float32], row: ArrayLike, col: ArrayLike, electrons: ArrayLike) -> None:
        """Add points to an image in place; what falls outside is lost.

        Parameters
        ----------
        image : ndarray of float32, shape (rows, cols)
            Electrons, changed in place [e-].
        row, col, electrons : array_like of float, shape (n,) or ()
            Centres [px] and signals of whole spots; below 0 if darker than the background [e-].
        """
        rows, cols, signals = (np.array(values, np.float64, ndmin=1) for values in (row, col, electrons))
        if self._table is None:
            add_gaussian(image, rows, cols, signals, self.sigma_px)
        else:
            add_tabled(image, rows, cols, signals, self._table, _PER_PX)

    def energy(self, row: ArrayLike, col: ArrayLike) -> Float:
        """Sum of the squared shares of all pixels, for spots centred at ``row``, ``col`` [1].

        Its root times signal over noise is the signal-to-noise ratio after a matched filter in white noise.
        """
        places = np.stack(np.broadcast_arrays(row, col)).astype(np.float64)
        phases = (places + 0.5) % 1.0 * _PHASES
        energy = map_coordinates(self._energy, phases.reshape(2, -1), order=1, mode="nearest")
        return np.asarray(energy.reshape(places.shape[1:]), np.float64)

    def peak_share(self) -> float:
        """Share of a spot that falls into the pixel on which it is centred [1]."""
        image = np.zeros((3, 3), np.float32)
        self.add(image, 1.0, 1.0, 1.0)
        return float(image[1, 1])

    def _energy_by_phase(self) -> Float:
        """Sum of squared shares for centres from a pixel's lower edges to its upper ones."""
        middle = _SPAN_PX
        energy = np.empty((_PHASES + 1, _PHASES + 1))
        image = np.empty((2 * _SPAN_PX + 1, 2 * _SPAN_PX + 1), np.float32)
        for i, row in enumerate(np.linspace(-0.5, 0.5, _PHASES + 1)):
            for j, col in enumerate(np.linspace(-0.5, 0.5, _PHASES + 1)):
                image[:] = 0.0
                self.add(image, middle + row, middle + col, 1.0)
                energy[i, j] = np.sum(image.astype(np.float64) ** 2)
        return energy


def _diffraction_table(config: SensorConfig, sigma_px: float) -> Float:
    """Integral of the spot over all rows and columns below, at steps of a sixteenth of a pixel."""
    n = _SPAN_PX * _PER_PX
    frequency = np.fft.fftfreq(n, 1.0 / _PER_PX)  # cycles a pixel
    radial = np.hypot(frequency[:, None], frequency)
    wavelength_m = 0.5e-6 * (config.band_um[0] + config.band_um[1])
    cut_off_px = wavelength_m * config.focal_length_m / config.aperture_m / config.pitch_m
    v = np.minimum(radial * cut_off_px, 1.0)
    diffraction = (2.0 / np.pi) * (np.arccos(v) - v * np.sqrt(1.0 - v * v))
    transfer = diffraction * np.exp(-2.0 * (np.pi * sigma_px * radial) ** 2)
    # The mean over each step of the table is the spot times a box: exact integrals between its nodes.
    box = np.sinc(frequency / _PER_PX)
    # A cell is centred on its sample; nodes lie between cells, so the spot's centre falls half a step off the middle.
    half = np.exp(1j * np.pi * frequency / _PER_PX)
    cells = np.fft.fftshift(np.fft.ifft2(transfer * box[:, None] * box * half[:, None] * half).real)
    table = np.zeros((n + 1, n + 1))
    table[1:, 1:] = cells.cumsum(axis=0).cumsum(axis=1)
    return np.ascontiguousarray(table / table[-1, -1])
