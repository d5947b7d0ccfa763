"""What a run of the station adds to its report: the board's figures, its budgets, the faults and their reactions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lookdown.ground.history import HISTORY_NAME
from lookdown.ground.query import HistoryReader
from lookdown.hil.faults.reactions import Reaction
from lookdown.hil.plan import Scenario
from lookdown.hil.requirements import Judged, Requirement, figure
from lookdown.hil.station.course import Course
from lookdown.hil.station.latency import Latency
from lookdown.hil.station.target import Vitals
from lookdown.hil.station.watch import Watch

_QEMU_MODEL = "linux,dummy-virt"
"""What the device tree of QEMU's machine "virt" calls it."""

_RECOVERY_FRAMES = 10
"""Frames after a fault that are not yet ordinary ones."""


@dataclass(frozen=True)
class Result:
    """What is known of the board under test after a run.

    Attributes
    ----------
    scenario : Scenario
        What was run.
    under_test : int
        The satellite that the board stood for.
    kind, host : str
        Kind of target, and where it is.
    machine : mapping
        What the target is.
    plots, tracks : dict of str to Latency
        Frame to plot report and frame to track, under ``ordinary`` (away from faults) and ``all``.
    board : dict
        Figures under ``board`` of the report.
    reactions : sequence of Reaction
        To each fault.
    incidents : sequence of str
        What nobody asked for.
    untested : int
        Frames that could not be tested because of that.
    reached : int
        Frames that the run got through.
    """

    scenario: Scenario
    under_test: int
    kind: str
    host: str
    machine: Mapping[str, Any]
    plots: Mapping[str, Latency]
    tracks: Mapping[str, Latency]
    board: Mapping[str, Any]
    reactions: Sequence[Reaction]
    incidents: Sequence[str] = ()
    untested: int = 0
    reached: int = 0
    latencies_ms: Mapping[int, tuple[list[int], list[float]]] = field(default_factory=dict)


def disturbed(course: Course, sensor_id: int) -> set[int]:
    """Return the frames of a satellite in or shortly after a fault."""
    of = [note.fault for note in course.tried() if note.fault.satellite == sensor_id or note.fault.of.place == "ground"]
    return {k for fault in of for k in range(fault.frame, fault.end + _RECOVERY_FRAMES)}


def latencies(
    course: Course, watch: Watch, history: Path, sensor_id: int
) -> tuple[dict[str, Latency], dict[str, Latency]]:
    """Return the latencies from a frame to its plot report and to the end of its fusion, ordinary ones and all."""
    strange = disturbed(course, sensor_id)
    to_plot = {
        k: came[0].delivery.arrival_ns - came[0].delivery.origin_ns
        for (i, k), came in watch.reports.items()
        if i == sensor_id and came
    }
    to_track = {k: fused_ns - origin_ns for k, origin_ns, fused_ns in _fused(history, sensor_id)}

    def both(of: Mapping[int, int]) -> dict[str, Latency]:
        return {"ordinary": Latency(ns for k, ns in of.items() if k not in strange), "all": Latency(of.values())}

    return both(to_plot), both(to_track)


def _fused(history: Path, sensor_id: int) -> Iterable[tuple[int, int, int]]:
    if not (history / HISTORY_NAME).is_file():
        return []
    sql = "SELECT frame_id, origin_ns, fused_ns FROM reports WHERE origin_ns > 0"
    return HistoryReader(history).query(f"{sql} AND sensor_id = {sensor_id}").fetchall()


def board_figures(
    plots: Mapping[str, Latency], tracks: Mapping[str, Latency], vitals: Vitals | None, late: int | None,
    counters: Mapping[str, Any], wall_s: float,
) -> dict[str, Any]:  # fmt: skip
    """Return the figures under ``board``; None for what this target cannot tell.

    Parameters
    ----------
    plots, tracks : mapping of str to Latency
        As `latencies` gives them.
    vitals : Vitals or None
        What the board took; None on a stepped clock, where nothing takes time.
    late : int or None
        Frames that it took late.
    counters : mapping
        Its last counters.
    wall_s : float
        How long the run took [s].
    """
    if vitals is None:
        return {"plot_latency_ms": None, "track_latency_ms": None}

    def milliseconds(name: str) -> float | None:
        value = counters.get(name)
        return None if value is None else value / 1e3

    offset_s, error_s = vitals.clock_offset_s, vitals.clock_error_s
    return {
        "plot_latency_ms": plots["ordinary"].as_json(),
        "track_latency_ms": tracks["ordinary"].as_json(),
        "plot_latency_all_ms": plots["all"].as_json(),
        "step_median_ms": milliseconds("step_median_us"),
        "step_max_ms": milliseconds("step_max_us"),
        "late": late,
        "cpu_share": 100.0 * vitals.cpu_s / wall_s if wall_s > 0 and vitals.cpu_s else None,
        "memory_mb": vitals.memory_mb,
        "temperature_c": vitals.temperature_c,
        "clock_offset_ms": None if offset_s is None else 1e3 * abs(offset_s),
        "clock_error_ms": None if error_s is None else 1e3 * error_s,
    }


def times_of(kind: str, machine: Mapping[str, Any]) -> str:
    """Return the kind of target, as far as its times go: a machine that QEMU stands for is ``emulated``, too."""
    return "emulated" if machine.get("model") == _QEMU_MODEL else kind


def judge_budgets(budgets: Sequence[Requirement], figures: Mapping[str, Any], kind: str) -> list[Judged]:
    """Hold budgets against the figures; one that this kind of target cannot measure is not tested, and says so."""
    from lookdown.hil.requirements import OPERATORS

    judged = []
    for asked in budgets:
        value = figure(figures, asked.metric)
        if value is None:
            judged.append(Judged(asked, "not tested", None, f"a target of kind {kind} cannot measure it"))
        elif kind == "emulated" and _is_time(asked.metric):
            judged.append(
                Judged(asked, "not tested", None, f"{value:.4g} under emulation, which says nothing about a board")
            )
        else:
            good = OPERATORS[asked.op](value, asked.bound)
            judged.append(Judged(asked, "pass" if good else "fail", value))
    return judged


def _is_time(metric: str) -> bool:
    """Whether a figure rests on how fast the target is; the clock's error does: it is half a way there and back."""
    return any(part in metric for part in ("latency", "step", "cpu", "late", "memory", "clock_error"))
