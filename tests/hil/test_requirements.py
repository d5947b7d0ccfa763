"""Verdicts follow figures, bounds and operators; the JUnit document says the same."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from lookdown.hil.requirements import METRICS, Requirement, check, figure, judge, junit_xml, metrics_table
from lookdown.wire.errors import ConfigError

HELD = Requirement("LINK-1", "No report is lost.", "link.lost", "==", 0)
FAST = Requirement("TIME-1", "Tracks follow frames at once.", "latency_ms.p99", "<=", 200.0)
FIND = Requirement("DET-1", "Movers are found.", "detection.pd", ">=", 0.9)
FIGURES = {"link": {"lost": 0}, "latency_ms": {"p99": 250.0}, "detection": {"pd": None}}


def test_each_verdict() -> None:
    verdicts = {item.requirement.id: (item.verdict, item.value) for item in judge((HELD, FAST, FIND), FIGURES)}
    assert verdicts == {"LINK-1": ("pass", 0.0), "TIME-1": ("fail", 250.0), "DET-1": ("not tested", None)}


@pytest.mark.parametrize(
    ("op", "verdict"), [("<", "fail"), ("<=", "pass"), ("==", "pass"), (">=", "pass"), (">", "fail")]
)
def test_operators_at_the_bound(op: str, verdict: str) -> None:
    (item,) = judge([Requirement("X", "x", "link.lost", op, 0)], FIGURES)
    assert item.verdict == verdict


def test_a_figure_that_is_no_number_is_not_tested() -> None:
    assert figure({"link": {"lost": float("nan")}}, "link.lost") is None
    assert figure({"link": {}}, "link.lost") is None
    assert figure({"link": 3}, "link.lost") is None


@pytest.mark.parametrize(
    ("requirement", "said"),
    [
        (Requirement("A", "a", "detection.pdd", ">", 1), "did you mean 'detection.pd'"),
        (Requirement("A", "a", "detection.pd", "=>", 1), "unknown op '=>'; use one of <, <="),
        (HELD, "two requirements have the id 'LINK-1'"),
    ],
)
def test_requirements_that_could_never_be_judged_are_refused(requirement: Requirement, said: str) -> None:
    with pytest.raises(ConfigError, match=r"scenario\.toml") as caught:
        check([HELD, requirement], "scenario.toml")
    assert said in str(caught.value)


def test_junit_counts_and_messages() -> None:
    document = ElementTree.fromstring(junit_xml(judge((HELD, FAST, FIND), FIGURES), "small", 12.5, {"seed": "7"}))
    suite = document.find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped"), suite.get("time")) == (
        "3",
        "1",
        "1",
        "12.500",
    )
    failure = suite.find("testcase[@name='TIME-1']/failure")
    assert failure is not None
    assert failure.get("message") == "Tracks follow frames at once. Wanted latency_ms.p99 <= 200 ms; measured 250"
    assert suite.find("testcase[@name='DET-1']/skipped") is not None
    assert suite.find("properties/property[@name='seed']").get("value") == "7"  # type: ignore[union-attr]


def test_the_documentation_shows_the_figures() -> None:
    assert metrics_table() in (Path(__file__).parents[2] / "docs" / "rig.md").read_text(encoding="utf-8")


def test_every_metric_says_its_unit_and_meaning() -> None:
    assert all(unit and meaning and "." in name for name, (unit, meaning) in METRICS.items())
