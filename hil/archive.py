"""Frames of a scenario in one HDF5 file that h5py alone can read; interrupted work goes on where it stopped.

Work in progress stands in a hidden file beside the target, whose space is had before the first frame. Frames are
written in blocks; each block is on the disk before ``valid`` says so. Only a whole file gets the target's name.
"""

import errno
import os
from collections.abc import Callable
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lookdown.hil.plan import Scenario
from lookdown.hil.radar.archive import interval_shape, lay_out_intervals, write_interval
from lookdown.hil.radar.render import RadarRenderer
from lookdown.hil.render import Renderer, make_scene
from lookdown.hil.scenario import load_scenario
from lookdown.hil.truth import TRUTH_DTYPE, Truth
from lookdown.wire.messages import SensorState

_BLOCK = 32
"""Frames between two marks from which work can go on."""

_NOT_YET, _DROPPED, _VALID = -1, 0, 1

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


def render(
    scenario_path: Path, out: Path, progress: Callable[[int, int], None] | None = None, restart: bool = False
) -> None:
    """Render every frame of a scenario into an HDF5 file, or go on with a rendering that was interrupted.

    The file holds the scenario's text, seed and the version of this software as attributes, and one group a satellite:
    ``frames`` (uint16, frame by row by column, one chunk a frame), ``valid`` (1, or 0 where the sensor drops the
    frame), ``truth`` (TRUTH_DTYPE, frame by mover), ``sensor_states`` (STATE_DTYPE), and ``known_bad``. The group of a
    radar satellite holds ``cpi`` with its waveform in the place of ``frames``, and LOOK_DTYPE as its ``truth``
    (`lookdown.hil.radar.archive`).

    Parameters
    ----------
    scenario_path : Path
        Scenario.
    out : Path
        File to write; an existing one is replaced once the new one is whole.
    progress : callable or None
        Called with (frames done, frames in all) after each frame; work that was found done counts.
    restart : bool
        Begin anew, whatever was begun.

    Raises
    ------
    ConfigError
        If the scenario cannot be used.
    ValueError
        If work in progress is of another scenario or of another version of this software.
    OSError
        If the file cannot be written, with the space wanted when the disk is full, or another process writes it.
    """
    scenario = load_scenario(scenario_path)
    if not out.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, f"{out}: cannot be written, no folder {out.parent}; make it first")
    part = out.with_name(f".{out.name}.part")
    marks = {
        "scenario": scenario_path.read_text(encoding="utf-8"),
        "seed": scenario.seed,
        "version": version("lookdown"),
        "frame_rate_hz": scenario.frame_rate_hz,
        "movers": [mover.name for mover in scenario.mover],
    }
    try:
        if restart or not part.exists():
            _lay_out(part, scenario, marks)
        with h5py.File(part, "r+") as file:
            _check_marks(file, part, marks)
            _fill(file, scenario, progress)
        part.replace(out)
    except BlockingIOError:
        raise OSError(f"{out}: another process is rendering it; wait for it or choose another file") from None
    except OSError as error:
        raise _explained(error, out, scenario) from None


def _explained(error: OSError, out: Path, scenario: Scenario) -> OSError:
    """Say of a failed file what to do."""
    if error.errno == errno.ENOSPC or "No space left" in str(error):
        sensor = scenario.sensor
        each = [2 * sensor.rows * sensor.cols] * len(scenario.indices("infrared"))
        each += [8 * prod(interval_shape(scenario))] * len(scenario.indices("radar"))
        wanted_mb = 1e-6 * scenario.n_frames * sum(each)
        return OSError(
            errno.ENOSPC, f"{out}: the disk is full; wanted about {wanted_mb:.0f} MB; free some or write elsewhere"
        )
    if "lock" in str(error):
        return OSError(f"{out}: another process is rendering it; wait for it or choose another file")
    return OSError(f"{out}: cannot be written ({error}); check the folder")


