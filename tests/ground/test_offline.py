"""A recording in, tracks out: the Python face and the command, on whole, torn and empty recordings."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from lookdown.ground import fuse
from lookdown.ground.__main__ import main
from lookdown.wire.envelope import Delivery
from lookdown.wire.errors import ConfigError, WireError
from lookdown.wire.messages import Health, TrackStatus
from lookdown.wire.packet import encode
from lookdown.wire.recording import Recorder


@pytest.fixture(scope="module")
def recorded(world, tmp_path_factory):
    """Recording of three satellites that see one fast mover for 3 s."""
    scene = world(seed=8, false_plots=2.0)
    scene.add_mover(-3e3, 0.0, 30e3, 2000.0, 90.0)
    path = tmp_path_factory.mktemp("recorded") / "received.ldrec"
    with Recorder(path) as recorder:
        for sequence, report in enumerate(scene.reports(3.0)):
            recorder.append(Delivery(report.sensor_id, 0, 0, encode(report), 1, sequence))
    return scene, path


def test_a_recording_gives_tracks_without_any_configuration(recorded):
    scene, path = recorded
    updates = fuse(path)
    live = updates[updates["status"] == TrackStatus.CONFIRMED]
    assert len(np.unique(live["track_id"])) == 1
    last = live[-1]
    truth = scene.truth(int(last["time_ns"]))[0]
    sigma = np.sqrt(np.diagonal(last["covariance"]))
    assert np.all(np.abs(last["position_m"] - truth[:3]) < 4.0 * sigma[:3])
    assert np.all(np.abs(last["velocity_m_s"] - truth[3:]) < 4.0 * sigma[3:])
    assert last["n_sensors"] == 3
    assert np.all(np.diff(updates["time_ns"]) >= 0)


def test_parameters_reach_fusion_and_wrong_ones_are_told(recorded):
    _, path = recorded
    assert not (fuse(path, confirm_score=1e6)["status"] == TrackStatus.CONFIRMED).any()
    with pytest.raises(ConfigError, match="did you mean 'confirm_score'"):
        fuse(path, confirm_scor=3.0)
    with pytest.raises(ConfigError, match="hold_s: wanted a number above 0"):
        fuse(path, hold_s=-1.0)


def test_command_writes_a_line_an_update_and_leaves_out_a_torn_end(recorded, tmp_path, capsys):
    _, path = recorded
    torn = tmp_path / "torn.ldrec"
    torn.write_bytes(path.read_bytes()[:-30])
    assert main(["fuse", str(torn), "--out", "-"]) == 0
    said = capsys.readouterr()
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert {line["status"] for line in lines} == {"tentative", "confirmed"}
    assert len(lines[0]["position_m"]) == len(lines[0]["sigma_velocity_m_s"]) == 3
    assert "89 reports (0 refused, " in said.err
    assert "damaged octets left out" in said.err
    assert main(["fuse", str(path), "--out", str(tmp_path / "no" / "out.jsonl")]) == 2
    assert "--out" in capsys.readouterr().err


def test_a_recording_without_reports_is_told(tmp_path):
    path = tmp_path / "empty.ldrec"
    with Recorder(path) as recorder:
        recorder.append(Delivery(1, 0, 0, encode(Health(1, 0, 0, 0, 0, 0, 0, 0, 0)), 1, 1))
        recorder.append(Delivery(1, 0, 0, b"noise", 1, 2))
    with pytest.raises(WireError, match="wanted plot reports, came a recording without any"):
        fuse(path)


def test_the_command_asks_for_one_thread_of_linear_algebra_before_numpy_is_loaded(tmp_path):
    code = (
        "import os, sys; from lookdown.ground import __main__ as command; loaded = 'numpy' in sys.modules; "
        "command.main(['fuse', 'none.ldrec', '--out', '-']); print(loaded, os.environ['OPENBLAS_NUM_THREADS'])"
    )
    for given, wanted in (({}, "False 1"), ({"OPENBLAS_NUM_THREADS": "2"}, "False 2")):
        without = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, env=without | given, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.stdout.strip() == wanted
