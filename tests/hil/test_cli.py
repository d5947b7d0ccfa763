"""The command ``lookdown-hil``, and a whole run of it over real processes and sockets."""

import json
import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from importlib.metadata import version
from pathlib import Path

import pytest

from lookdown.ground.__main__ import main as ground_main
from lookdown.ground.query import HistoryReader
from lookdown.hil.__main__ import main

SMALL = Path(__file__).with_name("small.toml")


def lookdown_hil(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lookdown.hil", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The small scenario, run four times as fast as real time, encrypted and sealed."""
    folder = tmp_path_factory.mktemp("rig") / "run"
    return folder, lookdown_hil("run", SMALL, "--out", folder, "--pace", 4, "--secure")


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, said in (
        (["--help"], "lookdown-hil run scenarios/default.toml --out build/demo"),
        (["run", "--help"], "example: lookdown-hil run"),
        (["render", "--help"], "example: lookdown-hil render"),
        (["roc", "--help"], "example: lookdown-hil roc"),
        (["--version"], f"lookdown-hil {version('lookdown')}"),
    ):
        with pytest.raises(SystemExit) as left:
            main(arguments)
        assert left.value.code == 0
        assert said in capsys.readouterr().out


def test_what_cannot_be_used_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = SMALL.read_text(encoding="utf-8")
    wrong_key, wrong_metric = tmp_path / "key.toml", tmp_path / "metric.toml"
    wrong_key.write_text(text.replace("duration_s", "duration"), encoding="utf-8")
    wrong_metric.write_text(text.replace('"link.lost"', '"link.losses"'), encoding="utf-8")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work", encoding="utf-8")
    for scenario, out, said in (
        (wrong_key, tmp_path / "out", "duration"),
        (wrong_metric, tmp_path / "out", "did you mean 'link.lost'"),
        (tmp_path / "none.toml", tmp_path / "out", "none.toml"),
        (SMALL, tmp_path / "full", "choose --out"),
    ):
        assert main(["run", str(scenario), "--out", str(out)]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.startswith("lookdown-hil: ")
        assert error.count("\n") == 1
        assert not (tmp_path / "out").exists()
    with pytest.raises(SystemExit) as left:
        main(["run", str(SMALL), "--out", str(tmp_path / "out"), "--pace", "fast"])
    assert left.value.code == 2
    assert "wanted a number from 0.01 to 100, came 'fast'" in capsys.readouterr().err


def test_a_run_ends_with_its_verdicts_and_its_report(run: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, done = run
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith(f"report: {folder / 'report.html'}")
    assert "LINK-1" in done.stdout
    assert "frames sent" in done.stderr
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "All 3 requirements pass" in page
    suite = ElementTree.parse(folder / "junit.xml").find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "0", "0")


def test_no_report_is_lost_and_everything_is_measured(run: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    tree = json.loads((run[0] / "report.json").read_text(encoding="utf-8"))
    link = tree["link"]
    assert (link["lost"], link["reports_missing"]) == (0, 0)
    assert link["sent"] == link["received"] > 160
    assert (link["protection"], link["refused"]) == ("encrypted and sealed", 0)
    assert "each packet sealed from satellite to ground" in (run[0] / "report.html").read_text(encoding="utf-8")
    late = tree["frames"]["late"]
    assert tree["frames"] == {"sent": 160, "dropped": 0, "late": late, "missed": 0, "refused": 0}
    assert 0 < tree["latency_ms"]["p50"] <= tree["latency_ms"]["p99"] <= tree["latency_ms"]["max"]
    assert tree["latency_ms"]["reports"] == 160
    assert [len(row["tracks"]) for row in tree["tracks"]["per_mover"]] == [1, 1]
    assert tree["tracks"]["rmse_m"] < 300
    assert [row["role"] for row in tree["processes"]] == ["ground", "flight-3", "flight-8", "inject-3", "inject-8"]
    assert all(row["status"] == 0 and row["cpu_s"] > 0 for row in tree["processes"])


def test_the_recording_fused_again_gives_the_tracks_of_the_live_run(
    run: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    recording, again = run[0] / "ground" / "received.ldrec", tmp_path / "tracks.jsonl"
    config = run[0] / "run" / "ground.toml"
    assert ground_main(["fuse", str(recording), "--out", str(again), "--config", str(config)]) == 0
    live = HistoryReader(run[0] / "ground").updates()
    fields = ("track_id", "time_ns", "position_m", "velocity_m_s")
    wanted = list(zip(*(live[name].tolist() for name in fields), strict=True))
    lines = [json.loads(line) for line in again.read_text(encoding="utf-8").splitlines()]
    assert len(wanted) > 20
    keys = ("id", "time_ns", "position_m", "velocity_m_s")
    assert [tuple(line[key] for key in keys) for line in lines] == wanted


def test_a_stopped_run_stops_its_processes_and_says_what_was_not_tested(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lookdown.hil", "run", str(SMALL), "--out", str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if "starting 5 processes" in line:
                break
        running.send_signal(signal.SIGINT)
        out, error = running.communicate(timeout=60)
    assert running.returncode == 130, out + error
    assert "stopped by the user" in error
    tree = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert {item["verdict"] for item in tree["requirements"]} <= {"not tested", "fail"}
    left = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and os.access(process / "cmdline", os.R_OK):
            try:
                left.append(str(tmp_path) in (process / "cmdline").read_text(encoding="utf-8", errors="replace"))
            except OSError:
                continue
    assert not any(left)


def test_render_writes_frames_and_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import h5py

    short = tmp_path / "short.toml"
    short.write_text(
        SMALL.read_text(encoding="utf-8").replace("duration_s = 8.0", "duration_s = 0.4"), encoding="utf-8"
    )
    assert main(["render", str(short), "--out", str(tmp_path / "frames.h5")]) == 0
    assert capsys.readouterr().out == f"frames: {tmp_path / 'frames.h5'}\n"
    with h5py.File(tmp_path / "frames.h5") as file:
        assert file["satellite_3/frames"].shape == (4, 128, 160)
