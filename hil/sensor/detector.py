"""Infrared sensor: from radiance and radiant intensity to electrons, noise and counts.

With the aperture's area ``A``, the solid angle of a pixel ``ifov^2``, transmission ``tau_o``, quantum efficiency
``QE``, exposure ``t`` and photon energy ``h c / lambda`` at the centre of the band:

- background ``N_bg = L A ifov^2 tau_o QE t / (h c / lambda)``,
- point target ``N_sig = (I tau_atm / R^2) A tau_o QE t / (h c / lambda)``, spread by the point-spread function,
- variance of a sample ``N_bg + N_sig + N_dark + sigma_read^2``; co-adds divide it by their number.

Photon noise is drawn from a normal distribution: above 1e3 electrons its skewness is below 0.03. Source: Holst (2008),
"Electro-Optical Imaging System Performance", 5th ed., chapters 3 and 12.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from lookdown.geo.camera import Camera
from lookdown.hil.settings import require

Float = NDArray[np.float64]
Image = NDArray[np.float32]

PLANCK_J_S = 6.62607015e-34
SPEED_OF_LIGHT_M_S = 299792458.0


@dataclass(frozen=True)
class SensorConfig:
    """Infrared sensor that every satellite carries; defaults are those of a wide staring mid-wave camera.

    Attributes
    ----------
    rows, cols : int
        Size of the focal plane [px].
    focal_length_m, aperture_m, pitch_m : float
        Optics and pixel pitch [m].
    band_um : tuple of float
        Lower and upper wavelength [um].
    quantum_efficiency, optics_transmission : float
        Electrons per photon, share of light that the optics pass [1].
    integration_time_s : float
        Exposure of one sample [s].
    co_adds : int
        Samples averaged into one frame; the frame's exposure is ``co_adds * integration_time_s``.
    read_noise_e, dark_current_e_s, well_e : float
        Read noise of a sample [e-], dark current [e-/s], full well of a sample [e-].
    bits : int
        Resolution of the converter; full well is its largest value.
    psf_sigma_px : float
        One sigma of the Gaussian point-spread function of optics and exposure, without the pixel [px].
    gain_residual, offset_residual_e : float
        Fixed pattern left after two-point correction: one sigma of relative gain [1] and of offset [e-].
    bad_pixel_fraction, unmapped_fraction : float
        Share of pixels that are dead, hot or blinking; share of those that no bad-pixel map knows [1].
    jitter_sigma_rad : float
        Attitude jitter from frame to frame, each axis, known to the attitude sensor [rad].
    pointing_sigma_rad : float
        One sigma of the slowly varying error of the reported attitude, each axis [rad].
    position_sigma_m : float
        One sigma of the slowly varying error of the reported position, each axis [m].
    """

    rows: int = 512
    cols: int = 640
    focal_length_m: float = 0.15
    aperture_m: float = 0.10
    pitch_m: float = 15e-6
    band_um: tuple[float, float] = (3.8, 4.1)
    quantum_efficiency: float = 0.75
    optics_transmission: float = 0.7
    integration_time_s: float = 0.014
    co_adds: int = 1
    read_noise_e: float = 100.0
    dark_current_e_s: float = 1e6
    well_e: float = 3e6
    bits: int = 14
    psf_sigma_px: float = 0.8
    gain_residual: float = 3e-4
    offset_residual_e: float = 200.0
    bad_pixel_fraction: float = 1e-3
    unmapped_fraction: float = 0.03
    jitter_sigma_rad: float = 1e-5
    pointing_sigma_rad: float = 1.5e-5
    position_sigma_m: float = 5.0

    def __post_init__(self) -> None:
        """Refuse a sensor that cannot be built."""
        positive = ("focal_length_m", "aperture_m", "pitch_m", "integration_time_s", "well_e")
        not_negative = (
            "read_noise_e", "dark_current_e_s", "gain_residual", "offset_residual_e",
            "jitter_sigma_rad", "pointing_sigma_rad", "position_sigma_m",
        )  # fmt: skip
        require(
            self,
            *((name, 0.0 < getattr(self, name) < np.inf, "a number above 0") for name in positive),
            *((name, 0.0 <= getattr(self, name) < np.inf, "a number, 0 or more") for name in not_negative),
            *((name, 16 <= getattr(self, name) <= 8192, "16 to 8192 pixels") for name in ("rows", "cols")),
            ("band_um", 0.0 < self.band_um[0] < self.band_um[1], "[lower, upper] wavelength, both above 0"),
            ("quantum_efficiency", 0.0 < self.quantum_efficiency <= 1.0, "above 0, at most 1"),
            ("optics_transmission", 0.0 < self.optics_transmission <= 1.0, "above 0, at most 1"),
            ("co_adds", self.co_adds >= 1, "1 or more"),
            ("bits", 8 <= self.bits <= 16, "8 to 16"),
            ("psf_sigma_px", 0.2 <= self.psf_sigma_px <= 3.0, "0.2 to 3 pixels"),
            ("bad_pixel_fraction", 0.0 <= self.bad_pixel_fraction <= 0.1, "0 to 0.1"),
            ("unmapped_fraction", 0.0 <= self.unmapped_fraction <= 1.0, "0 to 1"),
        )

    @property
    def ifov_rad(self) -> float:
        """Angle that one pixel spans at the boresight [rad]."""
        return self.pitch_m / self.focal_length_m

    @property
    def camera(self) -> Camera:
        """Geometry of the focal plane."""
        return Camera(self.rows, self.cols, self.ifov_rad)

    @property
    def exposure_s(self) -> float:
        """Exposure of one frame, all co-adds [s]."""
        return self.co_adds * self.integration_time_s

    @property
    def counts_per_electron(self) -> float:
        """Counts of the converter for one electron [DN]."""
        return float((1 << self.bits) - 1) / self.well_e

    def electrons_per_irradiance(self) -> float:
        """Electrons of a sample for an irradiance of 1 W/m^2 on the aperture [e- m^2/W]."""
        wavelength_m = 0.5e-6 * (self.band_um[0] + self.band_um[1])
        photon_j = PLANCK_J_S * SPEED_OF_LIGHT_M_S / wavelength_m
        area_m2 = 0.25 * np.pi * self.aperture_m**2
        efficiency = self.optics_transmission * self.quantum_efficiency
        return float(area_m2 * efficiency * self.integration_time_s / photon_j)

    def electrons_per_radiance(self) -> float:
        """Electrons of a sample and pixel for a radiance of 1 W m-2 sr-1 that fills the view [e- m^2 sr/W]."""
        return self.electrons_per_irradiance() * self.ifov_rad**2

    def noise_e(self, electrons: Float | float) -> Float:
        """One sigma of a frame's noise, in electrons of one sample, where the scene gives ``electrons`` [e-]."""
        variance = np.asarray(electrons) + self.dark_current_e_s * self.integration_time_s + self.read_noise_e**2
        return np.asarray(np.sqrt(variance / self.co_adds), np.float64)


