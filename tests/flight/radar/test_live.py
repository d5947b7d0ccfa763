"""The radar's onboard process: intervals over its socket, reports out, by the command and its configuration."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lookdown.flight.config import FlightConfig
from lookdown.flight.radar.config import RadarParameters, RadarSensorConfig
from lookdown.flight.radar.plots import RadarFlag
from lookdown.flight.radar.report import make_reporter, sector_of
from lookdown.hil.radar.interval import draw
from lookdown.hil.radar.settings import Clutter, Radar, Target
from lookdown.wire.config import ConfigError, load_config
from lookdown.wire.frames import encode_frame
from lookdown.wire.messages import End, Health, Interval, RadarReport, SensorState
from lookdown.wire.packet import encode
from tests.flight.radar.intervals import pulse_of, sensor_of
from tests.flight.test_live import Outside

RADAR = Radar(channels=4, pulses=32, ranges=300, pulse_s=4e-6)
FIRST_RANGE_M = 976_000.0
STATE = SensorState(
    np.array([7e6, 0.0, 0.0]), np.array([0.0, RADAR.speed_mps, 0.0]), np.array([0.5, 0.5, 0.5, 0.5]), 5.0, 1e-5, 4e-3
)
"""Flies along +y, which is where +x of the array points."""
MOVER = Target(150.3 * RADAR.cell_m, 30.0, 2e-4, 8.0)


def interval(number: int, *targets: Target) -> Interval:
    drawn = draw(RADAR, np.random.default_rng(number), clutter=Clutter(cnr_db=25, patches=61), targets=targets)
    return Interval(3, number, 10**18 + number * 10**8, RADAR.prf_hz, FIRST_RANGE_M, drawn.samples, STATE)


def test_a_report_holds_what_was_measured() -> None:
    """The rate is that of the Doppler frequency: the radar's own motion is in it, the azimuth's error is not."""
    sensor, parameters = sensor_of(RADAR), RadarParameters(beams_rad=(-1e-3, 1e-3), least_speed_m_s=4.0)
    given = interval(1, MOVER)
    report = make_reporter(sensor, parameters)(*given.samples.shape)(given)
    assert (report.sensor_id, report.frame_id, report.first_range_m) == (3, 1, FIRST_RANGE_M)
    assert report.range_span_m == pytest.approx((RADAR.ranges - 1) * RADAR.cell_m, abs=0.5)
    assert report.rate_fold_m_s == pytest.approx(RADAR.unambiguous_speed_mps)
    assert report.range_fold_m == pytest.approx(RADAR.unambiguous_range_m)
    assert (report.azimuth_low_rad, report.azimuth_high_rad) == sector_of(sensor, parameters, 1.0)
    half = 0.5 * RADAR.wavelength_m / (RADAR.channels * RADAR.spacing_m)
    assert report.azimuth_high_rad == pytest.approx(1e-3 + half)
    assert report.least_speed_m_s == 4.0
    plot = report.echoes[0]
    assert plot["range_m"] == pytest.approx(FIRST_RANGE_M + MOVER.range_m, abs=5)
    wanted = MOVER.range_rate_mps - RADAR.speed_mps * MOVER.u
    apart = (plot["range_rate_m_s"] - wanted + report.rate_fold_m_s / 2) % report.rate_fold_m_s
    assert apart - report.rate_fold_m_s / 2 == pytest.approx(0.0, abs=5 * float(plot["sigma_range_rate_m_s"]))
    assert plot["sigma_range_rate_m_s"] < 0.2 * RADAR.speed_mps * plot["sigma_azimuth_rad"]
    assert abs(plot["correlation_rate_azimuth"]) < 0.9
    assert plot["sigma_elevation_rad"] == 0


def test_the_command_flies_the_radar_chain(tmp_path: Path) -> None:
    config = FlightConfig(sensor_id=3, frames_endpoint=f"ipc://{tmp_path}/f", ground_endpoint=f"ipc://{tmp_path}/g")
    samples = RADAR.ranges + pulse_of(RADAR).size - 1
    file = tmp_path / "flight.toml"
    file.write_text(
        f'sensor_id = 3\nframes_endpoint = "{config.frames_endpoint}"\nground_endpoint = "{config.ground_endpoint}"\n'
        f"[radar_sensor]\nchannels = 4\npulses = 32\nsamples = {samples}\nwavelength_m = {RADAR.wavelength_m}\n"
        f"spacing_m = {RADAR.spacing_m}\nbandwidth_hz = {RADAR.bandwidth_hz}\npulse_s = {RADAR.pulse_s}\n"
        f"sample_rate_hz = {RADAR.sample_rate_hz}\n[radar]\nleast_speed_m_s = 4.0\n"
    )
    header, body = encode_frame(interval(4, MOVER))
    dead = interval(5, MOVER)
    dead.samples[1] = 0
    messages: list[list[Any]] = [
        *(encode_frame(interval(n, MOVER), 1) for n in (1, 2, 3)),
        [header, bytes(body)[:-8]],
        encode_frame(dead, 1),
        encode_frame(interval(7), 1),
        [encode(End(3, 10**18, 5))],
    ]
    outside = Outside(config, messages, lambda: None)
    command = [sys.executable, "-m", "lookdown.flight", "run", "--config", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    reports = outside.messages_of(RadarReport)
    assert [report.frame_id for report in reports] == [1, 2, 3, 5, 7]
    for report in reports[:4]:
        assert report.echoes["range_m"][0] == pytest.approx(FIRST_RANGE_M + MOVER.range_m, abs=5)
    assert [bool(report.flags & RadarFlag.DEAD_CHANNEL) for report in reports] == [False] * 3 + [True, False]
    assert not len(reports[4].echoes)
    counters = json.loads(done.stdout)
    assert (counters["frames_processed"], counters["frames_missed"]) == (5, 2)
    assert counters["frames_refused"] == {"shape": 1}
    assert outside.messages_of(Health)[-1].plots_sent == sum(len(report.echoes) for report in reports)
    own = make_reporter(sensor_of(RADAR), RadarParameters(least_speed_m_s=4.0))(4, 32, samples)
    assert encode(own(interval(1, MOVER)), 1) == encode(own(interval(1, MOVER)), 1)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("channels = 4\npulses = 1\nsamples = 500", "2 pulses or more"),
        ("channels = 4\npulses = 16\nsamples = 50", "samples: wanted more than the 120 of the pulse"),
        ("channels = 4\npulses = 16\nsamples = 500\nspacing_m = 0.0", "spacing_m: wanted a distance above 0"),
        ("channels = 4\npulses = 16\nsamples = 500\nwavelength_m = 0.0", "wavelength_m: wanted a finite"),
        ("chanels = 4", "channels"),
    ],
)
def test_a_radar_that_is_none_is_refused(tmp_path: Path, lines: str, message: str) -> None:
    file = tmp_path / "flight.toml"
    file.write_text(f"[radar_sensor]\n{lines}\n")
    with pytest.raises(ConfigError, match=message):
        load_config(file, FlightConfig)


def test_without_channels_there_is_no_radar() -> None:
    assert RadarSensorConfig().shape is None
    assert FlightConfig().radar_sensor.shape is None
