"""Report of a run: ``report.html`` for people, ``report.json`` for scripts, ``junit.xml`` for continuous integration.

All three are written from one tree of figures. The page holds its pictures and its style in itself: it opens offline
and can be mailed or printed.
"""

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from lookdown.hil import figures
from lookdown.hil.markup import DASH, Right, mono, number, page_style, table
from lookdown.hil.pictures import Pictures
from lookdown.hil.plan import Scenario
from lookdown.hil.requirements import METRICS, Judged, junit_xml
from lookdown.hil.scene.local import Scene
from lookdown.hil.score import Evidence, Score, Settings
from lookdown.hil.series import make_series


@dataclass(frozen=True)
class Report:
    """All that a report is made of.

    Attributes
    ----------
    scenario : Scenario
        What was run.
    scene : Scene
        Its scene.
    evidence, score, settings
        What it left, how it was scored.
    judged : sequence of Judged
        Requirements with their verdicts.
    processes : sequence of dict
        One row a process: ``role``, ``status``, and what is known of ``cpu_s``, ``memory_mb``, ``step_median_us`` ...
    provenance : mapping of str to str
        Version, scenario file, command, machine, times.
    duration_s : float
        Time the run took [s].
    failure : str
        Why the run ended early; empty when it did not.
    sections : sequence of str
        Further sections of the page, before those on tracks, HTML.
    pointing : str
        The section on pointing errors, HTML.
    figures : mapping
        Further branches of ``report.json``.
    """

    scenario: Scenario
    scene: Scene
    evidence: Evidence
    score: Score
    settings: Settings
    judged: Sequence[Judged]
    processes: Sequence[Mapping[str, Any]] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    duration_s: float = 0.0
    failure: str = ""
    sections: Sequence[str] = ()
    pointing: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """``pass``, ``fail``, or ``not tested`` when something is open and nothing failed."""
        verdicts = {item.verdict for item in self.judged}
        if "fail" in verdicts or self.failure:
            return "fail"
        return "not tested" if "not tested" in verdicts or not verdicts else "pass"


def write_report(report: Report, folder: Path) -> None:
    """Write ``report.json``, ``junit.xml`` and ``report.html`` into a folder."""
    series = make_series(report.evidence, report.score, report.scenario.start_ns, report.scenario.duration_s)
    tree = {
        "scenario": report.scenario.name,
        "title": report.scenario.title,
        "seed": report.scenario.seed,
        "verdict": report.verdict,
        "failure": report.failure,
        "requirements": [item.as_json() for item in report.judged],
        **report.score.figures,
        **report.figures,
        "settings": asdict(report.settings),
        "processes": [dict(row) for row in report.processes],
        "provenance": dict(report.provenance),
        "series": series.as_json(),
    }
    (folder / "report.json").write_text(_json(tree), encoding="utf-8")
    document = junit_xml(report.judged, report.scenario.name, report.duration_s, report.provenance)
    (folder / "junit.xml").write_bytes(document)

    pictures = Pictures(report.scenario, report.scene, report.evidence, report.score)
    movers, sensor_ids = report.evidence.movers, report.evidence.sensor_ids
    template = Template(files("lookdown.hil").joinpath("page.html").read_text(encoding="utf-8"))
    page = template.substitute(
        title=html.escape(report.scenario.title),
        style=page_style(),
        subtitle=html.escape(_subtitle(report)),
        verdict_class={"pass": "pass", "fail": "fail"}.get(report.verdict, "open"),
        verdict_text=_verdict_text(report),
        alarm=_alarm(report.failure),
        cards=_cards(report.score.figures),
        requirements=_requirements(report.judged),
        sections="\n".join(report.sections),
        map=pictures.map(),
        allowance=f"{report.settings.initiation_allowance_s:g}",
        cutoff=f"{report.settings.gospa_cutoff_m:g}",
        gate=f"{report.settings.plot_gate_px:g}",
        custody=figures.custody_chart(series, movers),
        movers=_movers(report.score.figures),
        errors=figures.error_chart(series, movers),
        consistency=figures.consistency_chart(series),
        pointing=report.pointing,
        detection=figures.detection_chart(series, movers, sensor_ids),
        satellites=_satellites(report.score.figures["detection"]["per_satellite"]),
        strip=pictures.strip(),
        chips=pictures.chips(),
        latency=figures.latency_chart(series, report.score.figures["latency_ms"]),
        link=_link(report.score.figures["link"]),
        processes=_processes(report.processes),
        provenance=table(("", ""), [[f"<b>{html.escape(k)}</b>", mono(v)] for k, v in report.provenance.items()]),
        definitions=table(
            ("figure", "unit", "meaning"), [[mono(name), unit, text] for name, (unit, text) in METRICS.items()]
        ),
    )
    (folder / "report.html").write_text(page, encoding="utf-8")


