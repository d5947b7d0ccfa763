"""A radar among infrared satellites: its measurements, one picture of both, initiation, what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from lookdown.geo.earth import geodetic_to_ecef
from lookdown.ground.echoes import EchoLook, places_of, predict_echoes
from lookdown.ground.events import Happening, ReportFused
from lookdown.ground.filter import move, process_noise
from lookdown.ground.ingest import Ingest
from lookdown.ground.measure import Look, predict_sights
from lookdown.ground.offline import fuse
from lookdown.ground.parameters import Parameters, SensorField
from lookdown.ground.pipeline import Pipeline
from lookdown.wire.envelope import Delivery
from lookdown.wire.errors import WireError
from lookdown.wire.messages import PlotReport, TrackStatus
from lookdown.wire.packet import encode
from lookdown.wire.recording import Recorder
from tests.ground.conftest import AIM_RAD, EPOCH_NS, World, orbit_over
from tests.ground.radar_world import RadarWorld, observed

AIM_M = geodetic_to_ecef(*AIM_RAD, 0.0)


def radar_of(**changes):
    orbit = orbit_over(np.radians(40.0), np.radians(17.0), 800e3, np.radians(75.0), EPOCH_NS)
    return RadarWorld(orbit, AIM_M, **changes)


def parameters_of(world, **changes):
    fields = () if world is None else world.parameters().sensors
    return Parameters(sensors=(*fields, SensorField(9, radar="air")), **changes)


def packets(reports, pipeline):
    """Feed reports through packets; the events of all."""
    events = []
    for number, report in enumerate(reports):
        events += pipeline.take(Delivery(report.sensor_id, 0, 0, encode(report, number), 1, number))
    return events + pipeline.finish()


def one_aircraft(**changes):
    world = World(seed=1, detection=0.9, false_plots=2.0, pointing_rad=2e-5, **changes)
    world.add_mover(2e3, -3e3, 9e3, 240.0, 70.0)
    return world


def mixed(world, radar, seconds, every_s=1.0):
    """Reports of the world's satellites and the radar in order of time."""
    looks = [EPOCH_NS + round((0.37 + every_s * n) * 1e9) for n in range(int(seconds / every_s))]
    radars = [radar.report(time_ns, world.truth(time_ns)) for time_ns in looks] if radar else []
    return sorted([*world.reports(seconds), *radars], key=lambda report: report.time_ns)


def errors_of(events, world):
    """Position errors of all confirmed updates in the second half."""
    updates = np.concatenate([event.updates for event in events if isinstance(event, ReportFused)])
    updates = updates[updates["status"] == TrackStatus.CONFIRMED]
    updates = updates[updates["time_ns"] > np.median(updates["time_ns"])]
    truth = np.array([world.truth(int(t))[0] for t in updates["time_ns"]])
    error = np.concatenate([updates["position_m"], updates["velocity_m_s"]], axis=1) - truth
    nees = np.einsum("ni,nij,nj->n", error, np.linalg.inv(updates["covariance"]), error)
    return np.linalg.norm(error[:, :3], axis=1), nees, np.unique(updates["track_id"])


