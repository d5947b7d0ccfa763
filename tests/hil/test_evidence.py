"""What a run left: frames that the sensor dropped are no chance to see anything, and no report of them is missing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from lookdown.hil.evidence import gather
from lookdown.hil.plan import Scenario
from lookdown.hil.score import Settings, score_run
from lookdown.hil.sensor.detector import frame_dropped
from lookdown.hil.truth import Truth
from lookdown.wire.envelope import Delivery
from lookdown.wire.messages import PlotFlag, ReportFlag
from lookdown.wire.packet import encode
from lookdown.wire.recording import Recorder
from tests.wire.samples import report


def test_dropped_frames_are_neither_chances_nor_missing_reports(
    small_plan: Callable[..., Scenario], tmp_path: Path
) -> None:
    scenario = small_plan(sensor={"frame_drop_probability": 0.3})
    ids = [satellite.id for satellite in scenario.satellite]
    dropped = {i: [k for k in range(40) if frame_dropped(scenario.sensor, scenario.seed, i, k)] for i in ids}
    assert all(4 < len(frames) < 20 for frames in dropped.values())
    assert dropped[ids[0]] != dropped[ids[1]]
    counters = {f"inject-{i}": {"sent": 40 - len(dropped[i]), "dropped": len(dropped[i]), "late": 0} for i in ids}
    evidence = gather(scenario, Truth(scenario), tmp_path / "none", tmp_path / "none", counters, 0.5)
    for i in ids:
        frames = evidence.exposures["frame_id"][evidence.exposures["sensor_id"] == i]
        assert sorted([*frames, *dropped[i]]) == list(range(40))
        assert set(evidence.seen["frame_id"][evidence.seen["sensor_id"] == i]) == set(frames)
    assert int(evidence.exposures["time_ns"].max()) == int(scenario.frame_time_ns(39 if 39 in frames else frames[-1]))
    assert evidence.frames is not None
    assert evidence.frames["dropped"] == sum(map(len, dropped.values()))
    evidence.exposures["reported"] = True
    figures = score_run(evidence, Settings()).figures
    assert figures["frames"]["sent"] + figures["frames"]["dropped"] == 40 * len(ids)
    assert figures["link"]["reports_missing"] == 0
    assert np.sum([row["frames"] for row in figures["detection"]["per_satellite"]]) == figures["frames"]["sent"]


def test_what_a_board_says_is_a_star_is_no_false_plot(small_plan: Callable[..., Scenario], tmp_path: Path) -> None:
    scenario = small_plan()
    sensor_id, path = scenario.satellite[0].id, tmp_path / "received.ldrec"
    sights = report(3).sights
    sights["flags"] = [0, PlotFlag.STAR, PlotFlag.STAR | PlotFlag.DARK]
    recorder = Recorder(path)
    for frame_id in range(3):
        seen = replace(
            report(3), sensor_id=sensor_id, frame_id=frame_id, time_ns=int(scenario.frame_time_ns(frame_id)),
            sights=sights, flags=ReportFlag.NONE,
        )  # fmt: skip
        recorder.append(Delivery(sensor_id, 0, 0, encode(seen, frame_id)))
    recorder.commit()
    recorder.close()
    evidence = gather(scenario, Truth(scenario), path, tmp_path / "none", {}, 0.5)
    assert evidence.exposures["n_plots"][evidence.exposures["reported"]].tolist() == [3, 3, 3]
    assert evidence.plots["frame_id"].tolist() == [0, 1, 2]
    assert not np.any(evidence.plots["flags"] & PlotFlag.STAR)
