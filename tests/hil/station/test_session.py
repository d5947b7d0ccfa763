"""The command ``rig`` on a stepped clock, its three files, the comparison, the signature, and what it refuses."""

import json
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from lookdown.hil.__main__ import main
from lookdown.hil.compare import changes, turned
from lookdown.hil.requirements import METRICS
from lookdown.hil.station.config import load_rig
from lookdown.hil.station.frames import have_frames
from lookdown.hil.station.target import free_port
from lookdown.wire.errors import ConfigError
from lookdown.wire.keys import NodeKeys
from tests.hil.station.conftest import Prepared

RIGS = Path(__file__).parents[3] / "config" / "rig"
IN_PROCESS = RIGS / "in-process.toml"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    NodeKeys.make(900, 0).save(folder)
    return folder


@pytest.fixture(scope="module")
def folder(short: Prepared, keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("session") / "run"
    arguments = ["rig", str(IN_PROCESS), str(short.path), "--out", str(out), "--frames", str(short.frames)]
    assert main(arguments) == 0
    assert main([*arguments, "--compare", str(out), "--sign", str(keys)]) == 0
    return out


def test_every_rig_file_of_the_repository_can_be_read() -> None:
    for path in sorted(RIGS.glob("*.toml")):
        rig, budgets = load_rig(path)
        assert rig.title
        assert {asked.metric for asked in budgets} <= set(METRICS)


def test_the_report_tells_faults_budgets_and_comparison(folder: Path, short: Prepared) -> None:
    report = json.loads((folder / "report.json").read_text())
    assert report["target"]["kind"] == "in-process"
    assert [fault["verdict"] for fault in report["faults"]] == ["pass"] * len(short.scenario.fault)
    verdict = {item["id"]: item["verdict"] for item in report["requirements"]}
    assert verdict["FAULT-F4"] == verdict["COUNT-1"] == "pass"
    assert verdict["BUDGET-1"] == "not tested"  # nothing takes time on a stepped clock
    suite = ElementTree.parse(folder / "junit.xml").find("testsuite")
    assert suite is not None
    assert (suite.get("failures"), int(suite.get("tests", 0))) == ("0", len(verdict))
    page = (folder / "report.html").read_text()
    for said in ("Faults and reactions", "F4 killed", "Plots and tracks over frames", "Beside an earlier run",
                 "No verdict changed", "Not tested", "started anew, first report of frame 29"):  # fmt: skip
        assert said in page, said
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_tests_are_shown_and_one_that_fails_fails_the_report(
    short: Prepared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    junit = tmp_path / "tests.xml"
    junit.write_text(
        '<testsuites><testsuite><testcase classname="tests.a" name="good" time="1.5"/>'
        '<testcase classname="tests.a" name="gone"><skipped/></testcase>'
        '<testcase classname="tests.b" name="bad &lt;1&gt;"><failure>no</failure></testcase></testsuite></testsuites>'
    )
    out = tmp_path / "out"
    arguments = ["rig", str(IN_PROCESS), str(short.path), "--out", str(out), "--frames", str(short.frames)]
    assert main([*arguments, "--tests", str(junit)]) == 1
    (asked,) = [one for one in json.loads((out / "report.json").read_text())["requirements"] if one["id"] == "TESTS-1"]
    assert (asked["verdict"], asked["value"]) == ("fail", 1.0)
    assert asked["evidence"] == "1 passed, 1 skipped; failed: tests.b: bad <1>"
    assert "bad &lt;1&gt;" in (out / "report.html").read_text()
    junit.write_text("<testsuites/>")
    assert main([*arguments, "--tests", str(junit)]) == 2
    assert "came a file without any" in capsys.readouterr().err


def test_what_differs_between_two_reports_is_named() -> None:
    before = {"requirements": [{"id": "A", "verdict": "pass"}, {"id": "B", "verdict": "pass"}], "link": {"lost": 0}}
    now = {"requirements": [{"id": "A", "verdict": "fail"}, {"id": "C", "verdict": "pass"}], "link": {"lost": 3},
           "tracks": {"rmse_m": 5.0}}  # fmt: skip
    assert turned(before, now) == [("A", "pass", "fail"), ("C", "absent", "pass"), ("B", "pass", "absent")]
    found = {change.metric: (change.before, change.now, change.share) for change in changes(before, now)}
    assert found == {"link.lost": (0.0, 3.0, None), "tracks.rmse_m": (None, 5.0, None)}


def test_a_signed_run_is_verified_and_every_change_is_found(
    folder: Path, keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = str(keys / "node.card")
    assert main(["verify", str(folder), "--card", card]) == 0
    assert "signed by node 900" in capsys.readouterr().out
    other = tmp_path / "other"
    NodeKeys.make(901, 0).save(other)

    def altered(name: str) -> Path:
        copy = tmp_path / name
        shutil.copytree(folder, copy)
        return copy

    report, gone, added = altered("report"), altered("gone"), altered("added")
    text = (report / "report.json").read_text()
    (report / "report.json").write_text(text.replace('"pass"', '"fail"', 1))
    (gone / "junit.xml").unlink()
    (added / "note.txt").write_text("all is well")
    for run, trusted, said in (
        (report, card, "report.json: is not what was signed"),
        (gone, card, "junit.xml is gone"),
        (added, card, "note.txt is not signed"),
        (folder, str(other / "node.card"), "was not made by node 901"),
        (tmp_path, card, "is this a signed run?"),
    ):
        assert main(["verify", str(run), "--card", trusted]) == 2
        assert said in capsys.readouterr().err
    # Who alters a report and signs it anew is found by the card that is trusted.
    assert main(["sign", str(report), "--keys", str(other)]) == 0
    assert main(["verify", str(report)]) == 0
    assert main(["verify", str(report), "--card", card]) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[target]\nkind = "rocket"', "rocket"),
        ('[target]\nkind = "ssh"', "wanted where the board is, such as pi@board"),
        ('[target]\nkind = "ssh"\nhost = "b"\naddress = "10.0.0.2"', "wanted both or neither"),
        ('[target]\nkind = "emulated"', "make board"),
        ('[target]\nhosts = "b"', "host"),
        ('budgets = "none.toml"', "no such file"),
        ('budgets = "link.toml"', "budgets are held against figures of the board"),
        ("[target]\nsatellites = [77]", "wanted some of [3]"),
    ],
)
def test_a_rig_file_that_cannot_be_used_is_named(
    short: Prepared, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    rig = tmp_path / "rig.toml"
    rig.write_text(text)
    (tmp_path / "link.toml").write_text(
        '[[budget]]\nid = "L"\ntext = "t"\nmetric = "link.lost"\nop = "=="\nbound = 0\n'
    )
    assert main(["rig", str(rig), str(short.path), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.startswith("lookdown-hil: ")


def test_a_scenario_longer_than_the_disk_is_refused_before_it_begins(
    short: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9 - 1000, 1000))
    with pytest.raises(ConfigError, match=r"take 1 MB, the disk has 0 MB free; free some"):
        have_frames(short.scenario, short.path, tmp_path / "frames.h5", lambda done, total: None)
    assert list(tmp_path.iterdir()) == []


def test_a_rig_file_of_an_unreachable_board_gives_a_report_of_what_was_not_tested_and_can_be_gone_on_with(
    short: Prepared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig, out = tmp_path / "rig.toml", tmp_path / "out"
    rig.write_text(f'[target]\nkind = "ssh"\nhost = "nobody@127.0.0.1"\nssh_options = ["-p", "{free_port()}"]\n')
    command = ["rig", str(rig), str(short.path), "--out", str(out), "--frames", str(short.frames), "--pace", "4"]
    assert main(command) == 1
    said = capsys.readouterr().err.replace("\n", " ")
    first, _, rest = said.partition("The frames are rendered meanwhile")
    assert "nobody@127.0.0.1: cannot be reached" in first  # before the long work
    assert "the run ended early: nobody@127.0.0.1: cannot be reached" in rest
    report = json.loads((out / "report.json").read_text())
    verdicts = {one["verdict"] for one in report["requirements"]}
    assert verdicts == {"not tested"}
    assert report["frames"]["sent"] == 0
    rig.write_text('[target]\nkind = "process"\n')  # mended
    assert main([*command, "--resume"]) == 0
    report = json.loads((out / "report.json").read_text())
    assert report["incidents"] == []  # nothing had been given: nothing was lost
    assert {one["verdict"] for one in report["requirements"]} == {"pass"}


def test_frames_of_another_scenario_are_refused(short: Prepared, everything: Prepared, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds the frames of another scenario"):
        have_frames(short.scenario, short.path, tmp_path / "frames.h5", lambda done, total: None, everything.frames)
