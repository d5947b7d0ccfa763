"""Frames of a scenario: the scene as each satellite's sensor records it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.hil.background import Background
from lookdown.hil.plan import Scenario
from lookdown.hil.scene.local import Scene
from lookdown.hil.sensor.detector import Detector, Persistence
from lookdown.hil.truth import Truth
from lookdown.wire.messages import Frame, SensorState

Float = NDArray[np.float64]

_BACKGROUND_STEP_PX = 0.5
"""Background that moves more than this in an exposure is drawn at several instants of it."""

_MOST_INSTANTS = 16

_SMEAR_STEP_PX = 0.25
"""A mover that crosses more than this in an exposure is drawn at several places."""

_BLOCK = 100
"""Frames whose truth is computed together."""


def make_scene(scenario: Scenario) -> Scene:
    """Make the scene of a scenario, blurred for the mean distance of its satellites; takes a second."""
    truth = Truth(scenario)
    middle = scenario.n_frames // 2
    time_ns = int(scenario.frame_time_ns(middle))
    ranges = []
    for index in range(len(scenario.satellite)):
        position, _, _ = truth.sensor(index, middle)
        ranges.append(np.linalg.norm(position - truth.aim(index, time_ns)))
    spot_rad = truth.spot.pixel_sigma_px * scenario.sensor.ifov_rad
    blur_m = float(np.mean(ranges)) * spot_rad
    return Scene(scenario.scene, scenario.seed, blur_m, scenario.sensor.band_um, time_ns, scenario.road)


class Renderer:
    """Renders any frame of one satellite; the same seed gives the same samples, whatever was rendered before.

    Parameters
    ----------
    scenario : Scenario
        Scenario.
    satellite_index : int
        Index into its satellites.
    scene : Scene or None
        Scene, to share it between satellites; made if None.

    Attributes
    ----------
    truth : Truth
        Truth of the scenario, with cloud.
    detector : Detector
        Focal plane; ``detector.known_bad`` is the factory's map of bad pixels.
    """

    def __init__(self, scenario: Scenario, satellite_index: int, scene: Scene | None = None) -> None:
        self.scenario = scenario
        self.satellite_index = satellite_index
        self.scene = scene if scene is not None else make_scene(scenario)
        self.truth = Truth(scenario, self.scene)
        sensor = scenario.sensor
        self.detector = Detector(sensor, scenario.seed, scenario.satellite[satellite_index].id)
        self._persistence = Persistence(sensor, 1.0 / scenario.frame_rate_hz)
        self._settled = 0  # frames that the traps have seen
        self._image = np.empty((sensor.rows, sensor.cols), np.float32)
        self._ground = Background(sensor, self.truth.spot, self.scene, scenario.seed)
        self._block_first = -1

    def electrons(self, frame_id: int, with_movers: bool = True) -> NDArray[np.float32]:
        """Compute the expected photoelectrons of one sample, without noise or fixed pattern.

        Parameters
        ----------
        frame_id : int
            Number of the frame, from 0.
        with_movers : bool
            Whether the movers are drawn.

        Returns
        -------
        ndarray of float32, shape (rows, cols)
            Electrons; overwritten by the next call [e-].
        """
        index = self._prepare(frame_id)
        self._background(frame_id, index)
        if with_movers:
            self._movers(index)
        return self._image

    def dropped(self, frame_id: int) -> bool:
        """Whether a frame never leaves the sensor."""
        return self.detector.dropped(frame_id)

    def frame(self, frame_id: int) -> tuple[Frame, NDArray[Any]]:
        """Render one frame.

        Parameters
        ----------
        frame_id : int
            Number of the frame, from 0.

        Returns
        -------
        frame : Frame
            Samples, with the state that the satellite reports.
        truth : ndarray of TRUTH_DTYPE, shape (movers,)
            Where the movers truly appear.
        """
        scenario = self.scenario
        if not 0 <= frame_id < scenario.n_frames:
            raise ValueError(f"frame_id wanted from 0 to {scenario.n_frames - 1}, got {frame_id}")
        self._expect(frame_id)
        index = self._prepare(frame_id)
        position, velocity, attitude = (part[index] for part in self._reported)
        sensor = scenario.sensor
        frame = Frame(
            sensor_id=scenario.satellite[self.satellite_index].id,
            frame_id=frame_id,
            time_ns=int(scenario.frame_time_ns(frame_id)),
            integration_time_s=sensor.exposure_s,
            samples=self.detector.expose(self._image, frame_id, frame_id / scenario.frame_rate_hz),
            state=SensorState(
                position, velocity, attitude, sensor.position_sigma_m, sensor.pointing_sigma_rad, sensor.ifov_rad
            ),
        )
        return frame, self._rows[index]

    def _expect(self, frame_id: int) -> None:
        """Have the electrons of a frame in the image, with what traps give off: these must have seen all before."""
        if self.scenario.sensor.persistence == 0.0:
            self.electrons(frame_id)
            return
        if frame_id < self._settled:
            self._persistence = Persistence(self.scenario.sensor, 1.0 / self.scenario.frame_rate_hz)
            self._settled = 0
        for k in range(self._settled, frame_id + 1):
            self._persistence.step(self.electrons(k))
        self._settled = frame_id + 1

    def _prepare(self, frame_id: int) -> int:
        """Have the truth of the block that holds a frame, which costs little more than that of one frame.

        Returns
        -------
        int
            Index of the frame in the block.
        """
        first = frame_id - frame_id % _BLOCK
        if self._block_first != first:
            frames = np.arange(first, min(first + _BLOCK, self.scenario.n_frames))
            self._rows = self.truth.appearances(self.satellite_index, frames)
            self._sensor = self.truth.sensor(self.satellite_index, frames)
            self._reported = self.truth.reported(self.satellite_index, frames)
            self._moved_px = self.truth.background_motion_px(self.satellite_index, frames)
            self._block_first = first
        return frame_id - first

    def _background(self, frame_id: int, index: int) -> None:
        """Fill the image with the electrons of ground, cloud and sky, at several instants if the view moves fast."""
        time_ns = int(self.scenario.frame_time_ns(frame_id))
        position, _, attitude = (part[index] for part in self._sensor)
        instants = int(np.clip(np.ceil(self._moved_px[index] / _BACKGROUND_STEP_PX), 1, _MOST_INSTANTS))
        if instants == 1 or self._ground.near_limb(position, attitude):
            self._ground.draw(self._image, position, attitude, time_ns)
            return
        for k in range(instants):
            offset_s = ((k + 0.5) / instants - 0.5) * self.scenario.sensor.exposure_s
            position, _, attitude = self.truth.sensor(self.satellite_index, frame_id, offset_s)
            self._ground.draw(self._image, position, attitude, time_ns, 1.0 / instants, add=k > 0)

    def _movers(self, index: int) -> None:
        """Add the movers, drawn at several instants of the exposure if they cross a good part of a pixel in it."""
        rows = self._rows[index]
        rows = rows[np.isfinite(rows["row"]) & (rows["signal_e"] != 0.0)]
        exposure_s = self.scenario.sensor.exposure_s
        step_row, step_col = exposure_s * rows["row_rate_px_s"], exposure_s * rows["col_rate_px_s"]
        n = np.maximum(np.ceil(np.hypot(step_row, step_col) / _SMEAR_STEP_PX), 1.0).astype(int)
        of = np.repeat(np.arange(len(rows)), n)
        share = (np.arange(of.size) - np.repeat(np.cumsum(n) - n, n) + 0.5) / n[of] - 0.5
        self.truth.spot.add(
            self._image,
            rows["row"][of] + share * step_row[of],
            rows["col"][of] + share * step_col[of],
            rows["signal_e"][of] / n[of],
        )