def pixel_response(centre_px: Float | np.float64, sigma_px: float, pixels: Float) -> Float:
    """Share of a Gaussian spot along one axis that falls into each pixel.

    ``(erf((p + 1/2 - c) / (sqrt 2 sigma)) - erf((p - 1/2 - c) / (sqrt 2 sigma))) / 2``: exact integrals over the pixel,
    so that flux is conserved wherever the spot falls.

    Parameters
    ----------
    centre_px : ndarray of float64, shape (...)
        Centres of spots [px].
    sigma_px : float
        One sigma of the spot [px].
    pixels : ndarray of float64, shape (..., n)
        Pixel coordinates [px].

    Returns
    -------
    ndarray of float64, shape (..., n)
        Shares [1].
    """
    offset = pixels - np.asarray(centre_px)[..., None]
    scale = 1.0 / (np.sqrt(2.0) * sigma_px)
    return np.asarray(0.5 * (erf((offset + 0.5) * scale) - erf((offset - 0.5) * scale)), np.float64)


def matched_filter_snr(signal_e: Float, noise_e: Float, row: Float, col: Float, sigma_px: float) -> Float:
    """Signal-to-noise ratio of a point after a filter matched to its pixels, in white noise.

    ``|N_sig| / sigma sqrt(sum p^2)`` with the pixel responses ``p`` at the point's place in its pixel.
    """
    reach = np.arange(-6.0, 7.0)
    shape = 1.0
    for centre in (row, col):
        shape = shape * np.sum(pixel_response(centre, sigma_px, np.rint(centre)[..., None] + reach) ** 2, axis=-1)
    return np.asarray(np.abs(signal_e) / noise_e * np.sqrt(shape), np.float64)


