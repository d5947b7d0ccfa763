"""What is refused, counted, and in which order reports come out."""

import contextlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdown.ground.ingest import Ingest
from lookdown.ground.parameters import Parameters, SensorField
from lookdown.ground.pipeline import Pipeline
from lookdown.wire.envelope import Delivery
from lookdown.wire.errors import WireError
from lookdown.wire.messages import End, Event, EventKind, Picture, Severity
from lookdown.wire.packet import encode

THREE = Parameters(sensors=tuple(SensorField(i) for i in (1, 2, 3)), hold_s=0.5, late_s=0.01)


@pytest.fixture(scope="module")
def scene(world):
    made = world(seed=1, false_plots=2.0)
    made.add_mover(0.0, 0.0, 10e3, 250.0, 45.0)
    return made


@pytest.fixture(scope="module")
def stream(scene):
    """Reports of three sensors over 1.2 s, in order of time."""
    return list(scene.reports(1.2))


def refused(ingest, report, **more):
    with pytest.raises(WireError) as error:
        ingest.offer(report, **more)
    return error.value.reason


def with_state(report, **changes):
    return replace(report, state=replace(report.state, **changes))


def test_each_kind_of_bad_report_is_refused_counted_and_stops_nothing(stream):
    ingest = Ingest(THREE)
    first, good = stream[0], stream[3]
    assert first.sensor_id == good.sensor_id == 1
    ingest.offer(first)
    state = good.state
    sights = good.sights.copy()
    backwards = np.array([state.attitude[1], -state.attitude[0], state.attitude[3], -state.attitude[2]])
    cases = {
        "unknown_sensor": replace(good, sensor_id=9),
        "repeat": replace(good, frame_id=first.frame_id),
        "past": replace(good, time_ns=first.time_ns),
        "future": replace(good, time_ns=first.time_ns + 61 * 10**9),
        "not_finite": with_state(good, position_m=state.position_m * np.nan),
        "attitude": with_state(good, attitude=state.attitude * 1.1),
        "sigma": with_state(good, pointing_sigma_rad=-1e-6),
        "altitude": with_state(good, position_m=state.position_m * 0.88),
        "geometry": with_state(good, attitude=backwards),
    }
    for reason, bad in cases.items():
        assert refused(ingest, bad) == reason
        assert ingest.counters[bad.sensor_id, f"refused_{reason}"] == 1
    assert refused(ingest, with_state(good, position_m=state.position_m * 10)) == "altitude"
    assert refused(ingest, good, sender_id=2) == "sender"
    assert ingest.counters[2, "refused_sender"] == 1
    sights["x"][0], sights["sigma_y"][1] = np.nan, 0.0
    ingest.offer(replace(good, sights=sights))
    assert ingest.counters[1, "plots_refused"] == 2
    kept = [arrival for arrival in ingest.flush() if arrival.report.frame_id == good.frame_id]
    assert kept[0].plot_index.tolist() == list(range(2, len(sights)))
    assert kept[0].n_sent == len(sights)
    ingest.end(1)
    assert refused(ingest, stream[6]) == "after_end"
    assert ingest.counters[1, "accepted"] == 2


def test_limits_are_inclusive_of_what_is_possible(stream):
    ingest = Ingest(THREE)
    empty = replace(stream[0], sights=stream[0].sights[:0])
    scale = np.linalg.norm(stream[0].state.position_m)
    for frame, altitude_m in enumerate((210e3, 35_786e3)):
        position = stream[0].state.position_m / scale * (6_371e3 + altitude_m + 10e3)
        ingest.offer(replace(with_state(empty, position_m=position), frame_id=frame, time_ns=frame))
    assert ingest.counters[1, "accepted"] == 2


