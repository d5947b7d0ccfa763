"""The filter against theory: the bound of the stereo case, consistency, Jacobians, and a pointing error that stays."""

import numpy as np
import pytest

from lookdown.geo.attitude import stare_attitude
from lookdown.geo.camera import Camera
from lookdown.geo.earth import SPEED_OF_LIGHT_M_S, ecef_to_geodetic, geodetic_to_ecef
from lookdown.ground.filter import innovation_covariance, move, predict, process_noise, update
from lookdown.ground.measure import Look, common_sigma, predict_sights
from lookdown.wire.messages import SIGHT_DTYPE, PlotReport, SensorState

SIGMA_RAD = 50e-6
DENSITY = 10.0  # m^2/s^3
RADIUS_M = 6_378_137.0
NO_SIGHTS = np.zeros(0, SIGHT_DTYPE)


def stereo_looks(separation_deg, pointing_rad=0.0):
    """Two satellites at 1000 km over the equator, that stare at the point midway at 30 km, and that point."""
    middle = np.array([RADIUS_M + 30e3, 0.0, 0.0])
    looks = []
    for half in np.radians([-separation_deg / 2, separation_deg / 2]):
        position = (RADIUS_M + 1000e3) * np.array([np.cos(half), np.sin(half), 0.0])
        attitude = stare_attitude(position, np.array([0.0, 0.0, 7e3]), middle)
        state = SensorState(position, np.array([0.0, 0.0, 7e3]), attitude, 0.0, pointing_rad, 30e-6)
        looks.append(Look.of(PlotReport(len(looks) + 1, 0, 0, state, NO_SIGHTS), 0.0))
    return looks, middle


def observe(state, look):
    """Tangents of targets by way of the camera model and light time, without the filter's own measurement."""
    camera, sensor = Camera(512, 640, 30e-6), look.report.state
    delay_s = np.linalg.norm(state[:, :3] - look.origin_m, axis=1, keepdims=True) / SPEED_OF_LIGHT_M_S
    emitted = state[:, :3] - state[:, 3:] * delay_s
    delay_s = np.linalg.norm(emitted - look.origin_m, axis=1, keepdims=True) / SPEED_OF_LIGHT_M_S
    emitted = state[:, :3] - state[:, 3:] * delay_s
    row, col, _ = camera.project(emitted, sensor.position_m, sensor.attitude)
    return np.stack(camera.tangent_from_pixel(row, col), axis=1)


def information_of(nominal, looks):
    """Fisher information of one sight of each look at a state: each adds (I - u u') / (range sigma)^2."""
    information = np.zeros((6, 6))
    for look in looks:
        offset = nominal[:3] - look.origin_m
        distance = np.linalg.norm(offset)
        along = offset / distance
        information[:3, :3] += (np.eye(3) - np.outer(along, along)) / (distance * SIGMA_RAD) ** 2
    return information


def bound(information, looks, nominal, dt_s=1.0):
    """One step of the posterior Cramer-Rao recursion J+ = (Q + F J^-1 F')^-1 + sum H' R^-1 H."""
    transition = np.eye(6)
    transition[:3, 3:] = dt_s * np.eye(3)
    moved = process_noise(dt_s, DENSITY) + transition @ np.linalg.inv(information) @ transition.T
    return np.linalg.inv(moved) + information_of(nominal, looks)


def run_stereo(separation_deg, runs, steps, seed, pointing_rad=0.0, believed_s=100.0):
    """Filter ``runs`` movers drawn from the filter's own model, 1 Hz.

    Returns errors [steps, runs, 6], NEES [steps, runs] and position bound [steps].
    """
    rng = np.random.default_rng(seed)
    looks, middle = stereo_looks(separation_deg, pointing_rad)
    velocity = np.array([0.0, 0.0, 2400.0])
    start = move(np.concatenate([middle, -velocity])[None], steps / 2)  # backwards, so that it ends beyond the middle
    start[:, 3:] *= -1.0
    prior = np.diag([200.0**2] * 3 + [100.0**2] * 3)
    truth = np.repeat(start, runs, axis=0)
    estimate = truth + rng.multivariate_normal(np.zeros(6), prior, runs)
    covariance, cross = np.repeat(prior[None], runs, axis=0), np.zeros((runs, 6, 4))
    noise = np.linalg.cholesky(process_noise(1.0, DENSITY))
    bias = rng.normal(size=(2, runs, 2)) * pointing_rad
    fade = np.exp(-1.0 / 100.0)
    nominal, information = start, np.linalg.inv(prior)
    errors, nees, bounds = [], [], []
    for _ in range(steps):
        truth = move(truth, 1.0) + rng.normal(size=(runs, 6)) @ noise.T
        nominal = move(nominal, 1.0)
        estimate, covariance, cross = predict(estimate, covariance, cross, 1.0, DENSITY, believed_s)
        bias = fade * bias + rng.normal(size=bias.shape) * pointing_rad * np.sqrt(1.0 - fade**2)
        for sensor, look in enumerate(looks):
            measured = observe(truth, look) + bias[sensor] + rng.normal(size=(runs, 2)) * SIGMA_RAD
            predicted = predict_sights(estimate, look)
            sigma = common_sigma(look.report.state, predicted.range_m)
            spread = innovation_covariance(covariance, cross, predicted, sensor, sigma) + SIGMA_RAD**2 * np.eye(2)
            estimate, covariance, cross = update(
                estimate, covariance, cross, predicted, sensor, sigma, measured - predicted.tangent, spread
            )
        information = bound(information, looks, nominal[0])
        error = estimate - truth
        errors.append(error)
        nees.append(np.einsum("ni,nij,nj->n", error, np.linalg.inv(covariance), error))
        bounds.append(np.sqrt(np.trace(np.linalg.inv(information)[:3, :3])))
    return np.array(errors), np.array(nees), np.array(bounds)