def test_what_is_predicted_is_what_is_observed_and_its_slopes_are_right():
    radar = radar_of(detection=1.0, false_plots=0.0)
    rng = np.random.default_rng(2)
    state = np.zeros((12, 6))
    state[:, :3] = geodetic_to_ecef(AIM_RAD[0] + rng.normal(0, 2e-3, 12), AIM_RAD[1] + rng.normal(0, 2e-3, 12), 9e3)
    state[:, 3:] = rng.normal(size=(12, 3)) * 200.0
    look = EchoLook.of(radar.report(EPOCH_NS, state))
    predicted = predict_echoes(state, look)
    clean = np.array([observed(x, look.report.state) for x in state])
    scale = np.array([1e-8, 0.02, 0.01, 1e-8])
    assert (np.abs(predicted.measured - clean) < scale).all()
    assert predicted.visible.all()
    for axis, step in enumerate([10.0] * 3 + [1.0] * 3):
        shift = np.zeros(6)
        shift[axis] = step
        apart = predict_echoes(state + shift, look).measured - predict_echoes(state - shift, look).measured
        np.testing.assert_allclose(predicted.jacobian[:, :, axis], apart / (2 * step), rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize("elevation_rad", [0.0, 1e-4])
def test_a_place_and_its_covariance_are_those_of_draws(elevation_rad):
    radar = radar_of(detection=1.0, false_plots=0.0, elevation_rad=elevation_rad, pointing_rad=1e-4)
    truth = np.concatenate([geodetic_to_ecef(*AIM_RAD, 9e3), np.zeros(3)])
    radar.least_speed_m_s = -1.0
    squares, rng = [], np.random.default_rng(1)
    for _ in range(150):
        radar.bias = radar.rng.normal(size=4) * [1e-4, radar.position_sigma_m, 0.0, 1e-4]
        look = EchoLook.of(radar.report(EPOCH_NS, truth[None]))
        height_m = 9e3 + rng.normal(size=1) * 3e3
        place, covariance, shift = places_of(look, np.arange(1), height_m, 3e3)
        away = truth[:3] - place[0]
        squares.append(away @ np.linalg.solve(covariance[0], away))
        assert (np.linalg.eigvalsh(covariance[0] - shift[0] @ shift[0].T) > -1e-6).all()
    # One sigma of the mean of 150 chi-squares of three degrees is 0.2.
    assert np.mean(squares) == pytest.approx(3.0, abs=0.6)


def test_radar_and_infrared_of_one_aircraft_are_one_track_and_better_than_either():
    figures = {}
    for name, with_radar in (("both", True), ("infrared", False)):
        world = one_aircraft(sub_points=((38.0, 4.0, 70.0), (42.0, 15.0, 80.0)), rate_hz=4.0)
        radar = radar_of(elevation_rad=2e-4, false_plots=0.5) if with_radar else None
        pipeline = Pipeline(parameters_of(world))
        reports = mixed(world, radar, 16.0)
        if not with_radar:
            pipeline = Pipeline(world.parameters())
        events = packets(reports, pipeline)
        error, nees, tracks = errors_of(events, world)
        assert len(tracks) == 1, name
        assert sum(isinstance(e, Happening) and e.kind == "confirmed" for e in events) == 1
        figures[name] = np.sqrt(np.mean(error**2)), np.median(nees)
        if with_radar:
            [track] = pipeline.picture().tracks
            assert pipeline.counters[9, "plots_used"] >= 10
            assert track.id == tracks[0]
    assert figures["both"][0] < 0.95 * figures["infrared"][0]
    assert figures["both"][1] < 12.0


DENSITY = 10.0


def test_errors_of_radar_and_infrared_together_lie_at_their_bound():
    """Truth drawn from the filter's process; the bound is that of all plots, their slopes taken at the truth."""
    errors, bounds = [], []
    for seed in range(4):
        world = one_aircraft(sub_points=((38.0, 4.0, 70.0), (42.0, 15.0, 80.0)), rate_hz=2.0)
        world.seed, world.false_plots, world.detection, world.pointing_rad = seed, 0.0, 1.0, 1e-9
        world.__post_init__()
        radar = radar_of(seed=seed, detection=1.0, false_plots=0.0, pointing_rad=1e-9, position_sigma_m=0.01)
        steps = sorted([round((frame + k / 2) * 5e8) for frame in range(40) for k in (0, 1)] + [
            round((0.37 + n) * 1e9) for n in range(20)
        ])  # fmt: skip
        rng, path, state, last = np.random.default_rng(seed), {}, world.movers, 0
        for step in steps:
            root = np.linalg.cholesky(process_noise(max((step - last) * 1e-9, 1e-6), DENSITY))
            state = move(state, (step - last) * 1e-9) + rng.normal(size=6) @ root.T * (step > last)
            path[EPOCH_NS + step], last = state, step
        world.truth = path.__getitem__
        reports = mixed(world, radar, 20.0)
        assert {report.time_ns for report in reports} <= set(path)
        pipeline = Pipeline(parameters_of(world, process_noise_m2_s3=DENSITY, centroid_floor_px=0.01))
        events = packets(reports, pipeline)
        fused = np.concatenate([event.updates for event in events if isinstance(event, ReportFused)])
        fused = fused[(fused["status"] == TrackStatus.CONFIRMED) & (fused["time_ns"] > EPOCH_NS + 8 * 10**9)]
        spread, last = np.diag([1e8] * 3 + [9e6] * 3), reports[0].time_ns
        bound = {}
        for report in reports:
            ahead_s = (report.time_ns - last) * 1e-9
            carry = np.kron(np.array([[1.0, ahead_s], [0.0, 1.0]]), np.eye(3))
            spread = carry @ spread @ carry.T + process_noise(ahead_s, DENSITY)
            at = path[report.time_ns]
            if isinstance(report, PlotReport):
                look = Look.of(report, 0.01)
                slopes, noise = predict_sights(at, look).jacobian[0], np.diag(look.variance[0])
            else:
                echo = EchoLook.of(report)
                slopes, noise = predict_echoes(at, echo).jacobian[0, :3], echo.noise[0, :3, :3]
            spread = np.linalg.inv(np.linalg.inv(spread) + slopes.T @ np.linalg.solve(noise, slopes))
            bound[report.time_ns], last = np.trace(spread[:3, :3]), report.time_ns
        for update in fused:
            errors.append(np.sum((update["position_m"] - path[int(update["time_ns"])][0, :3]) ** 2))
            bounds.append(bound[int(update["time_ns"])])
    ratio = np.sqrt(np.mean(errors) / np.mean(bounds))
    assert 0.75 < ratio < 1.2, ratio


def test_two_radars_are_not_needed_where_one_has_elevation():
    """A radar alone starts and confirms; errors stay within what it states."""
    world = one_aircraft(sub_points=())
    pipeline = Pipeline(parameters_of(None, process_noise_m2_s3=5.0))
    radar = radar_of(elevation_rad=2e-4, false_plots=2.0)
    events = packets(
        [radar.report(EPOCH_NS + n * 10**9, world.truth(EPOCH_NS + n * 10**9)) for n in range(30)], pipeline
    )
    _, nees, tracks = errors_of(events, world)
    assert len(tracks) == 1
    assert np.median(nees) < 12.0


def test_a_line_array_alone_knows_no_height_and_confirms_nothing_in_the_air():
    world = one_aircraft(sub_points=())
    pipeline = Pipeline(parameters_of(None))
    radar = radar_of(false_plots=0.0)
    packets([radar.report(EPOCH_NS + n * 10**9, world.truth(EPOCH_NS + n * 10**9)) for n in range(15)], pipeline)
    assert not [t for t in pipeline.picture().tracks if t.status != TrackStatus.TENTATIVE]
    assert len(pipeline.fusion.table) >= 1


def test_folded_rates_are_used_where_their_fold_is_told_and_left_where_not():
    """Folds of 100 m/s: a new track's rate may be of any, a settled one's of one alone."""
    speeds = {}
    for fold in (0.0, 100.0):
        world = one_aircraft(sub_points=())
        radar = radar_of(elevation_rad=1e-4, false_plots=0.0, detection=1.0, rate_fold_m_s=fold)
        pipeline = Pipeline(parameters_of(None, process_noise_m2_s3=5.0))
        events = packets(
            [radar.report(EPOCH_NS + n * 10**9, world.truth(EPOCH_NS + n * 10**9)) for n in range(25)], pipeline
        )
        error, nees, tracks = errors_of(events, world)
        assert len(tracks) == 1
        assert np.median(nees) < 12.0
        speeds[fold] = np.median(error)
    assert speeds[100.0] < 1.3 * speeds[0.0]


def good(radar, n=3):
    world = one_aircraft(sub_points=())
    state = np.repeat(world.truth(EPOCH_NS), n, axis=0)
    radar.detection, radar.false_plots = 1.0, 0.0
    return radar.report(EPOCH_NS, state)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("range_m", 5e3, "geometry"), ("range_m", 9e6, "geometry"), ("azimuth_rad", np.nan, "geometry"),
        ("sigma_range_m", 0.0, "covariance"), ("sigma_azimuth_rad", np.nan, "covariance"),
        ("correlation_rate_azimuth", 1.0, "covariance"),
    ],
)  # fmt: skip
def test_plots_that_cannot_be_are_left_out_and_counted(name, value, reason):
    report = good(radar_of())
    report.echoes[name][1] = value
    ingest = Ingest(parameters_of(None))
    [arrival] = ingest.offer(report)
    assert arrival.plot_index.tolist() == [0, 2]
    assert ingest.counters[9, "plots_refused"] == ingest.counters[9, f"plots_refused_{reason}"] == 1
    report = replace(report, frame_id=2, time_ns=report.time_ns + 1)
    report.echoes[name][:] = value
    with pytest.raises(WireError, match={"geometry": "lies in the air", "covariance": "has a covariance"}[reason]):
        ingest.offer(report)
    assert ingest.counters[9, f"refused_{reason}"] == 1


