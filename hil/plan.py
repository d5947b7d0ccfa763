"""The plan of a run: everything it needs, as one frozen tree that a scenario file fills.

A scenario names the sensor, the satellites that carry it, the movers, the scene below them, and what must hold at the
end. Times count in seconds from its start; angles and coordinates are in degrees here, because people write them.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lookdown.geo.orbit import Orbit
from lookdown.geo.timescale import tai_ns_from_utc
from lookdown.hil.faults.config import FaultConfig, check_faults
from lookdown.hil.motion.jitter import JitterConfig
from lookdown.hil.motion.movers import MoverConfig
from lookdown.hil.motion.orbits import OrbitConfig
from lookdown.hil.motion.pointing import PointingConfig, check_pointing
from lookdown.hil.motion.roads import RoadConfig
from lookdown.hil.motion.terrain import TerrainConfig
from lookdown.hil.radar.config import RadarConfig
from lookdown.hil.requirements import Requirement
from lookdown.hil.scene.config import SceneConfig
from lookdown.hil.score import Settings
from lookdown.hil.sensor.config import SensorConfig
from lookdown.hil.settings import Place, require


@dataclass(frozen=True)
class SatelliteConfig:
    """A satellite: its identity on every link, its orbit, how it points, and the Earth-fixed points it points at.

    ``aim`` holds one point, or several with rising ``t_s`` between which the aim moves linearly; before the first and
    after the last it stands. Laws of pointing that need no point have none. ``sensor`` is what it carries: the
    infrared sensor of the scenario or its radar. ``bias_rad`` is a constant error of the attitude that it reports,
    turns about the sensor's x and y axes, beside the slow error of ``sensor.pointing_sigma_rad`` [rad].
    """

    id: int
    orbit: OrbitConfig
    aim: tuple[Place, ...] = ()
    pointing: PointingConfig = field(default_factory=PointingConfig)
    sensor: Literal["infrared", "radar"] = "infrared"
    bias_rad: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        """Refuse an identity or a bias that cannot work."""
        require(
            self,
            ("id", 1 <= self.id <= 65535, "1 to 65535"),
            ("bias_rad", all(abs(angle) <= 0.01 for angle in self.bias_rad), "two angles of at most 0.01 rad"),
        )


@dataclass(frozen=True)
class Scenario:
    """A whole scenario; see the attributes of its parts.

    Attributes
    ----------
    name, title : str
        Short name for files, one line for people.
    seed : int
        Seed of everything random.
    start : str
        Instant of the first frame's mid-exposure, UTC, ISO 8601.
    duration_s, frame_rate_hz : float
        Length [s] and frames, or intervals of a radar, per second of each satellite [Hz].
    sensor : SensorConfig
        Infrared sensor; its sigmas of position and pointing are those of every satellite.
    radar : RadarConfig or None
        Radar of the satellites that carry it.
    jitter : JitterConfig
        Jitter of every sensor's attitude, beside ``sensor.jitter_sigma_rad`` (white, known to the attitude sensor).
    stars_catalogued : float
        Share of the sky's stars, the brightest, that the ground has in its catalogue [1].
    flight, ground : dict
        Settings handed to those processes, checked by them.
    scoring : Settings
        How a run is held against the truth.
    requirement : tuple of Requirement
        What must hold.
    fault : tuple of FaultConfig
        What breaks, when the rig runs it (``lookdown-hil rig``).
    """

    name: str
    title: str
    seed: int
    start: str
    duration_s: float
    frame_rate_hz: float
    scene: SceneConfig
    satellite: tuple[SatelliteConfig, ...]
    mover: tuple[MoverConfig, ...] = ()
    terrain: TerrainConfig = field(default_factory=TerrainConfig)
    road: tuple[RoadConfig, ...] = ()
    sensor: SensorConfig = field(default_factory=SensorConfig)
    radar: RadarConfig | None = None
    jitter: JitterConfig = field(default_factory=JitterConfig)
    stars_catalogued: float = 0.0
    flight: dict[str, Any] = field(default_factory=dict)
    ground: dict[str, Any] = field(default_factory=dict)
    scoring: Settings = field(default_factory=Settings)
    requirement: tuple[Requirement, ...] = ()
    fault: tuple[FaultConfig, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no run could carry out."""
        ids = [satellite.id for satellite in self.satellite]
        names = [mover.name for mover in self.mover]
        require(
            self,
            ("seed", self.seed >= 0, "0 or more"),
            ("duration_s", 0.0 < self.duration_s <= 86400.0, "above 0, at most 86400"),
            ("frame_rate_hz", 0.0 < self.frame_rate_hz <= 1000.0, "above 0, at most 1000"),
            ("stars_catalogued", 0.0 <= self.stars_catalogued <= 1.0, "0 to 1"),
        )
        tai_ns_from_utc(self.start)
        check_faults(self.fault, self.n_frames, ids)
        if not ids or len(set(ids)) < len(ids):
            raise ValueError(f"satellite: wanted one or more with ids used once, got ids {ids}; change the ids")
        if len(set(names)) < len(names):
            raise ValueError(f"mover: wanted names used once, got {names}; change the names")
        for index, satellite in enumerate(self.satellite):
            try:
                check_pointing(satellite.pointing, satellite.aim, tuple(names))
                self.orbit(index)
            except ValueError as error:
                raise ValueError(f"satellite {satellite.id}: {error}") from None
        self._check_radar()
        if self.sensor.exposure_s * self.frame_rate_hz > 1.0:
            raise ValueError(
                f"sensor: an exposure of {self.sensor.exposure_s:g} s (co_adds * integration_time_s) does not fit "
                f"into a frame of {1.0 / self.frame_rate_hz:g} s; shorten it or lower frame_rate_hz"
            )
        for mover in self.mover:
            times = [place.t_s for place in mover.waypoints]
            if times and (times[0] > 0.0 or times[-1] < self.duration_s):
                raise ValueError(
                    f"mover {mover.name!r}: waypoints wanted from t_s 0 to {self.duration_s:g} or beyond, "
                    f"got {times[0]:g} to {times[-1]:g}; add waypoints"
                )

    def _check_radar(self) -> None:
        """Refuse radar satellites without a radar, a radar without them, and intervals that do not fit their time."""
        carriers = [satellite.id for satellite in self.satellite if satellite.sensor == "radar"]
        if self.radar is None:
            if carriers:
                raise ValueError(f"satellite {carriers[0]}: carries a radar, wanted a table [radar], got none; add it")
            return
        if not carriers:
            raise ValueError("radar: wanted a satellite with sensor = 'radar', got none; add one or leave [radar] out")
        instrument = self.radar.instrument
        if instrument.pulses / instrument.prf_hz * self.frame_rate_hz > 1.0:
            raise ValueError(
                f"radar: {instrument.pulses} pulses at {instrument.prf_hz:g} Hz do not fit into a frame of "
                f"{1.0 / self.frame_rate_hz:g} s; lower frame_rate_hz"
            )

    def indices(self, sensor: Literal["infrared", "radar"]) -> tuple[int, ...]:
        """Return the indices of the satellites that carry a sensor."""
        return tuple(index for index, satellite in enumerate(self.satellite) if satellite.sensor == sensor)

    @cached_property
    def start_ns(self) -> int:
        """Instant of the first frame's mid-exposure, TAI [ns]."""
        return tai_ns_from_utc(self.start)

    @property
    def n_frames(self) -> int:
        """Frames of each satellite."""
        return max(1, round(self.duration_s * self.frame_rate_hz))

    def frame_time_ns(self, frame: ArrayLike) -> NDArray[np.int64]:
        """Mid-exposure of frames, counted from 0, TAI [ns]; the satellites expose together."""
        seconds = np.asarray(frame, np.int64) / self.frame_rate_hz
        return np.asarray(self.start_ns + np.rint(1e9 * seconds).astype(np.int64), np.int64)

    def orbit(self, satellite_index: int) -> Orbit:
        """Orbit of a satellite."""
        return self.satellite[satellite_index].orbit.orbit(self.start_ns)
