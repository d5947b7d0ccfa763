"""The command ``lookdown-hil``: scenarios end to end, and their frames."""

import argparse
import logging
import shlex
import signal
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lookdown.hil.budget import add_budget, run_budget
from lookdown.hil.network.command import add_commands, run_contacts, run_network
from lookdown.hil.station.command import (
    add_replay,
    add_station_commands,
    run_replay,
    run_rig,
    run_sign,
    run_verify,
)
from lookdown.wire.errors import ConfigError

_FAILED, _UNUSABLE, _STOPPED = 1, 2, 130
_PLAIN_WIDTH = 140  # columns of a table that no terminal shows

_EXAMPLES = """examples:
  lookdown-hil run scenarios/default.toml --out build/demo
  lookdown-hil run scenarios/default.toml --out build/slow --pace 0.5
  lookdown-hil run scenarios/default.toml --out build/secured --secure
  lookdown-hil rig config/rig/process.toml scenarios/rig/faults.toml --out build/rig
  lookdown-hil replay build/rig
  lookdown-hil budget --rate 10
  lookdown-hil render scenarios/default.toml --out frames.h5
  lookdown-hil picture scenarios/default.toml --out default.png
  lookdown-hil roc scenarios/default.toml --out build/roc
  lookdown-hil network --out build/network
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lookdown-hil",
        description="The rig: simulated satellites and movers around the real onboard and ground processes, scored.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lookdown-hil {version('lookdown')}")
    commands = parser.add_subparsers(
        dest="command",
        required=True,
        metavar="run | rig | replay | budget | render | picture | roc | sign | verify | contacts | network",
    )

    run = commands.add_parser(
        "run",
        help="a scenario end to end: frames, onboard processes, link, ground, score, report",
        description="Run a scenario end to end over real processes and sockets, and score it. Writes report.html, "
        "report.json, junit.xml, the recording of the link and logs into DIR. Exit status: 0 when every requirement of "
        "the scenario passes, 1 when one fails or the run ended early, 2 when what was given cannot be used.",
        epilog="example: lookdown-hil run scenarios/default.toml --out build/demo",
    )
    run.add_argument("scenario", type=Path, metavar="SCENARIO", help="a scenario, such as scenarios/default.toml")
    run.add_argument("--out", type=Path, metavar="DIR", required=True, help="new folder, or that of an earlier run")
    run.add_argument(
        "--pace", type=_pace, default=1.0, metavar="N", help="scenario seconds in a second (default: 1, real time)"
    )
    run.add_argument(
        "--secure",
        action="store_true",
        help="encrypt the link and seal packets end to end, with keys made for this run",
    )

    render = commands.add_parser(
        "render",
        help="write the frames and the truth of a scenario",
        description="Render the frames of every satellite of a scenario, with truth and sensor states, into HDF5.",
        epilog="example: lookdown-hil render scenarios/default.toml --out frames.h5",
    )
    render.add_argument("scenario", type=Path, metavar="SCENARIO", help="a scenario, such as scenarios/default.toml")
    render.add_argument("--out", type=Path, metavar="FILE.h5", required=True, help="file to write")
    render.add_argument("--restart", action="store_true", help="begin anew instead of going on with interrupted work")

    picture = commands.add_parser(
        "picture",
        help="draw a scenario: a frame with its movers, what changes in it, the scene from above, the satellites",
        description="Draw a scenario into one PNG: a frame with its movers and their SNR, what is left of it when its "
        "neighbours in time are laid over it and subtracted, the scene from above, and the satellites over the globe.",
        epilog="example: lookdown-hil picture scenarios/default.toml --out default.png --satellite 3 --time 20",
    )
    picture.add_argument("scenario", type=Path, metavar="SCENARIO", help="a scenario, such as scenarios/default.toml")
    picture.add_argument("--out", type=Path, metavar="FILE.png", required=True, help="file to write")
    picture.add_argument("--satellite", type=int, metavar="ID", help="whose frame (default: that with most movers)")
    picture.add_argument(
        "--time", type=float, metavar="S", help="time of the frame from the start (default: that with most movers)"
    )
    _add_roc(commands)
    add_station_commands(commands, _pace)
    add_replay(commands)
    add_budget(commands)
    add_commands(commands)
    return parser


def _add_roc(commands: Any) -> None:
    """Add the command ``roc``; its defaults are those of its plan."""
    from lookdown.hil.campaign.plan import SNR, THRESHOLDS, RocPlan

    plan = RocPlan()
    roc = commands.add_parser(
        "roc",
        help="detection curves: Pd against SNR and Pfa of the onboard chain, beside white-noise theory",
        description="Plant targets of known SNR in a scenario's frames, run the onboard chain over them, and draw how "
        "often it finds them and how often it finds nothing. Writes roc.html, roc.json, pd_snr.png and pd_pfa.png into "
        "DIR, and each unit's counts as soon as it is done: the same command goes on with interrupted work, or with "
        "more --seeds.",
        epilog="example: lookdown-hil roc scenarios/default.toml --out build/roc --snr 4,6,8,12 --seeds 24",
    )
    roc.add_argument("scenario", type=Path, metavar="SCENARIO", help="a scenario, such as scenarios/default.toml")
    roc.add_argument(
        "--out", type=Path, metavar="DIR", required=True, help="new folder, or that of an earlier campaign"
    )
    for name, values, what in (
        ("--snr", SNR, "levels of SNR after a matched filter, in the sensor's own noise"),
        ("--thresholds", THRESHOLDS, "thresholds of the chain"),
    ):
        shown = ",".join(f"{value:g}" for value in values)
        roc.add_argument(name, type=_numbers, default=values, metavar="N,N,...", help=f"{what} (default: {shown})")
    for name, what in (
        ("frames", "frames of a unit that count"),
        ("warm-up", "frames before them, in which the chain learns its background"),
        ("seeds", "units: scenes with their noise and targets, on one satellite after the other"),
        ("targets", "targets in a unit; many strong ones disturb the chain's own measure of noise"),
    ):
        default = getattr(plan, name.replace("-", "_"))
        roc.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"{what} (default: {default})")
    roc.add_argument("--jobs", type=int, metavar="N", help="processes at a time (default: all cores)")
    roc.add_argument("--white", action="store_true", help="white noise in the scene's place: what theory covers")
    roc.add_argument("--restart", action="store_true", help="begin anew instead of going on with what is there")


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(sorted({float(part) for part in text.split(",")}))
    except ValueError:
        raise argparse.ArgumentTypeError(f"wanted numbers with commas between, such as 4,6,8; came {text!r}") from None


def _pace(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.01 <= value <= 100.0:
        raise argparse.ArgumentTypeError(f"wanted a number from 0.01 to 100, came {text!r}")
    return value


def _run(options: argparse.Namespace, command: str) -> int:
    from lookdown.hil.judge import report_run
    from lookdown.hil.progress import ConsoleProgress
    from lookdown.hil.rig import prepare_folder, run
    from lookdown.hil.scenario import load_scenario

    scenario = load_scenario(options.scenario)
    prepare_folder(options.out)
    with ConsoleProgress(scenario.duration_s) as progress:
        progress.step(f"{scenario.title} ({options.scenario})")
        outcome = run(scenario, options.scenario, options.out, progress, options.pace, options.secure)
        progress.step("scoring against the truth and drawing the report")
        report = report_run(scenario, options.scenario, outcome, command)
    _summarise(report.judged, report.score.figures)
    if outcome.failure:
        print(f"lookdown-hil: the run ended early: {outcome.failure}", file=sys.stderr)
    print(f"report: {options.out / 'report.html'}")
    if outcome.stopped:
        return _STOPPED
    return _FAILED if report.verdict == "fail" else 0


def _summarise(judged: Sequence[Any], figures: Mapping[str, Any]) -> None:
    """Print verdicts and key figures."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
    table = Table("", "requirement", "wanted", "measured", "verdict", box=None, pad_edge=False)
    colours = {"pass": "green", "fail": "bold red", "not tested": "yellow"}
    for item in judged:
        asked, colour = item.requirement, colours[item.verdict]
        measured = "-" if item.value is None else f"{item.value:.4g}"
        wanted = f"{asked.metric} {asked.op} {asked.bound:g}"
        table.add_row(asked.id, asked.text, wanted, measured, f"[{colour}]{item.verdict}[/{colour}]")
    console.print(table)
    tracks, latency = figures["tracks"], figures["latency_ms"]
    if tracks["rmse_m"] is not None and latency["p50"] is not None:
        console.print(
            f"{tracks['confirmed']} tracks confirmed, {tracks['false']} of them false; position error "
            f"{tracks['rmse_m']:.0f} m RMS; latency {latency['p50']:.0f} ms (99 %: {latency['p99']:.0f} ms)"
        )


