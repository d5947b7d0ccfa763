"""From what a run left to its report: gather the evidence, score it, judge the requirements, write the three files."""

import os
import platform
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lookdown.hil.evidence import gather
from lookdown.hil.plan import Scenario
from lookdown.hil.pointing_section import pointing_figures, pointing_section, read_pointing
from lookdown.hil.radar.custody import unseen_figures
from lookdown.hil.radar.score import read_radar_reports, score_radar
from lookdown.hil.radar.section import radar_section
from lookdown.hil.render import make_scene
from lookdown.hil.report import Report, write_report
from lookdown.hil.requirements import Judged, judge
from lookdown.hil.rig import Outcome
from lookdown.hil.score import score_run
from lookdown.hil.truth import Truth


@dataclass(frozen=True)
class Addition:
    """What a rig adds to the report of a run.

    Attributes
    ----------
    judged : sequence of Judged
        Budgets and reactions.
    figures : mapping
        Further branches of the tree of figures.
    sections : sequence of str
        Further sections of the page, HTML.
    provenance : mapping of str to str
        Further lines of it.
    withheld : collection of (int, int)
        Satellite and frame that a fault kept from the board.
    """

    judged: Sequence[Judged] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    sections: Sequence[str] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    withheld: Collection[tuple[int, int]] = ()


def report_run(
    scenario: Scenario, scenario_path: Path, outcome: Outcome, command: str, addition: Addition | None = None
) -> Report:
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
    addition : Addition or None
        What a rig adds.

    Returns
    -------
    Report
        The figures and verdicts that were written.
    """
    settings, addition = scenario.scoring, addition or Addition()
    counters = {process.role: process.counters for process in outcome.processes}
    scene = make_scene(scenario)
    truth = Truth(scenario, scene)
    evidence = gather(
        scenario, truth, outcome.recording, outcome.history, counters, settings.step_s,
        addition.withheld,
    )  # fmt: skip
    score = score_run(evidence, settings)
    sections, extra = list(addition.sections), dict(addition.figures)
    radar_reports = read_radar_reports(outcome.recording, scenario) if scenario.radar else []
    if radar_reports:
        radar = score_radar(truth, radar_reports, settings.plot_gate_px)
        extra["radar"] = {**radar.figures, **unseen_figures(evidence, score.tracks, radar)}
        sections.append(radar_section(scenario, radar))
    told = read_pointing(outcome.history)
    extra["pointing"] = pointing_figures(scenario, truth, told)
    figures = {**score.figures, **extra}
    report = Report(
        scenario=scenario,
        scene=scene,
        evidence=evidence,
        score=score,
        settings=settings,
        judged=[*judge(scenario.requirement, figures), *addition.judged],
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
            **addition.provenance,
        },
        duration_s=outcome.wall_s,
        failure=outcome.failure,
        sections=sections,
        pointing=pointing_section(scenario, truth, told, extra["pointing"]),
        figures=extra,
    )
    write_report(report, outcome.folder)
    return report
