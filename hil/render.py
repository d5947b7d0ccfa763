"""Frames of a scenario: the scene as each satellite's sensor records it, live or into an HDF5 file."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from lookdown.geo.sight import intersect_ellipsoid
from lookdown.hil.plan import Scenario
from lookdown.hil.scenario import load_scenario
from lookdown.hil.scene.local import Scene
from lookdown.hil.sensor.detector import Detector
from lookdown.hil.truth import TRUTH_DTYPE, Truth
from lookdown.wire.messages import Frame, SensorState

Float = NDArray[np.float64]

_NODES = 8
"""Chebyshev nodes an axis: the way from pixels to the ground is so smooth that 8 leave less than 1e-4 px."""

_SMEAR_STEP_PX = 0.25
"""A mover that crosses more than this in an exposure is drawn at several places."""

_BLOCK = 100
"""Frames whose truth is computed together."""

STATE_DTYPE = np.dtype(
    [
        ("frame_id", "<u4"),
        ("satellite_id", "<u2"),
        ("time_ns", "<i8"),
        ("position_m", "<f8", (3,)),
        ("velocity_m_s", "<f8", (3,)),
        ("attitude", "<f8", (4,)),
        ("position_sigma_m", "<f8"),
        ("pointing_sigma_rad", "<f8"),
        ("ifov_rad", "<f8"),
        ("true_position_m", "<f8", (3,)),
        ("true_attitude", "<f8", (4,)),
    ]
)
"""Reported and true state of a sensor at one frame."""


def make_scene(scenario: Scenario) -> Scene:
    """Make the scene of a scenario, blurred for the mean distance of its satellites; takes a few seconds."""
    truth = Truth(scenario)
    middle = scenario.n_frames // 2
    ranges = []
    for index in range(len(scenario.satellite)):
        position, _, _ = truth.sensor(index, middle)
        ranges.append(np.linalg.norm(position - truth.aim(index, scenario.frame_time_ns(middle))))
    sensor = scenario.sensor
    sigma_px = np.hypot(sensor.psf_sigma_px, 12**-0.5)
    return Scene(scenario.scene, scenario.seed, float(np.mean(ranges) * sensor.ifov_rad * sigma_px))


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
        shape = (sensor.rows, sensor.cols)
        self._image, self._layer, self._map_row, self._map_col = (np.empty(shape, np.float32) for _ in range(4))
        nodes = chebyshev.chebpts1(_NODES)
        inverse = np.linalg.inv(chebyshev.chebvander(nodes, _NODES - 1))
        self._spread_rows, spread_cols = (
            (chebyshev.chebvander(np.linspace(-1.0, 1.0, size), _NODES - 1) @ inverse).astype(np.float32)
            for size in shape
        )
        self._spread_cols = np.ascontiguousarray(spread_cols.T)
        row, col = np.meshgrid(*(0.5 * (size - 1) * (1.0 + nodes) for size in shape), indexing="ij")
        self._block_first = -1
        self._tangents = sensor.camera.tangent_from_pixel(row, col)

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
        self._background(index)
        if with_movers:
            self._movers(index)
        return self._image

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
        self.electrons(frame_id)
        index = self._prepare(frame_id)
        position, velocity, attitude = (part[index] for part in self._reported)
        sensor = scenario.sensor
        frame = Frame(
            sensor_id=scenario.satellite[self.satellite_index].id,
            frame_id=frame_id,
            time_ns=int(scenario.frame_time_ns(frame_id)),
            integration_time_s=sensor.exposure_s,
            samples=self.detector.expose(self._image, frame_id),
            state=SensorState(
                position, velocity, attitude, sensor.position_sigma_m, sensor.pointing_sigma_rad, sensor.ifov_rad
            ),
        )
        return frame, self._rows[index]

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
            self._block_first = first
        return frame_id - first

    def _sample(self, texture: NDArray[Any], sights: Float, position: Float, height: float, out: Any) -> None:
        """Sample a texture where the pixels' lines of sight meet the surface at a height."""
        grid_row, grid_col = self.scene.texel(intersect_ellipsoid(position, sights, height))
        for grid, out_map in ((grid_row, self._map_row), (grid_col, self._map_col)):
            # Not matmul: its threads wait in busy loops and cost the other processes of a run 50 times this work.
            np.einsum("ij,jk->ik", self._spread_rows, grid.astype(np.float32) @ self._spread_cols, out=out_map)
        cv2.remap(texture, self._map_col, self._map_row, cv2.INTER_LINEAR, dst=out, borderMode=cv2.BORDER_REFLECT_101)

    def _background(self, index: int) -> None:
        """Fill the image with the electrons of ground and cloud."""
        scene, image, layer = self.scene, self._image, self._layer
        position, _, attitude = (part[index] for part in self._sensor)
        sights = self.scenario.sensor.camera.sight_ecef(*self._tangents, attitude)
        self._sample(scene.ground, sights, position, 0.0, image)
        if scene.config.cloud.cover > 0.0:
            self._sample(scene.cloud, sights, position, scene.config.cloud.height_m, layer)
            opacity = np.minimum(layer, np.float32(1.0), out=self._map_row)
            opacity *= image
            image -= opacity
            layer *= np.float32(scene.cloud_radiance)
            image += layer
        image *= np.float32(self.scenario.sensor.electrons_per_radiance())

    def _movers(self, index: int) -> None:
        """Add the movers, drawn at several instants of the exposure if they cross a good part of a pixel in it."""
        sensor = self.scenario.sensor
        position, _, attitude = (part[index] for part in self._sensor)
        rows = self._rows[index]
        rows = rows[np.isfinite(rows["row"]) & (rows["signal_e"] != 0.0)]
        # Across the exposure the stare holds the aim; the mover moves by its own velocity.
        later = rows["position_m"] + sensor.exposure_s * rows["velocity_m_s"]
        row, col, _ = sensor.camera.project(later, position, attitude)
        step_row, step_col = row - rows["row"], col - rows["col"]
        n = np.maximum(np.ceil(np.hypot(step_row, step_col) / _SMEAR_STEP_PX), 1.0).astype(int)
        of = np.repeat(np.arange(len(rows)), n)
        share = (np.arange(of.size) - np.repeat(np.cumsum(n) - n, n) + 0.5) / n[of] - 0.5
        self.truth.spot.add(
            self._image,
            rows["row"][of] + share * step_row[of],
            rows["col"][of] + share * step_col[of],
            rows["signal_e"][of] / n[of],
        )


