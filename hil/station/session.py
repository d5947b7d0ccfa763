"""A run of the station from its files to its report: frames, the course, the target, what came of it."""

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lookdown.ground.config import GroundConfig
from lookdown.hil.compare import comparison_section, read_report
from lookdown.hil.faults.reactions import Judge
from lookdown.hil.judge import Addition, report_run
from lookdown.hil.plan import Scenario
from lookdown.hil.report import Report
from lookdown.hil.requirements import Requirement
from lookdown.hil.rig import Outcome, RigError
from lookdown.hil.station.config import REMOTE, RigConfig
from lookdown.hil.station.course import Course, Progress
from lookdown.hil.station.files import write_boards, write_ground
from lookdown.hil.station.frames import Frames, have_frames
from lookdown.hil.station.journal import Earlier, Journal
from lookdown.hil.station.live import LiveRun
from lookdown.hil.station.reach import AgentLink
from lookdown.hil.station.result import Result, board_figures, judge_budgets, latencies, times_of
from lookdown.hil.station.section import sections
from lookdown.hil.station.stepped import SteppedRun
from lookdown.hil.station.target import Stated, Vitals
from lookdown.hil.station.tests_table import Tested, judge_tests, tests_section
from lookdown.hil.station.traced import Traced, judge_traces
from lookdown.hil.station.watch import Watch
from lookdown.wire.config import load_config

FRAMES = "frames.h5"
KEPT = (FRAMES, f".{FRAMES}.part")
"""Files that a new run into an old folder keeps."""


def cannot(rig: RigConfig) -> dict[str, str]:
    """Return what a target cannot do, with the reason."""
    if rig.target.kind in REMOTE and rig.target.address:
        return {"link": "link faults need the way through ssh: leave address and rig_address out of [target]"}
    return {}