def _json(tree: Any) -> str:
    """Write JSON with the outer levels indented and series on one line each."""
    parts = []
    for key, value in tree.items():
        if key == "series":
            inner = ",\n".join(f"    {json.dumps(k)}: {json.dumps(v)}" for k, v in value.items())
            parts.append(f"  {json.dumps(key)}: {{\n{inner}\n  }}")
        else:
            parts.append(f"  {json.dumps(key)}: " + json.dumps(value, indent=2).replace("\n", "\n  "))
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _subtitle(report: Report) -> str:
    scenario = report.scenario
    sizes = [f"of {scenario.sensor.cols} x {scenario.sensor.rows} px"] if scenario.indices("infrared") else []
    if scenario.radar is not None:
        radar = scenario.radar.instrument
        sizes.append(f"of a radar, {radar.channels} channels x {radar.pulses} pulses x {radar.ranges} ranges")
    return (
        f"{scenario.name}: {_count(len(scenario.satellite), 'satellite')}, {_count(len(scenario.mover), 'mover')}, "
        f"{scenario.duration_s:g} s at {scenario.frame_rate_hz:g} frames/s {' and '.join(sizes)}, "
        f"from {scenario.start}, seed {scenario.seed}"
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _verdict_text(report: Report) -> str:
    count = {
        verdict: sum(item.verdict == verdict for item in report.judged) for verdict in ("pass", "fail", "not tested")
    }
    if report.failure:
        return "Run ended early"
    if count["fail"]:
        return f"{count['fail']} of {len(report.judged)} requirements fail"
    if count["not tested"] or not report.judged:
        return f"{count['not tested']} of {len(report.judged)} requirements not tested"
    return f"All {len(report.judged)} requirements pass"


def _alarm(failure: str) -> str:
    return (
        f'<section class="alarm"><h2>The run ended early</h2><pre>{html.escape(failure)}</pre></section>'
        if failure
        else ""
    )


def _cards(tree: Mapping[str, Any]) -> str:
    detection, tracks, link, latency = tree["detection"], tree["tracks"], tree["link"], tree["latency_ms"]
    shown = [
        (_percent(tracks["custody"]), "%", "custody: movers in two views held by a confirmed track"),
        (number(tracks["rmse_m"]), "m", "position error of tracks, RMS"),
        (number(tracks["false"]), "", f"false confirmed tracks, of {number(tracks['confirmed'])} confirmed"),
        (_percent(detection["pd"]), "%", "probability of detection per frame"),
        (number(detection["false_per_frame"], 2), "", "false plots per frame"),
        (number(latency["p50"]), "ms", f"latency frame to track, median; 99 %: {number(latency['p99'])} ms"),
        (number(link["lost"]), "", f"messages lost, of {number(link['sent'])} sent"),
    ]
    return "".join(
        f'<div class="card"><b>{value}<small>{unit if value != DASH else ""}</small></b><span>{text}</span></div>'
        for value, unit, text in shown
    )


def _percent(share: float | None) -> str:
    return DASH if share is None else f"{100.0 * share:.1f}".removesuffix(".0")


def _requirements(judged: Sequence[Judged]) -> str:
    rows = []
    for item in judged:
        asked, kind = item.requirement, {"pass": "pass", "fail": "fail"}.get(item.verdict, "open")
        unit = METRICS[asked.metric][0]
        unit = "" if unit == "1" else unit.removeprefix("1")
        wanted = html.escape(f"{asked.op} {asked.bound:g} {unit}")
        rows.append(
            [
                f"<b>{html.escape(asked.id)}</b>",
                html.escape(asked.text) + _evidence(item),
                mono(asked.metric, whole=True),
                Right(f"{wanted}"),
                Right(f"{number(item.value)} {html.escape(unit)}"),
                f'<span class="verdict {kind}">{item.verdict}</span>',
            ]
        )
    return table(("", "requirement", "figure", Right("wanted"), Right("measured"), "verdict"), rows)


def _evidence(item: Judged) -> str:
    lines = [html.escape(line) for line in (item.evidence, *item.tests) if line]
    return f'<br><span class="soft">{"<br>".join(lines)}</span>' if lines else ""


def _movers(tree: Mapping[str, Any]) -> str:
    rows = []
    for index, (track, plot) in enumerate(
        zip(tree["tracks"]["per_mover"], tree["detection"]["per_mover"], strict=True)
    ):
        colour = figures.mover_colour(index)
        rows.append(
            [
                f'<b style="color:{colour}">{html.escape(track["mover"])}</b>',
                Right(f"{number(track['two_views_s'])}"),
                Right(f"{number(track['initiation_s'])}"),
                Right(f"{_percent(track['custody'])}"),
                Right(f"{', '.join(map(str, track['tracks'])) or DASH}"),
                Right(f"{number(track['rmse_m'])}"),
                Right(f"{number(track['error_p95_m'])}"),
                Right(f"{number(track['nees'])}"),
                _kind(track),
                Right(f"{_percent(plot['pd'])}"),
            ]
        )
    head = ("two views [s]", "first track after [s]", "custody [%]", "tracks", "RMSE [m]", "95 % of errors below [m]")
    kind = "taken for (share of its time, chance of what it is)"
    return table(("mover", *map(Right, (*head, "NEES")), kind, Right("Pd [%]")), rows)


def _kind(track: Mapping[str, Any]) -> str:
    """Tell what the ground took a mover for, and how often and surely it was right."""
    if track["kind_told"] is None:
        return DASH
    told = track["kind_told"] if track["kind_told"] == track["kind"] else f"<b>{track['kind_told']}</b>"
    return f"{told}, is {track['kind']} ({_percent(track['kind_right'])} %, {number(track['kind_chance'], 2)})"


def _satellites(rows: Sequence[Mapping[str, Any]]) -> str:
    cells = [
        [
            f"satellite {r['sensor_id']}",
            Right(f"{r['frames']}"),
            Right(f"{_percent(r['pd'])}"),
            Right(f"{number(r['false_per_frame'])}"),
        ]
        for r in rows
    ]
    return table(("", *map(Right, ("frames", "Pd [%]", "false plots per frame"))), cells)


def _link(link: Mapping[str, Any]) -> str:
    names = ("sent", "received", "lost", "repeated", "refused")
    rows = [
        [f"satellite {row['sensor_id']}", *(Right(f"{number(row.get(name))}") for name in names)]
        for row in link["per_satellite"]
    ]
    rows.append(["<b>all</b>", *(Right(f"<b>{number(link[name])}</b>") for name in names)])
    protection = {
        "encrypted and sealed": "Encrypted (CURVE) among enrolled nodes; each packet sealed from satellite to ground.",
        "encrypted": "Encrypted with CURVE between enrolled nodes.",
        "none": "Neither encrypted nor authenticated: this run had no keys (<code>--secure</code>).",
    }.get(link["protection"], "")
    return f'<p class="say">{protection}</p>' + table(("", *map(Right, names)), rows)


def _processes(processes: Sequence[Mapping[str, Any]]) -> str:
    columns = {
        "frames": "frames",
        "dropped": "dropped by the sensor",
        "plots": "plots",
        "step_median_ms": "step, median [ms]",
        "step_max_ms": "step, longest [ms]",
        "lateness_max_ms": "latest frame by [ms]",
        "cpu_s": "CPU [s]",
        "cpu_share": "CPU share [%]",
        "memory_mb": "memory [MB]",
    }
    rows = []
    for row in processes:
        status = row.get("status")
        ended = (
            "exit 0" if status == 0 else f'<span class="verdict fail">exit {DASH if status is None else status}</span>'
        )
        rows.append(
            [
                f"<b>{html.escape(str(row['role']))}</b>",
                ended,
                *(Right(f"{number(row.get(name))}") for name in columns),
            ]
        )
    return table(("process", "ended", *map(Right, columns.values())), rows)
