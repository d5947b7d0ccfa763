"""The sensor that every satellite carries: its fields, and its closed forms of signal and noise.

With the aperture's area ``A``, the solid angle of a pixel ``ifov^2``, transmission ``tau_o``, quantum efficiency
``QE``, exposure ``t`` and photon energy ``h c / lambda`` at the centre of the band:

- background ``N_bg = L A ifov^2 tau_o QE t / (h c / lambda)``,
- point target ``N_sig = (I tau_atm / R^2) A tau_o QE t / (h c / lambda)``, spread by the point-spread function,
- variance of a sample ``N_bg + N_sig + N_dark + sigma_read^2``; co-adds divide it by their number.

Source: Holst (2008), "Electro-Optical Imaging System Performance", 5th ed., chapters 3 and 12.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lookdown.geo.camera import Camera
from lookdown.hil.settings import require

Float = NDArray[np.float64]

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
    distortion : tuple of float
        Radial distortion k1, k2 of the lens, on tangents (see `lookdown.geo.camera`) [1]. The solid angle of a pixel
        and the spot stay those of the axis.
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
    psf : str
        "gaussian", or "diffraction": the Airy pattern of the aperture, blurred by a Gaussian.
    psf_sigma_px : float
        One sigma of that Gaussian, of optics and exposure, without the pixel [px].
    gain_residual, offset_residual_e : float
        Fixed pattern left after two-point correction: one sigma of relative gain [1] and of offset [e-].
    gain_drift_per_min, offset_drift_e_per_min : float
        How the fixed pattern moves on: one sigma, over the pixels, of a constant rate of gain [1/min] and of offset
        [e-/min].
    bad_pixel_fraction, unmapped_fraction : float
        Share of pixels that are dead, hot or blinking; share of those that no bad-pixel map knows [1].
    crosstalk : float
        Share of a pixel's charge that diffuses into its four neighbours, a quarter each, before it is collected [1].
    nonlinearity : float
        Share of the signal that is missing at full well; it grows in proportion to the signal [1].
    persistence, persistence_decay_s : float
        Share of a frame's charge that is trapped [1], and the time in which the traps empty to 1/e [s].
    cosmic_rays_per_cm2_s : float
        Charged particles through the focal plane; 5 is usual away from the South Atlantic anomaly [1/(cm^2 s)].
    cosmic_ray_e_per_um, absorber_um : float
        Charge that a particle frees along its way [e-/um], thickness of the absorber [um].
    frame_drop_probability : float
        Share of frames that never leave the sensor [1].
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
    distortion: tuple[float, float] = (0.0, 0.0)
    band_um: tuple[float, float] = (3.8, 4.1)
    quantum_efficiency: float = 0.75
    optics_transmission: float = 0.7
    integration_time_s: float = 0.014
    co_adds: int = 1
    read_noise_e: float = 100.0
    dark_current_e_s: float = 1e6
    well_e: float = 3e6
    bits: int = 14
    psf: Literal["gaussian", "diffraction"] = "gaussian"
    psf_sigma_px: float = 0.8
    gain_residual: float = 3e-4
    offset_residual_e: float = 200.0
    gain_drift_per_min: float = 0.0
    offset_drift_e_per_min: float = 0.0
    bad_pixel_fraction: float = 1e-3
    unmapped_fraction: float = 0.03
    crosstalk: float = 0.0
    nonlinearity: float = 0.0
    persistence: float = 0.0
    persistence_decay_s: float = 0.5
    cosmic_rays_per_cm2_s: float = 0.0
    cosmic_ray_e_per_um: float = 900.0
    absorber_um: float = 10.0
    frame_drop_probability: float = 0.0
    jitter_sigma_rad: float = 1e-5
    pointing_sigma_rad: float = 1.5e-5
    position_sigma_m: float = 5.0

    def __post_init__(self) -> None:
        """Refuse a sensor that cannot be built."""
        positive = (
            "focal_length_m", "aperture_m", "pitch_m", "integration_time_s", "well_e",
            "persistence_decay_s", "cosmic_ray_e_per_um", "absorber_um",
        )  # fmt: skip
        not_negative = (
            "read_noise_e", "dark_current_e_s", "gain_residual", "offset_residual_e", "gain_drift_per_min",
            "offset_drift_e_per_min", "cosmic_rays_per_cm2_s",
            "jitter_sigma_rad", "pointing_sigma_rad", "position_sigma_m",
        )  # fmt: skip
        shares = (("bad_pixel_fraction", 0.1), ("unmapped_fraction", 1.0), ("crosstalk", 0.5), ("nonlinearity", 0.5),
                  ("persistence", 0.5), ("frame_drop_probability", 0.9))  # fmt: skip
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
            *((name, 0.0 <= getattr(self, name) <= most, f"0 to {most:g}") for name, most in shares),
        )
        Camera(self.rows, self.cols, self.ifov_rad, self.distortion)  # refuses a lens that folds the image

    @property
    def ifov_rad(self) -> float:
        """Angle that one pixel spans at the boresight [rad]."""
        return self.pitch_m / self.focal_length_m

    @property
    def camera(self) -> Camera:
        """Geometry of the focal plane."""
        return Camera(self.rows, self.cols, self.ifov_rad, self.distortion)

    @property
    def exposure_s(self) -> float:
        """Exposure of one frame, all co-adds [s]."""
        return self.co_adds * self.integration_time_s

    @property
    def counts_per_electron(self) -> float:
        """Counts of the converter for one electron [DN]."""
        return float((1 << self.bits) - 1) / self.well_e

    @property
    def dark_e(self) -> float:
        """Electrons of a sample that come without light [e-]."""
        return self.dark_current_e_s * self.integration_time_s

    @property
    def photon_j(self) -> float:
        """Energy of a photon at the centre of the band [J]."""
        return PLANCK_J_S * SPEED_OF_LIGHT_M_S / (0.5e-6 * (self.band_um[0] + self.band_um[1]))

    def electrons_per_irradiance(self) -> float:
        """Electrons of a sample for an irradiance of 1 W/m^2 on the aperture [e- m^2/W]."""
        area_m2 = 0.25 * np.pi * self.aperture_m**2
        efficiency = self.optics_transmission * self.quantum_efficiency
        return float(area_m2 * efficiency * self.integration_time_s / self.photon_j)

    def electrons_per_radiance(self) -> float:
        """Electrons of a sample and pixel for a radiance of 1 W m-2 sr-1 that fills the view [e- m^2 sr/W]."""
        return self.electrons_per_irradiance() * self.ifov_rad**2

    def noise_e(self, electrons: Float | float) -> Float:
        """One sigma of a frame's noise, in electrons of one sample, where the scene gives ``electrons`` [e-]."""
        variance = np.asarray(electrons) + self.dark_e + self.read_noise_e**2
        return np.asarray(np.sqrt(variance / self.co_adds), np.float64)