class Session:
    """A run of the station.

    Parameters
    ----------
    rig : RigConfig
        The target.
    budgets : sequence of Requirement
        What it must keep.
    scenario, path : Scenario, Path
        What is run, and its file.
    folder : Path
        Made by `lookdown.hil.rig.prepare_folder`.
    progress : Progress
        Who is told how it goes on.
    pace : float
        Scenario seconds in a second of the clock.
    """

    def __init__(
        self, rig: RigConfig, budgets: tuple[Requirement, ...], scenario: Scenario, path: Path, folder: Path,
        progress: Progress, pace: float = 1.0,
    ) -> None:  # fmt: skip
        self._rig, self._budgets, self._scenario, self._path = rig, budgets, scenario, path
        self._folder, self._progress, self._pace = folder, progress, pace
        ids = [satellite.id for satellite in scenario.satellite]
        self._under_test = (rig.target.satellites or (ids[0],))[0]
        if strange := sorted(set(rig.target.satellites) - set(ids)):
            raise RigError(f"satellites: wanted some of {ids} of {path}, got {strange}; change [target]")
        self._failure, self._wall_s = "", 0.0
        self._incidents: list[str] = []
        self._untested: set[tuple[int, int]] = set()
        self._machine: dict[str, Any] = {}
        self._vitals: Vitals | None = None
        self._late: int | None = None
        self._counters: dict[str, Any] = {}
        self._reached = 0
        self._tests: dict[str, Tested] = {}
        self._traces: tuple[Traced, ...] = ()

    def why_unreachable(self) -> str:
        """Try the way to a board over ssh, before the long work; why it cannot be reached now, empty if it can.

        Targets of this machine are there; one of a lab is turned on by the run itself.
        """
        if self._rig.target.kind != "ssh":
            return ""
        try:
            AgentLink(self._rig.target).close()
        except RigError as error:
            return str(error)
        return ""

    def have_frames(self, kept: Path | None, show: Any) -> None:
        """Render the frames, or take those of a file; see `lookdown.hil.station.frames.have_frames`."""
        have_frames(self._scenario, self._path, self._folder / FRAMES, show, kept)

    def run(
        self,
        command: str,
        earlier: tuple[Path, Mapping[str, Any]] | None = None,
        tests: Mapping[str, Tested] | None = None,
        part: Earlier | None = None,
        traces: Sequence[Traced] = (),
    ) -> Report:
        """Run it and write its report.

        Parameters
        ----------
        command : str
            The command that started it, for the record.
        earlier : tuple or None
            A run to compare with: its folder, and its report as it was before this run.
        tests : mapping or None
            Results of tests to be shown, of `lookdown.hil.station.tests_table.read_tests`.
        part : Earlier or None
            What an interrupted run left, to go on with it; of `lookdown.hil.station.journal.read_journal`.
        traces : sequence of Traced
            Requirements that are judged by those tests; of `lookdown.hil.station.traced.read_traces`.

        Raises
        ------
        RigError
            A run on a stepped clock is to be gone on with.
        """
        if part and self._rig.target.kind == "in-process":
            raise RigError("a run on a stepped clock takes seconds and begins anew; leave --resume out")
        self._tests, self._traces = dict(tests or {}), tuple(traces)
        shutil.copy2(self._path, self._folder / "run" / "scenario.toml")
        (self._folder / "ground").mkdir(exist_ok=True)
        with Frames(self._folder / FRAMES) as frames:
            course = Course.of(self._scenario, frames, self._under_test, cannot(self._rig))
            began_s = time.monotonic()
            if self._rig.target.kind == "in-process":
                watch, processes = self._stepped(course, frames)
            else:
                watch, processes = self._live(course, frames, part)
            self._wall_s = self._wall_s or time.monotonic() - began_s
        return self._report(course, watch, processes, command, earlier)

    def _stepped(self, course: Course, frames: Frames) -> tuple[Watch, tuple[Any, ...]]:
        """Run on a stepped clock."""
        configs = write_boards(self._scenario, frames, self._folder.resolve() / "run")
        ground = load_config(write_ground(self._scenario, self._folder, "inproc://ground"), GroundConfig)
        self._progress.step(f"running {self._scenario.n_frames} frames on a stepped clock")
        agent = AgentLink(self._rig.target)
        self._machine = agent.machine
        agent.close()
        run = SteppedRun(course, configs, ground.fusion, self._folder / "ground")
        run.run(self._progress)
        watch = Watch(run.recording)
        watch.look()
        self._reached = self._scenario.n_frames
        stated: list[Stated] = []
        for i, board in run.boards.items():
            stated += [Stated(f"flight-{i}", ("stepped",), 0, board.counters()),
                       Stated(f"inject-{i}", ("stepped",), 0, {"sent": board.frames_given})]  # fmt: skip
        return watch, tuple(stated)

    def _live(self, course: Course, frames: Frames, part: Earlier | None) -> tuple[Watch, tuple[Any, ...]]:
        """Run in real time."""
        with Journal(self._folder) as journal:
            run = LiveRun(course, self._rig, frames, self._folder, self._progress, self._pace, journal, part)
            self._failure = run.run()
        self._wall_s, self._machine = run.wall_s, run.machine
        self._incidents, self._untested, self._reached = run.incidents, run.untested, run.sent
        stated = [run.ground, *(line for board in run.boards.values() for line in board.stated())]
        if (board := run.boards.get(self._under_test)) is not None:
            self._vitals, self._late, self._counters = board.vitals, board.injected.late, board.counters
        return run.watch, tuple(stated)

    def _report(
        self,
        course: Course,
        watch: Watch,
        processes: tuple[Any, ...],
        command: str,
        earlier: tuple[Path, Mapping[str, Any]] | None,
    ) -> Report:
        scenario, target = self._scenario, self._rig.target
        history = self._folder / "ground"
        recording = history / "received.ldrec"
        plots, tracks = latencies(course, watch, history, self._under_test)
        board = board_figures(plots, tracks, self._vitals, self._late, self._counters, self._wall_s)
        judge = Judge(course, watch, scenario.sensor.camera, self._reached, self._untested, len(self._incidents))
        reactions = judge.reactions()
        figures = {
            "board": board,
            "target": {"kind": target.kind, "host": target.host, "satellite": self._under_test, **self._machine},
            "faults": [self._fault(reaction) for reaction in reactions],
            "incidents": self._incidents,
        }
        judged = [
            *judge_budgets(self._budgets, figures, times_of(target.kind, self._machine)),
            *(reaction.as_judged() for reaction in reactions),
            *judge.accounts(),
            *([judge_tests(self._tests)] if self._tests else []),
            *judge_traces(self._traces, self._tests),
        ]
        if self._tests:
            figures["tests"] = {"failed": sum(of.failed for of in self._tests.values())}
        result = Result(
            scenario, self._under_test, target.kind, target.host, self._machine, plots, tracks, board, reactions,
            self._incidents, len(self._untested), self._reached,
        )  # fmt: skip
        outcome = Outcome(
            self._folder, recording, history, processes, self._wall_s, self._failure,
            self._failure == "stopped by the user",
        )  # fmt: skip

        def add(comparison: str) -> Addition:
            return Addition(
                judged, figures, self._sections(result, course, watch, history, judged, comparison),
                {"target": f"{target.kind} {target.host}".strip(), "rig": self._rig.title},
                course.withheld | self._untested,
            )  # fmt: skip

        report = report_run(scenario, self._path, outcome, command, add(""))
        if earlier is not None:
            # What is compared is what was written: both are read back.
            said = comparison_section(earlier[1], read_report(self._folder), earlier[0])
            report = report_run(scenario, self._path, outcome, command, add(said))
        return report

    def _sections(self, *arguments: Any) -> list[str]:
        found = sections(*arguments)
        return [*found, tests_section(self._tests)] if self._tests else found

    @staticmethod
    def _fault(reaction: Any) -> dict[str, Any]:
        note = reaction.note
        return {**asdict(note.fault), "frames": note.fault.length, "amount": note.fault.much,
                "verdict": reaction.verdict, "seen": reaction.seen, "recovered_frame": reaction.recovered_frame,
                "recovered_s": reaction.recovered_s}  # fmt: skip
