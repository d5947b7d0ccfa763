"""Radar plots feed every model of motion: shares, consistency, and a glider that turns followed better than by one."""

import numpy as np
import pytest

from lookdown.ground.events import ReportFused
from lookdown.ground.parameters import Parameters, SensorField
from lookdown.ground.pipeline import Pipeline
from lookdown.wire.messages import TrackStatus
from tests.ground.conftest import EPOCH_NS, orbit_over
from tests.ground.glider import flights
from tests.ground.glider_run import SUB_POINTS, GliderWorld
from tests.ground.radar_world import RadarWorld
from tests.ground.test_radar_air import mixed, one_aircraft, packets, parameters_of, radar_of

SECONDS = 45.0
DENSITIES = (500.0, 1000.0, 3000.0)


def glider_reports(seed):
    """Two satellites at 1 Hz and a radar with elevation at 1 Hz; the world, for the truth."""
    world = GliderWorld(seed=seed, sub_points=SUB_POINTS, rate_hz=1.0, pointing_rad=1e-6, false_plots=1.0)
    world.fly(flights(1, seed)[:, 0])
    radar = RadarWorld(
        orbit_over(0.0, np.radians(6.0), 800e3, np.radians(75.0), EPOCH_NS), world.flight[0, :3], seed=seed,
        elevation_rad=2e-4, false_plots=0.5, pointing_rad=1e-6,
    )  # fmt: skip
    reports = list(world.reports(SECONDS))
    for second in range(int(SECONDS)):
        time_ns = EPOCH_NS + round((second + 0.41) * 1e9)
        radar.aim_m = world.truth(time_ns)[0, :3]
        reports.append(radar.report(time_ns, world.truth(time_ns)))
    return world, sorted(reports, key=lambda report: report.time_ns)


def follow(world, reports, **way):
    """Squared errors of position after 15 s of the confirmed track that is nearest, by time, and the pipeline."""
    chosen = Parameters(
        sensors=(*world.parameters().sensors, SensorField(9, radar="air")),
        radar_height_m=45e3, radar_height_sigma_m=5e3, pair_window_s=0.6, **way,
    )  # fmt: skip
    pipeline = Pipeline(chosen)
    squares = {}
    for event in packets(reports, pipeline):
        if isinstance(event, ReportFused):
            for update in event.updates[event.updates["status"] == TrackStatus.CONFIRMED]:
                time_ns = int(update["time_ns"])
                error = update["position_m"] - world.truth(time_ns)[0, :3]
                squares[time_ns] = min(error @ error, squares.get(time_ns, np.inf))
    late = [square for time_ns, square in squares.items() if time_ns > EPOCH_NS + 15 * 10**9]
    return late, pipeline


def test_a_turning_glider_seen_by_radar_and_infrared_is_followed_better_by_several_models(record_property):
    ways = {"multiple": {"model": "multiple"}}
    ways |= {f"constant velocity, {density:g}": {"process_noise_m2_s3": density} for density in DENSITIES}
    squares = {name: [] for name in ways}
    for seed in (1, 2):
        world, reports = glider_reports(seed)
        for name, way in ways.items():
            late, pipeline = follow(world, reports, **way)
            assert name != "multiple" or (len(late) > 70 and pipeline.counters[9, "plots_used"] > 20)  # of 90 and 30
            squares[name].append(np.mean(late) if len(late) > 70 else np.inf)
    rmse = {name: float(np.sqrt(np.mean(of))) for name, of in squares.items()}
    record_property("glider", str(rmse))
    print("\n" + ", ".join(f"{name}: {value:.1f} m" for name, value in rmse.items()))
    assert rmse["multiple"] < 0.9 * min(value for name, value in rmse.items() if name != "multiple") < np.inf


@pytest.mark.parametrize("elevation_rad", [0.0, 2e-4])
def test_an_aircraft_keeps_one_consistent_track_by_several_models(elevation_rad):
    world = one_aircraft(sub_points=((38.0, 4.0, 70.0), (42.0, 15.0, 80.0)), rate_hz=4.0)
    pipeline = Pipeline(parameters_of(world, model="multiple"))
    events = packets(mixed(world, radar_of(elevation_rad=elevation_rad, false_plots=0.5), 14.0), pipeline)
    nees = []
    for event in events:
        if isinstance(event, ReportFused):
            for update in event.updates[event.updates["status"] == TrackStatus.CONFIRMED]:
                error = np.concatenate([update["position_m"], update["velocity_m_s"]])
                error -= world.truth(int(update["time_ns"]))[0]
                nees.append(error @ np.linalg.solve(update["covariance"], error))
    [track] = [track for track in pipeline.picture().tracks if track.status == TrackStatus.CONFIRMED]
    assert track.hits > 60
    assert pipeline.counters[9, "plots_used"] >= 9
    assert 0.5 < np.median(nees) < 12.0
    table = pipeline.fusion.table
    np.testing.assert_allclose(table.mode_share.sum(axis=1), 1.0)
    assert pipeline.fusion._modes.refused == 0


def test_one_level_model_of_the_bank_takes_plots_as_the_single_filter_does():
    """The same noise and motion: places agree to a hundredth of their sigmas."""
    tracks = []
    for way in ({"process_noise_m2_s3": 1.0}, {"model": "multiple", "motions": ("level",)}):
        world = one_aircraft(sub_points=((38.0, 4.0, 70.0), (42.0, 15.0, 80.0)), rate_hz=4.0)
        pipeline = Pipeline(parameters_of(world, single_tracks=False, **way))
        packets(mixed(world, radar_of(elevation_rad=2e-4, false_plots=0.0), 10.0), pipeline)
        [track] = [track for track in pipeline.picture().tracks if track.status == TrackStatus.CONFIRMED]
        tracks.append(track)
    one, other = tracks
    sigma = np.sqrt(np.diagonal(one.covariance))[:3]
    assert (np.abs(one.state[:3] - other.state[:3]) < 0.05 * sigma).all()
    np.testing.assert_allclose(np.diagonal(other.covariance)[:3], sigma**2, rtol=0.02)
