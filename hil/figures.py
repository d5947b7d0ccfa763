"""Charts of the report, drawn by matplotlib as SVG that takes its colours and its font from the page around it.

Ink, grid and paper are drawn in stand-in colours that become CSS variables, so that a chart reads in a light and in a
dark page and in print. Each function takes the `Series` of a run and returns the text of one ``<svg>`` element.
"""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter
from PIL import Image as Picture

from lookdown.hil.score_tracks import spans
from lookdown.hil.series import Series

MOVER_COLOURS = ("#3b82f6", "#e8702a", "#1f9d75", "#a855f7", "#d6336c", "#0ea5b7", "#b58900", "#7c6f64")
"""Told apart on white and on near-black, and by most colour-blind readers in this order."""

SATELLITE_COLOURS = ("#0891b2", "#ca8a04", "#9333ea", "#dc2626", "#65a30d", "#475569")

INK, SOFT, GRID, PAPER = "#010203", "#010204", "#010205", "#010206"
_VARIABLES = {INK: "var(--ink)", SOFT: "var(--soft)", GRID: "var(--grid)", PAPER: "var(--paper)"}

_STYLE: Any = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10.0,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": SOFT,
    "axes.titlecolor": INK,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": SOFT,
    "ytick.labelcolor": SOFT,
    "figure.facecolor": "none",
    "legend.frameon": False,
    "legend.labelcolor": SOFT,
    "lines.linewidth": 1.5,
    "lines.solid_capstyle": "round",
}

WIDTH_IN = 11.2
_PNG_COLOURS = 200


@contextmanager
def house_style(name: str) -> Iterator[None]:
    """Draw in the style of the report; ``name`` keeps the ids of one figure apart from those of the others."""
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        yield


_ON_WHITE = {INK: "#16191f", SOFT: "#5b6472", GRID: "#d5d9e0", PAPER: "#ffffff"}


@contextmanager
def paper_style() -> Iterator[None]:
    """Draw in the style of the report on white paper, for a picture that stands alone."""
    with mpl.rc_context({key: _ON_WHITE.get(value, value) for key, value in _STYLE.items()}):
        mpl.rcParams["figure.facecolor"] = _ON_WHITE[PAPER]
        yield


def as_png(figure: Figure, dpi: float) -> bytes:
    """Turn a figure into a PNG file of few colours: lines and text need no more."""
    drawn, file = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi)
    colours = Picture.open(drawn).convert("RGB").quantize(_PNG_COLOURS, dither=Picture.Dither.NONE)
    colours.save(file, "PNG", optimize=True)
    return file.getvalue()


