"""Ground movers: on the road round its bends, coasting where they stop, resumed as themselves when they go on."""

from itertools import pairwise

import numpy as np
import pytest

from lookdown.geo.earth import ecef_to_geodetic, enu_axes, geodetic_to_ecef
from lookdown.ground.events import Happening, ReportFused
from lookdown.ground.parameters import Parameters, SensorField
from lookdown.ground.pipeline import Pipeline
from lookdown.ground.roads import Road, RoadConfig
from lookdown.ground.surface import FIRST_ID
from lookdown.wire.messages import TrackStatus
from tests.ground.conftest import AIM_RAD, EPOCH_NS, orbit_over
from tests.ground.radar_world import RadarWorld
from tests.ground.test_radar_air import packets

HEIGHT_M = 300.0
AXES = enu_axes(*AIM_RAD)
AIM_M = geodetic_to_ecef(*AIM_RAD, HEIGHT_M)
EVERY_S = 2.0


def road_through(points_m, **changes):
    """A road through points east and north of the aim point, on the ground."""
    places = [AIM_M + east * AXES[0] + north * AXES[1] for east, north in points_m]
    lat, lon, _ = ecef_to_geodetic(np.array(places))
    points = tuple((float(a), float(b), HEIGHT_M) for a, b in zip(np.degrees(lat), np.degrees(lon), strict=True))
    return RoadConfig(points, **changes)


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
    line, along, rows = Road(road), start_m, []
    for n in range(int(seconds / EVERY_S)):
        speed = speed_of(n * EVERY_S)
        place, direction = line.at(along)
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


def test_a_road_is_measured_from_its_first_point_and_found_by_the_likeliest_place():
    road = Road(ROAD)
    for along in (0.0, 1234.5, road.length_m - 1.0):
        place, direction = road.at(along)
        assert np.linalg.norm(direction) == pytest.approx(1.0)
        found, variance, square = road.nearest(place, np.eye(3) / 25.0)
        assert found == pytest.approx(along, abs=0.01)
        assert (variance, square) == (pytest.approx(25.0), pytest.approx(0.0, abs=1e-6))
    # A place 300 m off where its own covariance is long: the road is met where that covariance allows.
    place, direction = road.at(2000.0)
    long = np.eye(3) / 25.0 - AXES[:1].T @ AXES[:1] * (1 / 25.0 - 1 / 300.0**2)
    found, variance, square = road.nearest(place + 300.0 * AXES[0], long)
    assert square < 2.0
    assert abs(found - 2000.0) < 3.0 * np.sqrt(variance) + 310.0


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
    line, sigmas = Road(ROAD), []
    for n, picture in enumerate(pictures):
        if 42.0 < n * EVERY_S < 100.0:
            [track] = picture.tracks
            assert track.status == TrackStatus.COASTING
            direction = line.at(along[n])[1]
            sigmas.append(float(np.sqrt(direction @ track.covariance[:3, :3] @ direction)))
            away = (track.state[:3] - states[n][:3]) @ direction
            assert abs(away) < 4.0 * sigmas[-1]
            off = np.linalg.norm(track.state[:3] - line.at(line.nearest(track.state[:3], np.eye(3))[0])[0])
            assert off < ROAD.width_m
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
    assert not [m for m in pipeline.fusion._surface.movers if m.status != TrackStatus.TENTATIVE]
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


@pytest.mark.parametrize("points", [((1.0, 2.0, 3.0),), ((95.0, 0.0, 0.0), (1.0, 2.0, 3.0)), ((1.0, np.nan, 0.0),) * 2])
def test_a_road_that_leads_nowhere_is_refused(points):
    with pytest.raises(ValueError, match="points: wanted two or more"):
        RoadConfig(points)
