"""The command ``lookdown-hil roc``: end to end, killed and taken up again, and what it refuses."""

import errno
import fcntl
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from lookdown.hil.__main__ import main
from lookdown.hil.campaign import roc as campaign
from lookdown.hil.campaign.plan import RocPlan
from lookdown.hil.campaign.roc import run_campaign
from lookdown.hil.campaign.store import write_whole
from lookdown.hil.campaign.workers import WorkerError

SMALL = Path(__file__).parents[1] / "small.toml"
PLAN = RocPlan(snr=(5.0, 9.0), thresholds=(3.5, 4.5), frames=8, warm_up=8, seeds=7, targets=2, white=True)

_CAMPAIGN = """
import os, signal, sys
from pathlib import Path
from lookdown.hil.campaign.roc import run_campaign
from lookdown.hil.campaign.plan import RocPlan

def progress(units, frames, total):
    if units >= 2 and frames > 16 * units:  # in the midst of another
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    plan = RocPlan(
        snr=(5.0, 9.0), thresholds=(3.5, 4.5), frames=8, warm_up=8, seeds=7, targets=2, white=True
    )
    run_campaign(Path(sys.argv[1]), Path(sys.argv[2]), plan, 2, progress=progress)
"""


def line_of(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that an error takes."""
    text = capsys.readouterr().err
    lines = [line for line in text.splitlines() if line.startswith("lookdown-hil")]
    assert len(lines) == 1, text
    assert "Traceback" not in text
    return lines[0]


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out pictures and page, which take a second or two."""
    monkeypatch.setattr(campaign, "PICTURES", {})
    monkeypatch.setattr(campaign, "write_page", lambda _: "")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A campaign that nothing interrupted."""
    folder = tmp_path_factory.mktemp("roc") / "whole"
    run_campaign(SMALL, folder, PLAN, 1)
    return folder


def test_the_command_leaves_curves_counts_and_a_page(tmp_path: Path) -> None:
    out = tmp_path / "new" / "roc"
    command = [sys.executable, "-m", "lookdown.hil", "roc", str(SMALL), "--out", str(out), "--jobs", "2"]
    command += ["--snr", "6,12,25", "--thresholds", "3.5,4.5", "--frames", "10", "--warm-up", "20"]
    command += ["--seeds", "3", "--targets", "3"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == f"report: {out / 'roc.html'}"
    assert "3 of 3 units" in ended.stderr
    assert sorted(path.name for path in out.iterdir()) == [
        "campaign.json", "pd_pfa.png", "pd_snr.png", "roc.html", "roc.json", "units",
    ]  # fmt: skip
    tree = json.loads((out / "roc.json").read_text(encoding="utf-8"))
    assert (tree["scenario"], tree["seed"], tree["snr"], tree["thresholds"]) == ("small", 7, [6, 12, 25], [3.5, 4.5])
    assert tree["settings"]["frames"] == 10
    assert len(tree["units"]) == tree["settings"]["seeds"] == 3
    assert tree["frames"] == 30
    assert np.sum([unit["hits"] for unit in tree["units"]], axis=0).tolist() == tree["hits"]
    for k, chances in enumerate(tree["chances"]):
        for t in range(2):
            low, value, high = (tree["pd"][name][k][t] for name in ("low", "value", "high"))
            assert value == tree["hits"][k][t] / chances
            assert 0.0 <= low <= value <= high <= 1.0
    assert tree["pd"]["value"][2][0] > tree["pd"]["value"][0][1]
    assert tree["pfa"]["value"] == [false / tree["pixels"] for false in tree["false"]]
    for name in ("pd_snr", "pd_pfa"):
        picture = cv2.imread(str(out / f"{name}.png"))
        assert picture is not None
        assert picture.shape[1] > 1000
        assert picture.std() > 5.0
    page = (out / "roc.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 2
    assert "src=" not in page
    assert 'href="http' not in page
    assert "$" not in page.split("</style>")[1].replace("$\\", "")
    assert "matched filter" in page


def test_a_killed_campaign_goes_on_and_ends_with_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    script, out = tmp_path / "campaign.py", tmp_path / "killed"
    script.write_text(_CAMPAIGN, encoding="utf-8")
    command = [sys.executable, str(script), str(SMALL), str(out)]
    ended = subprocess.run(command, check=False, timeout=120, stderr=subprocess.DEVNULL)
    assert ended.returncode == -signal.SIGKILL
    assert not (out / "roc.json").exists()
    before = {path: path.stat().st_mtime_ns for path in out.glob("units/[!.]*")}
    assert 2 <= len(before) < PLAN.seeds
    told: list[int] = []
    run_campaign(SMALL, out, PLAN, 2, progress=lambda units, _frames, _total: told.append(units))
    assert told[0] >= 2
    assert told == sorted(told)
    assert told[-1] == PLAN.seeds
    assert all(path.stat().st_mtime_ns == mtime for path, mtime in before.items())
    for name in ("roc.json", "roc.html", "pd_snr.png", "pd_pfa.png"):
        assert (out / name).read_bytes() == (whole / name).read_bytes(), name


@pytest.mark.usefixtures("undrawn")
def test_more_seeds_go_on_with_what_is_there_and_damaged_counts_are_done_again(whole: Path, tmp_path: Path) -> None:
    few = RocPlan(**{**vars(PLAN), "seeds": 3})
    run_campaign(SMALL, tmp_path, few, 1)
    units = sorted(tmp_path.glob("units/*"))
    units[1].write_text('{"chances": [1', encoding="utf-8")
    told: list[int] = []
    run_campaign(SMALL, tmp_path, PLAN, 1, progress=lambda units, _frames, _total: told.append(units))
    assert told[0] == 2
    assert (tmp_path / "roc.json").read_bytes() == (whole / "roc.json").read_bytes()


@pytest.mark.usefixtures("undrawn")
def test_other_settings_are_refused_unless_begun_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def begin(*more: str) -> int:
        given = ["--snr", "5,9", "--thresholds", "3.5,4.5", "--frames", "8", "--warm-up", "8", "--seeds", "1"]
        return main(
            ["roc", str(scenario), "--out", str(out), "--targets", "2", "--white", "--jobs", "1", *given, *more]
        )

    out, scenario = tmp_path / "roc", tmp_path / "small.toml"
    text = SMALL.read_text(encoding="utf-8")
    scenario.write_text(text, encoding="utf-8")
    assert begin() == 0
    capsys.readouterr()
    assert begin("--snr", "5,8") == 2
    assert "was begun with another snr (was 5,9, now is 5,8)" in (said := line_of(capsys))
    assert "--restart" in said
    scenario.write_text(text.replace("seed = 7", "seed = 8"), encoding="utf-8")
    assert begin() == 2
    assert "was begun with another scenario" in line_of(capsys)
    assert begin("--restart") == 0
    assert json.loads((out / "roc.json").read_text(encoding="utf-8"))["seed"] == 8
    assert len(list(out.glob("units/*"))) == 1


def test_what_cannot_be_used_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "draft.txt").write_text("years of work", encoding="utf-8")
    out = tmp_path / "out"
    for arguments, said in (
        (["--frames", "0"], "frames: wanted 1 to 100000, got 0"),
        (["--snr", "0,5"], "snr: wanted levels from 0.1 to 1000"),
        (["--thresholds", "1,5"], "thresholds: wanted 3 to 100"),
        (["--seeds", "0"], "seeds: wanted"),
        (["--targets", "0"], "targets: wanted"),
        (["--jobs", "0"], "jobs: wanted 1 or more"),
        (["--frames", "60"], "wanted with --warm-up no more than the scenario's 80 frames, got 50 + 60"),
        (["--snr", "4;5"], "wanted numbers with commas between, such as 4,6,8; came '4;5'"),
        (["--out", str(tmp_path / "thesis")], "wanted a new folder or one that a campaign left, came another"),
        (["--out", str(tmp_path / "thesis" / "draft.txt")], "wanted a folder, came a file"),
        (["--out", "/proc/roc"], "/proc/roc: cannot be written"),
    ):
        try:
            status = main(["roc", str(SMALL), "--out", str(out), "--frames", "8", *arguments])
        except SystemExit as left:
            status = int(left.code or 0)
        assert status == 2, arguments
        assert said in line_of(capsys)
    assert main(["roc", str(tmp_path / "none.toml"), "--out", str(out)]) == 2
    assert "none.toml" in line_of(capsys)
    assert not out.exists() or not (out / "roc.json").exists()


def test_too_many_targets_are_told_from_the_process_that_finds_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["roc", str(SMALL), "--out", str(tmp_path), "--targets", "300", "--white", "--jobs", "1"]) == 2
    assert "targets: 300 find no room" in line_of(capsys)


def test_a_process_that_dies_is_reported(tmp_path: Path) -> None:
    def progress(_units: int, frames: int, _total: int) -> None:
        if frames == 20:
            children = multiprocessing.active_children()
            assert children
            os.kill(children[0].pid or 0, signal.SIGKILL)

    with pytest.raises(WorkerError, match=r"died in unit \d \(killed by SIGKILL.*the same command goes on"):
        run_campaign(SMALL, tmp_path, PLAN, 1, progress=progress)
    assert not multiprocessing.active_children()
    assert len(list(tmp_path.glob("units/[!.]*"))) == 1


def test_ctrl_c_says_that_the_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(campaign, "carry_out", interrupted)
    assert main(["roc", str(SMALL), "--out", str(tmp_path), "--frames", "9"]) == 130
    assert line_of(capsys) == "lookdown-hil: stopped; the same command goes on with it"


def test_two_campaigns_do_not_share_a_folder(tmp_path: Path) -> None:
    handle = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="another campaign works in it; wait for it or choose another folder"):
            run_campaign(SMALL, tmp_path, PLAN, 1)
    finally:
        os.close(handle)


def test_a_full_disk_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"unit\.json: the disk is full; free some and give the same command, it goes on"):
        write_whole(tmp_path / "unit.json", b"{}")
    assert list(tmp_path.iterdir()) == []