def _lay_out(part: Path, scenario: Scenario, marks: dict[str, Any]) -> None:
    """Make all datasets and have the disk set their space aside.

    HDF5 cannot close a file whose disk ran full in its midst: it crashes. So the space is had before the first frame.
    """
    fresh = part.with_name(f"{part.name}.{os.getpid()}")
    try:
        with h5py.File(fresh, "w") as file:
            early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            n, shape = scenario.n_frames, (scenario.sensor.rows, scenario.sensor.cols)
            for name, value in marks.items():
                file.attrs[name] = value
            for satellite in scenario.satellite:
                group = file.create_group(f"satellite_{satellite.id}")
                unfilled = early.copy()
                unfilled.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
                group.create_dataset("valid", (n,), "i1", fillvalue=_NOT_YET, dcpl=early.copy())
                group.create_dataset("sensor_states", (n,), STATE_DTYPE, dcpl=early.copy())
                if satellite.sensor == "radar":
                    lay_out_intervals(group, scenario, early, unfilled)
                    continue
                group.create_dataset("frames", (n, *shape), "<u2", chunks=(1, *shape), dcpl=unfilled)
                group.create_dataset("truth", (n, len(scenario.mover)), TRUTH_DTYPE, dcpl=early.copy())
                group.create_dataset("known_bad", shape, np.bool_, dcpl=early.copy())
        with fresh.open("r+b") as raw:
            os.posix_fallocate(raw.fileno(), 0, os.fstat(raw.fileno()).st_size)
            os.fsync(raw.fileno())
        fresh.replace(part)
    finally:
        fresh.unlink(missing_ok=True)


def _check_marks(file: Any, part: Path, marks: dict[str, Any]) -> None:
    """Refuse to go on with work of another scenario or version."""
    for name in ("scenario", "seed", "version"):
        if file.attrs.get(name) != marks[name]:
            raise ValueError(
                f"{part}: was begun with another {name}; go on with that one, or begin anew with --restart"
            )


def _fill(file: Any, scenario: Scenario, progress: Callable[[int, int], None] | None) -> None:
    """Render what is not yet there."""
    total, done = scenario.n_frames * len(scenario.satellite), 0
    scene = None
    for index, satellite in enumerate(scenario.satellite):
        group = file[f"satellite_{satellite.id}"]
        first = int(np.count_nonzero(group["valid"][...] != _NOT_YET))
        done += first
        if first == scenario.n_frames:
            continue
        renderer: Renderer | RadarRenderer
        if satellite.sensor == "radar":
            renderer = RadarRenderer(scenario, index)
        else:
            scene = scene if scene is not None else make_scene(scenario)
            renderer = Renderer(scenario, index, scene)
            group["known_bad"][...] = renderer.detector.known_bad
        while first < scenario.n_frames:
            last = min(first + _BLOCK, scenario.n_frames)
            valid = np.empty(last - first, np.int8)
            for k in range(first, last):
                valid[k - first] = _write_frame(group, renderer, k)
                done += 1
                if progress is not None:
                    progress(done, total)
            # The block first, then the mark: a mark says that what is before it is on the disk.
            _to_disk(file)
            group["valid"][first:last] = valid
            _to_disk(file)
            first = last


def _write_frame(group: Any, renderer: Renderer | RadarRenderer, k: int) -> int:
    if isinstance(renderer, RadarRenderer):
        write_interval(group, renderer, k)
        _write_state(group, renderer.looks.truth, renderer.satellite_index, k, renderer.state(k))
        return _VALID
    frame, truth = renderer.frame(k)
    assert frame.state is not None
    group["frames"][k] = frame.samples
    group["truth"][k] = truth
    _write_state(group, renderer.truth, renderer.satellite_index, k, frame.state)
    return _DROPPED if renderer.dropped(k) else _VALID


def _write_state(group: Any, truth: Truth, index: int, k: int, state: SensorState) -> None:
    position, _, attitude = truth.sensor(index, k)
    scenario = truth.scenario
    group["sensor_states"][k] = np.array(
        (
            k, scenario.satellite[index].id, int(scenario.frame_time_ns(k)), state.position_m, state.velocity_m_s,
            state.attitude, state.position_sigma_m, state.pointing_sigma_rad, state.ifov_rad, position, attitude,
        ),
        STATE_DTYPE,
    )  # fmt: skip


def _to_disk(file: Any) -> None:
    file.flush()
    os.fsync(file.id.get_vfd_handle())
