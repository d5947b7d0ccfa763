"""Merge and split: of two tracks of one mover the elder's identity goes on; a mover that parts gets its own soon."""

from dataclasses import replace

import numpy as np
import pytest

from lookdown.ground.events import Happening
from lookdown.ground.fusion import Fusion
from lookdown.ground.ingest import Ingest
from lookdown.wire.messages import TrackStatus

EPOCH_NS = 1_800_000_000_000_000_000


def fused(fusion, ingest, reports):
    events = []
    for report in reports:
        events += fusion.step(ingest.offer(report))
    return [event for event in events if isinstance(event, Happening)], events


@pytest.mark.parametrize("elder_is_better", [True, False])
def test_the_elder_of_two_tracks_of_one_mover_goes_on(world, elder_is_better):
    scene = world(seed=5, false_plots=1.0, rate_hz=5.0)
    scene.add_mover(-3e3, 5e3, 10e3, 250.0, 60.0)
    chosen = scene.parameters()
    fusion, ingest = Fusion(chosen), Ingest(chosen)
    reports = list(scene.reports(8.0))
    fused(fusion, ingest, reports[:90])
    (row,) = np.flatnonzero(fusion.table.live)
    name = int(fusion.table.track_id[row])
    twin = fusion.table.take(np.array([row]))
    twin.track_id[:], twin.born_ns[:] = 999, twin.born_ns + 10**9
    twin.state[:, :3] += 20.0
    twin.score += -5.0 if elder_is_better else 5.0
    fusion.table.extend(twin)
    happened, events = fused(fusion, ingest, reports[90:])
    assert [event.text for event in happened if event.kind == "merged"] == [f"track 999 merged into {name}"]
    assert fusion.table.track_id[fusion.table.live].tolist() == [name]
    ended = [u for e in events if not isinstance(e, Happening) for u in e.updates if u["status"] == TrackStatus.DROPPED]
    assert [int(update["track_id"]) for update in ended if update["track_id"] in (999, name)] == [999]


def test_a_mover_that_parts_gets_a_second_identity_and_the_first_goes_on(world):
    """A second mover leaves the first at 5 s by 80 m/s; both are one plot until they are 2.5 pixels apart."""
    scene = world(seed=6, false_plots=2.0, rate_hz=5.0)
    scene.add_mover(-3e3, 5e3, 10e3, 250.0, 60.0)
    turned = np.radians([60.0, 78.4])
    back_m = 5.0 * 250.0 * (np.array([np.sin(turned[0]), np.cos(turned[0])]) - [np.sin(turned[1]), np.cos(turned[1])])
    scene.add_mover(-3e3 + back_m[0], 5e3 + back_m[1], 10e3, 250.0, 78.4)
    chosen = scene.parameters()
    fusion, ingest = Fusion(chosen), Ingest(chosen)
    happened, apart_s = [], None
    for report in scene.reports(15.0):
        names = scene.origin[report.sensor_id, report.frame_id]
        at_s = (report.time_ns - EPOCH_NS) * 1e-9
        one = at_s < 5.0 or 80.0 * (at_s - 5.0) < 2.5 * 100.0  # a pixel is some 100 m
        if one:
            report = replace(report, sights=report.sights[names != 1])
        elif apart_s is None:
            apart_s = at_s
        happened += [event for event in fusion.step(ingest.offer(report)) if isinstance(event, Happening)]
    told = [event for event in happened if event.kind == "confirmed"]
    assert len(told) == 2
    assert not [event for event in happened if event.kind in ("dropped", "merged")]
    first, second = (int(event.text.split()[1]) for event in told)
    assert set(fusion.table.track_id[fusion.table.live].tolist()) == {first, second}
    truth, table = scene.truth(fusion.save().time_ns), fusion.table
    for mover, name in enumerate((first, second)):
        (row,) = np.flatnonzero(table.track_id == name)
        assert np.linalg.norm(table.state[row, :3] - truth[mover, :3]) < 150.0
    assert 0.0 < (told[1].time_ns - EPOCH_NS) * 1e-9 - apart_s < 5.0
