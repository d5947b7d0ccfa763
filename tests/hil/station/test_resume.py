"""A run whose station is killed, and gone on with: what was done is kept, what was cut in two is not tested."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lookdown.hil.__main__ import main
from lookdown.hil.rig import RigError
from lookdown.hil.station.course import Course
from lookdown.hil.station.frames import Frames
from lookdown.hil.station.journal import NAME, Journal, read_journal
from lookdown.hil.station.target import Injected
from tests.hil.station.conftest import Prepared

PROCESS = Path(__file__).parents[3] / "config" / "rig" / "process.toml"
DIES = """
import os, signal, sys
from lookdown.hil import __main__ as command
from lookdown.hil.station.command import RigProgress

def frame(self, number, total):
    if number == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)

RigProgress.frame = frame
command.main(sys.argv[2:])
"""


def test_a_run_whose_station_was_killed_is_gone_on_with(
    short: Prepared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    rig = ["rig", str(PROCESS), str(short.path), "--out", str(out), "--frames", str(short.frames), "--pace", "4"]
    died = subprocess.run([sys.executable, "-c", DIES, "28", *rig], check=False, capture_output=True)
    assert died.returncode == -signal.SIGKILL
    pid = read_journal(out, short.path).ground_pid
    assert Path(f"/proc/{pid}").exists()
    assert not (out / "report.json").exists()

    main([*rig, "--resume"])
    report = json.loads((out / "report.json").read_text())
    assert report["failure"] == ""
    (incident,) = report["incidents"]
    assert incident == "the run was interrupted at frame 28 and gone on with from there"
    verdict = {fault["kind"]: fault["verdict"] for fault in report["faults"]}
    # The station died while the board of "killed" was down; what came before and after is judged as ever.
    assert verdict == {"torn": "pass", "repeated": "pass", "hot-pixel": "pass", "killed": "not tested",
                       "link-down": "pass", "stopped": "pass"}  # fmt: skip
    counts = {one["id"]: one["verdict"] for one in report["requirements"] if one["id"].startswith("COUNT")}
    assert counts == {"COUNT-1": "not tested", "COUNT-2": "not tested", "COUNT-3": "pass", "COUNT-4": "pass",
                      "COUNT-5": "pass"}  # fmt: skip
    page = (out / "report.html").read_text()
    assert incident in page
    assert "the run was interrupted at frame 28, in the midst of it" in page
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)

    assert main([*rig, "--resume"]) == 2
    assert "got to its end" in capsys.readouterr().err


def test_what_cannot_be_gone_on_with_is_named(short: Prepared, everything: Prepared, tmp_path: Path) -> None:
    with pytest.raises(RigError, match="holds no run that could be gone on with"):
        read_journal(tmp_path, short.path)
    folder = short.folder(tmp_path / "run")
    (folder / "run" / "scenario.toml").write_bytes(short.path.read_bytes())
    with Journal(folder) as journal:
        journal.frame(3, {})
    with pytest.raises(RigError, match="of another scenario"):
        read_journal(folder, everything.path)


def test_a_torn_line_of_the_journal_is_left_out(short: Prepared, tmp_path: Path) -> None:
    folder = short.folder(tmp_path / "run")
    (folder / "run" / "scenario.toml").write_bytes(short.path.read_bytes())
    with Journal(folder) as journal:
        journal.frame(3, {3: Injected(sent=4, frames=3)})
        journal.incident("away", {(3, 2)})
    path = folder / "run" / NAME
    for cut in range(1, 30):
        with Journal(folder) as journal:
            journal.frame(4, {})
        os.truncate(path, path.stat().st_size - cut)
        found = read_journal(folder, short.path)
        assert (found.given, found.injected[3].sent, found.untested) == (3, 4, {(3, 2)})
    with Journal(folder) as journal:
        journal.frame(5, {})
    assert read_journal(folder, short.path).given == 5


def test_a_course_is_laid_out_up_to_where_it_was_left(short: Prepared, tmp_path: Path) -> None:
    folder = short.folder(tmp_path / "run")
    (folder / "run" / "scenario.toml").write_bytes(short.path.read_bytes())
    with Frames(short.frames) as frames:
        whole, left = Course.of(short.scenario, frames, 3, {}), Course.of(short.scenario, frames, 3, {})
        with Journal(folder) as journal:
            for step in whole.steps():
                if step.number == 36:
                    break
                for note in step.ends:
                    note.ended_ns = 2 * step.number
                    journal.note(note)
                for note in step.begins:
                    note.begun_ns = step.number
                    journal.note(note)
                whole.messages(step.number, 0)
                journal.frame(step.number + 1, {})
        read_journal(folder, short.path).lay_out(left)
    assert left.withheld == whole.withheld
    assert {k for _, k in left.withheld} == {8, 26, 27, 28}  # torn, killed
    assert left.expected == whole.expected
    assert [note.fault.kind for note in left.notes if note.not_tested] == ["link-down"]  # 34 to 37
    assert [(note.begun_ns, note.ended_ns) for note in left.notes] == [
        (8, 18), (12, 26), (14, 44), (26, 58), (34, 0), (0, 0)
    ]  # fmt: skip
