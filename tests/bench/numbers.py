"""Turns build/bench.json into docs/numbers.md and prints it.

usage: python -m tests.bench.numbers BENCH.json NUMBERS.md     write all of it
       python -m tests.bench.numbers MCA.json NUMBERS.md       renew the section about the board's processors alone

Where mca.json (of `make mca`) lies beside BENCH.json, its section goes in.
"""

import json
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.bench.mca import BOARDS, CHAIN, PIXELS, REGISTRATION_STEPS

LIBRARIES = {
    "NumPy": "numpy",
    "OpenCV": "opencv-python-headless",
    "Numba": "numba",
    "SciPy": "scipy",
    "scikit-image": "scikit-image",
    "sep": "sep",
    "pyxel-sim": "pyxel-sim",
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

SIMULATOR_HEAD = """
## Simulator

{simulator}

- A whole frame is truth, land, sea, coast, cloud, twenty movers and every effect of the sensor; its time is the median
  over rounds of a hundred frames each. pyxel-sim gets the finished photons of such a frame: its share is the detector
  alone.
- The detector alone does what both define alike (photon noise, dark current, read noise, non-linearity, full well,
  converter) on the same frame; that means and variances agree within 1 % is asserted first{deviations}.
"""

LINK_HEAD = """
## Link

{link}

- Packets of 200 octets over TCP between two processes, each stored in order and acknowledged; *bare sockets* promise
  nothing. The time is that of the processor, all threads of one end, so that other load changes it little; packets/s is
  the inverse of the busier end's, what a core at each end carries.
- The drain goes from a spool on disk into a recording on disk, both synchronised, both ends in one thread.
"""

MODEL_HEAD = """
## The board's processors: a model, not a measurement

llvm-mca {llvm} on code of {compiler}, cycles per pixel of a frame of 512x640. Written by `make mca`.

{table}

{chain}

- The model knows the core alone: all data in the first cache, every branch foretold. On a Raspberry Pi the rows come
  through caches and a memory that many passes share, so a frame takes longer. What is not a row function (plots and
  their measures, bad pixels, borders, Python between the stages, pointing) is not in the sum either.
- *elements* are pixels, or blocks of 2 x 2 in whiten; *times* is how many of them come to a pixel of the frame
  (registration: {steps} steps on 128 rows). A function is compiled alone, as if it were never inlined.
- LLVM models the Cortex-A76 as the Cortex-A57; the Neoverse N1, the same core for servers, stands in for it.
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


def ledger_table(entry: dict[str, Any], bytes_per_s: float | None) -> str:
    """Return the bytes that each kernel of a step moves, and what the memory would take for them."""
    rows = [(e["kernel"], entry["size"], f"{e['read']:.2f}", f"{e['written']:.2f}") for e in entry["ledger"]]
    read, written = (sum(e[key] for e in entry["ledger"]) for key in ("read", "written"))
    rows.append(("**all**", entry["size"], f"**{read:.1f}**", f"**{written:.1f}**"))
    text = table(("bytes per pixel", "size", "read", "written"), rows)
    if bytes_per_s:
        moved = read + written
        text += (
            f"\n\nAt the {1e-9 * bytes_per_s:.1f} GB/s of a memory triad in the same run, {moved:.1f} bytes take "
            f"{1e9 * moved / bytes_per_s:.2f} ns per pixel; the chain takes {entry['ns_per_pixel']:.2f}. "
            "Each array counts once a kernel; what the caches keep from one kernel to the next is not taken off."
        )
    return text


def cost_table(entries: list[dict[str, Any]]) -> str:
    """Return what the chain costs by pixels and by hits."""
    parts = []
    for e in entries:
        columns = tuple(e["ns_per_pixel_by"])
        cells = tuple(f"{value:.2f}" for value in e["ns_per_pixel_by"].values())
        parts.append(table((e["stage"], "", *columns), [("ns per pixel", "", *cells)]))
    return "\n\n".join(parts)


def threads_table(entries: list[dict[str, Any]]) -> str:
    """Return what threads that share a frame gain, measured and by the share of a step that they share."""
    rows = []
    for e in entries:
        low, high = e["quartiles"]
        by_share = (f"{value:.2f}" for value in e["by_share"].values())
        measured = f"{e['ratio_to_one_thread']:.2f} ({low:.2f}-{high:.2f})"
        rows.append((e["stage"], e["size"], measured, f"{e['share_in_bands']:.2f}", *by_share))
    columns = "time of two threads by one", "share in bands", *(f"{n} cores, by share" for n in entries[0]["by_share"])
    return table(("row bands in threads", "size", *columns), rows)


def chain_table(entries: list[dict[str, Any]], bytes_per_s: float | None) -> str:
    """Return the table of the chains and, below it, the share of each stage."""
    rows = []
    for e in entries:
        ours, theirs = milliseconds(e, "ns_per_pixel"), milliseconds(e, "peer_ns_per_pixel")
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
        mode = " with pointing" if "with pointing" in e["stage"] else ""
        parts.append(table((f"ms of each stage{mode}", "size", *stages), lines))
        parts += [
            f"{e['size']}{mode}: beside {name}, {same['plots']} plots compared, {same['different']} differ by a pixel "
            f"on the threshold, places at most {same['largest_difference_px']:.1g} px apart."
            for name, same in e["compared"].items()
        ]
    parts += [ledger_table(e, bytes_per_s) for e in entries if e.get("ledger")]
    return "\n\n".join(parts)


def milliseconds(entry: dict[str, Any], key: str) -> float:
    """Return milliseconds of a frame from an entry's nanoseconds of a pixel."""
    rows, cols = map(int, entry["size"].split("x"))
    return float(1e-6 * rows * cols * entry[key])


def link_table(entries: list[dict[str, Any]]) -> str:
    """Return the table of the link."""
    ways = [e for e in entries if "ends_us" in e]
    rows = [
        (name, f"{rate:,.0f}", *(f"{us:.2f}" for us in e["ends_us"][name]), f"{e['wall_packets_per_s'][name]:,.0f}")
        for e in ways
        for name, rate in e["packets_per_s"].items()
    ]
    text = table(("way", "packets/s", "sender us", "receiver us", "packets/s by the clock, other load included"), rows)
    for e in entries:
        if e not in ways:
            rates = ", ".join(f"{name} {rate:,.0f}" for name, rate in e["wall_packets_per_s"].items())
            text += f"\n\n{e['stage']}: packets/s by the clock: {rates}; goal {e['goal_per_s']:,}."
            continue
        low, high = e["ratio_quartiles"]
        text += (
            f"\n\n{e['stage']}: {e['ratio_to_peer']:.2f} ({low:.2f}-{high:.2f}) of the time of the {e['peer']}, "
            f"{e['ratio_to_bare_sockets']:.2f} of that of bare sockets; goal {e['goal_per_s']:,} packets/s."
        )
    return text


def simulator_table(entries: list[dict[str, Any]]) -> str:
    """Return the table of the simulator."""
    rows = [
        (
            e["stage"].removeprefix("simulator, "),
            e["size"],
            f"{milliseconds(e, 'ns_per_pixel'):.2f}",
            _bound_cell(e),
            f"{e['ns_per_pixel']:.2f}",
            e["peer"],
            f"{milliseconds(e, 'peer_ns_per_pixel'):.0f}",
            f"{e['ratio_to_peer']:.3f} ({e['ratio_quartiles'][0]:.3f}-{e['ratio_quartiles'][1]:.3f})",
        )
        for e in entries
    ]
    return table(("what", "size", "ours ms/frame", "bound ms", "ns/px", "peer", "its ms/frame", "ratio"), rows)


def _bound_cell(entry: dict[str, Any]) -> str:
    if "goal" not in entry:
        return ""
    bound = f"{milliseconds(entry, 'goal'):g}"
    return f"**{bound}**" if entry["ns_per_pixel"] <= entry["goal"] else bound


def model(data: dict[str, Any]) -> str:
    """Return the section about the board's processors, from what `make mca` wrote."""
    rows = []
    for loop in data["loops"]:
        cores = [loop["cores"][core] for core in BOARDS]
        shares = [f"{core['cycles'] * loop['per_pixel']:.1f}" for core in cores] if loop["stage"] in CHAIN else ["", ""]
        rows.append(
            (
                loop["stage"],
                loop["function"] + (" (no NEON)" if loop["scalar"] else ""),
                f"{cores[0]['elements']:.0f}",
                *(f"{core['cycles']:.2f}" for core in cores),
                f"{loop['per_pixel']:g}",
                *shares,
            )
        )
    header = (
        "stage", "row function", "elements a turn", "A72 cycles", "A76 cycles", "times", "A72 a pixel", "A76 a pixel"
    )  # fmt: skip
    sums = []
    for core, (board, clock_hz) in BOARDS.items():
        cycles = data["chain_cycles_per_pixel"][core]
        ms = 1e3 * cycles * PIXELS / clock_hz
        sums.append(f"{board} ({core}, {clock_hz / 1e9:g} GHz): {cycles:.0f} cycles per pixel, {ms:.1f} ms a frame")
    return MODEL_HEAD.format(
        llvm=data["llvm"],
        compiler=data["compiler"],
        table=table(header, rows),
        chain=f"Model estimate of the chain without pointing, one core, 512x640: {'; '.join(sums)}.",
        steps=REGISTRATION_STEPS,
    )


def numbers(data: dict[str, Any], mca: dict[str, Any] | None) -> str:
    """Return docs/numbers.md as text."""
    entries = [b["extra_info"] for b in data["benchmarks"] if "ratio_to_peer" in b["extra_info"]]
    chains = [e for e in entries if e["stage"].startswith("chain")]
    simulator = [e for e in entries if e["stage"].startswith("simulator")]
    links = [e for e in entries if e["stage"].startswith("link")]
    kernels = [e for e in entries if e not in chains and e not in simulator and e not in links]
    text = HEAD.format(
        when=data["datetime"][:10],
        commit=data["commit_info"].get("id", "unknown")[:7],
        machine=machine(data),
        kernels=kernel_table(kernels),
    )
    if chains:
        triad = [b["extra_info"] for b in data["benchmarks"] if b["extra_info"].get("stage") == "memory triad"]
        chain = chain_table(chains, 1e9 * triad[0]["gigabytes_per_second"] if triad else None)
        costs = [b["extra_info"] for b in data["benchmarks"] if "ns_per_pixel_by" in b["extra_info"]]
        threads = [b["extra_info"] for b in data["benchmarks"] if "ratio_to_one_thread" in b["extra_info"]]
        parts = [chain, *([cost_table(costs)] if costs else []), *([threads_table(threads)] if threads else [])]
        text += CHAIN_HEAD.format(chain="\n\n".join(parts))
    if links:
        text += LINK_HEAD.format(link=link_table(links))
    if simulator:
        worst = [100.0 * abs(value) for e in simulator for value in e.get("deviations", {}).values()]
        found = f" (here within {max(worst):.2f} %)" if worst else ""
        text += SIMULATOR_HEAD.format(simulator=simulator_table(simulator), deviations=found)
    if mca is not None:
        text += model(mca)
    return text + HOW_TO_READ


def renewed(text: str, section: str) -> str:
    """Return docs/numbers.md with another section about the board's processors; it stands before the last one."""
    first, last = section.strip().splitlines()[0], HOW_TO_READ.strip().splitlines()[0]
    before, _, after = text.partition("\n" + last + "\n")
    before = before.partition("\n" + first)[0]
    return before + section + "\n" + last + "\n" + after


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    data, beside = json.loads(source.read_text()), source.with_name("mca.json")
    if "loops" in data:
        text = renewed(target.read_text(), model(data))
    else:
        text = numbers(data, json.loads(beside.read_text()) if beside.is_file() else None)
    target.write_text(text)
    print(f"\n{text}\nwritten to {target}")
