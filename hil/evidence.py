"""Gathers what a run left (the recording, the ground's history, the counters of its processes) beside the truth.

Plots are read from the packets that the ground stored, not from what it made of them; each packet is decoded once. What
is not there, because a process died before it wrote it, is left empty: the score then says "not tested".
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.ground.history import HISTORY_NAME
from lookdown.ground.query import HistoryReader
from lookdown.hil.plan import Scenario
from lookdown.hil.radar.cells import places_of, seen_of
from lookdown.hil.radar.look import Looks
from lookdown.hil.score import EXPOSURE_DTYPE, PLOT_DTYPE, SEEN_DTYPE, Evidence, frame_index
from lookdown.hil.score_tracks import UPDATE_DTYPE
from lookdown.hil.sensor.detector import frame_dropped
from lookdown.hil.truth import Truth
from lookdown.wire.errors import WireError
from lookdown.wire.link import UNKNOWN
from lookdown.wire.messages import PlotFlag, PlotReport, RadarReport, ReportFlag
from lookdown.wire.packet import decode
from lookdown.wire.recording import Delivery, read_recording

_LOG = logging.getLogger(__name__)


def gather(
    scenario: Scenario,
    truth: Truth,
    recording: Path,
    history: Path,
    counters: Mapping[str, Mapping[str, Any]],
    step_s: float,
    withheld: Collection[tuple[int, int]] = (),
) -> Evidence:
    """Gather the evidence of a run.

    Parameters
    ----------
    scenario : Scenario
        What was run.
    truth : Truth
        Its truth, with the scene.
    recording, history : Path
        Recording and folder of the ground process; either may be absent.
    counters : mapping of str to mapping
        Last words of each process, by its role: ``inject-3``, ``flight-3``, ``ground``.
    step_s : float
        Time between instants of track evaluation [s].
    withheld : collection of (int, int)
        Satellite and frame that a fault kept from the board: no chance to see anything.
    """
    sensor_ids = tuple(satellite.id for satellite in scenario.satellite)
    looks = {scenario.satellite[index].id: Looks(truth, index) for index in scenario.indices("radar")}
    reports = _read_reports(recording, scenario)
    exposures = _exposures(scenario, counters, reports, frozenset(withheld))
    plots = _plots(reports, exposures, scenario, looks)
    updates, ground_counters = _read_history(history, exposures)
    frames = np.arange(scenario.n_frames)
    seen = np.concatenate([_seen(truth, index, frames, looks.get(i)) for index, i in enumerate(sensor_ids)])
    seen = seen[frame_index(exposures, seen) >= 0]
    step_ns = round(step_s * 1e9)
    # A run that broke off is scored up to the last frame of it.
    end_ns = int(exposures["time_ns"].max(initial=scenario.start_ns - 1))
    instants_ns = np.arange(scenario.start_ns, end_ns + 1, step_ns, dtype=np.int64)
    states = [truth.mover_state(mover, instants_ns) for mover in range(len(scenario.mover))]
    shape = (len(states), len(instants_ns), 3)
    return Evidence(
        movers=tuple(mover.name for mover in scenario.mover),
        kinds=tuple(mover.kind for mover in scenario.mover),
        sensor_ids=sensor_ids,
        n_pixels=_n_pixels(scenario),
        radar_ids=tuple(looks),
        period_s=1.0 / scenario.frame_rate_hz,
        exposures=exposures,
        seen=seen,
        plots=plots,
        updates=updates,
        instants_ns=instants_ns,
        truth_m=np.array([state[0] for state in states]).reshape(shape),
        truth_m_s=np.array([state[1] for state in states]).reshape(shape),
        link=_link(sensor_ids, counters, ground_counters),
        strangers=ground_counters.get((UNKNOWN, "refused"), 0) if ground_counters else None,
        protection=_protection([counters.get(f"flight-{sensor_id}", {}) for sensor_id in sensor_ids]),
        frames=_frames(sensor_ids, counters),
    )


def _seen(truth: Truth, index: int, frames: NDArray[np.int64], looks: Looks | None) -> NDArray[np.void]:
    """Where the movers truly were in all frames of a satellite."""
    if looks is not None:
        return seen_of(looks, frames)[0]
    rows = truth.appearances(index, frames).ravel()
    seen = np.zeros(len(rows), SEEN_DTYPE)
    seen["sensor_id"] = rows["satellite_id"]
    for name in ("frame_id", "time_ns", "mover", "row", "col", "inside", "hidden", "snr"):
        seen[name] = rows[name]
    return seen


def _n_pixels(scenario: Scenario) -> int:
    """Pixels of a frame; cells of an interval where all satellites carry the radar."""
    if scenario.radar is not None and not scenario.indices("infrared"):
        return scenario.radar.instrument.pulses * scenario.radar.instrument.ranges
    return scenario.sensor.rows * scenario.sensor.cols


def _read_reports(recording: Path, scenario: Scenario) -> list[tuple[Delivery, PlotReport | RadarReport]]:
    """Read the plot reports of a recording that are of this scenario."""
    if not recording.is_file():
        return []
    ids = {satellite.id for satellite in scenario.satellite}
    reports = []
    for delivery in read_recording(recording):
        try:
            report = decode(delivery.packet)
        except WireError as error:
            _LOG.warning("%s: left out a packet of sender %d: %s", recording, delivery.sender_id, error)
            continue
        if (
            isinstance(report, PlotReport | RadarReport)
            and report.sensor_id in ids
            and report.frame_id < scenario.n_frames
        ):
            reports.append((delivery, report))
    return reports


def _exposures(
    scenario: Scenario,
    counters: Mapping[str, Mapping[str, Any]],
    reports: Sequence[tuple[Delivery, PlotReport | RadarReport]],
    withheld: Collection[tuple[int, int]],
) -> NDArray[np.void]:
    """Frames that were sent, by the last word of their injector or by a report; without those dropped or withheld."""
    parts = [np.zeros(0, EXPOSURE_DTYPE)]
    for sensor_id in sorted(satellite.id for satellite in scenario.satellite):
        seen = [report.frame_id + 1 for _, report in reports if report.sensor_id == sensor_id]
        said = counters.get(f"inject-{sensor_id}", {})
        count = max([int(said.get("sent", 0)) + int(said.get("dropped", 0)), *seen])
        frame_ids = [
            k
            for k in range(count)
            if (sensor_id, k) not in withheld and not frame_dropped(scenario.sensor, scenario.seed, sensor_id, k)
        ]
        part = np.zeros(len(frame_ids), EXPOSURE_DTYPE)
        part["sensor_id"], part["frame_id"] = sensor_id, frame_ids
        part["time_ns"] = scenario.frame_time_ns(part["frame_id"])
        parts.append(part)
    return np.concatenate(parts)


def _plots(
    reports: Sequence[tuple[Delivery, PlotReport | RadarReport]],
    exposures: NDArray[np.void],
    scenario: Scenario,
    looks: Mapping[int, Looks],
) -> NDArray[np.void]:
    """Turn plots of reports into pixels, or cells of a radar's map, and note in the exposures which were reported."""
    parts = [np.zeros(0, PLOT_DTYPE)]
    key = {(int(row["sensor_id"]), int(row["frame_id"])): at for at, row in enumerate(exposures)}
    camera = scenario.sensor.camera
    for delivery, report in reports:
        index = key.get((report.sensor_id, report.frame_id))
        if index is None:
            _LOG.warning("left out a report of satellite %d on a dropped frame, %d", report.sensor_id, report.frame_id)
            continue
        exposure = exposures[index]
        infrared = isinstance(report, PlotReport)
        exposure["reported"], exposure["settled"] = True, not (infrared and report.flags & ReportFlag.WARM_UP)
        exposure["n_plots"] = report.n_plots
        exposure["origin_ns"], exposure["arrival_ns"] = delivery.origin_ns, delivery.arrival_ns
        part = np.zeros(report.n_plots, PLOT_DTYPE)
        part["sensor_id"], part["frame_id"] = report.sensor_id, report.frame_id
        if isinstance(report, PlotReport):
            part["row"], part["col"] = camera.pixel_from_tangent(report.sights["x"], report.sights["y"])
            part["snr"], part["flags"] = report.sights["snr"], report.sights["flags"]
        else:
            part["row"], part["col"] = places_of(looks[report.sensor_id], report)
            part["snr"], part["flags"] = report.echoes["snr"], report.echoes["flags"]
        # What the board says is a star is not said to be a target.
        parts.append(part[part["flags"] & PlotFlag.STAR == 0] if infrared else part)
    return np.concatenate(parts)


