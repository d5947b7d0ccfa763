"""Charts of the station: latency by percentile, faults and reactions over frames, plots and tracks over frames."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from lookdown.ground.history import HISTORY_NAME
from lookdown.ground.query import HistoryReader
from lookdown.hil.faults.reactions import Reaction
from lookdown.hil.figures import GRID, INK, SOFT, WIDTH_IN, as_svg, house_style, legend, satellite_colour
from lookdown.hil.station.latency import Latency
from lookdown.hil.station.watch import Watch

_COLOURS = {"pass": "#1f9d75", "fail": "#d62839", "not tested": "#c9a227"}
_LINES = (("ordinary", "-"), ("all", (0, (3, 2))))


def percentile_chart(plots: Mapping[str, Latency], tracks: Mapping[str, Latency]) -> str:
    """Latency against the share of frames that is no slower: the tail gets as much room as the rest."""
    with house_style("percentiles"):
        figure = Figure(figsize=(WIDTH_IN, 3.2), layout="constrained")
        axis = figure.subplots()
        most = 10.0
        for of, name, colour in ((plots, "plot report", "#3b82f6"), (tracks, "track", "#e8702a")):
            for which, line in _LINES:
                odds, values = of[which].curve() if which in of else (np.zeros(0), np.zeros(0))
                if len(odds):
                    label = f"frame to {name}, {'away from faults' if which == 'ordinary' else 'all frames'}"
                    axis.plot(odds, values, color=colour, ls=line, label=label, drawstyle="steps-post")
                    most = max(most, odds[-1])
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xlim(1.0, most)
        ticks = [odds for odds in (2, 10, 100, 1000, 10_000, 100_000) if odds <= most]
        axis.set_xticks(ticks, [f"{100 - 100 / odds:g} %" for odds in ticks])
        axis.xaxis.set_minor_formatter(NullFormatter())
        for formatter in (axis.yaxis.set_major_formatter, axis.yaxis.set_minor_formatter):
            formatter(FuncFormatter(lambda value, _: f"{value:g}" if f"{value:.0e}"[0] in "125" else ""))
        axis.set(xlabel="share of frames that are no slower", ylabel="latency [ms]")
        legend(axis, loc="upper left", fontsize=8.5)
        return as_svg(figure, "percentiles")


def fault_chart(reactions: Sequence[Reaction], watch: Watch, n_frames: int, under_test: int) -> str:
    """Faults as bars over frames, a mark at the first report after each; below, the latency of every frame."""
    with house_style("faults"):
        height_in = 0.24 * max(len(reactions), 1)
        figure = Figure(figsize=(WIDTH_IN, height_in + 2.6), layout="constrained")
        bars, axis = figure.subplots(2, 1, sharex=True, height_ratios=(height_in + 0.3, 2.0))
        for row, reaction in enumerate(reactions):
            fault, colour = reaction.note.fault, _COLOURS[reaction.verdict]
            bars.broken_barh([(fault.frame - 0.5, fault.length)], (row - 0.36, 0.72), color=colour, lw=0, alpha=0.85)
            if reaction.recovered_frame is not None:
                bars.plot(reaction.recovered_frame, row, marker="|", ms=10, mew=2, color=INK)
            right = fault.end < 0.75 * n_frames
            at = (reaction.recovered_frame or fault.end) if right else fault.frame
            note = bars.annotate(
                reaction.seen if len(reaction.seen) < 70 else reaction.seen[:67] + "...", (at, row),
                (7 if right else -7, 0), textcoords="offset points", fontsize=7.5, color=SOFT, va="center",
                ha="left" if right else "right",
            )  # fmt: skip
            note.set_in_layout(False)
        bars.set_xlim(0, n_frames)
        bars.set_yticks(range(len(reactions)), [f"{r.note.fault.id} {r.note.fault.kind}" for r in reactions])
        bars.tick_params(axis="y", labelcolor=INK, length=0, labelsize=8.5)
        bars.set(ylim=(len(reactions) - 0.4, -0.6), title="Faults, and the first report after each (tick)")
        bars.grid(axis="y", visible=False)
        for index, i in enumerate(sorted({i for i, _ in watch.reports})):
            of = sorted((k, came[0].delivery) for (s, k), came in watch.reports.items() if s == i and came)
            ms = [max(1e-6 * (d.arrival_ns - d.origin_ns), 1e-2) for _, d in of]
            label = f"satellite {i}{', under test' if i == under_test else ''}"
            axis.plot([k for k, _ in of], ms, ls="", marker=".", ms=3, color=satellite_colour(index), label=label)
        for reaction in reactions:
            axis.axvspan(reaction.note.fault.frame - 0.5, reaction.note.fault.end - 0.5, color=GRID, alpha=0.5, lw=0)
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set(xlim=(0, n_frames), xlabel="frame", ylabel="latency [ms]", title="Frame to plot report")
        legend(axis, loc="upper left", fontsize=8, ncols=4)
        return as_svg(figure, "faults")


def frames_chart(
    watch: Watch, tracks: Sequence[tuple[int, int]], n_frames: int, withheld: Collection[tuple[int, int]]
) -> str:
    """Draw the plots of each report and the confirmed tracks, over frames; gaps are frames without a report."""
    with house_style("frames"):
        figure = Figure(figsize=(WIDTH_IN, 3.6), layout="constrained")
        plots, alive = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
        for index, i in enumerate(sorted({i for i, _ in watch.reports})):
            values = np.full(n_frames, np.nan)
            for (sensor_id, k), came in watch.reports.items():
                if sensor_id == i and came and k < n_frames:
                    values[k] = len(came[0].report.sights)
            plots.plot(np.arange(n_frames), values, color=satellite_colour(index), lw=1.0, label=f"satellite {i}")
            gone = [k for sensor_id, k in withheld if sensor_id == i]
            plots.plot(gone, np.full(len(gone), -0.6 - 0.5 * index), ls="", marker="s", ms=2.5, color=_COLOURS["fail"])
        plots.set(ylabel="plots", title="Plots of each report (below the axis: frames that a fault withheld)")
        legend(plots, loc="upper right", fontsize=8, ncols=4)
        count = dict(tracks)
        alive.step(range(n_frames), [count.get(k, 0) for k in range(n_frames)], where="post", color=INK)
        alive.set(xlim=(0, n_frames), ylim=(0, None), xlabel="frame", ylabel="tracks", title="Confirmed tracks updated")
        return as_svg(figure, "frames")


def updated_tracks(history: Path, frame_of: Mapping[int, int]) -> list[tuple[int, int]]:
    """Return (frame, confirmed tracks updated at its time); ``frame_of`` gives the frame of a time, TAI [ns]."""
    if not (history / HISTORY_NAME).is_file():
        return []
    sql = "SELECT time_ns, count(DISTINCT track_id) FROM track_updates WHERE status = 1 GROUP BY time_ns"
    rows = HistoryReader(history).query(sql).fetchall()
    return [(frame_of[time_ns], count) for time_ns, count in rows if time_ns in frame_of]
