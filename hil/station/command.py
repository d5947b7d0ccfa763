"""The commands ``lookdown-hil rig``, ``replay``, ``sign`` and ``verify``."""

import argparse
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_STOPPED = 130
_LINES_SHOWN = 20


def add_station_commands(commands: Any, pace: Any) -> None:
    """Add the commands; ``pace`` reads the option of this name."""
    rig = commands.add_parser(
        "rig",
        help="drive a board under test: frames at rate, faults, latency, budgets, report",
        description="Drive the onboard process on a target (in process, own process, emulated board, real board over "
        "ssh) with the frames of a scenario, break what the scenario says, and report latency, budgets and reactions. "
        "Writes report.html, report.json and junit.xml into DIR. Exit status: 0 when all hold, 1 when something fails "
        "or the run ended early, 2 when what was given cannot be used.",
        epilog="example: lookdown-hil rig config/rig/process.toml scenarios/rig/faults.toml --out build/rig",
    )
    rig.add_argument("rig", type=Path, metavar="RIG.toml", help="the target, such as config/rig/process.toml")
    rig.add_argument("scenario", type=Path, metavar="SCENARIO", help="a scenario, such as scenarios/rig/faults.toml")
    rig.add_argument("--out", type=Path, metavar="DIR", required=True, help="new folder, or that of an earlier run")
    rig.add_argument("--pace", type=pace, default=1.0, metavar="N", help="scenario seconds in a second (default: 1)")
    rig.add_argument("--resume", action="store_true", help="go on with the interrupted run in DIR, from its last frame")
    rig.add_argument(
        "--frames", type=Path, metavar="FILE.h5", help="take these frames (lookdown-hil render), not new ones"
    )
    rig.add_argument("--compare", type=Path, metavar="DIR", help="show the run beside an earlier one")
    rig.add_argument(
        "--tests", type=Path, action="append", default=[], metavar="JUNIT.xml", help="show these tests, too"
    )
    rig.add_argument(
        "--requirements", type=Path, metavar="FILE.toml",
        help="judge these requirements by single tests of --tests, too (config/requirements.toml)",
    )  # fmt: skip
    rig.add_argument("--sign", type=Path, metavar="KEYS", help="sign what it leaves with the keys of a node")

    sign = commands.add_parser(
        "sign", help="sign a run", description="Sign every file of a run with the identity of a node's keys.",
        epilog="example: lookdown-wire keys make keys --node 900 && lookdown-hil sign build/rig --keys keys",
    )  # fmt: skip
    sign.add_argument("run", type=Path, metavar="DIR", help="folder of a run")
    sign.add_argument("--keys", type=Path, metavar="KEYS", required=True, help="made by lookdown-wire keys make")
    verify = commands.add_parser(
        "verify", help="check the signature of a run",
        description="Check that a run is whole and signed. Without --card the run's own card is taken, which shows "
        "damage, not forgery. Exit status 2 when something does not fit.",
        epilog="example: lookdown-hil verify build/rig --card keys/node.card",
    )  # fmt: skip
    verify.add_argument("run", type=Path, metavar="DIR", help="folder of a signed run")
    verify.add_argument("--card", type=Path, metavar="CARD", help="node.card of who must have signed")


