"""The report: its figures, its page, and what it says of a run that broke off."""

import html.parser
import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lookdown.hil.evidence import gather
from lookdown.hil.markup import number
from lookdown.hil.plan import Scenario
from lookdown.hil.report import Report, write_report
from lookdown.hil.requirements import Requirement, judge
from lookdown.hil.scene.local import Scene
from lookdown.hil.score import PLOT_DTYPE, Evidence, Settings, score_run
from lookdown.hil.score_tracks import UPDATE_DTYPE
from lookdown.hil.series import make_series
from lookdown.hil.truth import Truth

LOST = Requirement("LINK-1", "No report <is> lost.", "link.reports_missing", "==", 0)
TRACKED = Requirement("TRK-1", "Tracks are good.", "tracks.rmse_m", "<=", 10.0)
FAST = Requirement("TIME-1", "Latency is short.", "latency_ms.p99", "<=", 100.0)


def pretend(scenario: Scenario, truth: Truth, folder: Path) -> Evidence:
    """Evidence of a run that never was: a plot on every mover in view, a track 60 m beside each, one false track."""
    counters = {f"inject-{satellite.id}": {"sent": scenario.n_frames} for satellite in scenario.satellite}
    empty = gather(scenario, truth, folder / "none.ldrec", folder / "none.sqlite", counters, 0.5)
    exposures, seen = empty.exposures, empty.seen
    exposures["reported"], exposures["settled"] = True, exposures["frame_id"] >= 5
    exposures["origin_ns"] = 10**15
    exposures["fused_ns"] = 10**15 + 10**6 * (20 + exposures["frame_id"] % 7)
    seen = seen[seen["inside"] & ~seen["hidden"]]
    plots = np.zeros(len(seen) + 1, PLOT_DTYPE)
    for name in ("sensor_id", "frame_id", "row", "col"):
        plots[name][:-1] = seen[name]
    plots[-1] = (scenario.satellite[0].id, 20, 1.0, 1.0, 5.1, 0)
    times = empty.instants_ns[2:]
    tracks = []
    for mover in range(len(scenario.mover)):
        part = np.zeros(len(times), UPDATE_DTYPE)
        part["track_id"], part["time_ns"], part["status"] = mover + 1, times, 1
        part["position_m"], part["velocity_m_s"] = truth.mover_state(mover, times)
        part["position_m"][:, 0] += 60.0
        part["covariance"] = np.diag([1600.0] * 3 + [4.0] * 3)
        tracks.append(part)
    false = tracks[0].copy()
    false["track_id"] = 77
    false["position_m"] += 20e3
    return replace(empty, plots=plots, updates=np.concatenate([*tracks, false]))