def test_a_clock_that_stays_ahead_is_believed_after_three_more(stream):
    ingest = Ingest(THREE)
    own = [report for report in stream if report.sensor_id == 1]
    ingest.offer(own[0])
    later = [replace(report, time_ns=report.time_ns + 10**12) for report in own[1:]]
    assert [refused(ingest, report) for report in later[:3]] == ["future"] * 3
    ingest.offer(later[3])
    assert ingest.counters[1, "accepted"] == 2


def test_a_flood_is_cut_to_the_strongest(stream):
    ingest = Ingest(replace(THREE, max_plots=50))
    report = stream[0]
    flood = np.repeat(report.sights[:1], 10_000)
    flood["snr"] = np.arange(10_000)
    ingest.offer(replace(report, sights=flood))
    arrival = ingest.flush()[0]
    assert ingest.counters[1, "plots_over_limit"] == 9_950
    assert arrival.report.sights["snr"].min() == 9_950.0
    assert (flood["snr"][arrival.plot_index] == arrival.report.sights["snr"]).all()


def test_a_report_waits_for_the_others_and_no_longer_than_told(stream):
    ingest = Ingest(THREE)
    times = []
    for report in stream:
        if report.sensor_id != 3:
            times.append([arrival.report.time_ns for arrival in ingest.offer(report)])
    assert not any(times[:8])  # nothing before the third has been silent for 0.5 s
    assert sum(map(len, times)) >= 22
    assert ingest.counters[3, "silences"] == 1
    # The silent one is heard again: what is older than what was fused is late, then it is waited for as before.
    third = [report for report in stream if report.sensor_id == 3]
    assert refused(ingest, third[0]) == "late"
    assert ingest.counters[3, "late"] == 1
    ingest.offer(third[-1])
    assert ingest.counters[3, "accepted"] == 1


def test_an_ended_sensor_is_not_waited_for(stream):
    ingest = Ingest(THREE)
    ingest.end(2)
    ingest.end(3)
    assert [len(ingest.offer(report)) for report in stream if report.sensor_id == 1] == [1] * 12
    assert not ingest.all_ended
    ingest.end(1)
    assert ingest.all_ended


@given(st.permutations([1] * 8 + [2] * 8 + [3] * 8), st.sets(st.integers(0, 23), max_size=5))
@settings(max_examples=40, deadline=None)
def test_order_of_arrival_does_not_matter_if_each_sensor_keeps_its_own(world, stream, order, repeats):
    ingest = Ingest(replace(THREE, hold_s=2.0))
    waiting = {i: iter([report for report in stream if report.sensor_id == i]) for i in (1, 2, 3)}
    released = []
    for place, sensor in enumerate(order):
        report = next(waiting[sensor])
        released += ingest.offer(report)
        if place in repeats:
            assert refused(ingest, report) == "repeat"
    released += ingest.flush()
    keys = [(arrival.report.time_ns, arrival.report.sensor_id) for arrival in released]
    assert keys == sorted((report.time_ns, report.sensor_id) for report in stream if report.frame_id < 8)
    assert sum(ingest.counters[i, "refused_repeat"] for i in (1, 2, 3)) == len(repeats)


@given(order=st.permutations([1] * 4 + [2] * 4 + [3] * 4))
@settings(max_examples=10, deadline=None)
def test_tracks_do_not_depend_on_the_order_of_arrival(stream, order):
    def run(sequence):
        pipeline = Pipeline(replace(THREE, hold_s=2.0))
        waiting = {i: iter([report for report in stream if report.sensor_id == i]) for i in (1, 2, 3)}
        events = []
        for sensor in sequence:
            events += pipeline.take(Delivery(sensor, 0, 0, encode(next(waiting[sensor]))))
        events += pipeline.finish()
        table = pipeline.fusion._table
        return [event.links.tolist() for event in events], table.state.tobytes(), table.covariance.tobytes()

    assert run(order) == run([1, 2, 3] * 4)