def add_point(image: Image, row: float, col: float, electrons: float, sigma_px: float) -> None:
    """Add a point target to an image in place; what falls outside is lost.

    Parameters
    ----------
    image : ndarray of float32, shape (rows, cols)
        Electrons, changed in place [e-].
    row, col : float
        Centre [px].
    electrons : float
        Signal of the whole spot; negative if darker than its background [e-].
    sigma_px : float
        One sigma of the spot [px].
    """
    reach = int(np.ceil(6.0 * sigma_px)) + 1
    first_row, last_row = max(round(row) - reach, 0), min(round(row) + reach + 1, image.shape[0])
    first_col, last_col = max(round(col) - reach, 0), min(round(col) + reach + 1, image.shape[1])
    if first_row >= last_row or first_col >= last_col:
        return
    down = pixel_response(np.float64(row), sigma_px, np.arange(first_row, last_row, dtype=np.float64))
    across = pixel_response(np.float64(col), sigma_px, np.arange(first_col, last_col, dtype=np.float64))
    image[first_row:last_row, first_col:last_col] += (electrons * np.outer(down, across)).astype(np.float32)


class Detector:
    """One focal plane: fixed pattern, bad pixels, noise and conversion.

    Parameters
    ----------
    config : SensorConfig
        Sensor.
    seed : int
        Seed of the scenario.
    satellite_id : int
        Which of the scenario's focal planes this is: each has its own pattern.

    Attributes
    ----------
    known_bad : ndarray of bool, shape (rows, cols)
        Bad pixels that a factory map would list; the others are found only in flight.
    """

    def __init__(self, config: SensorConfig, seed: int, satellite_id: int) -> None:
        self.config = config
        self._key = (seed, satellite_id)
        rng = np.random.Generator(np.random.SFC64([*self._key, 0xF1]))
        shape = (config.rows, config.cols)
        counts = config.counts_per_electron
        gain = 1.0 + config.gain_residual * rng.standard_normal(shape)
        dark_e = config.dark_current_e_s * config.integration_time_s
        offset_e = dark_e + config.offset_residual_e * rng.standard_normal(shape)
        self._noise_floor = np.float32(dark_e + config.read_noise_e**2)
        self._noise = np.empty(shape, np.float32)
        self._root = np.empty(shape, np.float32)

        n_bad = round(config.bad_pixel_fraction * config.rows * config.cols)
        bad = rng.choice(config.rows * config.cols, n_bad, replace=False)
        kind = rng.uniform(size=n_bad)
        gain.flat[bad[kind < 0.8]] = 0.0
        offset_e.flat[bad[kind < 0.4]] = 0.0  # dead
        hot = bad[(kind >= 0.4) & (kind < 0.8)]
        offset_e.flat[hot] = config.well_e * rng.uniform(0.5, 1.5, hot.size)
        self._blinking = bad[kind >= 0.8]
        self._blink_step_dn = counts * config.well_e * rng.uniform(0.005, 0.05, self._blinking.size)
        self._blink_period = rng.uniform(10.0, 200.0, self._blinking.size)
        self._blink_phase = rng.uniform(size=self._blinking.size)
        self.known_bad: NDArray[np.bool_] = np.zeros(shape, np.bool_)
        self.known_bad.flat[bad[rng.uniform(size=n_bad) >= config.unmapped_fraction]] = True

        self._gain_dn = (counts * gain).astype(np.float32)
        # Half a count, so that dropping the fraction rounds.
        self._offset_dn = (counts * offset_e + 0.5).astype(np.float32)

    def expose(self, electrons: Image, frame_id: int) -> NDArray[np.uint16]:
        """Turn the electrons that light would give into counts; the input is overwritten.

        Parameters
        ----------
        electrons : ndarray of float32, shape (rows, cols)
            Expected photoelectrons of one sample; used as work space [e-].
        frame_id : int
            Number of the frame; with seed and satellite it fixes the noise.

        Returns
        -------
        ndarray of uint16, shape (rows, cols)
            Counts [DN].
        """
        rng = np.random.Generator(np.random.SFC64([*self._key, 0xF2, frame_id]))
        rng.standard_normal(dtype=np.float32, out=self._noise)
        # A dark mover may be drawn darker than its background is bright: no light is the least there can be.
        np.maximum(electrons, np.float32(0.0), out=electrons)
        np.add(electrons, self._noise_floor, out=self._root)
        np.sqrt(self._root, out=self._root)
        self._noise *= self._root
        if self.config.co_adds > 1:
            self._noise *= np.float32(self.config.co_adds**-0.5)
        electrons += self._noise
        electrons *= self._gain_dn
        electrons += self._offset_dn
        on = (frame_id / self._blink_period + self._blink_phase) % 1.0 < 0.5
        electrons.flat[self._blinking[on]] += self._blink_step_dn[on].astype(np.float32)
        np.clip(electrons, 0.0, float((1 << self.config.bits) - 1), out=electrons)
        return electrons.astype(np.uint16)