@pytest.fixture(scope="module")
def written(small_scenario: Scenario, small_scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    evidence = pretend(small_scenario, Truth(small_scenario, small_scene), folder)
    score = score_run(evidence, Settings())
    judged = judge((LOST, TRACKED, FAST), score.figures)
    rows = [{"role": "flight-1", "status": 0, "frames": 40, "cpu_s": 1.5}, {"role": "ground", "status": None}]
    report = Report(
        small_scenario, small_scene, evidence, score, Settings(), judged, rows, {"version": "0 & 1"}, duration_s=4.0
    )
    write_report(report, folder)
    return folder


class Page(html.parser.HTMLParser):
    """Collects what a page would load, its ids, and checks that elements close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src", "xlink:href", "srcset", "data"):
                self.links.append(value or "")
            if name == "id":
                self.ids.append(value or "")
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in ("meta", "br"):
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_stands_alone(written: Path) -> None:
    text = (written / "report.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert page.open == []
    assert [link[:30] for link in page.links if not link.startswith(("data:image/", "#"))] == []
    assert len(page.ids) == len(set(page.ids))
    assert "@import" not in text
    assert "url(http" not in text
    assert "$" not in text.replace("$\\mathdefault", "")
    assert "No report &lt;is&gt; lost." in text
    assert "0 &amp; 1" in text


def test_the_page_shows_verdicts_movers_and_pictures(written: Path, small_scenario: Scenario) -> None:
    text = (written / "report.html").read_text(encoding="utf-8")
    assert "1 of 3 requirements fail" in text
    assert all(mover.name in text for mover in small_scenario.mover)
    for chart in ("map", "custody", "errors", "consistency", "detection", "latency"):
        assert f'<svg class="chart" role="img" aria-label="{chart}"' in text
    assert text.count("data:image/jpeg;base64,") == 3 * len(small_scenario.satellite)
    assert 'class="truth"' in text
    assert 'class="found"' in text


def test_the_json_has_what_scripts_rest_on(written: Path, small_scenario: Scenario) -> None:
    tree = json.loads((written / "report.json").read_text(encoding="utf-8"))
    assert (tree["scenario"], tree["seed"], tree["verdict"]) == (small_scenario.name, small_scenario.seed, "fail")
    assert {"pd", "pfa"} <= tree["detection"].keys()
    assert {"sent", "received", "lost", "repeated"} <= tree["link"].keys()
    assert tree["latency_ms"]["max"] == 26.0
    assert {"confirmed", "false", "custody", "rmse_m", "gospa_m"} <= tree["tracks"].keys()
    assert tree["tracks"]["rmse_m"] == pytest.approx(60.0)
    assert tree["tracks"]["false"] == 1
    first = tree["requirements"][0]
    assert {"id", "text", "verdict", "value", "bound"} <= first.keys()
    assert [item["verdict"] for item in tree["requirements"]] == ["pass", "fail", "pass"]
    series = tree["series"]
    assert len(series["error_m"]) == len(small_scenario.mover)
    assert series["error_m"][0][:2] == [None, None]
    assert series["error_m"][0][4] == pytest.approx(60.0, rel=1e-4)
    assert sum(series["latency_count"]) == tree["latency_ms"]["reports"]


def test_junit_says_the_same(written: Path) -> None:
    suite = ElementTree.parse(written / "junit.xml").find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")


def test_series_put_plots_into_their_second(small_scenario: Scenario, small_scene: Scene, tmp_path: Path) -> None:
    evidence = pretend(small_scenario, Truth(small_scenario, small_scene), tmp_path)
    score = score_run(evidence, Settings())
    series = make_series(evidence, score, small_scenario.start_ns, small_scenario.duration_s)
    assert series.bin_s.tolist() == [0.5, 1.5, 2.5, 3.5]
    # The one false plot is in frame 20 of the first satellite: second 2 of 10 frames.
    assert series.false_per_frame[0].tolist() == [0.0, 0.0, 0.1, 0.0]
    assert series.warming.tolist() == [[True, False, False, False]] * 2
    assert np.nanmin(series.pd_all) == 1.0
    assert series.n_false.tolist() == [0, 0, 1, 1, 1, 1, 1, 1]


def test_a_run_that_broke_off_says_why_and_what_was_not_tested(
    small_scenario: Scenario, small_scene: Scene, tmp_path: Path
) -> None:
    nothing = gather(small_scenario, Truth(small_scenario, small_scene), tmp_path / "a", tmp_path / "b", {}, 0.5)
    score = score_run(nothing, Settings())
    false = Requirement("TRK-2", "No false track lasts.", "tracks.false_longest_s", "<=", 5.0)
    custody = Requirement("TRK-3", "Movers are held.", "tracks.custody_min", ">=", 0.9)
    judged = judge((LOST, TRACKED, FAST, false, custody), score.figures)
    failure = "ground ended early with status 3; the end of <log>"
    report = Report(small_scenario, small_scene, nothing, score, Settings(), judged, failure=failure)
    write_report(report, tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Run ended early" in text
    assert "the end of &lt;log&gt;" in text
    tree = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert (tree["verdict"], tree["failure"]) == ("fail", failure)
    assert {item["verdict"] for item in tree["requirements"]} == {"not tested"}
    assert tree["detection"]["pd"] is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "&ndash;"),
        (3, "3"),
        (0.0, "0"),
        (87.345, "87.3"),
        (1234.5, "1234"),
        (4.2e-6, "4.2&middot;10<sup>-6</sup>"),
    ],
)
def test_numbers_for_people(value: float | None, shown: str) -> None:
    assert number(value) == shown
