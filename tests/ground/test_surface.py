"""Ground movers: on the road round its bends, coasting where they stop, resumed as themselves when they go on."""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from lookdown.geo.earth import ecef_to_geodetic
from lookdown.ground.events import Happening, ReportFused
from lookdown.ground.fusion import Fusion
from lookdown.ground.ingest import Ingest
from lookdown.ground.parameters import Parameters, SensorField
from lookdown.ground.pipeline import Pipeline
from lookdown.ground.rewind import Rewind
from lookdown.ground.roads import RoadNet
from lookdown.ground.surface import FIRST_ID
from lookdown.wire.messages import TrackStatus
from tests.ground.conftest import EPOCH_NS, orbit_over
from tests.ground.convoy import AIM_M, HEIGHT_M, road_through
from tests.ground.radar_world import RadarWorld
from tests.ground.test_radar_air import packets

EVERY_S = 2.0

ROAD = road_through([(-4000.0, -1000.0), (-1000.0, -800.0), (1500.0, 900.0), (5000.0, 1000.0)])


def parameters_of(**changes):
    values = {"roads": (ROAD,), "surface_height_m": HEIGHT_M, **changes}
    return Parameters(sensors=(SensorField(9, radar="surface"),), **values)


def radar_of(**changes):
    """East of the road 800 km up, so that most of its speed is along the line of sight."""
    orbit = orbit_over(np.radians(40.0), np.radians(17.0), 800e3, np.radians(98.0), EPOCH_NS)
    values = {
        "range_m": 8.0, "rate_m_s": 0.3, "azimuth_rad": 1.5e-4, "rate_fold_m_s": 108.0, "least_speed_m_s": 5.0,
        "half_sector_rad": 0.01, "span_m": 20e3, "pointing_rad": 1e-5,
    }  # fmt: skip
    return RadarWorld(orbit, AIM_M, **(values | changes))


def drive(start_m, speed_of, seconds, road=ROAD):
    """Distances and states of a vehicle every `EVERY_S`."""
    line, along, rows = RoadNet([road]), start_m, []
    for n in range(int(seconds / EVERY_S)):
        speed = speed_of(n * EVERY_S)
        [place], [direction] = line.at(np.array([0]), np.array([along]))
        rows.append((along, np.concatenate([place, speed * direction])))
        along += speed * EVERY_S
    return [a for a, _ in rows], [s for _, s in rows]


def reports_of(radar, *drives):
    return [
        radar.report(EPOCH_NS + round(n * EVERY_S * 1e9), np.array(states))
        for n, states in enumerate(zip(*drives, strict=True))
    ]


def fused(reports, parameters):
    """Pipeline, events, and the picture after each report."""
    pipeline, events, pictures = Pipeline(parameters), [], []
    for report in reports:
        events += packets_of(pipeline, report)
        pictures.append(pipeline.picture())
    return pipeline, events, pictures


def packets_of(pipeline, report):
    arrivals = pipeline.ingest.offer(report)
    return pipeline._fuse(arrivals)


def kinds(events):
    return [event.kind for event in events if isinstance(event, Happening)]


def test_vehicles_are_followed_round_the_bends():
    """Three on one road: each one track, its errors within what it states."""
    drives = [drive(start, lambda _: 20.0, 120.0)[1] for start in (500.0, 900.0, 1400.0)]
    _, events, pictures = fused(reports_of(radar_of(false_plots=0.3), *drives), parameters_of())
    assert kinds(events).count("confirmed") == 3
    tracks = pictures[-1].tracks
    assert len(tracks) == 3
    assert min(track.id for track in tracks) >= FIRST_ID
    squares = []
    for picture, states in zip(pictures[20:], list(zip(*drives, strict=True))[20:], strict=True):
        for track in picture.tracks:
            away = np.array([np.concatenate([s[:3] - track.state[:3], s[3:] - track.state[3:]]) for s in states])
            away = away[np.argmin(np.linalg.norm(away[:, :3], axis=1))]
            squares.append(away @ np.linalg.solve(track.covariance, away))
    assert np.median(squares) < 12.0


def test_a_stop_is_coasted_along_the_road_and_custody_resumes():
    """Drives, stands for a minute, drives on: never told as seen while it stands, one identity throughout."""

    def speed(t):
        return 0.0 if 40.0 <= t < 100.0 else 18.0

    along, states = drive(600.0, speed, 160.0)
    _, events, pictures = fused(reports_of(radar_of(false_plots=0.0), states), parameters_of())
    told = kinds(events)
    assert told.count("confirmed") == 1
    assert "coasting" in told
    assert told.count("resumed") >= 1
    assert "dropped" not in told
    [last] = pictures[-1].tracks
    assert (last.status, {t.id for p in pictures for t in p.tracks}) == (TrackStatus.CONFIRMED, {last.id})
    line, sigmas = RoadNet([ROAD]), []
    for n, picture in enumerate(pictures):
        if 42.0 < n * EVERY_S < 100.0:
            [track] = picture.tracks
            assert track.status == TrackStatus.COASTING
            [direction] = line.at(np.array([0]), np.array([along[n]]))[1]
            sigmas.append(float(np.sqrt(direction @ track.covariance[:3, :3] @ direction)))
            away = (track.state[:3] - states[n][:3]) @ direction
            assert abs(away) < 4.0 * sigmas[-1]
            [near] = line.near(track.state[:3], np.eye(3), 9.0)
            [nearest], _ = line.at(np.array([near.edge]), np.array([near.along_m]))
            assert np.linalg.norm(track.state[:3] - nearest) < ROAD.width_m
    assert all(later > earlier for earlier, later in pairwise(sigmas))


