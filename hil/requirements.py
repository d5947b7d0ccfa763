"""Requirements of a scenario: what must hold, judged from the figures of a run.

A scenario lists ``[[requirement]]`` tables. Each names one figure of the report by its dotted name, an operator and a
bound. A figure that could not be measured (``None``) gives the verdict "not tested": it neither passes nor fails.
"""

import difflib
import math
import operator
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lookdown.wire.errors import ConfigError

Verdict = Literal["pass", "fail", "not tested"]

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
}

METRICS: dict[str, tuple[str, str]] = {
    # dotted name in report.json: (unit, what it says)
    "detection.pd": ("1", "share of chances (mover inside the frame, unhidden, background settled) with a plot"),
    "detection.pd_min": ("1", "the same share for the mover with the lowest one"),
    "detection.pfa": ("1/pixel", "false plots per pixel and frame, background settled"),
    "detection.false_per_frame": ("1/frame", "false plots per frame, background settled"),
    "detection.warm_up_share": ("1", "share of frames taken while the background was still settling"),
    "radar.pd": ("1", "radar: share of intervals with a plot, for movers in window and beam, faster than the clutter"),
    "radar.pd_slow": ("1", "radar: the same share for movers slower than that: what stands out is found by chance"),
    "radar.false_per_interval": ("1/interval", "radar: plots of no mover in an interval"),
    "radar.pfa": ("1/cell", "radar: plots of no mover a cell of the range-Doppler map"),
    "radar.errors.range.rms_over_sigma": ("1", "radar: error of range over its stated sigma, RMS; 1 is honest"),
    "radar.errors.range_rate.rms_over_sigma": ("1", "radar: the same of the range rate as measured"),
    "radar.errors.azimuth.rms_over_sigma": ("1", "radar: the same of the azimuth"),
    "radar.unseen_s": ("s", "radar: time in which movers that had a track had no plot: stopped, slow, or missed"),
    "radar.unseen_custody": ("1", "radar: share of that time in which a track held them"),
    "radar.claimed": ("1", "radar: instants of that time at which their track was told as seen instead of coasting"),
    "radar.sigma_growth": ("1", "radar: sigma of place at the end of such a time over that at its beginning, median"),
    "radar.resumed": ("1", "radar: share of these times after which the same track held the mover again"),
    "view.movers": ("1", "movers of the scenario"),
    "view.satellites": ("1", "satellites that delivered frames"),
    "view.two_views_min_s": ("s", "longest unbroken time in view of two satellites, for the mover with the least"),
    "tracks.confirmed": ("1", "tracks that were confirmed at some time"),
    "tracks.false": ("1", "confirmed tracks that belong to no mover for most of their confirmed life"),
    "tracks.false_longest_s": ("s", "longest confirmed life without a mover of any track"),
    "tracks.custody": ("1", "share of the time owed (two views, initiation allowance past) with a confirmed track"),
    "tracks.custody_min": ("1", "the same share for the mover with the lowest one"),
    "tracks.initiation_max_s": ("s", "longest time from the first instant in two views to the confirmed track"),
    "tracks.swaps": ("1", "changes of the track that holds a mover"),
    "tracks.rmse_m": ("m", "root mean square position error of confirmed tracks on movers"),
    "tracks.gospa_m": ("m", "GOSPA metric, mean over time"),
    "tracks.nees": ("1", "normalised estimation error squared, mean over six states; 6 is consistent"),
    "tracks.within_3_sigma": ("1", "share of instants whose position error is inside the covariance's 3 sigma"),
    "tracks.kind_right": ("1", "share of the time held at which a mover's most probable kind was what it is"),
    "tracks.kind_chance": ("1", "probability that tracks gave to what their mover is, mean over the time held"),
    "pointing.left": ("1", "error of pointing estimates at the end over that of the satellites' reports, RMS"),
    "pointing.rms_over_sigma": ("1", "error of pointing estimates over their sigmas, second half, RMS; 1 is honest"),
    "pointing.known": ("1", "share of satellites whose pointing error is known to half its stated sigma or better"),
    "link.sent": ("1", "messages that the satellites handed to their link"),
    "link.received": ("1", "messages that the ground stored"),
    "link.lost": ("1", "messages sent and never stored"),
    "link.repeated": ("1", "messages that arrived again and were dropped"),
    "link.refused": ("1", "messages that the ground refused, and peers that it did not let in"),
    "link.reports_missing": ("1", "frames sent for which no plot report was stored"),
    "latency_ms.p50": ("ms", "time from the injection of a frame to its fused report, median"),
    "latency_ms.p99": ("ms", "the same, 99th percentile"),
    "latency_ms.max": ("ms", "the same, longest"),
    "frames.sent": ("1", "frames injected"),
    "frames.dropped": ("1", "frames that the sensors dropped, as the scenario asks: no chance to see anything"),
    "frames.late": ("1", "frames injected later than their deadline by more than one frame period"),
    "frames.missed": ("1", "gaps in the frame count, seen on board"),
    "frames.refused": ("1", "frames refused on board"),
    "board.plot_latency_ms.p50": ("ms", "rig: time from the instant a frame was due to its report's arrival, median"),
    "board.plot_latency_ms.p99": ("ms", "the same, 99th percentile"),
    "board.plot_latency_ms.p999": ("ms", "the same, 99.9th percentile"),
    "board.plot_latency_ms.max": ("ms", "the same, longest"),
    "board.track_latency_ms.p50": ("ms", "rig: time from the instant a frame was due to the end of its fusion, median"),
    "board.track_latency_ms.p99": ("ms", "the same, 99th percentile"),
    "board.track_latency_ms.max": ("ms", "the same, longest"),
    "board.step_median_ms": ("ms", "rig: time of a step of the chain, as the board counts it, median"),
    "board.step_max_ms": ("ms", "the same, longest"),
    "board.late": ("1", "rig: frames that the board took more than one frame period after they were due"),
    "board.cpu_share": ("%", "rig: processor time of the onboard process in that of the run; 100 is one core"),
    "board.memory_mb": ("MB", "rig: largest resident memory of the onboard process"),
    "board.temperature_c": ("degC", "rig: highest temperature of the board"),
    "board.clock_offset_ms": ("ms", "rig: what the board's clock is off from the rig's, without sign"),
    "board.clock_error_ms": ("ms", "rig: bound of the error of that measurement"),
    "fault.as_expected": ("1", "rig: 1 if what followed a fault is what is expected, 0 if not"),
    "fault.unaccounted_refused": ("1", "rig: messages made unusable, less those that the board refused and counted"),
    "fault.unaccounted_missed": ("1", "rig: frames withheld, less those that the board counted as missed"),
    "fault.reports_twice": ("1", "rig: frames of which the ground has more than one report"),
    "fault.reports_missing": ("1", "rig: frames given whole of which the ground has no report"),
    "fault.packets_damaged": ("1", "rig: packets on the ground that cannot be read"),
    "tests.failed": ("1", "rig: tests that failed, of those whose results were handed over"),
}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One line of what must hold.

    Attributes
    ----------
    id : str
        Short, stable name.
    text : str
        The requirement as a sentence.
    metric : str
        Dotted name of a figure, a key of `METRICS`.
    op : str
        Operator between figure and bound, a key of `OPERATORS`.
    bound : float
        What the figure is held against, in the unit of the metric.
    """

    id: str
    text: str
    metric: str
    op: str
    bound: float


@dataclass(frozen=True, slots=True)
class Judged:
    """A requirement with its verdict; ``value`` is None where it was not tested."""

    requirement: Requirement
    verdict: Verdict
    value: float | None
    evidence: str = ""
    """What was seen, where the value does not say it; or why it was not tested."""
    tests: tuple[str, ...] = ()
    """Single tests that it was judged by; empty: by the run itself."""

    def as_json(self) -> dict[str, Any]:
        """Return the entry of ``report.json``."""
        asked = self.requirement
        return {
            "id": asked.id,
            "text": asked.text,
            "verdict": self.verdict,
            "value": self.value,
            "bound": asked.bound,
            "op": asked.op,
            "metric": asked.metric,
            "unit": METRICS[asked.metric][0],
            "evidence": self.evidence,
            "tests": list(self.tests),
        }


def metrics_table() -> str:
    """Return the figures that a requirement may name as a table in Markdown."""
    lines = ["| figure | unit | meaning |", "|---|---|---|"]
    return "\n".join(lines + [f"| `{name}` | {unit} | {meaning} |" for name, (unit, meaning) in METRICS.items()])


def check(requirements: Sequence[Requirement], where: str) -> None:
    """Refuse requirements that could never be judged.

    Raises
    ------
    ConfigError
        An unknown metric or operator, or an id used twice.
    """
    seen: set[str] = set()
    for asked in requirements:
        if asked.metric not in METRICS:
            near = difflib.get_close_matches(asked.metric, METRICS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "known: " + ", ".join(METRICS)
            raise ConfigError(f"{where}: requirement {asked.id!r}: unknown metric {asked.metric!r}; {hint}")
        if asked.op not in OPERATORS:
            raise ConfigError(
                f"{where}: requirement {asked.id!r}: unknown op {asked.op!r}; use one of {', '.join(OPERATORS)}"
            )
        if asked.id in seen:
            raise ConfigError(f"{where}: two requirements have the id {asked.id!r}; give each its own")
        seen.add(asked.id)


def figure(figures: Mapping[str, Any], metric: str) -> float | None:
    """Value of a dotted name in nested figures; None when absent or not a finite number."""
    value: Any = figures
    for part in metric.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    if value is None or isinstance(value, str) or not math.isfinite(value):
        return None
    return float(value)


def judge(requirements: Sequence[Requirement], figures: Mapping[str, Any]) -> tuple[Judged, ...]:
    """Hold each requirement against the figures of a run.

    Examples
    --------
    >>> held = Requirement("LINK-1", "No report is lost.", "link.lost", "==", 0)
    >>> judge([held], {"link": {"lost": 0}})[0].verdict
    'pass'
    """
    judged = []
    for asked in requirements:
        value = figure(figures, asked.metric)
        verdict: Verdict = "not tested"
        if value is not None:
            verdict = "pass" if OPERATORS[asked.op](value, asked.bound) else "fail"
        judged.append(Judged(asked, verdict, value))
    return tuple(judged)


def junit_xml(judged: Sequence[Judged], scenario: str, duration_s: float, properties: Mapping[str, str]) -> bytes:
    """Verdicts as a JUnit XML document, one test case a requirement."""
    count = {verdict: sum(item.verdict == verdict for item in judged) for verdict in ("fail", "not tested")}
    suite = ElementTree.Element(
        "testsuite",
        name=f"lookdown.{scenario}",
        tests=str(len(judged)),
        failures=str(count["fail"]),
        errors="0",
        skipped=str(count["not tested"]),
        time=f"{duration_s:.3f}",
    )
    listed = ElementTree.SubElement(suite, "properties")
    for name, text in properties.items():
        ElementTree.SubElement(listed, "property", name=name, value=text)
    for item in judged:
        asked = item.requirement
        case = ElementTree.SubElement(suite, "testcase", classname=f"lookdown.{scenario}", name=asked.id)
        if item.tests:
            held = ElementTree.SubElement(case, "properties")
            for test in item.tests:
                ElementTree.SubElement(held, "property", name="test", value=test)
        wanted = f"{asked.text} Wanted {asked.metric} {asked.op} {asked.bound:g} {METRICS[asked.metric][0]}"
        if item.verdict == "fail":
            message = f"{wanted}; measured {item.value:g}{_also(item)}"
            ElementTree.SubElement(case, "failure", message=message, type="requirement").text = message
        elif item.verdict == "not tested":
            ElementTree.SubElement(case, "skipped", message=f"{wanted}; not measured in this run{_also(item)}")
        else:
            ElementTree.SubElement(case, "system-out").text = f"{wanted}; measured {item.value:g}{_also(item)}"
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    document: str = ElementTree.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{document}\n'.encode()


def _also(item: Judged) -> str:
    return f": {item.evidence}" if item.evidence else ""
