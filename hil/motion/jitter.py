"""Jitter of the line of sight: white noise from frame to frame, tones of wheels and coolers, and a random walk.

Each frame has one small rotation, the mean over its exposure; what moves within the exposure blurs the point spread.
With exposure ``T``, for each axis:

- white: one draw a frame of sigma ``white_rad``; it does not move within the exposure;
- tone ``A sin(2 pi f t + phase)``: the mean is that of mid-exposure times ``sinc(f T)``, the variance within the
  exposure ``A^2 / 2 (1 - sinc(f T)^2)``, with ``sinc(x) = sin(pi x) / (pi x)``;
- random walk of ``s`` rad per root second: between exposures it adds ``N(0, s^2 dt)``; within one the mean lies
  ``N(0, s^2 T / 3)`` off its start and the variance about the mean is ``s^2 T / 6``.

Source: Lucke, Sirlin and San Martin (1992), "New definitions of pointing stability: AC and DC effects", Journal of the
Astronautical Sciences 40, for the split of motion into the displacement and the smear of an exposure. The random walk
is drawn by the exact joint law of Brownian motion and its mean: the frames are right whatever rate and exposure are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lookdown.hil.settings import require

Float = NDArray[np.float64]

_AXES = ("x", "y", "z")


@dataclass(frozen=True)
class Tone:
    """A vibration about a sensor axis: about x the rows of things change, about y the columns, about z both turn."""

    axis: Literal["x", "y", "z"]
    frequency_hz: float
    amplitude_rad: float

    def __post_init__(self) -> None:
        """Refuse what is no vibration."""
        require(
            self,
            ("frequency_hz", 0.0 < self.frequency_hz < np.inf, "a number above 0"),
            ("amplitude_rad", 0.0 <= self.amplitude_rad < 0.1, "0 to 0.1 rad"),
        )


@dataclass(frozen=True)
class JitterConfig:
    """Jitter of a sensor's attitude; by default none.

    Attributes
    ----------
    white_rad : float
        One sigma from frame to frame, each axis [rad].
    tones : tuple of Tone
        Vibrations; their phases are random.
    random_walk_rad_per_root_s : float
        Growth of a random walk about each axis [rad/s^(1/2)]; no control loop bounds it.
    measured : bool
        Whether the attitude that the sensor reports follows the jitter of each frame.
    """

    white_rad: float = 0.0
    tones: tuple[Tone, ...] = ()
    random_walk_rad_per_root_s: float = 0.0
    measured: bool = True

    def __post_init__(self) -> None:
        """Refuse amplitudes that are none."""
        names = ("white_rad", "random_walk_rad_per_root_s")
        require(self, *((name, 0.0 <= getattr(self, name) < 0.1, "0 to 0.1") for name in names))


class Jitter:
    """Jitter of one sensor over a scenario.

    Parameters
    ----------
    config : JitterConfig
        What there is.
    seed_key : sequence of int
        Seed; the same key gives the same frames, whatever the number of frames.
    n_frames : int
        Frames that can be asked for.
    frame_rate_hz : float
        Frames per second [Hz].
    exposure_s : float
        Exposure of a frame [s].
    """

    def __init__(
        self, config: JitterConfig, seed_key: Sequence[int], n_frames: int, frame_rate_hz: float, exposure_s: float
    ) -> None:
        self._config, self._rate_hz, self._exposure_s = config, frame_rate_hz, exposure_s
        self._drawn = np.zeros((n_frames, 3))
        if config.white_rad:
            self._drawn += config.white_rad * _generator(*seed_key).standard_normal((n_frames, 3))
        if config.random_walk_rad_per_root_s:
            draws = _generator(*seed_key, 1).standard_normal((n_frames, 3, 3))
            self._drawn += config.random_walk_rad_per_root_s * self._walk(draws)
        self._phase = _generator(*seed_key, 2).uniform(0.0, 2.0 * np.pi, len(config.tones))

    def _walk(self, draws: Float) -> Float:
        """Means over the exposures of Brownian motion of 1 per root second, from 3 draws a frame and axis."""
        gap_s = max(1.0 / self._rate_hz - self._exposure_s, 0.0)
        within = np.sqrt(self._exposure_s) * draws[:, 0]
        between = np.sqrt(gap_s) * draws[:, 1]
        start = np.cumsum(within + between, axis=0) - (within + between)
        # Given both its ends, the mean of Brownian motion lies halfway, with a variance of a twelfth of the time.
        return np.asarray(start + 0.5 * within + np.sqrt(self._exposure_s / 12.0) * draws[:, 2], np.float64)

    def angle(self, frame: ArrayLike) -> Float:
        """Rotation vectors about the sensor's axes, mean over the exposure.

        Parameters
        ----------
        frame : array_like of int, shape (...)
            Frame numbers, from 0.

        Returns
        -------
        ndarray of float64, shape (..., 3)
            Small rotation, to be applied after the attitude: ``multiply(attitude, from_rotation_vector(angle))`` [rad].
        """
        frames = np.asarray(frame, np.int64)
        angle = np.array(self._drawn[frames], np.float64)
        for tone, phase in zip(self._config.tones, self._phase, strict=True):
            # Whole turns fall away before the sine: hours of a fast tone keep their phase.
            turns = np.mod(frames * (tone.frequency_hz / self._rate_hz), 1.0)
            mean = tone.amplitude_rad * np.sinc(tone.frequency_hz * self._exposure_s)
            angle[..., _AXES.index(tone.axis)] += mean * np.sin(2.0 * np.pi * turns + phase)
        return angle

    @property
    def blur_sigma_rad(self) -> float:
        """Motion within an exposure that blurs points: one sigma along an axis, root mean square of both axes [rad].

        Turns about the boresight (z) move the corners only, by the field angle times less; they are left out.
        """
        variance = self._config.random_walk_rad_per_root_s**2 * self._exposure_s / 6.0
        for tone in self._config.tones:
            if tone.axis != "z":
                still = np.sinc(tone.frequency_hz * self._exposure_s)
                variance += 0.5 * (0.5 * tone.amplitude_rad**2 * (1.0 - still**2))
        return float(np.sqrt(variance))


def _generator(*key: int) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(list(key)))
