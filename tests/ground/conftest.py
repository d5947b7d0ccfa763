"""A small world for the tests of the ground: satellites that stare, movers on great circles, plots with errors."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest

from lookdown.geo.attitude import stare_attitude
from lookdown.geo.camera import Camera
from lookdown.geo.earth import enu_axes, geodetic_to_ecef
from lookdown.geo.orbit import KeplerJ2Orbit
from lookdown.geo.timescale import ecef_from_eci
from lookdown.ground.filter import move
from lookdown.ground.parameters import Parameters, SensorField
from lookdown.wire.messages import SIGHT_DTYPE, PlotReport, SensorState

EPOCH_NS = 1_800_000_000_000_000_000
AIM_RAD = (np.radians(40.0), np.radians(10.0))


def orbit_over(lat_rad, lon_rad, altitude_m, inclination_rad, time_ns):
    """Circular orbit that passes over a place at a time."""
    eci = ecef_from_eci(time_ns).T @ geodetic_to_ecef(lat_rad, lon_rad, 0.0)
    eci = eci / np.linalg.norm(eci)
    along = np.arcsin(np.clip(eci[2] / np.sin(inclination_rad), -1.0, 1.0))
    node = np.arctan2(eci[1], eci[0]) - np.arctan2(np.cos(inclination_rad) * np.sin(along), np.cos(along))
    return KeplerJ2Orbit(6_378_137.0 + altitude_m, inclination_rad, node, along, time_ns)


@dataclass
class World:
    """Truth and satellites; `reports` observes them.

    ``movers`` holds states (position, velocity) at the epoch; ``standing`` holds clutter points, each seen by the
    sensors of its set.
    """

    seed: int = 0
    sub_points: tuple[tuple[float, float, float], ...] = ((38.0, 4.0, 70.0), (42.0, 15.0, 80.0), (35.0, 12.0, 60.0))
    altitude_m: float = 1000e3
    rows: int = 512
    cols: int = 640
    ifov_rad: float = 90e-6
    rate_hz: float = 10.0
    centroid_px: float = 0.2
    pointing_rad: float = 30e-6
    pointing_memory_s: float = 100.0
    detection: float = 0.9
    false_plots: float = 3.0
    aim_m: np.ndarray = field(default_factory=lambda: geodetic_to_ecef(*AIM_RAD, 0.0))
    movers: np.ndarray = field(default_factory=lambda: np.zeros((0, 6)))
    standing: list[tuple[np.ndarray, set[int], float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.orbits = [
            orbit_over(np.radians(lat), np.radians(lon), self.altitude_m, np.radians(inclination), EPOCH_NS)
            for lat, lon, inclination in self.sub_points
        ]
        self.camera = Camera(self.rows, self.cols, self.ifov_rad)
        self.bias = self.rng.normal(size=(len(self.orbits), 2)) * self.pointing_rad
        self.origin: dict[tuple[int, int], np.ndarray] = {}

    def parameters(self, **changes) -> Parameters:
        fields = tuple(SensorField(i + 1, self.rows, self.cols) for i in range(len(self.orbits)))
        return Parameters(sensors=fields, **changes)

    def add_mover(self, east_m: float, north_m: float, height_m: float, speed_m_s: float, heading_deg: float) -> None:
        """A mover placed about the aim point."""
        axes = enu_axes(*AIM_RAD)
        position = geodetic_to_ecef(*AIM_RAD, height_m) + east_m * axes[0] + north_m * axes[1]
        heading = np.radians(heading_deg)
        velocity = speed_m_s * (np.sin(heading) * axes[0] + np.cos(heading) * axes[1])
        self.movers = np.concatenate([self.movers, np.concatenate([position, velocity])[None]])

    def add_standing(self, east_m, north_m, height_m, sensors=(1, 2, 3), wander_m=0.0) -> None:
        """A point of clutter that stands still, seen with a random walk of its plot if it wanders."""
        axes = enu_axes(*AIM_RAD)
        position = geodetic_to_ecef(*AIM_RAD, height_m) + east_m * axes[0] + north_m * axes[1]
        self.standing.append((position, set(sensors), wander_m))

    def truth(self, time_ns: int) -> np.ndarray:
        """States of the movers, shape (n, 6)."""
        state, dt_s = self.movers, (time_ns - EPOCH_NS) * 1e-9
        steps = max(int(abs(dt_s)), 1)
        for _ in range(steps):
            state = move(state, dt_s / steps)
        return state

    def sensor_state(self, index: int, time_ns: int) -> SensorState:
        position, velocity = self.orbits[index].state(time_ns)
        attitude = stare_attitude(position, velocity, self.aim_m)
        return SensorState(position, velocity, attitude, 5.0, self.pointing_rad, self.ifov_rad)

    def report(self, index: int, frame_id: int, time_ns: int) -> PlotReport:
        """What one sensor reports at one time; which mover made each plot is kept in ``origin``."""
        state = self.sensor_state(index, time_ns)
        points, movers = self.truth(time_ns), len(self.movers)
        seen = self.rng.random(movers) < self.detection
        range_m = np.linalg.norm(points[:, :3] - state.position_m, axis=1)
        emitted = points[:, :3] - points[:, 3:] * (range_m / 299792458.0)[:, None]
        names = list(np.flatnonzero(seen))
        sources = list(emitted[seen])
        for number, (position, sensors, wander_m) in enumerate(self.standing):
            if index + 1 in sensors and self.rng.random() < self.detection:
                sources.append(position + self.rng.normal(size=3) * wander_m)
                names.append(-1 - number)
        row, col, _ = self.camera.project(np.array(sources).reshape(-1, 3), state.position_m, state.attitude)
        x, y = self.camera.tangent_from_pixel(row, col)
        x = x + self.bias[index, 0] + self.rng.normal(size=len(x)) * self.centroid_px * self.ifov_rad
        y = y + self.bias[index, 1] + self.rng.normal(size=len(y)) * self.centroid_px * self.ifov_rad
        inside = (row >= 0) & (row < self.rows) & (col >= 0) & (col < self.cols)
        n_false = self.rng.poisson(self.false_plots)
        half = np.array([self.cols, self.rows]) * self.ifov_rad / 2
        false = self.rng.uniform(-half, half, size=(n_false, 2))
        sights = np.zeros(np.count_nonzero(inside) + n_false, SIGHT_DTYPE)
        sights["x"] = np.concatenate([x[inside], false[:, 0]])
        sights["y"] = np.concatenate([y[inside], false[:, 1]])
        sights["sigma_x"] = sights["sigma_y"] = self.centroid_px * self.ifov_rad
        sights["snr"] = self.rng.uniform(5.0, 20.0, len(sights))
        sights["amplitude"] = sights["snr"]
        sights["n_pixels"] = 4
        order = np.argsort(-sights["snr"], kind="stable")
        names = np.concatenate([np.array(names, int)[inside], np.full(n_false, -1000)])[order]
        self.origin[index + 1, frame_id] = names
        return PlotReport(index + 1, frame_id, time_ns, state, sights[order])

    def reports(self, seconds: float, start_s: float = 0.0) -> Iterator[PlotReport]:
        """All reports in order of time; sensors run unsynchronised and their pointing drifts."""
        step_s = 1.0 / self.rate_hz
        fade = np.exp(-step_s / self.pointing_memory_s)
        for frame in range(round(seconds * self.rate_hz)):
            for index in range(len(self.orbits)):
                kick = self.rng.normal(size=2) * self.pointing_rad * np.sqrt(1.0 - fade**2)
                self.bias[index] = fade * self.bias[index] + kick
                offset_s = start_s + (frame + index / len(self.orbits)) * step_s
                yield self.report(index, frame, EPOCH_NS + round(offset_s * 1e9))


@pytest.fixture(scope="session")
def world() -> type[World]:
    """The class, so that each test builds its own."""
    return World
