"""Planted targets: where they are in each frame, and where what they leave behind may lie.

A target moves straight and evenly. In a scenario it flies as one of the scenario's movers does, at its speed and
height, from a random place in a random direction; before an even background it crosses the frame at 0.5 to 1.5 pixels
a frame. It is a point of stated signal-to-noise ratio after a matched filter, ``snr = N_sig / sigma sqrt(sum p^2)``
with the sensor's own noise ``sigma`` where it stands and the shares ``p`` of its light in each pixel.
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lookdown.geo.earth import ecef_to_geodetic, enu_axes
from lookdown.geo.sight import intersect_ellipsoid
from lookdown.hil.sensor.config import SensorConfig
from lookdown.hil.sensor.optics import PointSpread
from lookdown.hil.truth import Truth

Float = NDArray[np.float64]
Generator = np.random.Generator

NEAR_PX = 8.0
"""Plots nearer than this to a target are not false."""

TRAIL_PX = 3.0
"""Nor are those nearer than this to where it was before, since the unit began."""

MARGIN_PX = 16.0
"""Targets nearer than this to the border are no chance: the chain knows less there."""

APART_PX = 32.0
"""Targets come no nearer to each other."""

WHITE_PACE_PX = (0.5, 1.5)
"""Pace before an even background: fast enough that hardly any of a target is in its own background [px a frame]."""

AIRLINER = (240.0, 10_000.0)
"""Speed [m/s] and height [m] where a scenario has no movers to follow."""

_TRIES = 300
"""Paths drawn in vain before there is taken to be no room."""


class Targets:
    """Places of the targets of one unit.

    Parameters
    ----------
    place_px : ndarray of float64, shape (targets, frames, 2)
        Row and column in each frame; nan where it is behind the sensor [px].
    shape : tuple of int
        Rows and columns of the frame.
    trail_px : callable or None
        Where the background that targets have stood before lies in frame ``k``: shape (targets, k + 1, 2) [px]. None if
        the view stands still.
    """

    def __init__(self, place_px: Float, shape: tuple[int, int], trail_px: Callable[[int], Float] | None = None) -> None:
        self.place_px = place_px
        self._shape = shape
        self.trail_px = trail_px if trail_px is not None else lambda k: place_px[:, : k + 1]
        self.in_view = inside(place_px, shape, MARGIN_PX)

    def near(self, k: int) -> NDArray[np.bool_]:
        """Pixels of frame ``k`` in which a plot would not be false, shape (rows, cols)."""
        mask = np.zeros(self._shape, np.uint8)
        for path in self.trail_px(k):
            known = path[np.isfinite(path).all(axis=1)]
            if len(known):
                points = np.rint(np.clip(known, -1e4, 1e4)).astype(np.int32)[:, ::-1]
                cv2.polylines(mask, [points], False, 1, 1)
        reach = 2 * int(TRAIL_PX) + 1
        cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)), mask)
        for row, col in self.place_px[:, k]:
            if np.isfinite(row) and np.isfinite(col):
                centre = round(float(np.clip(col, -1e4, 1e4))), round(float(np.clip(row, -1e4, 1e4)))
                cv2.circle(mask, centre, int(NEAR_PX), 1, -1)
        return np.asarray(mask != 0)


def inside(place_px: Float, shape: tuple[int, int], margin_px: float = -0.5) -> NDArray[np.bool_]:
    """Whether places, shape (..., 2), lie inside a frame by a margin."""
    last = np.array(shape) - 1.0 - margin_px
    with np.errstate(invalid="ignore"):
        return np.asarray(((place_px >= margin_px) & (place_px <= last)).all(axis=-1))


def crossing(n: int, n_frames: int, shape: tuple[int, int], rng: Generator) -> Targets:
    """Targets that cross a view that stands still."""
    frames = np.arange(n_frames)[:, None]
    size = np.array(shape, np.float64)

    def draw() -> Float:
        angle = rng.uniform(0.0, 2.0 * np.pi)
        step = rng.uniform(*WHITE_PACE_PX) * np.array([np.sin(angle), np.cos(angle)])
        start = rng.uniform(MARGIN_PX, size - 1.0 - MARGIN_PX)
        return np.asarray(start + (frames - rng.integers(n_frames)) * step, np.float64)

    return Targets(_apart(n, shape, draw), shape)


def flying(n: int, first: int, n_frames: int, truth: Truth, satellite_index: int, rng: Generator) -> Targets:
    """Targets that fly over the ground of a scenario, at speeds and heights of its movers.

    Parameters
    ----------
    n : int
        How many.
    first, n_frames : int
        First frame of the unit, and how many it has.
    truth : Truth
        Truth of the scenario.
    satellite_index : int
        Who looks.
    rng : numpy.random.Generator
        Source of places, directions and movers to follow.
    """
    scenario = truth.scenario
    camera = scenario.sensor.camera
    shape = (camera.rows, camera.cols)
    frames = first + np.arange(n_frames)
    t_s = np.arange(n_frames) / scenario.frame_rate_hz
    position, _, attitude = truth.sensor(satellite_index, frames)
    flights = _flights(truth, satellite_index)
    grounds: list[Float] = []

    def draw() -> Float | None:
        speed_m_s, height_m = flights[rng.integers(len(flights))]
        k = int(rng.integers(n_frames))
        pixel = rng.uniform(MARGIN_PX, np.array(shape) - 1.0 - MARGIN_PX)
        bearing = rng.uniform(0.0, 2.0 * np.pi)
        sight = camera.sight_ecef(*camera.tangent_from_pixel(*pixel), attitude[k])
        start = intersect_ellipsoid(position[k], sight, height_m)
        if not np.isfinite(start).all():
            return None  # sky
        east, north = enu_axes(*ecef_to_geodetic(start)[:2])[:2]
        velocity = speed_m_s * (np.sin(bearing) * east + np.cos(bearing) * north)
        way = start + (t_s - t_s[k])[:, None] * velocity
        row, col, in_front = camera.project(way, position, attitude)
        return np.where(in_front[:, None], np.column_stack([row, col]), np.nan)

    place = _apart(n, shape, draw)
    for target in place:
        sight = camera.sight_ecef(*camera.tangent_from_pixel(target[:, 0], target[:, 1]), attitude)
        grounds.append(intersect_ellipsoid(position, sight, 0.0))
    ground = np.array(grounds)

    def trail(k: int) -> Float:
        row, col, _ = camera.project(ground[:, : k + 1], position[k], attitude[k])
        return np.stack([row, col], axis=-1)

    return Targets(place, shape, trail)


def plant(electrons: Any, spot: PointSpread, sensor: SensorConfig, place_px: Float, snr: Float) -> None:
    """Add targets to the expected electrons of a frame, in place.

    Parameters
    ----------
    electrons : ndarray of float32, shape (rows, cols)
        Expected electrons of one sample [e-].
    spot : PointSpread
        How a point spreads.
    sensor : SensorConfig
        Sensor.
    place_px : ndarray of float64, shape (n, 2)
        Rows and columns; targets outside the frame are left out [px].
    snr : ndarray of float64, shape (n,)
        Signal-to-noise ratio after a matched filter, against the sensor's noise at that place before the targets [1].
    """
    seen = inside(place_px, electrons.shape)
    row, col = place_px[seen].T
    noise_e = sensor.noise_e(electrons[np.rint(row).astype(int), np.rint(col).astype(int)].astype(np.float64))
    spot.add(electrons, row, col, snr[seen] * noise_e / np.sqrt(spot.energy(row, col)))


def _flights(truth: Truth, satellite_index: int) -> list[tuple[float, float]]:
    """Speeds [m/s] and heights [m] of the scenario's movers in the middle of the scenario."""
    if not truth.paths:
        return [AIRLINER]
    rows = truth.appearances(satellite_index, truth.scenario.n_frames // 2)
    return [(float(np.linalg.norm(row["velocity_m_s"])), float(row["height_m"])) for row in rows]


def _apart(n: int, shape: tuple[int, int], draw: Callable[[], Float | None]) -> Float:
    """Draw paths, shape (frames, 2), until ``n`` are there that keep apart wherever they are in view."""
    kept: list[Float] = []
    vain = 0
    while vain < _TRIES:
        path = draw()
        if path is None or not _free(path, kept, shape):
            vain += 1
            continue
        kept.append(path)
        if len(kept) == n:
            return np.array(kept)
        vain = 0
    raise ValueError(f"targets: {n} find no room in {shape[0]} x {shape[1]} px {APART_PX:g} px apart; plant fewer")


def _free(path: Float, others: list[Float], shape: tuple[int, int]) -> bool:
    """Whether a path keeps away from others wherever it is in view."""
    seen = inside(path, shape)
    return all(np.hypot(*(path - other)[seen].T).min() >= APART_PX for other in others)
