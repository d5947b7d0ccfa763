"""Truth: where sensors and movers are, where each mover appears in each frame, and how well it could be seen.

The true attitude is that of the law of pointing plus jitter, which the attitude sensor measures unless told otherwise.
What a satellite reports differs from the truth by errors that vary slowly (sums of sines of 60 to 300 s): they do not
average out over the seconds for which a mover is in view.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lookdown.geo.earth import ecef_to_geodetic
from lookdown.geo.rotation import conjugate, from_rotation_vector, multiply, rotate
from lookdown.geo.sight import emission_time_ns, intersect_ellipsoid
from lookdown.hil.motion import pointing
from lookdown.hil.motion.jitter import Jitter
from lookdown.hil.motion.movers import mover_path
from lookdown.hil.motion.path import MoverPath
from lookdown.hil.motion.roads import Road
from lookdown.hil.motion.terrain import Terrain
from lookdown.hil.photometry import Photometry
from lookdown.hil.plan import Scenario
from lookdown.hil.scene.local import Scene
from lookdown.hil.sensor.optics import PointSpread

Float = NDArray[np.float64]

TRUTH_DTYPE = np.dtype(
    [
        ("frame_id", "<u4"),
        ("satellite_id", "<u2"),
        ("mover", "<u2"),  # index into the scenario's movers
        ("time_ns", "<i8"),  # mid-exposure, TAI
        ("emission_ns", "<i8"),  # when the light left the mover, TAI
        ("position_m", "<f8", (3,)),  # of the mover at emission, ECEF
        ("velocity_m_s", "<f8", (3,)),  # of the mover at emission, ECEF
        ("attitude", "<f8", (4,)),  # of the mover at emission, body (forward, right, down) to ECEF
        ("body_rate_rad_s", "<f4", (3,)),  # about its own axes
        ("height_m", "<f8"),  # over the ellipsoid
        ("range_m", "<f8"),
        ("thrusting", "?"),  # its engine runs
        ("row", "<f8"),  # where it appears, nan behind the sensor [px]
        ("col", "<f8"),
        ("row_rate_px_s", "<f4"),  # how it moves across the frame
        ("col_rate_px_s", "<f4"),
        ("inside", "?"),  # inside the frame
        ("occluded", "?"),  # the Earth is in the way
        ("hidden", "?"),  # it is, or more than half of its light is lost in cloud
        ("transmission", "<f4"),  # of air and cloud on the way
        ("intensity_w_sr", "<f4"),  # net radiant intensity at the mover, in the sensor's direction
        ("signal_e", "<f4"),  # electrons of the whole spot, after air and cloud
        ("snr", "<f4"),  # expected after a matched filter, against the sensor's noise alone
    ]
)
"""One mover in one frame."""

_BEYOND_M = 3e6
"""Distance at which a view that misses the Earth is followed for its motion [m]."""

_PERIODS_S = (60.0, 300.0)
_SINES = 3


def _generator(scenario: Scenario, satellite_index: int, tag: int) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64([scenario.seed, scenario.satellite[satellite_index].id, tag]))


class SlowError:
    """Three slow sines an axis, of unit variance in the long run.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of periods and phases.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._period_s = np.exp(rng.uniform(np.log(_PERIODS_S[0]), np.log(_PERIODS_S[1]), (3, _SINES)))
        self._phase = rng.uniform(0.0, 2.0 * np.pi, (3, _SINES))

    def __call__(self, t_s: ArrayLike) -> Float:
        """Errors of the three axes at times of shape (...), as shape (..., 3) [1]."""
        angle = 2.0 * np.pi * np.asarray(t_s, np.float64)[..., None, None] / self._period_s + self._phase
        return np.asarray(np.sqrt(2.0 / _SINES) * np.sin(angle).sum(axis=-1), np.float64)


