"""What fits on which board: frames a second of the onboard chain, by model, and measured where a board was on the rig.

The time of a frame is reckoned from three parts: the inner loops (cycles by llvm-mca), what is not an inner loop
(instructions counted on a desktop, at the cycles an instruction that such a core takes for scalar code), and memory
(bytes of the ledger over the board's bandwidth). The loops alone bound the rate from above; all three one after the
other, the second twice, bound it from below; expected is the loops and the second part, or memory if that takes longer.
`hil/cycles.toml` holds what was counted.
"""

import argparse
import json
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from lookdown.wire.errors import ConfigError

MEMORY_BYTES_PER_S = {"cortex-a72": 4.84e9, "cortex-a76": 6.46e9}
"""STREAM triad of a Raspberry Pi 4 (sci-pi.org.uk, 2020: 4844 MB/s); of a Pi 5 that, by the rates of their memories
(LPDDR4X-4267 against LPDDR4-3200)."""

SCALAR_CYCLES = {"cortex-a72": 1.0, "cortex-a76": 0.6}
"""Cycles an instruction of scalar code with its branches and misses: assumed, not measured."""

SENSORS = ((256, 320), (512, 640), (480, 752), (1024, 1024), (1080, 1920))
"""Sizes of common focal planes, rows by columns [px]."""

LINK_SHARE = 0.1
"""Share of a core that link, health and the taking of frames may have."""


@dataclass(frozen=True)
class Fit:
    """What a board does with a sensor.

    Attributes
    ----------
    board : str
        Name of the board.
    rows, cols : int
        Focal plane [px].
    slowest_hz, expected_hz, fastest_hz : float
        Frames a second of one core: all parts one after the other, as expected, the inner loops alone [Hz].
    """

    board: str
    rows: int
    cols: int
    slowest_hz: float
    expected_hz: float
    fastest_hz: float


def load_counts() -> dict[str, Any]:
    """Return what was counted (`hil/cycles.toml`)."""
    return tomllib.loads(files("lookdown.hil").joinpath("cycles.toml").read_text(encoding="utf-8"))


def fit(counts: dict[str, Any], core: dict[str, Any], rows: int, cols: int, pointing: bool) -> Fit:
    """Reckon what one core does with a sensor.

    Parameters
    ----------
    counts, core : dict
        As `load_counts` gives them, and one of its cores.
    rows, cols : int
        Focal plane [px].
    pointing : bool
        Whether frames come with pointing, as live ones do.
    """
    pixels, name = rows * cols, core["name"]
    per_pixel = core["loop_cycles_per_pixel_with_pointing" if pointing else "loop_cycles_per_pixel"]
    outside = counts["outside_instructions_per_pixel"] * pixels + counts["outside_instructions_per_frame"]
    loops_s = per_pixel * pixels / core["clock_hz"]
    outside_s = outside * SCALAR_CYCLES[name] / core["clock_hz"]
    memory_s = counts["bytes_per_pixel"] * pixels / MEMORY_BYTES_PER_S[name]
    share = 1.0 - LINK_SHARE
    slowest = share / (loops_s + 2.0 * outside_s + memory_s)
    return Fit(core["board"], rows, cols, slowest, share / max(loops_s + outside_s, memory_s), share / loops_s)


def add_budget(commands: Any) -> None:
    """Add the command ``budget``."""
    budget = commands.add_parser(
        "budget",
        help="which sensors fit on which board: frames a second, by model, with its bounds",
        description="Print frames a second that one core of a Raspberry Pi 4 or 5 takes through the onboard chain, by "
        "model: no board has been measured unless --run names a run of lookdown-hil rig on one; then its steps are "
        "shown beside the model.",
        epilog="example: lookdown-hil budget --rate 10 --size 512x640",
    )
    budget.add_argument("--size", metavar="ROWSxCOLS", help="focal plane (default: common ones)")
    budget.add_argument("--rate", type=float, metavar="HZ", default=10.0, help="rate of the sensor (default: 10)")
    budget.add_argument("--without-pointing", action="store_true", help="frames without pointing, such as recordings")
    budget.add_argument(
        "--run", type=Path, metavar="DIR", help="a run of lookdown-hil rig, to be shown beside the model"
    )


def _sizes(text: str | None) -> tuple[tuple[int, int], ...]:
    if text is None:
        return SENSORS
    rows, _, cols = text.partition("x")
    if not (rows.isdecimal() and cols.isdecimal() and int(rows) and int(cols)):
        raise ConfigError(f"--size: wanted rows x columns such as 512x640, came {text!r}")
    return ((int(rows), int(cols)),)


def run_budget(options: argparse.Namespace) -> int:
    """Run the command ``budget``."""
    counts = load_counts()
    if not options.rate > 0:
        raise ConfigError(f"--rate: wanted frames a second above 0, came {options.rate}")
    sizes = _sizes(options.size)
    print(f"frames a second of one core, {100 * LINK_SHARE:g} % of it left to the link; a model ({counts['source']})\n")
    print(f"{'board':16}{'sensor':>12}{'slowest':>9}{'expected':>10}{'fastest':>9}   at {options.rate:g} Hz")
    for core in counts["core"]:
        for rows, cols in sizes:
            found = fit(counts, core, rows, cols, not options.without_pointing)
            said = "fits" if found.slowest_hz >= options.rate else "may fit: measure it"
            said = said if found.fastest_hz >= options.rate else "does not fit"
            print(
                f"{found.board:16}{f'{rows} x {cols}':>12}{found.slowest_hz:9.1f}{found.expected_hz:10.1f}"
                f"{found.fastest_hz:9.1f}   {said}"
            )
    print(
        "\nfastest: the inner loops alone. expected: with what is counted outside of them, or memory where that takes "
        "longer. slowest: loops, twice what is outside, and memory, one after the other."
    )
    if options.run:
        _measured(options.run)
    return 0


def _measured(folder: Path) -> None:
    """Print what a run measured."""
    from lookdown.hil.station.result import times_of

    path = folder / "report.json"
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        target, board = tree["target"], tree["board"]
        median_ms, longest_ms = board["step_median_ms"], board["step_max_ms"]
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"{path}: wanted the report of lookdown-hil rig in real time ({error!r})") from None
    if median_ms is None:
        raise ConfigError(f"{path}: holds no time of a step; was it a run in real time?")
    kind = {"emulated": "under emulation, which says nothing of a board", "process": "as a process of the station"}
    times = times_of(target["kind"], target)
    what = target.get("model") or target.get("machine", "")
    print(
        f"\nmeasured on {what} ({kind.get(times, target['kind'])}): {median_ms:.2f} ms a step in the median, "
        f"{longest_ms:.2f} the longest: {1e3 * (1 - LINK_SHARE) / median_ms:.1f} frames a second"
    )
