"""Turns build/bench.json into docs/numbers.md and prints it.

usage: numbers.py BENCH.json NUMBERS.md
"""

import json
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

LIBRARIES = {
    "NumPy": "numpy",
    "OpenCV": "opencv-python-headless",
    "Numba": "numba",
    "SciPy": "scipy",
    "scikit-image": "scikit-image",
    "sep": "sep",
}

HEAD = """<!-- Written by `make bench`; changes by hand are lost. -->
# Numbers

Written by `make bench` on {when} at commit {commit}.

{machine}

## Kernels

{kernels}
"""

CHAIN_HEAD = """
## The whole chain, raw frame to plots

{chain}
"""

HOW_TO_READ = """
## How to read this

- All run in one thread on the same arrays. An entry starts with the assertion that ours and every peer compute the
  same; the differences found stand in `build/bench.json`. Buffers and tables are made and Numba has compiled
  beforehand; each counted call follows an uncounted one of the same kind, so that caches hold its own data.
- *ratio* is ours by the best peer, below 1 is faster. It is the median over rounds in which all take turns, so load on
  the machine hardly moves it; in brackets: its quartiles. The times are those of the round that was fastest for
  both together; they drift with load and from machine to machine.
- *goal* is a time in ns/px at 1024x1024 on the machine for which the goals were set (2 cores, x86-64); bold: met here.
- ns/px is nanoseconds per pixel of a frame: 1 ns/px is 1.05 ms per frame of 1024x1024 and 0.33 ms of 512x640.
"""


def machine(data: dict[str, Any]) -> str:
    """Return the lines about the machine, its memory and the libraries."""
    info = data["machine_info"]
    cpu = info["cpu"]
    memory = [b["extra_info"] for b in data["benchmarks"] if "gigabytes_per_second" in b["extra_info"]]
    lines = [
        f"- Machine: {cpu.get('brand_raw', info['processor'])}, {cpu.get('count', '?')} cores, {info['machine']}, "
        f"{info['system']}.",
        f"- {info['python_implementation']} {info['python_version']}; "
        + ", ".join(f"{name} {version(package)}" for name, package in LIBRARIES.items())
        + ".",
    ]
    load = os.getloadavg()[1]
    lines.append(f"- Load of the machine over the last five minutes: {load:.1f} (1 is this run; more slows all times).")
    if memory:
        figures = "; ".join(f"{m['stage']} {m['size']} {m['gigabytes_per_second']:.1f} GB/s" for m in memory)
        lines.append(f"- Memory in the same run: {figures}.")
    return "\n".join(lines)


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table; columns after the second are right-aligned."""
    marks = ["---"] * 2 + ["---:"] * (len(header) - 2)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, tuple(marks), *rows))


def goal_cell(entry: dict[str, Any], value: float) -> str:
    """Return the goal of an entry, bold when ``value`` meets it."""
    if "goal" not in entry:
        return ""
    return f"**{entry['goal']:g}**" if value <= entry["goal"] else f"{entry['goal']:g}"


def ratio_cell(entry: dict[str, Any]) -> str:
    """Return the ratio to the best peer and its quartiles."""
    low, high = entry["ratio_quartiles"]
    digits = ".2f" if entry["ratio_to_peer"] >= 0.01 else ".1g"
    return f"{entry['ratio_to_peer']:{digits}} ({low:{digits}}-{high:{digits}})"


def kernel_table(entries: list[dict[str, Any]]) -> str:
    """Return the table of the kernels."""
    rows = [
        (
            e["stage"],
            e["size"],
            f"{e['ns_per_pixel']:.2f}",
            e["peer"],
            f"{e['peer_ns_per_pixel']:.2f}",
            ratio_cell(e),
            goal_cell(e, e["ns_per_pixel"]),
            ", ".join(
                f"{name} {value:.3g}"
                for name, value in sorted(e["peers"].items(), key=lambda item: item[1])
                if name != e["peer"]
            ),
        )
        for e in entries
    ]
    header = ("stage", "size", "ours ns/px", "best peer", "its ns/px", "ratio", "goal", "other peers ns/px")
    remarks = [f"- {e['stage']}, {e['size']}: {e['remark']}." for e in entries if "remark" in e]
    return "\n".join([table(header, rows), "", *remarks])


def chain_table(entries: list[dict[str, Any]]) -> str:
    """Return the table of the chains and, below it, the share of each stage."""
    rows = []
    for e in entries:
        pixels = 1
        for side in e["size"].split("x"):
            pixels *= int(side)
        ours, theirs = (1e-6 * pixels * e[key] for key in ("ns_per_pixel", "peer_ns_per_pixel"))
        rows.append(
            (
                e["stage"],
                e["size"],
                f"{ours:.2f}",
                f"{1e3 / ours:.0f}",
                f"{e['ns_per_pixel']:.2f}",
                e["peer"],
                f"{theirs:.2f}",
                ratio_cell(e),
                goal_cell(e, e["ns_per_pixel"]),
            )
        )
    header = (
        "chain", "size", "ours ms/frame", "frames/s", "ns/px", "best peers", "their ms/frame", "ratio", "goal ns/px",
    )  # fmt: skip
    parts = [table(header, rows)]
    for e in entries:
        stages = list(e["stage_ms"]["ours"])
        lines = [(name, e["size"], *(f"{times[s]:.2f}" for s in stages)) for name, times in e["stage_ms"].items()]
        parts.append(table(("ms of each stage", "size", *stages), lines))
        parts += [
            f"{e['size']}: beside {name}, {same['plots']} plots compared, {same['different']} differ by a pixel on the "
            f"threshold, places at most {same['largest_difference_px']:.1g} px apart."
            for name, same in e["compared"].items()
        ]
    return "\n\n".join(parts)


def numbers(data: dict[str, Any]) -> str:
    """Return docs/numbers.md as text."""
    entries = [b["extra_info"] for b in data["benchmarks"] if "ratio_to_peer" in b["extra_info"]]
    chains = [e for e in entries if e["stage"].startswith("chain")]
    kernels = [e for e in entries if e not in chains]
    text = HEAD.format(
        when=data["datetime"][:10],
        commit=data["commit_info"].get("id", "unknown")[:7],
        machine=machine(data),
        kernels=kernel_table(kernels),
    )
    if chains:
        text += CHAIN_HEAD.format(chain=chain_table(chains))
    return text + HOW_TO_READ


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    text = numbers(json.loads(source.read_text()))
    target.write_text(text)
    print(f"\n{text}\nwritten to {target}")
