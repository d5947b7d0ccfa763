"""From what a run left to its report: gather the evidence, score it, judge the requirements, write the three files."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from lookdown.hil.evidence import gather
from lookdown.hil.plan import Scenario
from lookdown.hil.render import make_scene
from lookdown.hil.report import Report, write_report
from lookdown.hil.requirements import judge
from lookdown.hil.rig import Outcome
from lookdown.hil.score import score_run
from lookdown.hil.truth import Truth


def report_run(scenario: Scenario, scenario_path: Path, outcome: Outcome, command: str) -> Report:
    """Write ``report.html``, ``report.json`` and ``junit.xml`` of a run into its folder.

    Parameters
    ----------
    scenario : Scenario
        What was run.
    scenario_path : Path
        Its file.
    outcome : Outcome
        What the run left.
    command : str
        The command that started it, for the record.

    Returns
    -------
    Report
        The figures and verdicts that were written.
    """
    settings = scenario.scoring
    counters = {process.role: process.counters for process in outcome.processes}
    scene = make_scene(scenario)
    evidence = gather(scenario, Truth(scenario, scene), outcome.recording, outcome.history, counters, settings.step_s)
    score = score_run(evidence, settings)
    report = Report(
        scenario=scenario,
        scene=scene,
        evidence=evidence,
        score=score,
        settings=settings,
        judged=judge(scenario.requirement, score.figures),
        processes=[process.as_row(outcome.wall_s) for process in outcome.processes],
        provenance={
            "lookdown": version("lookdown"),
            "scenario": str(scenario_path),
            "seed": str(scenario.seed),
            "command": command,
            "machine": (
                f"{platform.machine()}, {os.cpu_count()} cores, {platform.platform()}, "
                f"Python {platform.python_version()}"
            ),
            "time": f"{scenario.duration_s:g} s of scenario took {outcome.wall_s:.1f} s",
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
        },
        duration_s=outcome.wall_s,
        failure=outcome.failure,
    )
    write_report(report, outcome.folder)
    return report