def test_a_vehicle_off_the_roads_is_followed_over_the_ground():
    field = road_through([(0.0, -5000.0), (4000.0, -4800.0)])
    _, states = drive(200.0, lambda _: 20.0, 80.0, field)
    _, events, pictures = fused(reports_of(radar_of(false_plots=0.0), states), parameters_of())
    assert kinds(events).count("confirmed") == 1
    [track] = pictures[-1].tracks
    away = np.concatenate([states[-1][:3] - track.state[:3], states[-1][3:] - track.state[3:]])
    assert away @ np.linalg.solve(track.covariance, away) < 25.0
    assert abs(ecef_to_geodetic(track.state[:3])[2] - HEIGHT_M) < 1.0


def test_custody_ends_after_its_time_and_is_told():
    _, states = drive(600.0, lambda t: 18.0 if t < 20.0 else 0.0, 120.0)
    parameters = parameters_of(surface_drop_after_s=60.0)
    pipeline, events, pictures = fused(reports_of(radar_of(false_plots=0.0), states), parameters)
    assert kinds(events)[-1] == "dropped"
    assert not pictures[-1].tracks
    assert not pipeline.fusion._surface.movers.live.any()
    dropped = [event for event in events if isinstance(event, ReportFused)][-1]
    assert len(dropped.updates) <= 1


def test_false_plots_alone_confirm_nothing_and_cost_is_bounded():
    radar = radar_of(false_plots=30.0)
    nobody = np.zeros((0, 6))
    reports = [radar.report(EPOCH_NS + round(n * EVERY_S * 1e9), nobody) for n in range(25)]
    pipeline, events, pictures = fused(reports, parameters_of(radar_false_plots=30.0, max_tentative=80))
    assert "confirmed" not in kinds(events)
    assert not pictures[-1].tracks
    assert len(pipeline.fusion._surface.movers) <= 80
    assert pipeline.counters[9, "tentative_over_limit"] > 0


def test_live_packets_give_the_same_picture():
    _, states = drive(600.0, lambda _: 18.0, 40.0)
    reports = reports_of(radar_of(false_plots=0.0), states)
    pipeline = Pipeline(parameters_of())
    packets(reports, pipeline)
    [track] = pipeline.picture().tracks
    assert track.status == TrackStatus.CONFIRMED


def test_late_reports_of_a_second_radar_leave_the_movers_of_reports_in_order_and_tell_them():
    """The second radar alone sees the mover begin to move; its reports come 3 s late."""
    first = radar_of(false_plots=0.2, sensor_id=8, seed=1, detection=0.3)
    second = radar_of(false_plots=0.2, sensor_id=9, seed=2)
    _, states = drive(600.0, lambda _: 18.0, 60.0)
    sensors = (SensorField(8, radar="surface"), SensorField(9, radar="surface"))
    parameters = Parameters(sensors=sensors, roads=(ROAD,), surface_height_m=HEIGHT_M, hold_s=0.5, late_every_s=0.5)
    reports = []
    for n, state in enumerate(states):
        reports += [radar.report(EPOCH_NS + round((n * EVERY_S + late) * 1e9), np.array([state]))
                    for radar, late in ((first, 0.0), (second, 0.0))]  # fmt: skip
    come = sorted(reports, key=lambda r: (r.time_ns + (3_000_000_000 if r.sensor_id == 9 else 0), r.sensor_id))

    def fuse(order, **changes):
        fusion, own = Fusion(replace(parameters, **changes)), replace(parameters, **changes)
        ingest, rewind, events = Ingest(own), Rewind(fusion, own), []
        for report in order:
            events += rewind.step(ingest.offer(report))
        return fusion, events + rewind.step(ingest.flush()) + rewind.catch_up()

    in_order, _ = fuse(sorted(reports, key=lambda r: (r.time_ns, r.sensor_id)), hold_s=10.0)
    late, events = fuse(come)
    for name in ("state", "covariance", "status", "score", "hits"):
        a, b = (getattr(fusion._surface.movers, name) for fusion in (in_order, late))
        np.testing.assert_array_equal(a, b, err_msg=name)
    told = [event for event in events if isinstance(event, ReportFused) and event.arrival.report.sensor_id == 9]
    shown = [event for event in told if (event.updates["track_id"] >= FIRST_ID).any()]
    assert len(shown) > 10
    newest = max(report.time_ns for report in reports)
    [last] = [u for u in told[-1].updates if u["status"] == TrackStatus.CONFIRMED and u["time_ns"] == newest][-1:]
    assert np.linalg.norm(last["position_m"] - states[-1][:3]) < 60.0
