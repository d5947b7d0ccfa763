"""Pointing errors: the parts give what one great filter gives; landmarks tell them, and tracks lose them."""

from dataclasses import replace

import numpy as np
import pytest

from lookdown.geo.earth import ecef_to_geodetic
from lookdown.ground.events import Happening
from lookdown.ground.fusion import Fusion
from lookdown.ground.ingest import Ingest
from lookdown.ground.parameters import Landmark, Parameters, SensorField
from lookdown.ground.pointing import Pointing
from lookdown.wire.messages import TrackStatus

EPOCH_NS = 1_800_000_000_000_000_000
STILL_S = 1e9
SENSORS = tuple(SensorField(number) for number in (1, 2, 3))


def test_small_filters_give_what_one_filter_of_tracks_and_errors_gives():
    """Ten reports of three sensors, four tracks, the errors standing still: the joint Kalman filter beside it."""
    rng = np.random.default_rng(0)
    n, m = 4, 6
    pointing = Pointing(Parameters(sensors=SENSORS, pointing_correlation_s=STILL_S))
    state, covariance = rng.normal(size=(n, 6)), np.tile(np.diag([4.0] * 3 + [1.0] * 3), (n, 1, 1))
    tracks = state.copy(), covariance.copy(), np.zeros((n, 6, m))
    joint, spread = np.concatenate([state.ravel(), np.zeros(m)]), np.eye(6 * n + m)
    for k in range(n):
        spread[6 * k : 6 * k + 6, 6 * k : 6 * k + 6] = covariance[k]
    for report in range(10):
        sensor, rows = report % 3, np.flatnonzero(rng.random(n) < 0.7)
        q, own = len(rows), 2 * sensor
        jacobian, noise = rng.normal(size=(q, 2, 6)), np.tile(0.3 * np.eye(2), (q, 1, 1))
        sigma, measured = rng.uniform(0.5, 2.0, q), rng.normal(size=(q, 2))
        foreseen = np.einsum("nij,nj->ni", jacobian, tracks[0][rows]) + sigma[:, None] * pointing.mean[own : own + 2]
        sure = np.ones(q, bool)
        pointing.take(tracks, (), rows, sure, sensor, sigma, jacobian, measured - foreseen, noise)

        h, r = np.zeros((2 * q, 6 * n + m)), 0.3 * np.eye(2 * q)
        for place, row in enumerate(rows):
            h[2 * place : 2 * place + 2, 6 * row : 6 * row + 6] = jacobian[place]
            h[2 * place : 2 * place + 2, 6 * n + own : 6 * n + own + 2] = sigma[place] * np.eye(2)
        gain = spread @ h.T @ np.linalg.inv(h @ spread @ h.T + r)
        joint = joint + gain @ (measured.ravel() - h @ joint)
        spread = spread - gain @ h @ spread
    np.testing.assert_allclose(pointing.mean, joint[6 * n :], rtol=1e-9)
    np.testing.assert_allclose(pointing.covariance, spread[6 * n :, 6 * n :], rtol=1e-8, atol=1e-12)
    for k in range(n):
        own = slice(6 * k, 6 * k + 6)
        np.testing.assert_allclose(tracks[0][k], joint[own], rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(tracks[1][k], spread[own, own], rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(tracks[2][k], spread[own, 6 * n :], rtol=1e-8, atol=1e-10)


def scene_of(world, pointing_rad, seed, marks=2):
    """Three movers, and landmarks that stand where they are known to be within 5 m."""
    scene = world(seed=seed, pointing_rad=pointing_rad, pointing_memory_s=1e5, rate_hz=5.0)
    scene.add_mover(-3e3, 5e3, 10e3, 250.0, 60.0)
    scene.add_mover(6e3, -4e3, 11e3, 230.0, 190.0)
    scene.add_mover(2e3, 2e3, 0.5e3, 240.0, 300.0)
    known = []
    for east_m, north_m in ((-8e3, 2e3), (7e3, -6e3))[:marks]:
        scene.add_standing(east_m, north_m, 0.0)
        place = scene.standing[-1][0] + 5.0 * np.random.default_rng(seed).normal(size=3)
        lat, lon, height_m = ecef_to_geodetic(place)
        known.append(Landmark(float(np.degrees(lat)), float(np.degrees(lon)), float(height_m), 5.0))
    return scene, tuple(known)


def follow(scene, seconds, **parameters):
    """Squared errors of position and NEES of confirmed updates in the last third; happenings; the fusion."""
    chosen = scene.parameters(pointing_correlation_s=1e4, **parameters)
    fusion, ingest, told = Fusion(chosen), Ingest(chosen), []
    squares, nees = [], []
    for report in scene.reports(seconds):
        for event in fusion.step(ingest.offer(report)):
            if isinstance(event, Happening):
                told.append(event)
            elif event.arrival.report.time_ns - EPOCH_NS > seconds * 0.67e9:
                truth = scene.truth(event.arrival.report.time_ns)
                for update in event.updates[event.updates["status"] == TrackStatus.CONFIRMED]:
                    error = np.concatenate([update["position_m"], update["velocity_m_s"]]) - truth
                    error = error[np.linalg.norm(error[:, :3], axis=1).argmin()]
                    squares.append(error[:3] @ error[:3])
                    nees.append(error @ np.linalg.solve(update["covariance"], error))
    return np.mean(squares), np.mean(nees), told, fusion


def test_landmarks_take_100_microradians_of_three_satellites_away(world, record_property):
    found = {}
    for name, pointing_rad, estimate in (("none", 1e-7, True), ("known", 1e-4, True), ("allowed for", 1e-4, False)):
        parts = []
        for seed in range(2):
            scene, known = scene_of(world, pointing_rad, seed)
            landmarks = known if estimate else ()
            square, nees, told, fusion = follow(scene, 9.0, landmarks=landmarks, estimate_pointing=estimate)
            parts.append((square, nees))
            if name == "known":
                assert len(fusion.pointing) == 3
                for error in fusion.pointing:
                    bias = scene.bias[error.sensor_id - 1]
                    assert abs(error.x_rad - bias[0]) < 4.0 * error.sigma_x_rad < 20e-6
                    assert abs(error.y_rad - bias[1]) < 4.0 * error.sigma_y_rad < 20e-6
                assert {event.sensor_id for event in told if event.kind == "pointing"} == {1, 2, 3}
                assert fusion.counters[1, "plots_of_landmarks"] > 50
        square, nees = np.mean(parts, axis=0)
        found[name] = np.sqrt(square), nees
    line = ", ".join(f"{name} {rmse:.1f} m, NEES {nees:.1f}" for name, (rmse, nees) in found.items())
    record_property("pointing", line)
    print("\n" + line)
    assert found["known"][0] <= 1.2 * found["none"][0]
    assert found["known"][1] <= 1.2 * found["none"][1] < 6.0
    assert found["allowed for"][0] > 3.0 * found["none"][0]


def test_targets_alone_tell_by_what_errors_differ(world):
    """Of six angles the three that shift all targets alike stay unknown; the rest is known, and honestly."""
    distance2 = []
    for seed in range(4):
        scene, _ = scene_of(world, 1e-4, seed, marks=0)
        *_, fusion = follow(scene, 6.0)
        error = (fusion._pointing.mean * 1e-4 - scene.bias.ravel()) / 1e-4
        spread = np.linalg.eigvalsh(fusion._pointing.covariance)
        assert np.count_nonzero(spread < 0.05) >= 2
        assert spread[-3:].min() > 0.5
        distance2.append(error @ np.linalg.solve(fusion._pointing.covariance, error))
    assert 10.0 < np.sum(distance2) < 45.0  # chi-square with 24 degrees: 99.8 %


def test_a_satellite_that_tells_another_sigma_is_learnt_anew(world):
    scene, landmarks = scene_of(world, 1e-4, 0)
    chosen = scene.parameters(pointing_correlation_s=1e4, landmarks=landmarks)
    fusion, ingest = Fusion(chosen), Ingest(chosen)
    for report in scene.reports(3.0):
        fusion.step(ingest.offer(report))
    assert len(fusion.pointing) == 3
    scene.pointing_rad = 3e-4
    first = scene.report(0, 1000, EPOCH_NS + 3_000_000_000)
    first = replace(first, sights=first.sights[:0])  # no landmark is seen
    fusion.step(ingest.offer(first) + ingest.flush())
    assert [error.sensor_id for error in fusion.pointing] == [2, 3]
    assert fusion.counters[1, "pointing_renewed"] == 1
    for row in range(len(fusion.table)):
        np.linalg.cholesky(fusion.table.covariance[row])


@pytest.mark.parametrize("wrong", [{"latitude_deg": 91.0}, {"sigma_m": 0.0}, {"height_m": 2e5}])
def test_a_landmark_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match="landmarks: wanted"):
        Parameters(landmarks=(Landmark(**({"latitude_deg": 0.0, "longitude_deg": 0.0} | wrong)),))