def test_correlations_that_go_together_in_no_way_are_refused():
    report = good(radar_of())
    for name, value in (("range_rate", 0.9), ("range_azimuth", 0.9), ("rate_azimuth", -0.9)):
        report.echoes[f"correlation_{name}"][0] = value
    ingest = Ingest(parameters_of(None))
    [arrival] = ingest.offer(report)
    assert arrival.plot_index.tolist() == [1, 2]
    assert ingest.counters[9, "plots_refused_covariance"] == 1


def test_a_flood_of_plots_is_bounded_and_others_go_on():
    radar, world = radar_of(), one_aircraft(sub_points=())
    radar.false_plots, radar.least_speed_m_s = 2000.0, 0.0
    flood = radar.report(EPOCH_NS, world.truth(EPOCH_NS))
    flood = replace(flood, echoes=np.repeat(flood.echoes, 6)[:10_000])
    pipeline = Pipeline(parameters_of(world))
    pipeline._fuse(pipeline.ingest.offer(flood, 9))
    assert pipeline.ingest.counters[9, "plots_over_limit"] == len(flood.echoes) - 200
    assert len(pipeline.fusion.table) <= 150


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"sensor_id": 77}, "unknown_sensor"), ({"time_ns": EPOCH_NS - 1}, "past"), ({"frame_id": 1}, "repeat")],
)
def test_reports_out_of_place_are_refused_by_reason(change, reason):
    ingest = Ingest(parameters_of(None))
    report = good(radar_of())
    ingest.offer(report)
    with pytest.raises(WireError) as caught:
        ingest.offer(replace(replace(report, frame_id=2, time_ns=EPOCH_NS + 1), **change))
    assert caught.value.reason == reason


def test_a_radar_report_of_a_focal_plane_is_refused():
    ingest = Ingest(Parameters(sensors=(SensorField(9),)))
    with pytest.raises(WireError, match="wanted a plot report"):
        ingest.offer(good(radar_of()))


def test_a_recording_of_both_is_fused_offline(tmp_path):
    world = one_aircraft(sub_points=((38.0, 4.0, 70.0), (42.0, 15.0, 80.0)), rate_hz=4.0)
    recorder = Recorder(tmp_path / "both.ldrec")
    for number, report in enumerate(mixed(world, radar_of(elevation_rad=2e-4), 8.0)):
        recorder.append(Delivery(report.sensor_id, 0, 0, encode(report, number), 1, number))
    recorder.close()
    updates = fuse(tmp_path / "both.ldrec")
    assert set(np.unique(updates["sensor_id"])) == {1, 2, 9}
    assert len(np.unique(updates["track_id"][updates["status"] == TrackStatus.CONFIRMED])) == 1
