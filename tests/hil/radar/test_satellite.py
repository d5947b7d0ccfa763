"""Radar satellites of a scenario: geometry against numerical derivatives, intervals through the chain, files."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from lookdown.flight.__main__ import main as flight
from lookdown.flight.config import FlightConfig
from lookdown.flight.radar.report import make_reporter
from lookdown.geo.earth import ecef_to_geodetic
from lookdown.hil.__main__ import main as hil
from lookdown.hil.inject import maker
from lookdown.hil.motion.movers import MoverConfig, Start
from lookdown.hil.plan import Scenario
from lookdown.hil.radar.cells import seen_of
from lookdown.hil.radar.custody import unseen_figures
from lookdown.hil.radar.look import Looks
from lookdown.hil.radar.maps import make_maps
from lookdown.hil.radar.render import RadarRenderer
from lookdown.hil.radar.score import score_radar
from lookdown.hil.radar.told import told_of_radar
from lookdown.hil.requirements import METRICS
from lookdown.hil.scenario import load_scenario
from lookdown.hil.truth import Truth
from lookdown.wire.config import parse_config
from lookdown.wire.errors import ConfigError
from lookdown.wire.messages import Interval

SCENARIOS = Path(__file__).parents[3] / "scenarios"


@pytest.fixture(scope="module")
def convoy() -> Scenario:
    return load_scenario(SCENARIOS / "gmti-convoy.toml")


@pytest.fixture(scope="module")
def small(convoy: Scenario) -> Scenario:
    """Two intervals of 32 pulses and 160 ranges, a lorry at 24 m/s and one that creeps."""
    assert convoy.radar is not None
    instrument = replace(convoy.radar.instrument, pulses=32, ranges=160, pulse_s=4e-6)
    radar = replace(convoy.radar, instrument=instrument, snr_db=0.0, swerling=0)

    def lorry(name: str, lon_deg: float, speed_m_s: float) -> MoverConfig:
        return MoverConfig(name, "vehicle", start=Start(38.5, lon_deg, 1.0, 90.0, speed_m_s))

    movers = lorry("fast", -116.502, 24.0), lorry("slow", -116.495, 1.0)
    return replace(convoy, radar=radar, mover=movers, road=(), duration_s=2.0)


def test_doppler_is_the_change_of_range(convoy: Scenario) -> None:
    """The range half a second before and after, by the same truth, changes as the Doppler frequency says."""
    assert convoy.radar is not None
    fine = replace(convoy, frame_rate_hz=10.0)
    for index in (0, 1):
        looks = Looks(Truth(replace(fine, sensor=replace(fine.sensor, jitter_sigma_rad=0.0))), index)
        before, now, after = (looks.rows(np.array([200 + step])) for step in (-1, 0, 1))
        rate = (after["range_m"] - before["range_m"]) / 0.2
        radar = convoy.radar.instrument
        doppler_hz = -2 / radar.wavelength_m * rate
        folded = (doppler_hz - now["doppler_hz"] + radar.prf_hz / 2) % radar.prf_hz - radar.prf_hz / 2
        # 1 m/s is 65 Hz; what is left is the light time, in which the radar goes on by v tau.
        assert np.abs(folded).max() < 3.0, folded


def test_a_mover_on_the_ground_is_where_range_and_azimuth_say(convoy: Scenario) -> None:
    """The circle of a plot's range and azimuth meets the ground within metres of the mover."""
    looks = Looks(Truth(convoy), 0)
    row = looks.rows(10)[0]
    position, _, attitude = looks.truth.sensor(0, 10)
    place = looks._on_ground(position, attitude, np.sin(row["azimuth_rad"])[None], float(row["range_m"]))[0]
    # Rays are 30 urad apart, 27 m over the ground and more along it.
    assert np.linalg.norm(place - row["position_m"]) < 60.0
    assert abs(ecef_to_geodetic(place)[2]) < 1.0


def test_the_outline_holds_what_is_inside(convoy: Scenario) -> None:
    looks = Looks(Truth(convoy), 1)
    outline = looks.outline_m(0)
    assert np.isfinite(outline).all()
    position, _, _ = looks.truth.sensor(1, 0)
    ranges = np.linalg.norm(outline - position, axis=1)
    first, cell = float(looks.first_range_m(0)), looks.config.instrument.cell_m
    assert ranges.min() == pytest.approx(first, abs=30.0)
    assert ranges.max() == pytest.approx(first + 959 * cell, abs=30.0)


def test_movers_are_found_where_the_truth_has_them(small: Scenario) -> None:
    told = parse_config(
        {**told_of_radar(small), "radar": {"threshold": 4.8, "least_speed_m_s": 10.0}}, FlightConfig, "x"
    )
    reports = []
    for index in (0, 1):
        renderer = RadarRenderer(small, index)
        report = make_reporter(told.radar_sensor.sensor(), told.radar)(*renderer.message(0).samples.shape)
        reports += [report(renderer.message(k)) for k in range(2)]
    score = score_radar(renderer.looks.truth, reports, 3.0)
    fast = score.looks["mover"] == 0
    of_first = score.looks["satellite_id"] == 1
    assert score.found[fast & of_first].all()
    assert not score.found[~fast].any()
    assert score.figures["pd"] == 1.0 or score.figures["pd_by_speed"]
    for name, largest in (("range", 3.0), ("range_rate", 3.0), ("azimuth", 3.0)):
        assert score.figures["errors"][name]["rms_over_sigma"] < largest, score.figures["errors"]


