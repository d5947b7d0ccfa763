"""The picture of a day of the relay network: how late messages were, and what was stored for how long."""

import json
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from lookdown.hil.network.day import DayPlan, DayResult
from lookdown.wire.relay.plan import Contact, write_plan

_COLOURS = ("#9aa5b1", "#5b8db8", "#e0a030", "#c0392b")
_MIB = 1024.0 * 1024.0


def write_day(folder: Path, plan: DayPlan, contacts: list[Contact], result: DayResult) -> None:
    """Write ``plan.txt``, ``network.json`` and ``network.png`` into a folder."""
    write_plan(folder / "plan.txt", contacts, [f"{plan.walker} at {plan.altitude_m / 1000:g} km, {plan.hours:g} h"])
    (folder / "network.json").write_text(json.dumps(result.figures, indent=1) + "\n", encoding="utf-8")
    draw_day(folder / "network.png", plan, result)


def draw_day(path: Path, plan: DayPlan, result: DayResult) -> None:
    """Draw delays by priority, octets held over time and the fullest store of each node into a PNG."""
    figure = Figure(figsize=(13.0, 4.2), layout="constrained")
    late, held, peaks = figure.subplots(1, 3)
    sent = result.figures["messages"]
    for priority, delays in enumerate(result.delays_s):
        if delays.size:
            share = np.arange(1, delays.size + 1) / sent["sent by priority"][priority]
            label = f"priority {priority}: {100 * share[-1]:.1f} %"
            late.step(np.maximum(delays, 1e-3), 100 * share, color=_COLOURS[priority], label=label)
    late.set(xscale="log", xlabel="delay [s]", ylabel="delivered by then, of those taken [%]", ylim=(0, 101))
    late.set_title(f"{sent['delivered']} of {sent['sent']} delivered, {sent['delivered twice']} twice")
    late.legend(loc="lower right", frameon=False)
    hours = np.linspace(0.0, plan.hours, result.held_octets.size)
    held.plot(hours, result.held_octets / _MIB, color="#2c3e50", linewidth=1.0)
    held.set(xlabel="time [h]", ylabel="held by all nodes [MiB]", xlim=(0, plan.hours))
    held.set_ylim(bottom=0)
    held.set_title("what waits for its contact")
    peaks.hist(result.peak_octets / 1024.0, bins=40, color="#5b8db8")
    peaks.set(xlabel="fullest store of a node [KiB]", ylabel="nodes", yscale="log")
    peaks.set_title(f"stores of {result.peak_octets.size} nodes, by the minute")
    for axes in (late, held, peaks):
        axes.grid(alpha=0.3)
    figure.suptitle(
        f"{plan.walker} at {plan.altitude_m / 1000:g} km, links to {plan.max_range_m / 1000:g} km, "
        f"{plan.deaths} satellites dead for half an hour each"
    )
    figure.savefig(path, dpi=110)