class Truth:
    """True states and appearances of a scenario.

    Parameters
    ----------
    scenario : Scenario
        Scenario.
    scene : Scene or None
        Scene, for cloud and background; None leaves both out (nothing hidden, ``snr`` against the sea's radiance).
    """

    def __init__(self, scenario: Scenario, scene: Scene | None = None) -> None:
        self.scenario = scenario
        self.scene = scene
        self.terrain = Terrain(scenario.terrain, scenario.seed)
        roads = {road.name: Road(road) for road in scenario.road}
        self.paths = tuple(
            mover_path(mover, scenario.start_ns, scenario.duration_s, self.terrain, roads) for mover in scenario.mover
        )
        self._orbits = tuple(scenario.orbit(i) for i in range(len(scenario.satellite)))
        sensor = scenario.sensor
        config = replace(scenario.jitter, white_rad=float(np.hypot(scenario.jitter.white_rad, sensor.jitter_sigma_rad)))
        timing = scenario.n_frames, scenario.frame_rate_hz, sensor.exposure_s
        self._jitter = [
            Jitter(config, (scenario.seed, satellite.id, 0x71), *timing) for satellite in scenario.satellite
        ]
        self.spot = PointSpread(sensor, self._jitter[0].blur_sigma_rad)
        self._light = Photometry(scenario, scene, self.spot)
        self._pointing_error = [SlowError(_generator(scenario, i, 0x72)) for i in range(len(scenario.satellite))]
        self._position_error = [SlowError(_generator(scenario, i, 0x73)) for i in range(len(scenario.satellite))]

    def mover_state(self, mover: int, time_ns: ArrayLike) -> tuple[Float, Float]:
        """Position [m] and velocity [m/s] of a mover, ECEF, shape (..., 3), at times of shape (...), TAI [ns]."""
        return self.paths[mover].state(time_ns)

    def pointed(self, satellite_index: int, position_m: Float, velocity_m_s: Float, time_ns: ArrayLike) -> Float:
        """Attitude that the law of a satellite asks for, without jitter, quaternions of shape (..., 4)."""
        satellite, start_ns = self.scenario.satellite[satellite_index], self.scenario.start_ns
        names = [path.name for path in self.paths]
        target = satellite.pointing.mover
        mover = self.paths[names.index(target)].position if target else None
        return pointing.attitude(satellite.pointing, satellite.aim, mover, position_m, velocity_m_s, time_ns, start_ns)

    def aim(self, satellite_index: int, time_ns: ArrayLike) -> Float:
        """Point in the middle of the view, ECEF, shape (..., 3) [m].

        The scheduled aim point of a stare; else where the boresight meets the Earth, or comes nearest to its centre.
        """
        satellite = self.scenario.satellite[satellite_index]
        if satellite.pointing == pointing.PointingConfig():
            return pointing.aim_point(satellite.aim, time_ns, self.scenario.start_ns)
        position, velocity = self._orbits[satellite_index].state(time_ns)
        boresight = rotate(self.pointed(satellite_index, position, velocity, time_ns), [0.0, 0.0, 1.0])
        ground = intersect_ellipsoid(position, boresight)
        way = np.maximum(-np.sum(position * boresight, axis=-1, keepdims=True), 0.0)
        return np.where(np.isfinite(ground), ground, position + way * boresight)

    def sensor(self, satellite_index: int, frame: ArrayLike, offset_s: float = 0.0) -> tuple[Float, Float, Float]:
        """Give true position [m], velocity [m/s] and attitude of a sensor at the mid-exposure of frames.

        Parameters
        ----------
        satellite_index : int
            Index into the scenario's satellites.
        frame : array_like of int, shape (...)
            Frame numbers, from 0.
        offset_s : float
            Time after the mid-exposure, within the exposure [s].

        Returns
        -------
        position_m, velocity_m_s : ndarray of float64, shape (..., 3)
            ECEF.
        attitude : ndarray of float64, shape (..., 4)
            Quaternion, sensor to ECEF.
        """
        time = self.scenario.frame_time_ns(frame) + round(1e9 * offset_s)
        position, velocity = self._orbits[satellite_index].state(time)
        pointed = self.pointed(satellite_index, position, velocity, time)
        jitter = from_rotation_vector(self._jitter[satellite_index].angle(frame))
        return position, velocity, multiply(pointed, jitter)

    def reported(self, satellite_index: int, frame: ArrayLike) -> tuple[Float, Float, Float]:
        """Give what the satellite believes its sensor's position, velocity and attitude are; shapes as in `sensor`."""
        config = self.scenario.sensor
        position, velocity, attitude = self.sensor(satellite_index, frame)
        if not self.scenario.jitter.measured:
            attitude = self.pointed(satellite_index, position, velocity, self.scenario.frame_time_ns(frame))
        t_s = np.asarray(frame) / self.scenario.frame_rate_hz
        bias = np.array([*self.scenario.satellite[satellite_index].bias_rad, 0.0])
        tilt = from_rotation_vector(config.pointing_sigma_rad * self._pointing_error[satellite_index](t_s) + bias)
        position = position + config.position_sigma_m * self._position_error[satellite_index](t_s)
        return position, velocity, multiply(attitude, tilt)

    def pointing_error(self, satellite_index: int, frame: ArrayLike) -> Float:
        """By how much plots lie off in tangents (x, y) for the state that a satellite reports, shape (..., 2) [1].

        In the middle of the view; the error of its place counts over the distance of what it looks at.
        """
        aim = self.aim(satellite_index, self.scenario.frame_time_ns(frame))
        seen = []
        for position, _, attitude in (self.sensor(satellite_index, frame), self.reported(satellite_index, frame)):
            along = rotate(conjugate(attitude), aim - position)
            seen.append(along[..., :2] / along[..., 2:])
        return np.asarray(seen[0] - seen[1], np.float64)

    def appearances(self, satellite_index: int, frame: ArrayLike) -> NDArray[Any]:
        """Where the movers appear in frames of a satellite.

        Parameters
        ----------
        satellite_index : int
            Index into the scenario's satellites.
        frame : array_like of int, shape () or (n,)
            Frame numbers, from 0.

        Returns
        -------
        ndarray of TRUTH_DTYPE, shape (movers,) or (n, movers)
            One row a mover and frame.
        """
        frames = np.asarray(frame, np.int64)
        rows = np.zeros((*frames.shape, len(self.paths)), TRUTH_DTYPE)
        time = self.scenario.frame_time_ns(frames)
        position, _, attitude = self.sensor(satellite_index, frames)
        half_s = 0.5 * self.scenario.sensor.exposure_s
        ends = [self.sensor(satellite_index, frames, way * half_s) for way in (-1.0, 1.0)]
        for mover, path in enumerate(self.paths):
            self._fill_state(rows[..., mover], path, time, position)
        self._fill_place(rows, position, attitude)
        self._fill_motion(rows, half_s, ends)
        rows["frame_id"] = frames[..., None]
        rows["time_ns"] = time[..., None]
        rows["satellite_id"] = self.scenario.satellite[satellite_index].id
        rows["mover"] = np.arange(len(self.paths))
        self._light.fill(rows, position)
        return rows

    def background_motion_px(self, satellite_index: int, frame: ArrayLike) -> Float:
        """How far the background at the boresight moves in the exposure of frames, of shape (...) [px]."""
        camera, half_s = self.scenario.sensor.camera, 0.5 * self.scenario.sensor.exposure_s
        position, _, attitude = self.sensor(satellite_index, frame)
        boresight = camera.sight_ecef(0.0, 0.0, attitude)
        ground = intersect_ellipsoid(position, boresight, 0.0)
        ground = np.where(np.isfinite(ground), ground, position + _BEYOND_M * boresight)
        (row_a, col_a), (row_b, col_b) = (
            camera.project(ground, *self.sensor(satellite_index, frame, way * half_s)[::2])[:2] for way in (-1.0, 1.0)
        )
        return np.asarray(np.hypot(row_b - row_a, col_b - col_a), np.float64)

    def _fill_motion(self, rows: NDArray[Any], half_s: float, ends: list[tuple[Float, Float, Float]]) -> None:
        """Fill in how movers move across the frame, seen from where the sensor is at both ends of the exposure."""
        places = []
        for way, (position, _, attitude) in zip((-1.0, 1.0), ends, strict=True):
            seen = rows["position_m"] + way * half_s * rows["velocity_m_s"]
            at, turned = position[..., None, :], attitude[..., None, :]
            places.append(self.scenario.sensor.camera.project(seen, at, turned))
        for axis, name in enumerate(("row_rate_px_s", "col_rate_px_s")):
            rows[name] = (places[1][axis] - places[0][axis]) / (2.0 * half_s)

    def _fill_place(self, rows: NDArray[Any], sensor_m: Float, attitude: Float) -> None:
        """Fill in where movers appear."""
        camera = self.scenario.sensor.camera
        row, col, in_front = camera.project(rows["position_m"], sensor_m[..., None, :], attitude[..., None, :])
        rows["row"], rows["col"] = row, col
        with np.errstate(invalid="ignore"):
            rows["inside"] = (
                in_front & (row > -0.5) & (row < camera.rows - 0.5) & (col > -0.5) & (col < camera.cols - 0.5)
            )

    def _fill_state(self, rows: NDArray[Any], path: MoverPath, time: NDArray[np.int64], sensor_m: Float) -> None:
        """Fill in the state of one mover when the light left it, shape (...)."""
        emission = emission_time_ns(path.position, sensor_m, time)
        rows["emission_ns"] = emission
        rows["position_m"], rows["velocity_m_s"] = path.state(emission)
        rows["attitude"], rows["body_rate_rad_s"] = path.attitude(emission), path.body_rate(emission)
        rows["height_m"] = ecef_to_geodetic(rows["position_m"])[2]
        rows["thrusting"] = path.thrusting(emission)