def test_pipeline_counts_packets_that_are_wrong(stream):
    pipeline = Pipeline(THREE)
    good = encode(stream[0])
    broken = good[:-1] + bytes([good[-1] ^ 1])
    kinds = [event.kind for _ in range(12) for event in pipeline.take(Delivery(1, 0, 0, broken))]
    assert kinds == ["refused", "refused"]  # the 1st and the 10th
    assert pipeline.counters[1, "refused_crc"] == 12
    pipeline.take(Delivery(1, 0, 0, encode(Picture(0, ()))))
    assert pipeline.counters[1, "refused_unexpected"] == 1
    pipeline.take(Delivery(7, 0, 0, encode(End(7, 0, 0))))
    assert pipeline.counters[7, "refused_unknown_sensor"] == 1
    pipeline.take(Delivery(1, 0, 0, encode(End(2, 0, 0))))
    assert pipeline.counters[1, "refused_sender"] == 1
    assert pipeline.take(Delivery(1, 0, 0, b"")) != []
    pipeline.take(Delivery(1, 5, 6, good))
    fused = pipeline.finish()
    assert [event.arrival.origin_ns for event in fused] == [5]


def test_pipeline_passes_on_what_a_board_tells():
    pipeline = Pipeline(THREE)
    told = Event(2, 5, Severity.WARNING, EventKind.PACKETS_GIVEN_UP, 7, 7.0, "the link is full: 7 packets given up")
    (event,) = pipeline.take(Delivery(2, 0, 0, encode(told)))
    assert (event.kind, event.sensor_id) == ("onboard", 2)
    assert event.text == "sensor 2, packets given up: the link is full: 7 packets given up"
    pipeline.take(Delivery(1, 0, 0, encode(told)))
    assert pipeline.counters[1, "refused_sender"] == 1


