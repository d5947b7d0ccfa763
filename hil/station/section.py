"""Sections of the page about the board under test: faults, what it is, latency, plots and tracks over frames."""

import html
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lookdown.hil.markup import DASH, Right, mono, number, table
from lookdown.hil.requirements import Judged, figure
from lookdown.hil.station import charts
from lookdown.hil.station.course import Course
from lookdown.hil.station.result import Result
from lookdown.hil.station.watch import Watch

_KINDS = {
    "in-process": "cores of the onboard process, the link and the ground on a stepped clock, in one process",
    "process": "a process of this machine",
    "emulated": "the aarch64 build under QEMU's user emulation; its times say nothing about a board",
    "ssh": "a board over ssh",
    "labgrid": "a board of a lab, by labgrid",
}


def sections(
    result: Result, course: Course, watch: Watch, history: Path, judged: Sequence[Judged], comparison: str
) -> list[str]:
    """Return the sections, HTML, in the order of the page."""
    found = [_faults(result, watch)] if result.reactions else []
    found += [_board(result), _latency(result)]
    times = {int(ns): k for k, ns in enumerate(result.scenario.frame_time_ns(np.arange(result.scenario.n_frames)))}
    tracks = charts.updated_tracks(history, times)
    chart = charts.frames_chart(watch, tracks, result.scenario.n_frames, course.withheld)
    found.append(f"<section><h2>Plots and tracks over frames</h2>{chart}</section>")
    open_ones = [item for item in judged if item.verdict == "not tested"]
    if open_ones or result.untested or result.reached < result.scenario.n_frames:
        found.append(_not_tested(result, open_ones))
    return [*found, comparison] if comparison else found


def _board(result: Result) -> str:
    machine, figures = result.machine, {"board": result.board}
    what = [
        ("target", _KINDS[result.kind] + (f" ({result.host})" if result.host else "")),
        ("satellite", str(result.under_test)),
        ("machine", ", ".join(str(machine[k]) for k in ("model", "machine", "system") if machine.get(k)) or DASH),
        ("Python", str(machine.get("python", DASH))),
    ]
    cells = [[name, html.escape(value) if value != DASH else DASH] for name, value in what]
    measured = [
        ("processor time", "board.cpu_share", "% of one core"),
        ("memory, largest", "board.memory_mb", "MB"),
        ("temperature, highest", "board.temperature_c", "&deg;C"),
        ("step of the chain, median", "board.step_median_ms", "ms"),
        ("step of the chain, longest", "board.step_max_ms", "ms"),
        ("frames taken late", "board.late", ""),
        ("clock off by", "board.clock_offset_ms", "ms"),
        ("known to within", "board.clock_error_ms", "ms"),
    ]
    rows = [[name, Right(f"{number(figure(figures, metric))} {unit}")] for name, metric, unit in measured]
    incidents = "".join(f"<p><b>{html.escape(text)}</b></p>" for text in result.incidents)
    return (
        '<section><h2>Board under test</h2><p class="say">What carried the onboard process, and what it took. Its '
        "clock is measured by pings to and fro over the connection (half the shortest way bounds the error); latencies "
        f'need none of it, both of their ends are on this machine.</p>{incidents}<div class="two">'
        f"{table(('', ''), cells)}{table(('', ''), rows)}</div></section>"
    )


def _latency(result: Result) -> str:
    stepped = result.kind == "in-process"
    if stepped or not result.plots["all"].count:
        why = "on a stepped clock nothing takes time" if stepped else "no report of the board reached the ground"
        return f'<section><h2>Latency by percentile</h2><p class="say">Not tested: {why}.</p></section>'
    rows = []
    for name, of in (("frame to plot report", result.plots), ("frame to track", result.tracks)):
        for which, said in (("ordinary", "away from faults"), ("all", "all frames")):
            values = [of[which].at(percentile) for percentile in (50.0, 90.0, 99.0, 99.9, 100.0)]
            cells = [Right(number(value)) for value in values]
            rows.append([f"{name}, {said}", Right(str(of[which].count)), *cells])
    head = ("", *map(Right, ("frames", "50 % [ms]", "90 %", "99 %", "99.9 %", "longest")))
    return (
        '<section><h2>Latency by percentile</h2><p class="say">From the instant at which a frame was due, so that '
        "nothing that falls behind can hide it, to the arrival of its report on the ground and to the end of its "
        "fusion. The scale gives the slowest in a hundred as much room as all others.</p>"
        f"{charts.percentile_chart(result.plots, result.tracks)}{table(head, rows)}</section>"
    )


def _faults(result: Result, watch: Watch) -> str:
    rows = []
    for reaction in result.reactions:
        fault, kind = reaction.note.fault, {"pass": "pass", "fail": "fail"}.get(reaction.verdict, "open")
        span = str(fault.frame) if fault.length == 1 else f"{fault.frame}&ndash;{fault.end - 1}"
        recovered = None if reaction.recovered_s is None else 1e3 * reaction.recovered_s
        amount = f" ({fault.much:g} {html.escape(fault.of.unit)})" if fault.of.amount is not None else ""
        rows.append(
            [
                f"<b>{html.escape(fault.id)}</b>",
                mono(fault.kind, whole=True),
                Right(span),
                html.escape(fault.of.does) + amount,
                html.escape(fault.of.expects),
                html.escape(reaction.seen),
                Right(f"{number(recovered)} ms" if result.kind != "in-process" and recovered is not None else DASH),
                f'<span class="verdict {kind}">{reaction.verdict}</span>',
            ]
        )
    head = ("", "fault", Right("frames"), "what happens", "expected", "seen", Right("next report after"), "verdict")
    chart = charts.fault_chart(result.reactions, watch, result.scenario.n_frames, result.under_test)
    return (
        '<section class="long"><h2>Faults and reactions</h2><p class="say">Each fault begins at a frame, and '
        "the reaction is judged from the packets that the ground stored. Before a fault of board, link or ground all "
        "that was sent has been reported, so that the same frames meet the same process each time.</p>"
        f"{chart}{table(head, rows)}</section>"
    )


def _not_tested(result: Result, judged: Sequence[Judged]) -> str:
    rows = [[f"<b>{html.escape(item.requirement.id)}</b>", html.escape(item.requirement.text),
             html.escape(item.evidence or "not measured in this run")] for item in judged]  # fmt: skip
    if result.reached < result.scenario.n_frames:
        rows.insert(0, ["<b>frames</b>", f"frames {result.reached} to {result.scenario.n_frames - 1}", "the run ended"])
    if result.untested:
        rows.insert(0, ["<b>frames</b>", f"{result.untested} frames", "the board was away"])
    return (
        '<section class="long"><h2>Not tested</h2><p class="say">What this run leaves open.</p>'
        f"{table(('', 'what', 'why'), rows)}</section>"
    )
