"""The radar's part of a report: range-Doppler maps, Pd by range rate, errors against stated sigmas."""

import html

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lookdown.hil.figures import GRID, INK, WIDTH_IN, as_svg, house_style, mover_colour
from lookdown.hil.markup import Right, number, table
from lookdown.hil.plan import Scenario
from lookdown.hil.radar.cells import seen_of
from lookdown.hil.radar.maps import draw_pair, make_maps
from lookdown.hil.radar.render import RadarRenderer
from lookdown.hil.radar.score import RadarScore

_SHOWN = 3
"""Radars whose maps are shown at most."""


def radar_section(scenario: Scenario, score: RadarScore) -> str:
    """Write the section of a report, HTML.

    Parameters
    ----------
    scenario : Scenario
        What was run.
    score : RadarScore
        Its radars against the truth.
    """
    names = [mover.name for mover in scenario.mover]
    key = " &nbsp; ".join(
        f'<b style="color:{mover_colour(index)}">{html.escape(name)}</b>' for index, name in enumerate(names)
    )
    limit = scenario.radar.clutter_speed_m_s if scenario.radar else 0.0
    maps = "".join(_maps(scenario, score, index) for index in scenario.indices("radar")[:_SHOWN])
    return (
        '<section class="long"><h2>Radar: range and Doppler</h2><p class="say">One interval of each radar, twice. '
        "Left: compressed, transformed over the pulses and added up over the channels; the ground fills the beam's "
        "band. Right: the map of the adaptive filter, on which the onboard chain decides. Ticks: true places (dotted: "
        f"slower than {limit:g} m/s along the line of sight). Circles: plots (yellow: of no mover). Of three "
        "ranges the strongest is drawn.</p>"
        f'<p class="say">{key}</p>{maps}</section>'
        '<section><h2>Radar: detection by range rate</h2><p class="say">Share of the intervals with a plot, for movers '
        "in window and beam, by their range rate over the ground. Number: chances. False plots an interval: "
        f"{number(score.figures['false_per_interval'])}.</p>{_pd_chart(score, limit)}</section>"
        '<section><h2>Radar: errors of plots</h2><p class="say">Of the plot nearest to each mover. Over the sigma that '
        f"its report states, the root mean square of an honest error is 1.</p>{_errors(score)}</section>"
    )


def _maps(scenario: Scenario, score: RadarScore, index: int) -> str:
    """Draw the interval of one radar in which most movers can be found, with the fastest range rates."""
    sensor_id = scenario.satellite[index].id
    frame_id = best_interval(score, sensor_id)
    if frame_id is None:
        return ""
    renderer = RadarRenderer(scenario, index)
    seen, _ = seen_of(renderer.looks, np.array([frame_id]))
    own = (score.plots["sensor_id"] == sensor_id) & (score.plots["frame_id"] == frame_id)
    name = f"range-doppler-{sensor_id}"
    with house_style(name):
        figure = Figure(figsize=(WIDTH_IN, 4.1), layout="constrained")
        left, right = figure.subplots(1, 2)
        draw_pair(figure, (left, right), renderer.looks, make_maps(renderer, frame_id), seen, score.plots[own],
                  score.mover[own])  # fmt: skip
        figure.suptitle(
            f"Satellite {sensor_id} at {frame_id / scenario.frame_rate_hz:g} s", x=0.01, ha="left", fontsize=10
        )
        return as_svg(figure, name)


def best_interval(score: RadarScore, sensor_id: int) -> int | None:
    """Return the interval of a radar in which most movers were found; of several the one of the fastest."""
    own = score.looks["satellite_id"] == sensor_id
    frames = np.unique(score.looks["frame_id"][own])
    if not len(frames):
        return None

    def worth(frame: int) -> tuple[int, float]:
        here = own & (score.looks["frame_id"] == frame) & score.found
        return int(np.count_nonzero(here)), float(np.abs(score.looks["range_rate_m_s"][here]).sum())

    return int(max(frames.tolist(), key=worth))


def _pd_chart(score: RadarScore, limit_m_s: float) -> str:
    bands = score.figures["pd_by_speed"]
    step = float(bands[0]["to_m_s"])
    with house_style("pd-by-rate"):
        figure = Figure(figsize=(WIDTH_IN, 2.6), layout="constrained")
        axes = figure.subplots()
        for band in bands:
            middle = band["from_m_s"] + 0.5 * step
            if band["chances"]:
                axes.bar(middle, band["pd"], 0.86 * step, color=mover_colour(0), alpha=0.75, lw=0)
                axes.text(middle, band["pd"] + 0.02, f"{band['chances']}", ha="center", fontsize=8.5, color=INK)
        axes.axvline(limit_m_s, color=GRID, lw=1.5, ls="--")
        edges: NDArray[np.float64] = np.array([0.0, *(band["to_m_s"] for band in bands)])
        labels = [f"{edge:g}" for edge in edges]
        axes.set_xticks(edges, labels)
        axes.set(
            xlabel="range rate over the ground [m/s]", ylabel="Pd", ylim=(0.0, 1.12),
            xlim=(0.0, edges[-1]),
        )  # fmt: skip
        axes.grid(visible=False, axis="x")
        return as_svg(figure, "pd-by-rate")


def _errors(score: RadarScore) -> str:
    units = {"range": ("m", 1.0), "range_rate": ("m/s", 1.0), "azimuth": ("mrad", 1e3)}
    rows = []
    for name, (unit, factor) in units.items():
        found = score.figures["errors"][name]
        rms, sigma = (None if found[key] is None else factor * found[key] for key in ("rms", "median_sigma"))
        within = None if found["within_3_sigma"] is None else 100.0 * found["within_3_sigma"]
        rows.append(
            [
                name.replace("_", " "),
                Right(f"{number(rms)} {unit}"),
                Right(f"{number(sigma)} {unit}"),
                Right(number(found["rms_over_sigma"])),
                Right(number(within)),
                Right(str(found["plots"])),
            ]
        )
    return table(
        ("", *map(Right, ("error, RMS", "stated sigma, median", "RMS over sigma", "within 3 sigma [%]", "plots"))), rows
    )