def test_parameters_refuse_what_cannot_work():
    for wrong in (
        {"hold_s": 0.0},
        {"probability_of_detection": 1.0},
        {"min_altitude_m": 1e9},
        {"sensors": (SensorField(1), SensorField(1))},
        {"sensors": (SensorField(0),)},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Parameters(**wrong)
    with pytest.raises(ValueError, match="sensors"):
        Ingest(Parameters())


def test_an_end_that_waited_in_a_spool_does_not_shut_out_the_next_start(scene, stream):
    """What an earlier start left, its end included, comes ahead of the reports of the next."""
    own = [report for report in stream if report.sensor_id == 1]
    half = len(own) // 2
    packets = [(5, encode(report, report.frame_id)) for report in own[:half]]
    packets.append((5, encode(End(1, own[half].time_ns, half))))
    # The next start counts its frames anew.
    packets += [(6, encode(replace(report, frame_id=n))) for n, report in enumerate(own[half:])]
    pipeline = Pipeline(replace(THREE, sensors=THREE.sensors[:1]))
    for n, (boot, packet) in enumerate(packets):
        if n == half + 1:
            assert pipeline.ingest.all_ended
            assert refused(pipeline.ingest, own[half]) == "after_end"
            pipeline.ingest.counters.clear()
        pipeline.take(Delivery(1, 0, 0, packet, boot, n + 1))
        assert pipeline.ingest.all_ended == (n == half)
    assert pipeline.ingest.counters == {(1, "accepted"): len(own) - half}
    pipeline.take(Delivery(1, 0, 0, encode(replace(own[0], frame_id=999)), 6, 99))
    assert pipeline.counters[1, "refused_past"] == 1  # frames are counted anew, time is not


@pytest.mark.parametrize("step_s", [5.0, 1000.0])
def test_a_satellite_whose_clock_steps_ahead_disturbs_no_other(stream, step_s):
    ingest, accepted = Ingest(THREE), {1: 0, 2: 0, 3: 0}
    for report in stream:
        stepped = report.sensor_id == 1 and report.frame_id >= 3
        moved = replace(report, time_ns=report.time_ns + round(step_s * 1e9)) if stepped else report
        if stepped and report.frame_id < 9:
            assert refused(ingest, moved) == "future"
        else:
            ingest.offer(report)  # from frame 9 on the clock is right again
            accepted[report.sensor_id] += 1
    assert accepted == {1: 6, 2: 12, 3: 12}
    assert ingest.counters[1, "refused_future"] == 6
    assert not any(ingest.counters[sensor, "late"] for sensor in (1, 2, 3))


def test_covariances_that_are_none_are_counted_by_reason(stream):
    ingest, report = Ingest(THREE), stream[0]
    sights = np.repeat(report.sights[:1], 6)
    sights["sigma_x"][:3] = (np.nan, 0.0, np.inf)
    sights["correlation"][3:5] = (1.0, np.nan)
    ingest.offer(replace(report, sights=sights))
    assert ingest.counters[1, "plots_refused"] == ingest.counters[1, "plots_refused_covariance"] == 5
    assert ingest.flush()[0].plot_index.tolist() == [5]


@pytest.mark.parametrize("wait", [0, 25])
@pytest.mark.parametrize("wrong_s", [30.0, 1e6])
def test_a_first_report_from_the_future_shuts_nobody_out(scene, wrong_s, wait):
    """Sensor 1 is ahead from its first report on; it is the first to be heard, or comes when others are there."""
    pipeline, alone = Pipeline(THREE), Pipeline(THREE)
    reports = [report for report in scene.reports(5.0) if report.sensor_id != 1 or report.frame_id >= wait]
    for number, report in enumerate(reports):
        if report.sensor_id != 1:
            alone.take(Delivery(report.sensor_id, 0, 0, encode(report, number)))
        else:
            report = replace(report, time_ns=report.time_ns + round(wrong_s * 1e9))
        events = pipeline.take(Delivery(report.sensor_id, 0, 0, encode(report, number)))
        anew = [event.text for event in events if getattr(event, "kind", "") == "refused" and "anew" in event.text]
        assert bool(anew) == (number == 2 and wait == 0)
    pipeline.finish()
    alone.finish()
    counters = pipeline.counters
    assert counters[1, "clock_ahead"] == (wait == 0)
    assert counters[1, "refused_future"] + counters[1, "fused"] == 50 - wait
    assert counters[1, "fused"] <= 1
    for sensor in (2, 3):
        assert counters[sensor, "fused"] + counters[sensor, "late"] == 50
        assert counters[sensor, "late"] <= 1
    # What the two others see is seen, as if the first were not there.
    assert pipeline.fusion.table.live.sum() == alone.fusion.table.live.sum() == 1
    difference_m = pipeline.fusion.table.state[0, :3] - alone.fusion.table.state[0, :3]
    assert np.linalg.norm(difference_m) < 50.0


def test_one_that_lags_from_its_first_report_on_shuts_nobody_out(stream):
    ingest = Ingest(THREE)
    for report in stream:
        if report.sensor_id == 1:
            report = replace(report, time_ns=report.time_ns - 1000 * 10**9)
        with contextlib.suppress(WireError):
            ingest.offer(report)
    assert ingest.counters[2, "accepted"] == 11  # two were for it as soon as the third was heard
    assert ingest.counters[2, "refused_future"] == 1
    assert ingest.counters[3, "accepted"] == 12


def test_a_time_after_its_receipt_is_refused_where_receipt_counts(stream):
    report = stream[0]
    for most_s, ahead_s, known, want in ((1.0, 1.5, True, "future"), (1.0, 0.5, True, ""), (1.0, 1.5, False, "")):
        ingest = Ingest(replace(THREE, clock_ahead_s=most_s))
        arrival_ns = report.time_ns - round(ahead_s * 1e9) if known else 0
        if want:
            assert refused(ingest, report, arrival_ns=arrival_ns) == want
            assert ingest.counters[1, "refused_future"] == 1
        else:
            ingest.offer(report, arrival_ns=arrival_ns)
    with pytest.raises(ValueError, match="clock_ahead_s"):
        replace(THREE, clock_ahead_s=-1.0)
