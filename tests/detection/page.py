"""Writes what a comparison has found: tables and pictures for the documentation."""

import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from tests.detection.orbital import SENSORS, SNRS
from tests.detection.results import OURS, OURS_MULTI, TRANSFER, Results
from tests.detection.scoring import RATES, pd_at, pfa_at, threshold_at, transfer

COLOURS = ("#7c6f64", "#b58900", "#1f9d75", "#e8702a", "#a855f7", "#d6336c", "#0ea5b7", "#111827")
OURS_COLOUR = "#1b4fd6"
PICTURES = ("detection-clips.png", "detection-orbital.png")


def write_page(results: Results, docs: Path) -> str:
    """Write the tables and pictures; returns the tables."""
    tables = "\n".join([*clip_table(results), *per_clip(results), *transfer_table(results), *orbital_tables(results)])
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("numpy", "opencv-python-headless"))
    head = (
        "<!-- Written by `make detection`; changes by hand are lost. -->\n# Detection figures\n\n"
        f"Written by `make detection` on {datetime.now(UTC).date()} ({platform.machine()}, {versions}); "
        "[detection.md](detection.md) says what they mean.\n\n"
    )
    (docs / "detection-numbers.md").write_text(head + tables + "\n")
    draw_clips(results, docs / PICTURES[0])
    draw_orbital(results, docs / PICTURES[1])
    return tables


def clip_table(results: Results) -> list[str]:
    """Pd of all detectors on the clips."""
    n = sum(part.best.size for part in results.clips[OURS])
    lines = [
        "## Eleven clips of real video", "", f"Pd of {n} labelled targets, one threshold for all clips, by false plots "
        "per pixel and frame.", "", "| detector | 1e-6 | 1e-5 | 1e-4 |", "| --- | ---: | ---: | ---: |",
    ]  # fmt: skip
    for name in results.clips:
        mark = "**" if name == OURS else ""
        lines.append(f"| {mark}{name}{mark} | " + " | ".join(f"{results.clips_pd(name, r):.3f}" for r in RATES) + " |")
    return [*lines, "", f"![Pd against Pfa on the clips]({PICTURES[0]})", ""]


def per_clip(results: Results) -> list[str]:
    """Pd of each clip, ours beside the best peer there."""
    lines = [
        "### Each clip at 1e-5", "",
        "| clip | targets | lookdown | false plots, of the mean of clips | best peer |",
        "| --- | ---: | ---: | ---: | --- |",
    ]  # fmt: skip
    level = {name: threshold_at(counts, 1e-5) for name, counts in results.clips.items()}
    for k, part in enumerate(results.clips[OURS]):
        peer = max(results.peers(), key=lambda name: pd_at([results.clips[name][k]], level[name]))
        theirs = pd_at([results.clips[peer][k]], level[peer])
        lines.append(
            f"| {part.name} | {part.best.size} | {pd_at([part], level[OURS]):.2f} | "
            f"{pfa_at([part], level[OURS]) / 1e-5:.2f} | {theirs:.2f} ({peer}) |"
        )
    return [*lines, ""]


def transfer_table(results: Results) -> list[str]:
    """How a threshold carries from some recordings to others."""
    lines = [
        "### A threshold set on half of the clips, on the other half", "",
        "Pfa there over Pfa wanted, of all ways to halve the clips.", "",
        f"| detector | Pfa | 5 % | median | 95 % | within {TRANSFER:g} |", "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]  # fmt: skip
    for name, counts in results.clips.items():
        for rate in RATES[1:]:
            ratios = transfer(counts, rate)
            low, middle, high = np.percentile(ratios, [5, 50, 95])
            kept = ((ratios < TRANSFER) & (ratios > 1 / TRANSFER)).mean()
            lines.append(f"| {name} | {rate:g} | {low:.2f} | {middle:.2f} | {high:.2f} | {kept:.3f} |")
    return [*lines, ""]


def orbital_tables(results: Results) -> list[str]:
    """Pd by SNR of the detectors, and of the chain on other sensors."""
    regular = next(iter(results.orbital))
    head = " | ".join(f"SNR {snr:g}" for snr in SNRS)
    rule = " | ".join(["---:"] * len(SNRS))
    lines = [
        "## Orbital sequences",
        "",
        f"Pd by SNR at 1e-5; sensor {regular}.",
        "",
        f"| detector | {head} |",
        f"| --- | {rule} |",
    ]
    for name in results.orbital[regular]:
        row = " | ".join(f"{results.orbital_pd(regular, name, 1e-5, snr):.2f}" for snr in SNRS)
        lines.append(f"| {name} | {row} |")
    lines += [
        "", f"![Pd against SNR]({PICTURES[1]})", "", "### Other sensors, the chain as it comes", "",
        "Pd at 1e-5; in brackets with the multi-frame stage.", "", f"| sensor | {head} |", f"| --- | {rule} |",
    ]  # fmt: skip
    for sensor in SENSORS:
        row = " | ".join(
            f"{results.orbital_pd(sensor, OURS, 1e-5, s):.2f} ({results.orbital_pd(sensor, OURS_MULTI, 1e-5, s):.2f})"
            for s in SNRS
        )
        lines.append(f"| {sensor} | {row} |")
    return [*lines, ""]


def _style(name: str, index: int) -> dict[str, object]:
    if name in (OURS, OURS_MULTI):
        return {"color": OURS_COLOUR, "lw": 2.4, "ls": "-" if name == OURS else (0, (4, 2)), "zorder": 5}
    return {"color": COLOURS[index % len(COLOURS)], "lw": 1.3}


def _finish(axis: Axes, path: Path) -> None:
    axis.set(ylim=(-0.02, 1.02), ylabel="probability of detection Pd")
    axis.set_yticks(np.arange(0, 1.01, 0.1))
    axis.grid(color="#dddddd", lw=0.6)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    assert axis.figure is not None
    axis.figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close()


def draw_clips(results: Results, path: Path) -> None:
    """Draw Pd against Pfa of all detectors on the clips."""
    axis = plt.subplots(figsize=(8.6, 4.6), layout="constrained")[1]
    rates = np.geomspace(3e-7, 1e-4, 120)
    for index, (name, counts) in enumerate(results.clips.items()):
        pd = [pd_at(counts, threshold_at(counts, rate)) for rate in rates]
        axis.plot(rates, pd, label=name, **_style(name, index))
    axis.set_xscale("log")
    axis.set(
        xlabel="false plots per pixel and frame", title="Eleven clips of real infrared video, one threshold for all"
    )
    _finish(axis, path)


def draw_orbital(results: Results, path: Path) -> None:
    """Draw Pd against SNR of all detectors on the regular sensor's sequences."""
    axis = plt.subplots(figsize=(8.6, 4.6), layout="constrained")[1]
    regular = next(iter(results.orbital))
    for index, name in enumerate(results.orbital[regular]):
        pd = [results.orbital_pd(regular, name, 1e-5, snr) for snr in SNRS]
        axis.plot(SNRS, pd, marker="o", ms=3.5, label=name, **_style(name, index))
    axis.set(
        xlabel="SNR after the matched filter, in the sensor's noise alone", title="Movers over recorded Earth, at 1e-5"
    )
    _finish(axis, path)
