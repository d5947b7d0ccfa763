"""Truth: where sensors and movers are, where each mover appears in each frame, and how well it could be seen.

The true attitude is a stare at the scheduled aim point plus a jitter that the attitude sensor measures. What a
satellite reports differs from the truth by errors that vary slowly (sums of sines of 60 to 300 s): they do not average
out over the seconds for which a mover is in view.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lookdown.geo.attitude import stare_attitude
from lookdown.geo.earth import geodetic_to_ecef
from lookdown.geo.rotation import from_rotation_vector, multiply
from lookdown.geo.sight import emission_time_ns, intersect_ellipsoid
from lookdown.hil.motion.movers import mover_path
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
        ("row", "<f8"),  # where it appears, nan behind the sensor [px]
        ("col", "<f8"),
        ("row_rate_px_s", "<f4"),  # how it moves across the frame
        ("col_rate_px_s", "<f4"),
        ("inside", "?"),  # inside the frame
        ("hidden", "?"),  # more than half of its light is lost in cloud
        ("signal_e", "<f4"),  # electrons of the whole spot, after cloud
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
        self.spot = PointSpread(scenario.sensor)
        self.paths = tuple(mover_path(mover, scenario.start_ns) for mover in scenario.mover)
        self._orbits = tuple(scenario.orbit(i) for i in range(len(scenario.satellite)))
        sensor = scenario.sensor
        self._jitter = [
            sensor.jitter_sigma_rad * _generator(scenario, i, 0x71).standard_normal((scenario.n_frames, 3))
            for i in range(len(scenario.satellite))
        ]
        self._pointing_error = [SlowError(_generator(scenario, i, 0x72)) for i in range(len(scenario.satellite))]
        self._position_error = [SlowError(_generator(scenario, i, 0x73)) for i in range(len(scenario.satellite))]

    def mover_state(self, mover: int, time_ns: ArrayLike) -> tuple[Float, Float]:
        """Position [m] and velocity [m/s] of a mover, ECEF, shape (..., 3), at times of shape (...), TAI [ns]."""
        return self.paths[mover].state(time_ns)

    def aim(self, satellite_index: int, time_ns: ArrayLike) -> Float:
        """Scheduled aim point, ECEF, shape (..., 3) [m]."""
        places = self.scenario.satellite[satellite_index].aim
        t_s = (np.asarray(time_ns, np.int64) - self.scenario.start_ns) * 1e-9
        times = [place.t_s for place in places]
        lat, lon, height = (
            np.interp(t_s, times, [getattr(place, name) for place in places])
            for name in ("lat_deg", "lon_deg", "height_m")
        )
        return geodetic_to_ecef(np.radians(lat), np.radians(lon), height)

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
        stare = stare_attitude(position, velocity, self.aim(satellite_index, time))
        jitter = from_rotation_vector(self._jitter[satellite_index][np.asarray(frame)])
        return position, velocity, multiply(stare, jitter)

    def reported(self, satellite_index: int, frame: ArrayLike) -> tuple[Float, Float, Float]:
        """Give what the satellite believes its sensor's position, velocity and attitude are; shapes as in `sensor`."""
        config = self.scenario.sensor
        position, velocity, attitude = self.sensor(satellite_index, frame)
        t_s = np.asarray(frame) / self.scenario.frame_rate_hz
        tilt = from_rotation_vector(config.pointing_sigma_rad * self._pointing_error[satellite_index](t_s))
        position = position + config.position_sigma_m * self._position_error[satellite_index](t_s)
        return position, velocity, multiply(attitude, tilt)

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
        for mover in range(len(self.paths)):
            self._fill(rows[..., mover], mover, time, position, attitude)
            self._fill_motion(rows[..., mover], half_s, ends)
        rows["frame_id"] = frames[..., None]
        rows["time_ns"] = time[..., None]
        rows["satellite_id"] = self.scenario.satellite[satellite_index].id
        rows["mover"] = np.arange(len(self.paths))
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
        """Fill in how a mover moves across the frame, seen from where the sensor is at both ends of the exposure."""
        places = []
        for way, (position, _, attitude) in zip((-1.0, 1.0), ends, strict=True):
            seen = rows["position_m"] + way * half_s * rows["velocity_m_s"]
            places.append(self.scenario.sensor.camera.project(seen, position, attitude))
        for axis, name in enumerate(("row_rate_px_s", "col_rate_px_s")):
            rows[name] = (places[1][axis] - places[0][axis]) / (2.0 * half_s)

    def _fill(self, rows: NDArray[Any], mover: int, time: NDArray[np.int64], sensor_m: Float, attitude: Float) -> None:
        """Fill the rows of one mover, shape (...), seen from one sensor."""
        sensor, path = self.scenario.sensor, self.paths[mover]
        camera = sensor.camera
        emission = emission_time_ns(path.position, sensor_m, time)
        position, velocity = path.state(emission)
        row, col, in_front = camera.project(position, sensor_m, attitude)
        rows["emission_ns"], rows["position_m"], rows["velocity_m_s"] = emission, position, velocity
        rows["row"], rows["col"] = row, col
        with np.errstate(invalid="ignore"):
            rows["inside"] = (
                in_front & (row > -0.5) & (row < camera.rows - 0.5) & (col > -0.5) & (col < camera.cols - 0.5)
            )
        sight = position - sensor_m
        transmission = np.full(row.shape, self.scenario.scene.transmission or 1.0)
        radiance: Float | float = 0.0
        if self.scene is not None:
            layer_m = self.scenario.scene.cloud.height_m
            on_cloud = intersect_ellipsoid(sensor_m, sight, layer_m)
            below = path.height_m(emission) < layer_m
            opacity = np.where(below, self.scene.opacity(on_cloud), 0.0)
            rows["hidden"] = opacity > 0.5
            transmission = transmission * (1.0 - opacity)
            unit = sight / np.linalg.norm(sight, axis=-1, keepdims=True)
            radiance = self.scene.radiance(sensor_m, unit, self.scenario.start_ns)
        irradiance = self.scenario.mover[mover].intensity_w_sr * transmission / np.sum(sight**2, axis=-1)
        signal = sensor.electrons_per_irradiance() * irradiance
        noise = sensor.noise_e(sensor.electrons_per_radiance() * np.asarray(radiance))
        rows["signal_e"] = signal
        energy = self.spot.energy(np.nan_to_num(row), np.nan_to_num(col))
        rows["snr"] = np.abs(signal) / noise * np.sqrt(energy)
