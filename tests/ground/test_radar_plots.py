"""A radar's plots: places and covariances against draws, light time and the Earth's turn, range rate, consistency."""

from dataclasses import replace

import numpy as np
import pytest

from lookdown.geo.earth import SPEED_OF_LIGHT_M_S, enu_axes, geodetic_to_ecef
from lookdown.ground.filter import move, process_noise
from lookdown.ground.multiple import Sensor
from lookdown.ground.positions import PositionFusion, PositionParameters
from lookdown.ground.radar import rate_rows, scan_of

SPIN = 7.292115e-5
DENSITY = 10.0
PARAMETERS = PositionParameters(process_noise_m2_s3=DENSITY, initial_speed_sigma_m_s=2000.0, false_plots_per_m3=1e-15)


def orbiting(second=0.0):
    """A radar 800 km up that flies north at 7.4 km/s; axes of the place it started over."""
    lat, lon = 0.5, 0.3
    axes = enu_axes(lat, lon).T
    velocity = 7400.0 * axes[:, 1]
    return Sensor(geodetic_to_ecef(lat, lon, 800e3) + second * velocity, velocity, axes, SPIN)


def noise_of(count):
    """Range 30 m, angles 0.1 mrad, rate 2 m/s; the rate's error goes with the range's (a linear chirp couples them)."""
    sigma = np.array([30.0, 1e-4, 1e-4, 2.0])
    share = np.eye(4)
    share[0, 3] = share[3, 0] = -0.6
    return np.tile(share * sigma * sigma[:, None], (count, 1, 1))


def observe(state, sensor, noise, rng):
    """Plots by solving for the moment of emission in an inertial frame, not by the formulas under test."""
    rows = []
    for x in state:
        tau = 0.0
        for _ in range(6):
            # The frame at reception: places fixed to the Earth at emission have turned on since.
            turn = sensor.turn_rad_s * tau
            back = np.array([[np.cos(turn), -np.sin(turn), 0.0], [np.sin(turn), np.cos(turn), 0.0], [0.0, 0.0, 1.0]])
            away = back.T @ (x[:3] - tau * x[3:]) - sensor.position_m
            tau = np.linalg.norm(away) / SPEED_OF_LIGHT_M_S
        distance = np.linalg.norm(away)
        east, north, up = sensor.axes.T @ away
        rate = away @ (x[3:] - sensor.velocity_m_s) / distance
        rows.append([distance, np.arctan2(east, north), np.arcsin(up / distance), rate])
    return np.array(rows) + np.einsum("kij,kj->ki", np.linalg.cholesky(noise), rng.normal(size=(len(rows), 4)))


def targets(count, rng):
    state = np.zeros((count, 6))
    state[:, :3] = geodetic_to_ecef(0.5 + rng.normal(0, 0.04, count), 0.3 + rng.normal(0, 0.04, count), 20e3)
    state[:, 3:] = rng.normal(size=(count, 3)) * 1000.0
    return state


def test_places_and_covariances_are_those_of_draws():
    rng = np.random.default_rng(1)
    sensor, noise = orbiting(), noise_of(1)
    noise[0, 1, 1] = noise[0, 2, 2] = (8e-3) ** 2  # the spread bends: 6 km across at 800 km
    clean = observe(targets(1, rng), sensor, np.tile(1e-18 * np.eye(4), (1, 1, 1)), rng)
    scan = scan_of(sensor, clean, noise)
    draws = rng.multivariate_normal(clean[0], noise[0], 200_000)
    points = scan_of(sensor, draws, np.tile(1e-14 * np.eye(4), (len(draws), 1, 1))).position_m
    sigma = np.sqrt(np.diag(scan.covariance[0]))
    np.testing.assert_allclose((points.mean(axis=0) - scan.position_m[0]) / sigma, 0.0, atol=0.01)
    np.testing.assert_allclose((np.cov(points.T) - scan.covariance[0]) / sigma / sigma[:, None], 0.0, atol=0.02)
    joint = np.cov(np.column_stack([points, draws[:, 3]]).T)
    gain = np.linalg.solve(joint[:3, :3], joint[:3, 3])
    left = joint[3, 3] - gain @ joint[:3, 3]
    assert scan.rate_variance_m2_s2[0] == pytest.approx(left, rel=0.06)  # the bend is left out of it
    assert left < 0.9 * noise[0, 3, 3]