def as_svg(figure: Figure, name: str) -> str:
    """Turn a figure into an ``<svg>`` element that stands inside a page."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    # Several figures stand in one page: ids must not meet.
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", text)
    return re.sub(r'<svg (.*?)width="[^"]*"', rf'<svg class="chart" role="img" aria-label="{name}" \1', text, count=1)


def _figure(height_in: float, rows: int = 1, cols: int = 1, **options: Any) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
    axes = figure.subplots(rows, cols, squeeze=False, **options)
    return figure, list(axes.ravel())


def mover_colour(index: int) -> str:
    """Colour of a mover, the same in every figure."""
    return MOVER_COLOURS[index % len(MOVER_COLOURS)]


def satellite_colour(index: int) -> str:
    """Colour of a satellite, the same in every figure."""
    return SATELLITE_COLOURS[index % len(SATELLITE_COLOURS)]


def detection_chart(series: Series, movers: Sequence[str], sensor_ids: Sequence[int]) -> str:
    """Pd of each mover and false plots per frame of each satellite over time."""
    with house_style("detection"):
        figure, (top, bottom) = _figure(4.6, 2, sharex=True)
        for index, name in enumerate(movers):
            top.plot(series.bin_s, series.pd[index], color=mover_colour(index), lw=1.1, marker="o", ms=2, label=name)
        top.plot(series.bin_s, series.pd_all, color=INK, lw=2.0, label="all movers")
        top.set(ylim=(-0.04, 1.06), ylabel="Pd [1]", title="Probability of detection")
        for index, sensor_id in enumerate(sensor_ids):
            bottom.step(
                series.bin_s,
                series.false_per_frame[index],
                where="mid",
                color=satellite_colour(index),
                label=f"satellite {sensor_id}",
            )
        _shade(bottom, series.bin_s, series.warming.any(axis=0), "background settling")
        _shade(top, series.bin_s, series.warming.any(axis=0), None)
        top.set_xlim(0, _end(series))
        bottom.set(ylabel="false plots / frame", xlabel="time from start [s]", title="False plots", ylim=(0, None))
        _legend(top)
        _legend(bottom)
        return as_svg(figure, "detection")


def error_chart(series: Series, movers: Sequence[str]) -> str:
    """Position error of each mover's track with the 3 sigma of its covariance, over time."""
    with house_style("errors"):
        columns = min(3, max(len(movers), 1))
        rows = -(-max(len(movers), 1) // columns)
        figure, axes = _figure(2.1 * rows + 0.4, rows, columns, sharex=True, sharey=True)
        known = np.concatenate([series.error_m.ravel(), series.sigma3_m.ravel()])
        known = known[np.isfinite(known) & (known > 0)]
        floor = 10 ** np.floor(np.log10(np.percentile(known, 2))) if len(known) else 1.0
        for index, axis in enumerate(axes):
            if index >= len(movers):
                axis.set_visible(False)
                continue
            colour = mover_colour(index)
            sigma = series.sigma3_m[index]
            axis.fill_between(series.instant_s, floor, sigma, where=np.isfinite(sigma), color=colour, alpha=0.16, lw=0)
            axis.plot(series.instant_s, sigma, color=colour, lw=0.9, ls=(0, (4, 2)))
            axis.plot(series.instant_s, np.maximum(series.error_m[index], floor), color=colour, lw=1.6)
            axis.set_title(movers[index])
            axis.set_yscale("log")
            axis.set_ylim(floor, (known.max() * 1.5) if len(known) else 10.0)
            axis.set_xlim(0, _end(series))
            axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.label_outer()
        for axis in axes[:: max(columns, 1)]:
            axis.set_ylabel("position error [m]")
        for axis in axes[max(len(movers) - columns, 0) : len(movers)]:
            axis.tick_params(labelbottom=True)
            axis.set_xlabel("time from start [s]")
        handles = [Line2D([], [], color=SOFT, lw=1.6), Line2D([], [], color=SOFT, lw=0.9, ls=(0, (4, 2)))]
        axes[0].legend(handles, ["error", "3 sigma of covariance"], fontsize=8, loc="upper right", ncols=2)
        return as_svg(figure, "errors")


def custody_chart(series: Series, movers: Sequence[str]) -> str:
    """Satellites that see each mover, and the track that holds it, over time."""
    with house_style("custody"):
        figure, (axis,) = _figure(0.62 * max(len(movers), 1) + 1.1)
        step = float(np.diff(series.instant_s[:2])[0]) if len(series.instant_s) > 1 else 1.0
        for index in range(len(movers)):
            colour = mover_colour(index)
            for views, alpha in ((1, 0.13), (2, 0.32), (3, 0.6)):
                chosen = series.n_views[index] >= views if views == 3 else series.n_views[index] == views
                _bars(axis, series, chosen, step, index + 0.17, 0.26, color=colour, alpha=alpha)
            _bars(axis, series, series.owed[index], step, index + 0.345, 0.035, color=SOFT)
            for track in np.unique(series.track_id[index][series.track_id[index] > 0]):
                held = series.track_id[index] == track
                _bars(axis, series, held, step, index - 0.17, 0.2, color=colour)
                first = series.instant_s[np.argmax(held)]
                axis.text(first, index - 0.34, f"track {track}", fontsize=7.5, color=SOFT, va="center")
        axis.set_yticks(range(len(movers)), list(movers))
        axis.tick_params(axis="y", labelcolor=INK, length=0)
        axis.set(ylim=(len(movers) - 0.45, -0.6), xlabel="time from start [s]")
        axis.set_xlim(0, _end(series))
        axis.grid(axis="y", visible=False)
        return as_svg(figure, "custody")


def consistency_chart(series: Series) -> str:
    """GOSPA, NEES and confirmed tracks without a mover, over time."""
    with house_style("consistency"):
        figure, (gospa, nees, false) = _figure(2.6, 1, 3)
        gospa.plot(series.instant_s, series.gospa_m, color=INK)
        gospa.set(title="GOSPA", ylabel="GOSPA [m]", xlabel="time from start [s]", ylim=(0, None))
        low, high = series.nees_band
        nees.fill_between(series.instant_s, low, high, where=np.isfinite(low), color="#1f9d75", alpha=0.22, lw=0)
        nees.plot(series.instant_s, series.nees, color=INK)
        nees.axhline(6.0, color="#1f9d75", lw=1, ls=(0, (4, 2)))
        nees.set(title="NEES, mean of movers", ylabel="NEES [1]", xlabel="time from start [s]")
        nees.set_yscale("log")
        nees.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        nees.yaxis.set_minor_formatter(NullFormatter())
        for axis in (gospa, nees, false):
            axis.set_xlim(0, _end(series))
        false.step(series.instant_s, series.n_false, where="post", color="#dc2626")
        top = max(int(series.n_false.max(initial=0)), 1)
        false.set(title="Confirmed tracks without a mover", ylabel="tracks", xlabel="time from start [s]")
        false.set(ylim=(-0.05 * top, 1.15 * top), yticks=range(0, top + 1, max(1, -(-top // 5))))
        return as_svg(figure, "consistency")


def latency_chart(series: Series, percentiles: dict[str, float | None]) -> str:
    """Histogram of the latency from frame to fused report, with its percentiles."""
    with house_style("latency"):
        figure, (axis,) = _figure(2.8)
        axis.stairs(
            np.maximum(series.latency_count, 0.5), series.latency_edges_ms, fill=True, color="#3b82f6", alpha=0.75
        )
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_ylim(0.6, 4.0 * max(series.latency_count.max(initial=1), 1))
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.xaxis.set_minor_formatter(FuncFormatter(lambda value, _: f"{value:g}" if str(value)[0] in "25" else ""))
        axis.tick_params(axis="x", which="minor", labelsize=8, labelcolor=SOFT)
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        for name, height in (("p50", 0.97), ("p99", 0.87), ("max", 0.77)):
            value = percentiles.get(name)
            if value:  # on a stepped clock it may be nothing, which a logarithm cannot show
                axis.axvline(value, color=INK, lw=1.1, ls="-" if name == "p50" else (0, (4, 2)))
                axis.annotate(
                    f"{name} {value:.3g} ms",
                    (value, height),
                    (-4 if name == "p99" else 4, 0),
                    xycoords=axis.get_xaxis_transform(),
                    textcoords="offset points",
                    ha="right" if name == "p99" else "left",
                    va="top",
                    fontsize=9,
                )
        axis.set_xlim(series.latency_edges_ms[0] / 1.05, series.latency_edges_ms[-1] * 1.3)
        axis.set(xlabel="latency, injection of a frame to its fused report [ms]", ylabel="reports")
        return as_svg(figure, "latency")


def _end(series: Series) -> float:
    """Time of the last instant, and a step [s]."""
    steps = np.diff(series.instant_s[-2:])
    return float(series.instant_s[-1] + (steps[0] if len(steps) else 1.0)) if len(series.instant_s) else 1.0


def _bars(axis: Axes, series: Series, chosen: Any, step: float, middle: float, height: float, **look: Any) -> None:
    runs = [(series.instant_s[first], (last - first) * step) for _, first, last in spans(np.asarray(chosen)[None])]
    axis.broken_barh(runs, (middle - 0.5 * height, height), lw=0, **look)


def _shade(axis: Axes, bin_s: Any, flags: Any, label: str | None) -> None:
    half = 0.5 * float(np.diff(bin_s[:2])[0]) if len(bin_s) > 1 else 0.5
    for number, (_, first, last) in enumerate(spans(np.asarray(flags)[None])):
        name = label if number == 0 else None
        axis.axvspan(bin_s[first] - half, bin_s[last - 1] + half, color=SOFT, alpha=0.12, lw=0, label=name)


def legend(axis: Axes, **how: Any) -> None:
    """Draw a legend, where there is something to explain: a run that ended before its first report has nothing."""
    if axis.get_legend_handles_labels()[0]:
        axis.legend(**how)


def _legend(axis: Axes) -> None:
    legend(axis, loc="upper left", bbox_to_anchor=(1.005, 1.02), fontsize=8.5, handlelength=1.4, borderaxespad=0.0)