def test_wrong_places_are_false_plots_and_misses(small: Scenario) -> None:
    """Reports moved by 20 cells find nothing, and all their plots are false."""
    told = parse_config(told_of_radar(small), FlightConfig, "x")
    renderer = RadarRenderer(small, 0)
    message = renderer.message(1)
    report = make_reporter(told.radar_sensor.sensor(), told.radar)(*message.samples.shape)(message)
    assert report.n_plots
    moved = report.echoes.copy()
    moved["range_m"] += 20 * renderer.looks.config.instrument.cell_m
    score = score_radar(renderer.looks.truth, [replace(report, echoes=moved)], 3.0)
    assert not score.found.any()
    assert score.figures["false_per_interval"] == report.n_plots
    assert score.figures["errors"]["range"]["rms"] is None


def test_the_same_seed_gives_the_same_samples_in_any_order(small: Scenario) -> None:
    one, other = RadarRenderer(small, 0), RadarRenderer(small, 0)
    first = one.interval(0)[0].samples, one.interval(1)[0].samples
    second = other.interval(1)[0].samples, other.interval(0)[0].samples
    assert np.array_equal(first[0], second[1])
    assert np.array_equal(first[1], second[0])
    assert not np.array_equal(first[0], first[1])
    with pytest.raises(ValueError, match="frame_id wanted from 0 to 1"):
        one.interval(2)


def test_the_injector_makes_intervals_for_radars(small: Scenario) -> None:
    message = maker(small, 1)(1)
    assert isinstance(message, Interval)
    assert (message.sensor_id, message.frame_id) == (2, 1)
    assert message.samples.shape == (4, 32, 207)


def test_maps_show_the_ground_before_and_the_mover_behind_the_filter(small: Scenario) -> None:
    renderer = RadarRenderer(small, 0)
    pair = make_maps(renderer, 0)
    seen, _ = seen_of(renderer.looks, np.array([0]))
    row, col = (round(float(seen[name][0])) for name in ("row", "col"))
    assert np.hypot(pair.plots["row"] - seen["row"][0], pair.plots["col"] - seen["col"][0]).min() < 1.5
    middle = pair.conventional_db.shape[0] // 2
    ground = np.median(pair.conventional_db[middle])
    mover = pair.adaptive_db[middle + row - 1 : middle + row + 2, col - 1 : col + 2].max()
    assert ground > 20.0  # the ridge stands far over the median
    assert mover > np.percentile(pair.adaptive_db, 99.9)


def test_render_and_process(tmp_path: Path) -> None:
    """Intervals of each satellite go to a file, and from the file through the onboard chain."""
    text = (SCENARIOS / "gmti-convoy.toml").read_text(encoding="utf-8")
    scenario = tmp_path / "short.toml"
    short = text.replace("duration_s = 90.0", "duration_s = 2.0").replace("pulses = 64", "pulses = 32")
    scenario.write_text(short, encoding="utf-8")
    out, plots = tmp_path / "cpi.h5", tmp_path / "plots.jsonl"
    assert hil(["render", str(scenario), "--out", str(out)]) == 0
    with h5py.File(out) as file:
        group = file["satellite_1"]
        assert group["cpi"].shape == (2, 4, 32, 1199)
        truth, state = group["truth"][...], group["sensor_states"][...]
        assert (group["valid"][...] == 1).all()
        assert group["first_range_m"][0] != group["first_range_m"][1]
    assert state["frame_id"].tolist() == [0, 1]
    command = ["process", str(out), "--plots", str(plots), "--dataset"]
    assert flight([*command, "satellite_1"]) == 0
    lines = [json.loads(line) for line in plots.read_text().splitlines()]
    assert [line["time_ns"] for line in lines] == state["time_ns"].tolist()
    convoy = truth["range_m"][:, :3].ravel()
    found = np.array([plot["range_m"] for line in lines for plot in line["plots"]])
    away = np.abs(found[:, None] - convoy).min(axis=0)
    assert (away < 6.0).mean() >= 0.5
    assert flight([*command, "satellite_3"]) == 2


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('movers = "surface"', 'movers = "sea"', "movers"),
        ("ranges = 960", "ranges = 1700", "wanted no more than the unambiguous"),
        ("[radar.clutter]", "speed_mps = 7000.0\n[radar.clutter]", "speed_mps follows from the orbit"),
        ("frame_rate_hz = 1.0", "frame_rate_hz = 200.0", "64 pulses at 7500 Hz do not fit"),
        ('sensor = "radar"', "", "wanted a satellite with sensor = 'radar', got none"),
    ],
)
def test_what_no_radar_can_do_is_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    text = (SCENARIOS / "gmti-convoy.toml").read_text(encoding="utf-8")
    path = tmp_path / "bad.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError, match=says):
        load_scenario(path)


def test_every_metric_of_the_radar_has_its_place_in_the_figures(small: Scenario) -> None:
    told = parse_config(told_of_radar(small), FlightConfig, "x")
    renderer = RadarRenderer(small, 0)
    message = renderer.message(1)
    report = make_reporter(told.radar_sensor.sensor(), told.radar)(*message.samples.shape)(message)
    score = score_radar(renderer.looks.truth, [report], 3.0)
    nothing = replace(score, found=np.zeros_like(score.found))
    tracks = SimpleNamespace(
        instants_ns=np.arange(2),
        holder=np.zeros((2, 2)),
        n_views=np.zeros((2, 2)),
        grid=SimpleNamespace(held=np.zeros((0, 2), np.bool_), ids=()),
    )
    figures = {"radar": {**score.figures, **unseen_figures(SimpleNamespace(updates=()), tracks, nothing)}}
    for metric in (name for name in METRICS if name.startswith("radar.")):
        value = figures
        for part in metric.split("."):
            assert part in value, metric
            value = value[part]