class RigProgress:
    """Progress on standard error: steps as lines, frames as a bar where there is a terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = Console(stderr=True, highlight=False)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=self._console, transient=True)
        self._task: Any = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def step(self, text: str) -> None:
        """Say what is done now."""
        self._console.print(f"== {text}", soft_wrap=True)

    def frame(self, number: int, total: int) -> None:
        """Say which frame has been sent."""
        if self._task is None:
            self._task = self._bar.add_task("frames")
        self._bar.update(self._task, completed=number, total=total)

    def rendered(self, done: int, total: int) -> None:
        """Say which frame has been rendered."""
        self.frame(done, total)


def run_rig(options: argparse.Namespace, command: str, summarise: Any) -> int:
    """Run the command ``rig``; returns its exit status."""
    from lookdown.hil.compare import read_report
    from lookdown.hil.rig import prepare_folder
    from lookdown.hil.scenario import load_scenario
    from lookdown.hil.signing import sign_run
    from lookdown.hil.station.config import load_rig
    from lookdown.hil.station.journal import read_journal
    from lookdown.hil.station.session import KEPT, Session
    from lookdown.hil.station.tests_table import read_tests
    from lookdown.hil.station.traced import read_traces

    earlier = (options.compare, read_report(options.compare)) if options.compare else None
    tests = read_tests(options.tests)
    traces = read_traces(options.requirements) if options.requirements else ()
    rig, budgets = load_rig(options.rig)
    scenario = load_scenario(options.scenario)
    progress = RigProgress()
    session = Session(rig, budgets, scenario, options.scenario, options.out, progress, options.pace)
    part = read_journal(options.out, options.scenario) if options.resume else None
    if part is None:
        prepare_folder(options.out, KEPT)
    with progress:
        progress.step(f"{scenario.title} ({options.scenario}) on {rig.title or rig.target.kind}")
        if why := session.why_unreachable():
            progress.step(f"{why}. The frames are rendered meanwhile; then it is tried once more")
        session.have_frames(options.frames, progress.rendered)
        report = session.run(command, earlier, tests, part, traces)
    summarise(report.judged, report.score.figures)
    if report.failure:
        print(f"lookdown-hil: the run ended early: {report.failure}", file=sys.stderr)
    if options.sign:
        card = sign_run(options.out, options.sign)
        print(f"signed by node {card.node_id}, identity {card.fingerprint}")
    print(f"report: {options.out / 'report.html'}")
    if report.failure == "stopped by the user":
        return _STOPPED
    return 1 if report.verdict == "fail" else 0


def run_sign(options: argparse.Namespace) -> int:
    """Run the command ``sign``."""
    from lookdown.hil.signing import sign_run

    card = sign_run(options.run, options.keys)
    print(f"signed by node {card.node_id}, identity {card.fingerprint}: {options.run / 'SHA256SUMS'}")
    return 0


def run_verify(options: argparse.Namespace) -> int:
    """Run the command ``verify``."""
    from lookdown.hil.signing import verify_run

    card, count = verify_run(options.run, options.card)
    whose = "as you asked" if options.card else "by the run's own card: give yours with --card to tell a forgery"
    print(f"{options.run}: {count} files, signed by node {card.node_id}, identity {card.fingerprint}, {whose}")
    return 0


def add_replay(commands: Any) -> None:
    """Add the command ``replay``."""
    from lookdown.hil.differences import Tolerance

    default = Tolerance()
    replay = commands.add_parser(
        "replay",
        help="a run's frames and packets through this build: what comes out otherwise",
        description="Give the frames of a run to this build's board and its packets to this build's ground, and show "
        "what comes out otherwise than it did, plot by plot and field by field. With --against, compare the plots of "
        "two runs. Exit status: 0 when all is within the tolerance, 1 when not, 2 when what was given cannot be used.",
        epilog="example: lookdown-hil replay build/rig",
    )
    replay.add_argument("run", type=Path, metavar="RUN", help="folder of a run (lookdown-hil rig, lookdown-hil run)")
    replay.add_argument(
        "--against", type=Path, metavar="OTHER", help="compare with the plots of this run; replay nothing"
    )
    for name, what in (("share", "of SNR, amplitude and sigmas, relative"), ("position-px", "of places, pixels")):
        value = getattr(default, name.replace("-", "_"))
        replay.add_argument(f"--{name}", type=float, default=value, metavar="N", help=f"tolerance {what} ({value:g})")
    replay.add_argument(
        "--pixels", type=int, default=default.pixels, metavar="N",
        help="tolerance of the number of pixels of a plot (0); 1 between processors",
    )  # fmt: skip


def run_replay(options: argparse.Namespace) -> int:
    """Run the command ``replay``; returns its exit status."""
    from lookdown.hil.differences import Tolerance, compare_reports
    from lookdown.hil.replay import Replayed, packets_of, replay_run

    tolerance = Tolerance(options.share, options.position_px, options.pixels)
    if options.against:
        found = Replayed(compare_reports(packets_of(options.run), packets_of(options.against), tolerance), [], 0)
    else:
        found = replay_run(options.run, tolerance)
    reports = found.reports
    for line in reports.lines[:_LINES_SHOWN]:
        print(f"  {line}")
    if len(reports.lines) > _LINES_SHOWN:
        print(f"  ... and {len(reports.lines) - _LINES_SHOWN} more")
    for line in found.tracks:
        print(f"  {line}")
    print(
        f"{reports.equal} reports equal to the octet, {reports.within} within the tolerance, {reports.beyond} beyond; "
        f"{len(reports.only_before)} only before, {len(reports.only_now)} only now; plots: {reports.plots_only_before} "
        f"gone, {reports.plots_only_now} new"
    )
    if reports.largest:
        print("largest differences: " + ", ".join(f"{name} {value:.2g}" for name, value in reports.largest.items()))
    if not options.against:
        print(f"tracks: {found.n_updates} updates, {'as before' if not found.tracks else 'not as before'}")
    return 0 if found.good else 1
