"""A recording of the link in, tracks out: what the live process does, without sockets."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lookdown.ground.events import Event, ReportFused
from lookdown.ground.parameters import Parameters, SensorField
from lookdown.ground.pipeline import Pipeline
from lookdown.ground.tracks import UPDATE_DTYPE
from lookdown.wire.config import parse_config
from lookdown.wire.errors import WireError
from lookdown.wire.messages import PlotReport, RadarReport, TrackStatus
from lookdown.wire.packet import decode
from lookdown.wire.recording import Recording


def sensors_of(recording: Recording) -> tuple[SensorField, ...]:
    """Sensors that reported in a recording, each with the default field of view; radars are taken to look at the air.

    Raises
    ------
    WireError
        If there is none.
    """
    found: dict[int, SensorField] = {}
    for delivery in recording:
        if delivery.sender_id not in found:
            try:
                message = decode(delivery.packet)
            except WireError:
                continue
            if isinstance(message, PlotReport | RadarReport):
                radar: Literal["", "air"] = "air" if isinstance(message, RadarReport) else ""
                found[delivery.sender_id] = SensorField(delivery.sender_id, radar=radar)
    if not found:
        raise WireError("empty", f"{recording.path}: wanted plot reports, came a recording without any")
    return tuple(found[sensor_id] for sensor_id in sorted(found))


def fuse_recording(recording: Recording, pipeline: Pipeline) -> Iterator[list[Event]]:
    """Run a recording through a pipeline; yields the events of each packet, and at the end of what waited."""
    for delivery in recording:
        yield pipeline.take(delivery)
    yield pipeline.finish()


def make_pipeline(recording: Recording, parameters: Parameters) -> Pipeline:
    """Make the pipeline for a recording; without expected sensors, those that reported in it are expected."""
    return Pipeline(parameters if parameters.sensors else replace(parameters, sensors=sensors_of(recording)))


def fuse(recording_path: str | Path, **parameters: Any) -> NDArray[np.void]:
    """Fuse a recording of plot reports into tracks.

    Parameters
    ----------
    recording_path : str or Path
        Recording of the link (``.ldrec``), such as the ground process leaves.
    **parameters
        Fields of `lookdown.ground.parameters.Parameters`, such as ``process_noise_m2_s3=30.0``. ``sensors`` may be a
        sequence of `SensorField`; left out, the sensors of the recording are taken, of 512 x 640 pixels.

    Returns
    -------
    ndarray of UPDATE_DTYPE, shape (n,)
        Updates in order of time: ``track_id``, ``time_ns``, ``position_m``, ``velocity_m_s``, ``covariance``,
        ``status`` (`TrackStatus`), ``score``, ``hits``, ``misses``, ``sensor_id``, ``n_sensors``, ``single``.

    Raises
    ------
    WireError
        If the file is no recording or holds no report.
    ConfigError
        If a parameter is unknown or cannot be used.

    Examples
    --------
    >>> updates = fuse("received.ldrec", min_speed_m_s=50.0)  # doctest: +SKIP
    >>> np.unique(updates["track_id"][updates["status"] == TrackStatus.CONFIRMED])  # doctest: +SKIP
    array([3, 8, 9])
    """
    sensors = tuple(parameters.pop("sensors", ()))
    chosen = replace(parse_config(parameters, Parameters, "fuse"), sensors=sensors)
    recording = Recording(Path(recording_path))
    pipeline = make_pipeline(recording, chosen)
    batches = [event.updates for events in fuse_recording(recording, pipeline) for event in reports_in(events)]
    return np.concatenate(batches) if batches else np.zeros(0, UPDATE_DTYPE)


def reports_in(events: Iterable[Event]) -> Iterator[ReportFused]:
    """Pick the fused reports among events."""
    return (event for event in events if isinstance(event, ReportFused))


def update_lines(updates: NDArray[Any]) -> Iterator[str]:
    """Write updates as lines of JSON, without line feeds: what stands in TRACKS.jsonl."""
    for update in updates:
        sigma = np.sqrt(np.diagonal(update["covariance"]))
        yield json.dumps(
            {
                "time_ns": int(update["time_ns"]),
                "id": int(update["track_id"]),
                "status": TrackStatus(int(update["status"])).name.lower(),
                "position_m": update["position_m"].tolist(),
                "velocity_m_s": update["velocity_m_s"].tolist(),
                "sigma_position_m": sigma[:3].tolist(),
                "sigma_velocity_m_s": sigma[3:].tolist(),
                "score": float(update["score"]),
                "hits": int(update["hits"]),
                "misses": int(update["misses"]),
                "sensor_id": int(update["sensor_id"]),
                "n_sensors": int(update["n_sensors"]),
                "single": bool(update["single"]),
            }
        )