def test_light_time_and_the_turn_of_the_earth_bring_the_place_back():
    rng = np.random.default_rng(2)
    state, sensor = targets(20, rng), orbiting()
    exact = np.tile(np.diag([1e-6, 1e-18, 1e-18, 1e-8]), (20, 1, 1))
    plots = observe(state, sensor, exact, rng)
    tau = np.linalg.norm(state[:, :3] - sensor.position_m, axis=1)[:, None] / SPEED_OF_LIGHT_M_S
    np.testing.assert_allclose(scan_of(sensor, plots, exact).position_m, state[:, :3] - tau * state[:, 3:], atol=0.05)
    still = scan_of(replace(sensor, turn_rad_s=0.0), plots, exact).position_m
    assert np.abs(still - scan_of(sensor, plots, exact).position_m).max() > 0.8
    scan = scan_of(sensor, plots, exact)
    jacobian, innovation, _ = rate_rows(scan, state)
    assert np.abs(innovation).max() < 0.05
    for axis, step in enumerate([10.0] * 3 + [1.0] * 3):
        shift = np.zeros(6)
        shift[axis] = step
        slope = (rate_rows(scan, state - shift)[1] - rate_rows(scan, state + shift)[1]) / (2.0 * step)
        np.testing.assert_allclose(jacobian[:, :, axis], slope, rtol=1e-3, atol=2e-6)


def run(parameters, sensor_of, rates=True, seconds=20, seed=3, count=150):
    """NEES and velocity errors of settled tracks, and how many followed their target to the end."""
    rng = np.random.default_rng(seed)
    truth, fusion = targets(count, rng), PositionFusion(parameters)
    root, noise = np.linalg.cholesky(process_noise(1.0, DENSITY)), noise_of(count)
    consistency, speeds = [], []
    for second in range(seconds):
        truth = move(truth, 1.0) + rng.normal(size=(count, 6)) @ root.T
        sensor = orbiting(float(second))
        plots, believed = observe(truth, sensor, noise, rng), noise.copy()
        if not rates:
            believed[:, 3, :] = believed[:, :, 3] = 0.0
            believed[:, 3, 3] = 1e10
        of = fusion.step_radar(second * 10**9, sensor_of(sensor), plots, believed)
        if second >= 12:
            row = np.searchsorted(fusion.table.track_id, of)
            error = fusion.table.state[row] - truth
            consistency.append(np.einsum("ni,nij,nj->n", error, np.linalg.inv(fusion.table.covariance[row]), error))
            speeds.append(np.linalg.norm(error[:, 3:], axis=1))
    return np.array(consistency), np.array(speeds), np.mean(of <= count)


def test_tracks_of_a_radar_are_consistent_and_the_rate_is_worth_something():
    nees, speed, kept = run(PARAMETERS, lambda sensor: sensor)
    assert kept > 0.97
    # 1,200 values, correlated over some 6 looks: one sigma of the mean is about 0.25.
    assert np.median(nees) == pytest.approx(5.348, abs=0.5)
    _, without, _ = run(PARAMETERS, lambda sensor: sensor, rates=False)
    assert np.median(speed) < 0.93 * np.median(without)


def test_joint_association_takes_positions_alone():
    nees, _, kept = run(replace(PARAMETERS, joint_association=True), lambda sensor: sensor)
    assert kept > 0.97
    assert np.median(nees) == pytest.approx(5.348, abs=0.5)


def test_what_cannot_be_used_is_counted():
    rng = np.random.default_rng(4)
    sensor, noise = orbiting(), noise_of(5)
    plots = observe(targets(5, rng), sensor, noise, rng)
    plots[1, 1], plots[2, 0], noise[3, 0, 0] = np.nan, -5.0, -1.0
    fusion = PositionFusion(PARAMETERS)
    told = fusion.step_radar(0, sensor, plots, noise)
    assert fusion.refused == 3
    assert (told > 0).tolist() == [True, False, False, False, True]
    with pytest.raises(ValueError, match="range, azimuth, elevation and range rate"):
        scan_of(sensor, np.zeros((2, 3)), np.zeros((2, 3, 3)))