def render(scenario_path: Path, out: Path, progress: Callable[[int, int], None] | None = None) -> None:
    """Render all frames of a scenario into an HDF5 file that h5py alone can read.

    Each satellite has a group ``satellite_<id>`` with ``frames`` uint16 [n, rows, cols] (one chunk a frame), ``truth``
    (`TRUTH_DTYPE` [n, movers]), ``sensor_states`` (`STATE_DTYPE` [n]) and ``known_bad`` bool [rows, cols]. The file's
    attributes hold the scenario's text and seed and the movers' names. It is written beside ``out`` under a temporary
    name and renamed when whole.

    Parameters
    ----------
    scenario_path : Path
        Scenario.
    out : Path
        File to write.
    progress : callable or None
        Called with frames done and frames in all.

    Raises
    ------
    ConfigError
        If the scenario cannot be used.
    OSError
        If the file cannot be written, with the space wanted when the disk is full.
    """
    scenario = load_scenario(scenario_path)
    if not out.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, f"{out}: cannot be written, no folder {out.parent}; make it first")
    total = scenario.n_frames * len(scenario.satellite)
    wanted_bytes = total * scenario.sensor.rows * scenario.sensor.cols * 2
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        with h5py.File(part, "w") as file:
            file.attrs["scenario"] = scenario_path.read_text(encoding="utf-8")
            file.attrs["seed"] = scenario.seed
            file.attrs["frame_rate_hz"] = scenario.frame_rate_hz
            file.attrs["movers"] = [mover.name for mover in scenario.mover]
            _reserve(file, scenario, part)
            scene = make_scene(scenario)
            for index in range(len(scenario.satellite)):
                _render_satellite(file, Renderer(scenario, index, scene), index * scenario.n_frames, total, progress)
        part.replace(out)
    except OSError as error:
        if error.errno == errno.ENOSPC or "No space left" in str(error):
            raise OSError(
                errno.ENOSPC,
                f"{out}: the disk is full; wanted about {wanted_bytes / 1e6:.0f} MB; free some or write elsewhere",
            ) from None
        raise OSError(f"{out}: cannot be written ({error}); check the folder") from None
    finally:
        part.unlink(missing_ok=True)


def _reserve(file: Any, scenario: Scenario, path: Path) -> None:
    """Lay out all datasets and have the disk set their space aside.

    HDF5 cannot close a file whose disk ran full in its midst: it crashes. So the space is had before the first frame.
    """
    early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    early.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    n, shape = scenario.n_frames, (scenario.sensor.rows, scenario.sensor.cols)
    for satellite in scenario.satellite:
        group = file.create_group(f"satellite_{satellite.id}")
        group.create_dataset("frames", (n, *shape), "<u2", chunks=(1, *shape), dcpl=early.copy())
        group.create_dataset("truth", (n, len(scenario.mover)), TRUTH_DTYPE, dcpl=early.copy())
        group.create_dataset("sensor_states", (n,), STATE_DTYPE, dcpl=early.copy())
        group.create_dataset("known_bad", shape, np.bool_, dcpl=early.copy())
    file.flush()
    with path.open("r+b") as raw:
        os.posix_fallocate(raw.fileno(), 0, os.fstat(raw.fileno()).st_size)


def _render_satellite(
    file: Any, renderer: Renderer, done: int, total: int, progress: Callable[[int, int], None] | None
) -> None:
    """Fill the group of one satellite."""
    scenario = renderer.scenario
    n = scenario.n_frames
    group = file[f"satellite_{scenario.satellite[renderer.satellite_index].id}"]
    samples = group["frames"]
    truth = np.zeros((n, len(scenario.mover)), TRUTH_DTYPE)
    states = np.zeros(n, STATE_DTYPE)
    for k in range(n):
        frame, truth[k] = renderer.frame(k)
        assert frame.state is not None
        samples[k] = frame.samples
        position, _, attitude = renderer.truth.sensor(renderer.satellite_index, k)
        states[k] = (
            k, frame.sensor_id, frame.time_ns, frame.state.position_m, frame.state.velocity_m_s, frame.state.attitude,
            frame.state.position_sigma_m, frame.state.pointing_sigma_rad, frame.state.ifov_rad, position, attitude,
        )  # fmt: skip
        if progress is not None:
            progress(done + k + 1, total)
    group["truth"][...] = truth
    group["sensor_states"][...] = states
    group["known_bad"][...] = renderer.detector.known_bad
