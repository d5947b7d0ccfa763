"""Pictures of a campaign: Pd against SNR at each threshold, Pd against Pfa at each SNR; theory beside both."""

from collections.abc import Callable

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from lookdown.hil.campaign.results import Roc
from lookdown.hil.campaign.statistics import CONFIDENCE, Float, white_noise_pd
from lookdown.hil.figures import WIDTH_IN, as_png, as_svg, house_style, paper_style

_RAMP = LinearSegmentedColormap.from_list("rising", ("#0ea5b7", "#3b82f6", "#9333ea", "#d6336c", "#e8702a", "#ca8a04"))
"""From weak to strong: colours of the house, told apart on white and on near-black."""

_HEIGHT_IN = 4.6
_DPI = 100
_MARKERS = "os^Dv"
_DASHES = (0, (4, 2.5))
_SNR_TICKS = (0.5, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 70, 100, 200, 500, 1000)


def draw_svg(roc: Roc, name: str) -> str:
    """Draw a picture, by its name below, as an ``<svg>`` element for a page."""
    with house_style(name):
        return as_svg(_draw(roc, name), name)


def draw_png(roc: Roc, name: str) -> bytes:
    """Draw a picture, by its name below, as a PNG file."""
    with paper_style():
        return as_png(_draw(roc, name), _DPI)


def _draw(roc: Roc, name: str) -> Figure:
    figure = Figure(figsize=(WIDTH_IN, _HEIGHT_IN), layout="constrained")
    axis = figure.subplots()
    PICTURES[name](axis, roc)
    axis.set(ylim=(-0.02, 1.02), ylabel="probability of detection Pd [1]")
    axis.set_yticks(np.arange(0.0, 1.01, 0.1))
    return figure


def pd_snr(axis: Axes, roc: Roc) -> None:
    """Pd against SNR, a line each threshold, theory at the Pfa that was measured there."""
    levels = np.array(roc.plan.snr)
    shown = ~np.isnan(roc.pd.value).all(axis=1)
    first, last = levels[0] / 1.06, levels[-1] * 1.06
    fine = np.geomspace(first, last, 300)
    handles = []
    for t, threshold in enumerate(roc.plan.thresholds):
        colour = _colour(t, len(roc.plan.thresholds))
        value, low, high = (part[shown, t] for part in (roc.pd.value, roc.pd.low, roc.pd.high))
        _curve(axis, levels[shown] * _beside(t, len(roc.plan.thresholds), 0.003), value, low, high, colour, t)
        pfa = float(roc.pfa.value[t])
        if pfa > 0.0:
            axis.plot(fine, white_noise_pd(fine, pfa), color=colour, lw=1.0, ls=_DASHES, zorder=1.5)
        handles.append(
            Line2D([], [], color=colour, marker=_marker(t), ms=3.6, label=f"{threshold:g}:  Pfa {_rate(pfa)}")
        )
    axis.set_xscale("log")
    axis.set_xlim(first, last)
    axis.xaxis.set_major_locator(FixedLocator([tick for tick in _SNR_TICKS if first <= tick <= last]))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xlabel("SNR after a matched filter, in the noise of the sensor alone [1]")
    axis.set_title("Pd against SNR")
    _legend(axis, handles, "threshold of the chain")


def pd_pfa(axis: Axes, roc: Roc) -> None:
    """Pd against Pfa, a line each level of SNR, theory beside it."""
    known = roc.pfa.value > 0.0
    pfa, low, high = (part[known] for part in (roc.pfa.value, roc.pfa.low, roc.pfa.high))
    first = 10.0 ** np.floor(np.log10(low.min())) if known.any() else 1e-8
    last = 10.0 ** np.ceil(np.log10(high.max())) if known.any() else 1e-3
    fine = np.geomspace(first, last, 200)
    handles = []
    for begin, end in zip(low, high, strict=True):
        axis.axvspan(begin, end, color=mpl.rcParams["axes.labelcolor"], alpha=0.13, lw=0, zorder=0.5)
    for k, snr in enumerate(roc.plan.snr):
        value, below, above = (part[k, known] for part in (roc.pd.value, roc.pd.low, roc.pd.high))
        if np.isnan(value).all():
            continue
        colour = _colour(k, len(roc.plan.snr))
        _curve(axis, pfa * _beside(k, len(roc.plan.snr), 0.02), value, below, above, colour, k)
        axis.plot(fine, white_noise_pd(snr, fine), color=colour, lw=1.0, ls=_DASHES, zorder=1.5)
        handles.append(Line2D([], [], color=colour, marker=_marker(k), ms=3.6, label=f"{snr:g}"))
    axis.set_xscale("log")
    axis.set_xlim(first, last)
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xlabel("Pfa: false plots per pixel and frame")
    pixels = roc.open_pixels
    scale = (lambda x: np.asarray(x) * pixels, lambda x: np.asarray(x) / pixels)
    frame = axis.secondary_xaxis("top", functions=scale)
    frame.set_xlabel("false plots per frame", fontsize=9)
    frame.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_title("Pd against Pfa")
    _legend(axis, handles[::-1], "SNR")


PICTURES: dict[str, Callable[[Axes, Roc], None]] = {"pd_snr": pd_snr, "pd_pfa": pd_pfa}


def _curve(axis: Axes, x: Float, value: Float, low: Float, high: Float, colour: str, index: int) -> None:
    axis.plot(x, value, color=colour, lw=1.6, marker=_marker(index), ms=3.6)
    axis.errorbar(
        x, value, (value - low, high - value), color=colour, fmt="none", elinewidth=0.9, capsize=1.8, alpha=0.7
    )


def _beside(index: int, count: int, step: float) -> float:
    """Factor that sets a line's points a little aside, so that intervals do not hide each other."""
    return float((1.0 + step) ** (index - 0.5 * (count - 1)))


def _colour(index: int, count: int) -> str:
    return str(mpl.colors.to_hex(_RAMP(index / max(count - 1, 1))))


def _marker(index: int) -> str:
    return _MARKERS[index % len(_MARKERS)]


def _rate(pfa: float) -> str:
    if pfa == 0.0:
        return "none seen"
    mantissa, exponent = f"{pfa:.1e}".split("e")
    return rf"${mantissa} \times 10^{{{int(exponent)}}}$"


def _legend(axis: Axes, handles: list[Line2D], title: str) -> None:
    soft = mpl.rcParams["legend.labelcolor"]
    notes = [
        Line2D([], [], color=soft, lw=1.0, ls=_DASHES, label="white-noise theory"),
        Line2D([], [], color=soft, lw=0.0, marker="|", ms=9, label=f"{100 * CONFIDENCE:g} % confidence"),
    ]
    legend = axis.legend(
        handles=[*handles, *notes], title=title, loc="upper left", bbox_to_anchor=(1.005, 1.02), fontsize=8.5,
        handlelength=1.9, borderaxespad=0.0, alignment="left",
    )  # fmt: skip
    legend.get_title().set(color=soft, fontsize=8.5)
