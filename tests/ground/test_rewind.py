"""Late reports: the same tracks as in order, to the last bit; told once; and what a live picture loses meanwhile."""

import pickle
from dataclasses import fields, replace

import numpy as np
import pytest

from lookdown.ground.events import Happening, ReportFused
from lookdown.ground.fusion import Fusion
from lookdown.ground.ingest import Ingest
from lookdown.ground.rewind import Rewind
from lookdown.wire.errors import WireError
from lookdown.wire.messages import TrackStatus

EPOCH_NS = 1_800_000_000_000_000_000
SECOND_NS = 1_000_000_000


def scene_of(world, seed=3, false_plots=3.0):
    scene = world(seed=seed, false_plots=false_plots, rate_hz=5.0)
    scene.add_mover(-3e3, 5e3, 10e3, 250.0, 60.0)
    scene.add_mover(6e3, -4e3, 11e3, 230.0, 190.0)
    scene.add_mover(-9e3, -3e3, 20e3, 900.0, 90.0)
    return scene


def come(reports, delay_ns):
    """Reports in order of their arrival, those of sensor 3 ``delay_ns`` late."""
    return sorted(reports, key=lambda r: (r.time_ns + (delay_ns if r.sensor_id == 3 else 0), r.sensor_id))


def fused(parameters, reports):
    """Fusion of reports in the order given, all events, and the fusion."""
    fusion, ingest = Fusion(parameters), Ingest(parameters)
    rewind, events = Rewind(fusion, parameters), []
    for report in reports:
        events += rewind.step(ingest.offer(report))
    events += rewind.step(ingest.flush()) + rewind.catch_up()
    return fusion, ingest, events


def happenings(events):
    return [event for event in events if isinstance(event, Happening)]


@pytest.mark.parametrize(("delay_s", "every_s"), [(0.7, 0.01), (3.0, 0.5), (4.7, 1.0)])
def test_late_reports_leave_the_tracks_of_reports_in_order_to_the_last_bit(world, delay_s, every_s):
    scene = scene_of(world, false_plots=10.0)
    reports = list(scene.reports(9.0))
    parameters = scene.parameters(hold_s=0.25, late_every_s=every_s)
    in_order, _, _ = fused(replace(parameters, hold_s=10.0), reports)
    late, ingest, events = fused(parameters, come(reports, round(delay_s * SECOND_NS)))
    assert ingest.counters[3, "accepted_late"] > 20
    assert ingest.counters[3, "late"] == 0
    a, b = in_order.table, late.table
    assert len(a) > 3
    for field in fields(a):
        if field.name != "track_id":
            np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name), err_msg=field.name)
    assert len(np.unique(b.track_id)) == len(b)
    for (sensor, name), count in in_order.counters.items():
        assert late.counters[sensor, name] == count, name
    # Every report is told once.
    told = [(e.arrival.report.sensor_id, e.arrival.report.frame_id) for e in events if isinstance(e, ReportFused)]
    assert sorted(told) == sorted((report.sensor_id, report.frame_id) for report in reports)


def test_a_track_keeps_its_identity_and_is_confirmed_once(world):
    scene = scene_of(world)
    reports = come(list(scene.reports(12.0)), 3 * SECOND_NS)
    fusion, _, events = fused(scene.parameters(hold_s=0.25), reports)
    told = [event.text.split(",")[0] for event in happenings(events) if event.kind == "confirmed"]
    assert len(told) == len(set(told))
    live = fusion.table.track_id[fusion.table.live]
    assert len(live) == 3
    assert {f"track {number} confirmed" for number in live.tolist()} <= set(told)
    # Whoever follows the updates alone ends with the live tracks, as they are.
    last = {}
    for event in events:
        if isinstance(event, ReportFused):
            for update in event.updates:
                if update["track_id"] not in last or update["time_ns"] >= last[update["track_id"]]["time_ns"]:
                    last[int(update["track_id"])] = update
    shown = {number for number, update in last.items() if update["status"] in (1, 2)}
    assert shown == set(live.tolist())
    for number in shown:
        row = np.flatnonzero(fusion.table.track_id == number)[0]
        if last[number]["time_ns"] == fusion.save().time_ns:
            np.testing.assert_array_equal(last[number]["position_m"], fusion.table.state[row, :3])