def _render(options: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from lookdown.hil.archive import render

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("rendering frames", total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        render(options.scenario, options.out, show, options.restart)
    print(f"frames: {options.out}")
    return 0


def _picture(options: argparse.Namespace) -> int:
    from lookdown.hil.portrait import draw_portrait
    from lookdown.hil.radar.portrait import draw_radar_portrait
    from lookdown.hil.scenario import load_scenario

    scenario = load_scenario(options.scenario)
    radars = [scenario.satellite[index].id for index in scenario.indices("radar")]
    by_radar = options.satellite in radars or not scenario.indices("infrared")
    draw = draw_radar_portrait if by_radar else draw_portrait
    shown, time_s = draw(scenario, options.out, options.satellite, options.time)
    print(f"picture: {options.out} (satellite {shown} at {time_s:g} s)")
    return 0


def _roc(options: argparse.Namespace) -> int:
    from lookdown.hil.campaign.plan import RocPlan
    from lookdown.hil.campaign.roc import run_campaign
    from lookdown.hil.campaign.show import CampaignProgress, summarise

    names = ("snr", "thresholds", "frames", "warm_up", "seeds", "targets", "white")
    plan = RocPlan(**{name: getattr(options, name) for name in names})
    with CampaignProgress(plan.seeds) as progress:
        roc = run_campaign(options.scenario, options.out, plan, options.jobs, options.restart, progress)
    summarise(roc)
    print(f"report: {options.out / 'roc.html'}")
    return 0


_COMMANDS = {
    "render": _render,
    "picture": _picture,
    "roc": _roc,
    "replay": run_replay,
    "budget": run_budget,
    "sign": run_sign,
    "verify": run_verify,
    "contacts": run_contacts,
    "network": run_network,
}


def main(argv: list[str] | None = None) -> int:
    """Run the command.

    Returns
    -------
    int
        Exit status: 0; 1 when a requirement failed or the run ended early; 2 for what cannot be used; 130 when stopped.
    """
    options = _parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s", stream=sys.stderr)
    from lookdown.hil.campaign.workers import WorkerError
    from lookdown.hil.rig import RigError

    # A rig that is told to end stops what it started, as it does for Ctrl-C.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        command = shlex.join(["lookdown-hil", *(sys.argv[1:] if argv is None else argv)])
        if options.command == "run":
            return _run(options, command)
        if options.command == "rig":
            return run_rig(options, command, _summarise)
        return _COMMANDS[options.command](options)
    except FileNotFoundError as error:
        print(f"lookdown-hil: {error.filename or error}: no such file; check the path", file=sys.stderr)
    except (ConfigError, RigError, WorkerError, ValueError, OSError) as error:
        print(f"lookdown-hil: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        again = "; the same command goes on with it" if options.command in ("render", "roc") else ""
        print(f"lookdown-hil: stopped{again}", file=sys.stderr)
        return _STOPPED
    finally:
        signal.signal(signal.SIGTERM, before)
    return _UNUSABLE


if __name__ == "__main__":
    raise SystemExit(main())