@pytest.mark.parametrize(("separation_deg", "published_m"), [(10.0, 51.0), (20.0, 65.0), (30.0, 99.0), (40.0, 165.0)])
def test_bound_is_the_published_one(separation_deg, published_m):
    looks, middle = stereo_looks(separation_deg)
    nominal = np.concatenate([middle, [0.0, 0.0, 2400.0]])
    information = np.eye(6) * 1e-12
    for _ in range(100):
        information = bound(information, looks, nominal)
    assert np.sqrt(np.trace(np.linalg.inv(information)[:3, :3])) == pytest.approx(published_m, rel=0.02)


@pytest.mark.parametrize("separation_deg", [10.0, 30.0])
def test_stereo_error_is_at_the_bound_and_consistent(separation_deg, record_property):
    errors, nees, bounds = run_stereo(separation_deg, runs=200, steps=40, seed=11)
    settled = slice(20, None)
    rmse_m = np.sqrt(np.mean(np.sum(errors[settled, :, :3] ** 2, axis=2)))
    ratio = rmse_m / np.mean(bounds[settled])
    mean_nees = np.mean(nees[settled])
    record_property("rmse_over_bound", round(float(ratio), 3))
    print(f"\n{separation_deg:.0f} degrees: RMSE {rmse_m:.1f} m = {ratio:.3f} of the bound, NEES {mean_nees:.2f} (6)")
    assert 0.9 < ratio < 1.2
    # 200 runs x 20 steps, correlated over some 5 steps: standard deviation of the mean is about 0.12.
    assert mean_nees == pytest.approx(6.0, abs=0.5)


def test_an_error_common_to_all_plots_does_not_average_out():
    """With 100 microradians that stay for 100 s NEES is 6; taken as noise of each plot it is far above."""
    _, nees, _ = run_stereo(20.0, runs=200, steps=40, seed=5, pointing_rad=100e-6)
    assert np.mean(nees[20:]) == pytest.approx(6.0, abs=0.6)
    _, naive, _ = run_stereo(20.0, runs=200, steps=40, seed=5, pointing_rad=100e-6, believed_s=0.01)
    assert np.mean(naive[20:]) > 9.0


def test_jacobian_and_light_time_against_differences():
    looks, middle = stereo_looks(30.0)
    state = np.concatenate([middle + np.array([3e3, -8e3, 5e3]), [500.0, -300.0, 6000.0]])[None]
    for look in looks:
        predicted = predict_sights(state, look)
        # One fixed-point step of light time against two: below 1e-10 rad at 6 km/s.
        np.testing.assert_allclose(predicted.tangent, observe(state, look), rtol=0, atol=1e-9)
        still = np.concatenate([state[:, :3], np.zeros((1, 3))], axis=1)
        assert np.abs(predict_sights(still, look).tangent - predicted.tangent).max() > 5e-6
        for axis, step in enumerate([1.0, 1.0, 1.0, 10.0, 10.0, 10.0]):
            shift = np.zeros((1, 6))
            shift[0, axis] = step
            slope = (observe(state + shift, look) - observe(state - shift, look)) / (2 * step)
            np.testing.assert_allclose(
                predicted.jacobian[:, :, axis], slope, rtol=2e-3, atol=2e-11
            )  # the part of v / c that is left out


def test_the_earth_hides_what_is_behind_it():
    looks, middle = stereo_looks(10.0)
    state = np.zeros((2, 6))
    state[0, :3], state[1, :3] = middle, -middle
    assert predict_sights(state, looks[0]).visible.tolist() == [True, False]


def test_movers_keep_speed_and_height_over_a_long_way():
    state = np.concatenate([geodetic_to_ecef(0.6, 0.2, 30e3), [0.0, 0.0, 0.0]])[None]
    east = np.array([-np.sin(0.2), np.cos(0.2), 0.0])
    state[0, 3:] = 3000.0 * east
    moved = state
    for _ in range(600):
        moved = move(moved, 0.5)
    assert np.linalg.norm(moved[0, 3:]) == pytest.approx(3000.0, rel=1e-4)
    # A great circle of the sphere climbs and sinks over the ellipsoid by its flattening.
    assert np.linalg.norm(moved[0, :3]) == pytest.approx(np.linalg.norm(state[0, :3]), abs=20.0)
    assert abs(ecef_to_geodetic(moved[0, :3])[2] - 30e3) < 10e3
    assert np.linalg.norm(moved[0, :3] - state[0, :3]) == pytest.approx(900e3, rel=5e-3)


def test_prediction_is_the_same_in_one_step_or_many():
    rng = np.random.default_rng(0)
    state = np.concatenate([geodetic_to_ecef(0.3, 1.0, 10e3), [100.0, 200.0, -50.0]])[None]
    root = rng.normal(size=(6, 6))
    covariance, cross = (root @ root.T)[None], rng.normal(size=(1, 6, 4))
    once = predict(state, covariance, cross, 1.0, 10.0, 50.0)
    many = (state, covariance, cross)
    for _ in range(10):
        many = predict(*many, 0.1, 10.0, 50.0)
    for a, b in zip(once, many, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-4)
