"""Sequences as a drifting sensor in orbit sees them: recorded Earth below, noise, blinking pixels, movers of known SNR.

The ground is a piece of recorded radiance, enlarged, with fractal detail below its resolution. The sensor drifts over
it and jitters; point movers of either polarity cross it at 0.4 to 2.5 px a frame against the ground. SNR is that after
the matched filter in the noise of the sensor alone; clutter comes on top.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tests.detection.scoring import Target
from tests.flight.weak import add_spots, texture

SHAPE = (512, 640)
SNRS = (3.0, 4.5, 6.0, 8.0, 12.0)
MOVERS = 10
BRIGHT = 7  # of the movers; the others are darker than the ground
ON_TARGET_PX = 6.0
EDGE_PX = 6.0
LEVEL_DN = 3000.0
MOST_DN = 16383.0
SEED = 41


@dataclass(frozen=True)
class Sensor:
    """How a set of sequences is made.

    Attributes
    ----------
    noise_dn : float
        Noise of a pixel, one sigma [DN].
    psf_sigma_px : float
        Spread of a point [px].
    drift_px : float
        Largest drift along an axis [px/frame].
    contrasts : tuple of float
        Deviation of the ground over the noise, in turn.
    bad_share : float
        Pixels that blink, in no map.
    fractal : bool
        Ground without a recording: a field with the spectrum of clouds.
    frames, sequences : int
        Frames of a sequence, and how many there are.
    """

    noise_dn: float = 12.0
    psf_sigma_px: float = 0.9
    drift_px: float = 1.6
    contrasts: tuple[float, ...] = (3.75, 10.0, 22.5)
    bad_share: float = 2e-4
    fractal: bool = False
    frames: int = 120
    sequences: int = 6


SENSORS = {
    "as a rule": Sensor(),
    "noise 3 DN": Sensor(noise_dn=3.0, sequences=3),
    "noise 40 DN": Sensor(noise_dn=40.0, contrasts=(3.0, 6.0, 10.0), sequences=3),
    "spread 0.7 px": Sensor(psf_sigma_px=0.7, sequences=3),
    "spread 1.3 px": Sensor(psf_sigma_px=1.3, sequences=3),
    "no drift": Sensor(drift_px=0.0, sequences=3),
    "drift to 3 px": Sensor(drift_px=3.0, sequences=3),
    "fractal ground": Sensor(fractal=True, sequences=3),
    "1 % blinking": Sensor(bad_share=0.01, sequences=3),
}


def ground_of(sensor: Sensor, folder: Path, number: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a ground of unit deviation."""
    if sensor.fractal:
        size = 1200
        wave = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
        wave[0, 0] = 1.0
        field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((size, size))) * wave**-1.5)
        return np.asarray((field - field.mean()) / field.std(), np.float32)
    paths = sorted(folder.glob("*.nc"))
    return texture(paths[number % len(paths)], rng)


def sequence(sensor: Sensor, folder: Path, number: int) -> Iterator[tuple[np.ndarray, list[Target]]]:
    """Draw a sequence: uint16 frames [rows, cols] and the movers in each."""
    rng = np.random.default_rng([SEED, number])
    rows, cols = SHAPE
    contrast = sensor.contrasts[number % len(sensor.contrasts)] * sensor.noise_dn
    ground = ground_of(sensor, folder, number, rng) * contrast + LEVEL_DN
    drift = rng.uniform(-sensor.drift_px, sensor.drift_px, 2)
    jitter = np.cumsum(rng.normal(0, 0.05, (sensor.frames, 2)), 0) + rng.normal(0, 0.08, (sensor.frames, 2))
    start = 0.5 * (np.array(ground.shape) - SHAPE - drift * sensor.frames)
    fixed = rng.normal(0, sensor.noise_dn / 6, SHAPE)
    bad = rng.random(SHAPE) < sensor.bad_share
    middle = np.stack([rng.uniform(60, side - 60, MOVERS) for side in SHAPE], axis=1)
    velocity = np.array([velocity_against(drift, rng) for _ in range(MOVERS)])
    snr = np.resize(SNRS, MOVERS)
    light = snr * sensor.noise_dn * 2 * np.sqrt(np.pi) * sensor.psf_sigma_px
    light[BRIGHT:] *= -1
    for k in range(sensor.frames):
        at = start + drift * k + jitter[k]
        move = np.array([[1, 0, at[1]], [0, 1, at[0]]], np.float32)
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        frame = cv2.warpAffine(ground, move, (cols, rows), flags=flags, borderMode=cv2.BORDER_REFLECT)
        place = middle + velocity * (k - sensor.frames / 2) + rng.normal(0, 0.02, (MOVERS, 2))
        inside = ((place >= EDGE_PX) & (place < np.array(SHAPE) - EDGE_PX)).all(axis=1)
        add_spots(frame, place[inside], light[inside], sensor.psf_sigma_px)
        frame = frame + fixed + rng.normal(0, sensor.noise_dn, SHAPE)
        frame[bad] = 16000.0 if k % 2 else 200.0
        targets = [Target(*place[i], ON_TARGET_PX, ON_TARGET_PX, snr[i]) for i in np.flatnonzero(inside)]
        yield np.clip(np.rint(frame), 0, MOST_DN).astype(np.uint16), targets


def velocity_against(drift: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a velocity in the frame that is not that of the ground, which moves by -drift [px/frame]."""
    while True:
        heading, speed = rng.uniform(0, 2 * np.pi), rng.uniform(0.4, 2.5)
        velocity = speed * np.array([np.sin(heading), np.cos(heading)])
        if np.hypot(*(velocity + drift)) >= 0.4:
            return velocity