def _read_history(folder: Path, exposures: NDArray[np.void]) -> tuple[NDArray[np.void], dict[tuple[int, str], int]]:
    """Read track updates and counters of a history, and note in the exposures when their reports were fused."""
    if not (folder / HISTORY_NAME).is_file():
        return np.zeros(0, UPDATE_DTYPE), {}
    history = HistoryReader(folder)
    fused = history.table("reports", ("sensor_id", "frame_id", "fused_ns"))
    when = {(s, f): t for s, f, t in zip(*(column.to_pylist() for column in fused.columns), strict=True)}
    for exposure in exposures:
        exposure["fused_ns"] = when.get((int(exposure["sensor_id"]), int(exposure["frame_id"])), 0)
    found = history.updates()
    updates = np.zeros(len(found), UPDATE_DTYPE)
    for name in UPDATE_DTYPE.names or ():
        updates[name] = found[name]
    return updates, history.counters


def _link(
    sensor_ids: Sequence[int], counters: Mapping[str, Mapping[str, Any]], ground: Mapping[tuple[int, str], int]
) -> tuple[dict[str, int | None], ...]:
    """Tell what each satellite sent and what became of it on the ground."""
    rows: list[dict[str, int | None]] = []
    for sensor_id in sensor_ids:
        sent = counters.get(f"flight-{sensor_id}", {}).get("link", {}).get("offered")
        received = ground.get((sensor_id, "received"), 0) if ground else None
        rows.append(
            {
                "sensor_id": sensor_id,
                "sent": sent,
                "received": received,
                "lost": None if sent is None or received is None else max(sent - received, 0),
                "repeated": ground.get((sensor_id, "repeated"), 0) if ground else None,
                "refused": ground.get((sensor_id, "refused"), 0) if ground else None,
            }
        )
    return tuple(rows)


def _protection(flights: Sequence[Mapping[str, Any]]) -> str:
    """Tell how all satellites protected their link; empty where one left no word."""
    links = [flight.get("link", {}) for flight in flights]
    if not all("encrypted" in link for link in links):
        return ""
    if not all(link["encrypted"] for link in links):
        return "none"
    return "encrypted and sealed" if all(link["sealed_for"] for link in links) else "encrypted"


def _frames(sensor_ids: Sequence[int], counters: Mapping[str, Mapping[str, Any]]) -> dict[str, int | None]:
    """Sum frame counters over satellites; None where one of them left no word."""
    asked = {
        "sent": ("inject", "sent"),
        "dropped": ("inject", "dropped"),
        "late": ("inject", "late"),
        "missed": ("flight", "frames_missed"),
        "refused": ("flight", "frames_refused"),
    }
    sums: dict[str, int | None] = {}
    for name, (role, counter) in asked.items():
        values = [counters.get(f"{role}-{sensor_id}", {}).get(counter) for sensor_id in sensor_ids]
        # What was refused is counted by reason.
        known = [sum(v.values()) if isinstance(v, Mapping) else int(v) for v in values if v is not None]
        sums[name] = sum(known) if len(known) == len(values) else None
    return sums
