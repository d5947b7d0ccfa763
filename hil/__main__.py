"""The command ``lookdown-hil``: scenarios end to end, and their frames."""

import argparse
import sys
from importlib.metadata import version
from pathlib import Path

from lookdown.wire.errors import ConfigError

_FAILED, _UNUSABLE = 1, 2

_EXAMPLES = """examples:
  lookdown-hil run scenarios/default.toml --out build/demo
  lookdown-hil render scenarios/default.toml --out frames.h5
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lookdown-hil",
        description="The simulated world, the rig and its reports.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lookdown-hil {version('lookdown')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="run | render")

    run = commands.add_parser(
        "run",
        help="a scenario end to end: frames, onboard processes, link, ground, score, report",
        description="Run a scenario end to end and score it. Exit status 1 when a requirement of the scenario fails.",
        epilog="example: lookdown-hil run scenarios/default.toml --out build/demo",
    )
    run.add_argument("scenario", type=Path, metavar="SCENARIO", help="a scenario, such as scenarios/default.toml")
    run.add_argument("--out", type=Path, metavar="DIR", required=True, help="folder for report, recording and logs")
    run.add_argument(
        "--pace", type=float, default=1.0, metavar="FACTOR", help="scenario seconds in a second (default: 1, real time)"
    )

    render = commands.add_parser(
        "render",
        help="write the frames and the truth of a scenario",
        description="Render the frames of every satellite of a scenario, with truth and sensor states, into HDF5.",
        epilog="example: lookdown-hil render scenarios/default.toml --out frames.h5",
    )
    render.add_argument("scenario", type=Path, metavar="SCENARIO", help="a scenario, such as scenarios/default.toml")
    render.add_argument("--out", type=Path, metavar="FILE.h5", required=True, help="file to write")
    return parser


def _run(options: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    from lookdown.hil.judge import report_run
    from lookdown.hil.progress import ConsoleProgress
    from lookdown.hil.rig import prepare_folder, run
    from lookdown.hil.scenario import load_scenario

    if not options.pace > 0:
        raise ConfigError(f"--pace: wanted a factor above 0, came {options.pace}")
    scenario = load_scenario(options.scenario)
    prepare_folder(options.out)
    with ConsoleProgress(scenario.duration_s) as progress:
        progress.step(f"{scenario.title} ({options.scenario})")
        outcome = run(scenario, options.scenario, options.out, progress, options.pace)
        progress.step("scoring against the truth and drawing the report")
        command = " ".join(["lookdown-hil", *sys.argv[1:]])
        report = report_run(scenario, options.scenario, outcome, command)

    console = Console(highlight=False)
    table = Table("requirement", "wanted", "measured", "verdict", box=None, pad_edge=False)
    colours = {"pass": "green", "fail": "red", "not tested": "yellow"}
    for item in report.judged:
        asked, colour = item.requirement, colours[item.verdict]
        measured = "-" if item.value is None else f"{item.value:.4g}"
        wanted = f"{asked.metric} {asked.op} {asked.bound:g}"
        table.add_row(f"{asked.id}  {asked.text}", wanted, measured, f"[{colour}]{item.verdict}[/{colour}]")
    console.print(table)
    if outcome.failure:
        console.print(f"the run ended early: {outcome.failure}", style="red", markup=False)
    console.print(f"report: {options.out / 'report.html'}", markup=False, soft_wrap=True)
    return _FAILED if report.verdict == "fail" else 0


def _render(options: argparse.Namespace) -> int:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from lookdown.hil.render import render

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task("rendering frames", total=None)
        render(options.scenario, options.out, lambda done, total: progress.update(task, completed=done, total=total))
    print(f"frames: {options.out}")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command.

    Returns
    -------
    int
        Exit status: 0; 1 when a requirement failed or the run ended early; 2 for input that cannot be used.
    """
    options = _parser().parse_args(argv)
    from lookdown.hil.rig import RigError

    try:
        return _run(options) if options.command == "run" else _render(options)
    except (ConfigError, RigError, OSError) as error:
        print(f"lookdown-hil: {error}", file=sys.stderr)
        return _UNUSABLE
    except KeyboardInterrupt:
        print("lookdown-hil: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
