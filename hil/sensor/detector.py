"""Focal plane: from expected electrons to counts.

In the order of the light: cosmic rays add charge, charge diffuses into neighbours (crosstalk), it is counted with
photon and read noise, the response bends (non-linearity), gain and offset of each pixel make counts, bad pixels go
their own ways, the converter rounds and clips. Charge that earlier frames left in traps (`Persistence`) comes first.

Noise is normal where a pixel expects 1000 electrons or more, where a Poisson distribution's skewness is below 0.03;
below, it is drawn from the Poisson distribution. The fixed pattern is what a two-point correction leaves; it moves on
at a constant rate of each pixel.
"""

import numpy as np
from numpy.typing import NDArray

from lookdown.hil.sensor.charge import diffuse, trap
from lookdown.hil.sensor.config import SensorConfig
from lookdown.hil.sensor.noise import expose, frame_key

Float = NDArray[np.float64]
Image = NDArray[np.float32]

_FEW_E = 1000.0
_PATTERN, _NOISE, _FEW, _DROP, _RAYS, _DRIFT = 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6


class Persistence:
    """Charge that traps hold back from earlier frames and give off later.

    Each frame, traps take ``persistence`` of the collected charge, and lose ``1 - exp(-period / decay)`` of what they
    hold to the next frame: ``latent = (1 - d) T``, ``T <- d T + p N``.

    Parameters
    ----------
    config : SensorConfig
        Sensor.
    period_s : float
        Time from frame to frame [s].
    """

    def __init__(self, config: SensorConfig, period_s: float) -> None:
        self._keep = float(np.exp(-period_s / config.persistence_decay_s))
        self._share, self._well_e = config.persistence, config.well_e
        self._held = np.zeros((config.rows, config.cols), np.float32)

    def step(self, electrons: Image) -> None:
        """Add to a frame what the traps give off, in place [e-], and fill them from it; once a frame, in order."""
        trap(electrons, self._held, self._keep, self._share, self._well_e)


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
        rng = self._rng(_PATTERN)
        shape = (config.rows, config.cols)
        counts = config.counts_per_electron
        gain = 1.0 + config.gain_residual * rng.standard_normal(shape)
        offset_e = config.dark_e + config.offset_residual_e * rng.standard_normal(shape)

        n_bad = round(config.bad_pixel_fraction * config.rows * config.cols)
        bad = rng.choice(config.rows * config.cols, n_bad, replace=False)
        kind = rng.uniform(size=n_bad)
        gain.flat[bad[kind < 0.8]] = 0.0
        offset_e.flat[bad[kind < 0.4]] = 0.0  # dead
        hot = bad[(kind >= 0.4) & (kind < 0.8)]
        offset_e.flat[hot] = config.well_e * rng.uniform(0.5, 1.5, hot.size)
        self._blinking = bad[kind >= 0.8]
        self._blink_step_dn = np.rint(counts * config.well_e * rng.uniform(0.005, 0.05, self._blinking.size))
        self._blink_period = rng.uniform(10.0, 200.0, self._blinking.size)
        self._blink_phase = rng.uniform(size=self._blinking.size)
        self.known_bad: NDArray[np.bool_] = np.zeros(shape, np.bool_)
        self.known_bad.flat[bad[rng.uniform(size=n_bad) >= config.unmapped_fraction]] = True

        self._gain_dn = (counts * gain).astype(np.float32)
        # Half a count, so that dropping the fraction rounds.
        self._offset_dn = (counts * offset_e + 0.5).astype(np.float32)
        self._drift: tuple[Image, Image] | None = None
        if config.gain_drift_per_min > 0.0 or config.offset_drift_e_per_min > 0.0:
            rng = self._rng(_DRIFT)
            good = np.ones(shape, np.float32)
            good.flat[bad] = 0.0
            rates = (config.gain_drift_per_min, config.offset_drift_e_per_min)
            gain_rate, offset_rate = (
                np.float32(counts / 60.0 * rate) * good * rng.standard_normal(shape, np.float32) for rate in rates
            )
            self._drift = (gain_rate, offset_rate)

    def expose(self, electrons: Image, frame_id: int, t_s: float = 0.0) -> NDArray[np.uint16]:
        """Turn the electrons that light would give into counts; the input is work space.

        Parameters
        ----------
        electrons : ndarray of float32, shape (rows, cols)
            Expected photoelectrons of one sample [e-]. A dark mover may have been drawn darker than its background is
            bright; no light is the least there can be.
        frame_id : int
            Number of the frame; with seed and satellite it fixes the noise.
        t_s : float
            Time since the fixed pattern was corrected [s].

        Returns
        -------
        ndarray of uint16, shape (rows, cols)
            Counts [DN].
        """
        config = self.config
        if config.cosmic_rays_per_cm2_s > 0.0:
            self._cosmic_rays(electrons, frame_id)
        if config.crosstalk > 0.0:
            diffuse(electrons, config.crosstalk)
        gain_rate, offset_rate = self._drift if self._drift is not None else (None, None)
        counts = np.empty(electrons.shape, np.uint16)
        expose(
            electrons, self._gain_dn, self._offset_dn, counts, frame_key(*self._key, _NOISE, frame_id),
            noise_floor_e2=config.dark_e + config.read_noise_e**2,
            noise_scale=config.co_adds**-0.5,
            loss_per_e=config.nonlinearity / config.well_e,
            largest_dn=float(self._largest_dn),
            gain_rate_dn_s=gain_rate, offset_rate_dn_s=offset_rate, t_s=t_s,
        )  # fmt: skip
        if config.dark_e < _FEW_E:
            self._few_electrons(electrons, counts, frame_id, t_s)
        on = (frame_id / self._blink_period + self._blink_phase) % 1.0 < 0.5
        lit = self._blinking[on]
        counts.flat[lit] = np.minimum(counts.flat[lit] + self._blink_step_dn[on], self._largest_dn).astype(np.uint16)
        return counts

    def dropped(self, frame_id: int) -> bool:
        """Whether a frame never leaves the sensor."""
        return frame_dropped(self.config, *self._key, frame_id)

    @property
    def _largest_dn(self) -> int:
        return (1 << self.config.bits) - 1

    def _rng(self, *tags: int) -> np.random.Generator:
        return np.random.Generator(np.random.SFC64([*self._key, *tags]))

    def _few_electrons(self, electrons: Image, counts: NDArray[np.uint16], frame_id: int, t_s: float) -> None:
        """Draw again, with exact Poisson statistics, the pixels that expect few electrons."""
        config = self.config
        few = np.flatnonzero(electrons < _FEW_E - config.dark_e)
        if few.size == 0:
            return
        rng = self._rng(_FEW, frame_id)
        mean = config.co_adds * (np.maximum(electrons.flat[few], 0.0).astype(np.float64) + config.dark_e)
        collected = (
            rng.poisson(mean) + config.co_adds**0.5 * config.read_noise_e * rng.standard_normal(few.size)
        ) / config.co_adds - config.dark_e
        collected -= config.nonlinearity / config.well_e * collected**2
        gain_dn, offset_dn = self._gain_dn.flat[few], self._offset_dn.flat[few]
        if self._drift is not None:
            gain_rate, offset_rate = self._drift
            gain_dn, offset_dn = gain_dn + t_s * gain_rate.flat[few], offset_dn + t_s * offset_rate.flat[few]
        dn = collected * gain_dn + offset_dn
        counts.flat[few] = np.clip(dn, 0.0, self._largest_dn).astype(np.uint16)

    def _cosmic_rays(self, electrons: Image, frame_id: int) -> None:
        """Add the charge of particles that cross the absorber in this exposure.

        Straight tracks of isotropic flux through a plane (cosine law); the charge along a track fluctuates as Moyal's
        approximation to the Landau distribution (Moyal 1955, Phil. Mag. 46, 263) with its mode at the stated value.
        """
        config = self.config
        rng = self._rng(_RAYS, frame_id)
        area_cm2 = config.rows * config.cols * (100.0 * config.pitch_m) ** 2
        n = int(rng.poisson(config.cosmic_rays_per_cm2_s * area_cm2 * config.exposure_s))
        for _ in range(n):
            row, col = rng.uniform(-0.5, config.rows - 0.5), rng.uniform(-0.5, config.cols - 0.5)
            cosine, azimuth = np.sqrt(rng.uniform(1e-4, 1.0)), rng.uniform(0.0, 2.0 * np.pi)
            across_px = config.absorber_um * 1e-6 / config.pitch_m * np.sqrt(1.0 - cosine**2) / cosine
            # Width of the distribution: a tenth of its mode. The square of a normal deviate makes a Moyal deviate.
            excess = -np.log(rng.standard_normal() ** 2)
            charge = config.cosmic_ray_e_per_um * config.absorber_um / cosine * max(1.0 + 0.1 * excess, 0.0)
            steps = max(1, int(np.ceil(4.0 * across_px)))
            along = (np.arange(steps) + 0.5) / steps * across_px
            rows = np.rint(row + along * np.sin(azimuth)).astype(int)
            cols = np.rint(col + along * np.cos(azimuth)).astype(int)
            inside = (rows >= 0) & (rows < config.rows) & (cols >= 0) & (cols < config.cols)
            np.add.at(electrons, (rows[inside], cols[inside]), np.float32(charge / steps / config.co_adds))


def frame_dropped(config: SensorConfig, seed: int, satellite_id: int, frame_id: int) -> bool:
    """Whether a frame of a satellite's focal plane never leaves it."""
    rng = np.random.Generator(np.random.SFC64([seed, satellite_id, _DROP, frame_id]))
    return config.frame_drop_probability > 0.0 and bool(rng.uniform() < config.frame_drop_probability)