def test_a_live_track_that_late_reports_speak_against_is_dropped_in_public(world):
    """Two satellites confirm a crossing; the third, late, sees nothing there, and its misses end the track."""
    scene = scene_of(world, false_plots=0.0)
    reports = list(scene.reports(4.0))
    blind = [replace(r, sights=r.sights[:0]) if r.sensor_id == 3 else r for r in reports]
    # A miss weighs more than two hits.
    sure = {"probability_of_detection": 1.0 - 1e-12, "confirm_after_s": 0.1, "min_displacement_m": 1.0}
    parameters = scene.parameters(hold_s=0.25, **sure)
    fusion, _, events = fused(parameters, come(blind, 2 * SECOND_NS))
    in_order, _, _ = fused(replace(parameters, hold_s=10.0), blind)
    assert fusion.table.live.sum() == in_order.table.live.sum()
    kinds = [event.kind for event in happenings(events)]
    assert kinds.count("confirmed") - kinds.count("dropped") == fusion.table.live.sum()
    assert "dropped" in kinds
    ends = [u for e in events if isinstance(e, ReportFused) for u in e.updates if u["status"] == TrackStatus.DROPPED]
    assert ends


def test_what_is_too_late_is_refused_and_counted(world):
    scene = scene_of(world)
    reports = list(scene.reports(8.0))
    parameters = scene.parameters(hold_s=0.25)
    ingest = Ingest(parameters)
    for report in reports:
        if report.sensor_id != 3:
            ingest.offer(report)
    third = [report for report in reports if report.sensor_id == 3]
    with pytest.raises(WireError, match="older than what was fused"):
        ingest.offer(third[0])
    assert ingest.counters[3, "late"] == 1
    (late,) = ingest.offer(third[-10])
    assert late.report.frame_id == third[-10].frame_id
    assert ingest.counters[3, "accepted_late"] == 1
    rewind = Rewind(Fusion(parameters), parameters)
    rewind.step([late])
    far = replace(late, report=replace(late.report, time_ns=late.report.time_ns - 6 * SECOND_NS))
    with pytest.raises(ValueError, match="seconds late"):
        rewind.step([far])


def test_a_past_that_was_pickled_goes_on_as_if_it_had_not(world):
    """The live state of a ground process is its pickled pipeline: late reports that wait survive it."""
    scene = scene_of(world)
    parameters = scene.parameters(hold_s=0.25, late_every_s=2.0)
    reports = come(list(scene.reports(7.0)), 2 * SECOND_NS)
    ends = []
    for broken in (False, True):
        fusion, ingest = Fusion(parameters), Ingest(parameters)
        rewind = Rewind(fusion, parameters)
        for number, report in enumerate(reports):
            rewind.step(ingest.offer(report))
            if broken and number == 60:
                assert rewind._waiting
                fusion, rewind, ingest = pickle.loads(pickle.dumps((fusion, rewind, ingest)))
        rewind.step(ingest.flush())
        rewind.catch_up()
        ends.append(fusion.table)
    for field in fields(ends[0]):
        np.testing.assert_array_equal(*(getattr(end, field.name) for end in ends))


@pytest.mark.proof
def test_a_satellite_five_seconds_late_does_the_live_picture_no_harm(world, record_property):
    """Errors of the live picture each half second: all in time, the third late, and absent; 12 runs, paired."""
    errors = {"in time": {}, "late": {}, "absent": {}}
    for seed in range(12):
        scene = scene_of(world, seed=seed, false_plots=2.0)
        scene.pointing_rad = 15e-6
        reports = list(scene.reports(20.0))
        parameters = scene.parameters(hold_s=0.25, late_every_s=1.0)
        ways = {
            "in time": reports,
            "late": come(reports, round(4.7 * SECOND_NS)),
            "absent": [report for report in reports if report.sensor_id != 3],
        }
        for name, way in ways.items():
            fusion, ingest = Fusion(parameters), Ingest(parameters)
            rewind, due_ns = Rewind(fusion, parameters), EPOCH_NS + 9 * SECOND_NS
            for report in way:
                rewind.step(ingest.offer(report))
                if report.sensor_id != 3 and report.time_ns >= due_ns:
                    due_ns += SECOND_NS // 2
                    picture = fusion.picture(report.time_ns)
                    found = errors_of(picture, scene.truth(report.time_ns))
                    errors[name] |= {(seed, report.time_ns, mover): square for mover, square in found.items()}
    common = set.intersection(*(set(of) for of in errors.values()))
    assert len(common) > 300
    rmse = {name: np.sqrt(np.mean([of[key] for key in common])) for name, of in errors.items()}
    line = ", ".join(f"{name} {value:.1f} m" for name, value in rmse.items())
    record_property("picture_rmse", line)
    print(f"\n{len(common)} pairs: {line}; tracks {[len(of) for of in errors.values()]}")
    # Two that see on and on leave a third little to add that is five seconds old; it must not do harm.
    assert rmse["late"] <= 1.05 * rmse["absent"]


def errors_of(picture, truth):
    """Squared position error of the confirmed track nearest to each mover, within 500 m."""
    found = {}
    for track in picture.tracks:
        if track.status != TrackStatus.TENTATIVE:
            square = np.sum((truth[:, :3] - track.state[:3]) ** 2, axis=1)
            if square.min() < 500.0**2:
                mover = int(square.argmin())
                found[mover] = min(found.get(mover, np.inf), square.min())
    return found
