"""Sets of repetition frequencies: folded intervals in, resolved plots with the last; what ends a set is counted."""

from dataclasses import replace

import numpy as np
import pytest

from lookdown.flight.radar.config import RadarParameters
from lookdown.flight.radar.plots import RadarFrame, RadarPlotFlag
from lookdown.flight.radar.prfset import PrfSet, chain_of
from lookdown.flight.radar.report import report_of
from lookdown.hil.radar.interval import draw
from lookdown.hil.radar.settings import Radar, Target
from lookdown.wire.messages import Interval, SensorState
from lookdown.wire.packet import decode, encode
from tests.flight.radar.intervals import pulse_of, sensor_of

RADAR = Radar(channels=2, pulses=32, ranges=600, pulse_s=4e-6, speed_mps=0.0)
PRFS_HZ = 6700.0, 7000.0, 7300.0
PARAMETERS = RadarParameters(set_intervals=3, set_max_range_m=60e3, set_max_speed_m_s=400.0)
FAST = Target(45_750.0, 262.0, 3e-4, 8.0)
"""Two folds out in range and in rate, within the window of all three."""
SHAPE = RADAR.channels, RADAR.pulses, RADAR.ranges + pulse_of(RADAR).size - 1


def interval(number, *targets, prf_hz=None):
    radar = replace(RADAR, prf_hz=prf_hz or PRFS_HZ[number % 3])
    samples = draw(radar, np.random.default_rng(number), targets=targets).samples
    return RadarFrame(number, 10**7 * number, samples, radar.prf_hz, 0.0)


def test_the_last_interval_of_a_set_has_resolved_plots():
    chain = PrfSet(PARAMETERS, sensor_of(RADAR), SHAPE)
    results = [chain.step(interval(n, FAST)) for n in range(6)]
    assert [result.open_set for result in results] == [True, True, False] * 2
    assert [len(result.plots) for result in results] == [0, 0, 1] * 2
    for result in results[2::3]:
        [plot] = result.plots
        assert result.resolved
        assert plot["flags"] & RadarPlotFlag.RESOLVED
        assert plot["range_m"] == pytest.approx(FAST.range_m, abs=10.0)
        assert plot["range_rate_m_s"] == pytest.approx(FAST.range_rate_mps, abs=1.0)
        assert result.n_unresolved == 0


def test_plots_of_a_broken_set_are_counted_and_the_next_set_is_whole():
    chain = PrfSet(PARAMETERS, sensor_of(RADAR), SHAPE)
    chain.step(interval(0, FAST))
    gap = chain.step(interval(2, FAST))
    assert (gap.open_set, gap.n_unresolved, len(gap.plots)) == (True, 1, 0)
    again = chain.step(interval(3, FAST, prf_hz=PRFS_HZ[2]))
    assert (again.open_set, again.n_unresolved) == (True, 1)
    chain.step(interval(4, FAST))
    assert len(chain.step(interval(5, FAST, prf_hz=PRFS_HZ[0])).plots) == 1


def test_a_plot_of_one_interval_alone_is_left_out_and_counted():
    chain = PrfSet(PARAMETERS, sensor_of(RADAR), SHAPE)
    chain.step(interval(0, FAST))
    chain.step(interval(1))
    last = chain.step(interval(2))
    assert (len(last.plots), last.n_unresolved) == (0, 1)


def test_reports_of_a_set_say_what_they_looked_at():
    """Before the last, nothing: no target is missing from them. The last one's numbers have no folds."""
    chain, sensor = PrfSet(PARAMETERS, sensor_of(RADAR), SHAPE), sensor_of(RADAR)
    state = SensorState(
        np.array([7e6, 0.0, 0.0]), np.array([0.0, 1e-3, 0.0]), np.array([0.5, 0.5, 0.5, 0.5]), 5.0, 1e-5, 4e-3
    )
    reports = []
    for n in range(3):
        frame = interval(n, FAST)
        given = Interval(3, n + 1, 10**18 + n, frame.prf_hz, 0.0, frame.samples, state)
        reports.append(decode(encode(report_of(given, chain.step(frame), sensor, PARAMETERS))))
    for report in reports[:2]:
        assert (report.n_plots, report.azimuth_low_rad, report.azimuth_high_rad, report.range_span_m) == (0, 0, 0, 0)
    last = reports[2]
    assert (last.range_fold_m, last.rate_fold_m_s, last.range_span_m) == (0.0, 0.0, 60e3)
    assert last.echoes["range_m"][0] == pytest.approx(FAST.range_m, abs=10.0)
    assert last.echoes["range_rate_m_s"][0] == pytest.approx(FAST.range_rate_mps, abs=1.0)


def test_one_interval_is_no_set():
    assert not isinstance(chain_of(RadarParameters(), sensor_of(RADAR), SHAPE), PrfSet)
    with pytest.raises(ValueError, match="set_needed: wanted 2 or more, at most set_intervals"):
        RadarParameters(set_intervals=3, set_needed=4)
