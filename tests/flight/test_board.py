"""The core of the onboard process on a stepped clock: what it takes, refuses, counts and says."""

from dataclasses import replace

import numpy as np
import pytest

from lookdown.flight.board import Board
from lookdown.wire.clock import SteppedClock
from lookdown.wire.dictionary import MAX_SIGHTS
from lookdown.wire.frames import encode_frame
from lookdown.wire.messages import (
    ECHO_DTYPE,
    SIGHT_DTYPE,
    End,
    Frame,
    Health,
    Interval,
    PlotReport,
    RadarReport,
    ReportFlag,
    SensorState,
)
from lookdown.wire.packet import decode, encode

STATE = SensorState(np.array([7e6, 1.0, 2.0]), np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]), 5.0, 2.0**-15, 2.0**-15)


def frame(frame_id: int, sensor_id: int = 3, shape: tuple[int, int] = (4, 5)) -> Frame:
    samples = np.full(shape, frame_id, np.uint16)
    return Frame(sensor_id, frame_id, 1_000_000 * frame_id + 1, 0.02, samples, STATE)


class Rig:
    """A board whose chain takes as long as it is told and finds as many plots as it is told."""

    def __init__(self, rows: int = 4, cols: int = 5) -> None:
        self.clock = SteppedClock(50)
        self.step_s = 0.001
        self.n_plots = 2
        self.shapes: list[tuple[int, int]] = []
        self.warnings: list[str] = []
        self.board = Board(3, rows, cols, self.make, self.clock, self.warnings.append)

    def make(self, rows: int, cols: int):
        self.shapes.append((rows, cols))

        def report(frame: Frame) -> PlotReport:
            if frame.samples[0, 0] == 666:
                raise ValueError("not this one")
            self.clock.advance(self.step_s)
            sights = np.zeros(self.n_plots, SIGHT_DTYPE)
            sights["x"] = frame.samples[0, 0]
            return PlotReport(frame.sensor_id, frame.frame_id, frame.time_ns, frame.state, sights, n_left_out=1)

        return report

    def put(self, frame: Frame, injected_ns: int = 9) -> PlotReport | None:
        made = self.board.frame(encode_frame(frame, injected_ns))
        if made is None:
            return None
        assert made[1] == injected_ns
        return decode(made[0])

    def health(self, dropped: int = 0) -> Health:
        return decode(self.board.health(dropped))


def test_a_frame_becomes_its_report() -> None:
    rig = Rig()
    assert rig.shapes == [(4, 5)]  # the chain's buffers stand before the first frame
    report = rig.put(frame(7))
    assert (report.sensor_id, report.frame_id, report.time_ns) == (3, 7, 7_000_001)
    assert report.sights["x"].tolist() == [7.0, 7.0]
    np.testing.assert_array_equal(report.state.position_m, STATE.position_m)
    assert (rig.board.frames_processed, rig.board.plots_sent, rig.board.plots_left_out) == (1, 2, 1)


def test_an_unknown_size_is_that_of_the_first_good_frame() -> None:
    rig = Rig(0, 0)
    assert rig.shapes == []
    assert rig.put(frame(1, sensor_id=4, shape=(9, 9))) is None
    assert rig.put(frame(1))
    assert rig.put(frame(2, shape=(5, 4))) is None
    assert rig.shapes == [(4, 5)]
    assert rig.board.refused == {"sensor": 1, "shape": 1}


def test_gaps_are_missed_frames() -> None:
    rig = Rig()
    for frame_id in (5, 6, 9, 10, 20):
        assert rig.put(frame(frame_id))
    assert rig.board.frames_missed == 2 + 9


def test_each_bad_frame_is_refused_counted_told_once_and_stops_nothing() -> None:
    rig = Rig()
    assert rig.put(frame(10))
    for bad in (frame(10), frame(9), replace(frame(11), time_ns=10_000_001)):
        assert rig.put(bad) is None
    assert rig.put(replace(frame(11), state=None)) is None
    assert rig.put(frame(11, sensor_id=4)) is None
    assert rig.put(frame(11, shape=(2, 2))) is None
    assert rig.put(frame(666)) is None
    header, samples = encode_frame(frame(667))
    damaged = bytearray(samples)
    damaged[0] ^= 1
    assert rig.board.frame([header, damaged]) is None
    assert rig.board.frame([b"junk", samples]) is None
    assert rig.board.frame([header]) is None
    wanted = {"stale": 3, "state": 1, "sensor": 1, "shape": 1, "chain": 1, "crc": 1, "truncated": 1, "parts": 1}
    assert rig.board.refused == wanted
    assert len(rig.warnings) == len(wanted)
    assert rig.warnings[0].startswith("sensor 3: frame refused: stale: wanted a frame after 10 at 10000001 ns, came 10")
    assert rig.put(frame(700))
    assert rig.health().frames_refused == 10


def test_more_plots_than_a_packet_holds_are_left_out_and_counted() -> None:
    rig = Rig()
    rig.n_plots = MAX_SIGHTS + 10
    report = rig.put(frame(1))
    assert (len(report.sights), report.n_left_out, report.flags) == (MAX_SIGHTS, 11, ReportFlag.TRUNCATED)
    assert rig.board.plots_sent == MAX_SIGHTS


def test_health_tells_of_the_interval_and_of_all() -> None:
    rig = Rig()
    assert rig.health() == Health(3, 50, 0, 0, 0, 0, 0, 0, 0)
    for frame_id, step_s in ((1, 0.001), (2, 0.003), (3, 0.002)):
        rig.step_s = step_s
        rig.put(frame(frame_id))
    health = rig.health(dropped=4)
    assert (health.frames_processed, health.plots_sent, health.reports_dropped) == (3, 6, 4)
    assert (health.step_median_us, health.step_max_us, health.time_ns) == (2000, 3000, 6_000_050)
    assert (rig.health().step_median_us, rig.health().step_max_us) == (0, 3000)
    assert rig.board.counters()["step_median_us"] == 2000


def test_a_step_longer_than_the_time_between_frames_is_an_overrun() -> None:
    rig = Rig()
    for frame_id, injected_ms, step_ms in ((1, 10, 99), (2, 20, 9), (3, 30, 11), (4, 50, 11), (5, 50, 11)):
        rig.step_s = step_ms / 1000
        rig.put(frame(frame_id), injected_ns=injected_ms * 1_000_000)
    assert rig.board.overruns == 1


def test_the_end_is_that_of_this_sensor() -> None:
    rig = Rig()
    assert rig.board.is_end(encode(End(3, 5, 9)))
    assert not rig.board.is_end(encode(End(4, 5, 9)))
    assert not rig.board.is_end(encode_frame(frame(1))[0])
    assert not rig.board.is_end(b"")
    assert rig.board.refused == {"sensor": 1, "parts": 1, "truncated": 1}
    rig.put(frame(1))
    assert decode(rig.board.end()) == End(3, rig.clock.now_ns(), 1)


def test_the_same_frames_give_the_same_octets_whatever_the_time() -> None:
    packets = []
    for start_s in (0.0, 1234.5):
        rig = Rig()
        rig.clock.advance(start_s)
        rig.step_s += start_s
        packets.append([rig.board.frame(encode_frame(frame(n), injected_ns=int(start_s) + n))[0] for n in range(1, 20)])
    assert packets[0] == packets[1]


@pytest.mark.parametrize("count", [0, 1])
def test_counters_can_be_told_as_json(count: int) -> None:
    import json

    rig = Rig()
    for n in range(count):
        rig.put(frame(n + 1))
    assert json.loads(json.dumps(rig.board.counters()))["frames_processed"] == count


def interval(frame_id: int, shape: tuple[int, int, int] = (2, 4, 30)) -> Interval:
    return Interval(3, frame_id, 1_000_000 * frame_id + 1, 5000.0, 9e5, np.ones(shape, np.complex64), STATE)


def test_a_radars_board_takes_intervals_and_nothing_else() -> None:
    def make(channels: int, pulses: int, samples: int):
        def report(given: Interval) -> RadarReport:
            echoes = np.zeros(2, ECHO_DTYPE)
            echoes["range_m"] = given.first_range_m
            who = given.sensor_id, given.frame_id, given.time_ns
            return RadarReport(*who, given.state, echoes, given.first_range_m, 5e3, 3e4, 77.5, -0.1, 0.1)

        return report

    warnings: list[str] = []
    board = Board(3, 0, 0, make, SteppedClock(50), warnings.append, interval=(2, 4, 30))
    packet, injected_ns = board.frame(encode_frame(interval(1), 9))
    report = decode(packet)
    assert (type(report), report.frame_id, injected_ns) == (RadarReport, 1, 9)
    assert report.echoes["range_m"].tolist() == [9e5, 9e5]
    assert board.plots_sent == 2
    assert board.frame(encode_frame(frame(2))) is None
    assert board.frame(encode_frame(interval(2, (2, 4, 31)))) is None
    assert board.frame(encode_frame(replace(interval(2), state=None))) is None
    assert board.frame(encode_frame(interval(1))) is None
    assert board.refused == {"type": 1, "shape": 1, "state": 1, "stale": 1}
    assert "wanted 2 x 4 x 30 samples, came 2 x 4 x 31" in warnings[1]
    rig = Rig(0, 0)
    assert rig.board.frame(encode_frame(interval(1))) is None
    assert rig.board.refused == {"type": 1}
