"""The unscented kernels against Stone Soup's filter, SciPy's integrator, pymap3d's heights and a plain twin."""

from datetime import datetime, timedelta

import numpy as np
import pymap3d
import pytest
from scipy.integrate import solve_ivp
from stonesoup.models.measurement.nonlinear import CartesianToElevationBearingRangeRate
from stonesoup.models.transition.base import TransitionModel
from stonesoup.predictor.kalman import UnscentedKalmanPredictor
from stonesoup.types.detection import Detection
from stonesoup.types.hypothesis import SingleHypothesis
from stonesoup.types.prediction import GaussianStatePrediction
from stonesoup.types.state import GaussianState, State
from stonesoup.updater.kalman import UnscentedKalmanUpdater

from lookdown.geo.earth import SPEED_OF_LIGHT_M_S, geodetic_to_ecef
from lookdown.kernels.forecast import forecast
from lookdown.kernels.revise import revise
from tests.kernels import reference_tracks as twin
from tests.kernels.test_tracks import positive

LEVEL, TURN, BALLISTIC, GLIDE, SURFACE = range(5)
SPIN = 7.292115e-5
CUBATURE, SCALED = (1.0, 0.0, 0.0), (0.5, 2.0, 0.0)
NOISE = (40.0, 1e-6, 0.02, 1e-12)  # density, turn_density, turn_sigma, drag_density
START = datetime(2026, 1, 1)


def slope(model, x):
    """The models in vectors, by the formulas of motion.pxd's page and nothing of its code."""
    p, v, turn, drag = x[:3], x[3:6], x[6], x[7]
    r = np.linalg.norm(p)
    spin = np.array([0.0, 0.0, SPIN])
    if model == BALLISTIC:
        up, north = p / r, np.array([0.0, 0.0, 1.0])
        share = 1.5 * 1.08262982e-3 * (6378137.0 / r) ** 2
        pull = up + share * ((1.0 - 5.0 * up[2] ** 2) * up + 2.0 * up[2] * north)
        a = -3.986004418e14 / r**2 * pull - 2.0 * np.cross(spin, v) - np.cross(spin, np.cross(spin, p))
    else:
        a = np.cross(np.cross(p, v) / r**2, v)
        if model != LEVEL:
            a = a + turn * np.cross(p / r, v)
        if model == GLIDE:
            height = r - 6378137.0 * (1.0 - (p[2] / r) ** 2 / 298.257223563)
            a = a - drag * np.exp(-height / 7000.0) * np.linalg.norm(v) * v
    return np.concatenate([v, a, [0.0, 0.0]])


def carried(model, x, dt):
    return solve_ivp(lambda _, y: slope(model, y), (0.0, dt), x, rtol=1e-10, atol=1e-7, method="DOP853").y[:, -1]


def gliders(n, seed=1):
    rng = np.random.default_rng(seed)
    state = np.zeros((n, 8))
    state[:, :3] = geodetic_to_ecef(*rng.uniform(-1.0, 1.0, (2, n)), rng.uniform(30e3, 50e3, n))
    state[:, 3:6] = rng.normal(size=(n, 3)) * 2500.0
    state[:, 6], state[:, 7] = rng.normal(size=n) * 0.01, rng.uniform(1e-4, 3e-4, n)
    sigma = np.array([60.0] * 3 + [30.0] * 3 + [0.01, 1e-4])
    return state, positive(rng, n, 8, 1.0) * sigma[:, None] * sigma


def noise_of(model, dt):
    density, turn, _, drag = NOISE
    q = np.zeros((8, 8))
    q[:6, :6] = np.kron(np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]]) * density, np.eye(3))
    q[6, 6], q[7, 7] = turn * dt, drag * dt
    return q


class Motion(TransitionModel):
    """One of our models for Stone Soup, integrated by SciPy."""

    model = LEVEL
    ndim_state = 8

    def function(self, state, noise=False, time_interval=None, **_):
        moved = [carried(self.model, x, time_interval.total_seconds()) for x in np.array(state.state_vector, float).T]
        return type(state.state_vector)(np.array(moved).T)

    def covar(self, time_interval=None, **_):
        return noise_of(self.model, time_interval.total_seconds())

    rvs = pdf = None  # a predictor draws nothing


@pytest.mark.parametrize("model", [TURN, GLIDE, SURFACE])
@pytest.mark.parametrize(("scaling", "dt"), [(CUBATURE, 1.0), (SCALED, 2.5)])
def test_forecast_is_that_of_stone_soup(model, scaling, dt):
    state, covariance = gliders(2)
    motion = Motion()
    motion.model = model
    predictor = UnscentedKalmanPredictor(motion, alpha=scaling[0], beta=scaling[1], kappa=scaling[2])
    wanted = [
        predictor.predict(GaussianState(x, p, timestamp=START), timestamp=START + timedelta(seconds=dt))
        for x, p in zip(state, covariance, strict=True)
    ]
    assert forecast(model, dt, *NOISE, scaling, state, covariance) == 0
    for x, p, want in zip(state, covariance, wanted, strict=True):
        scale = np.sqrt(np.diag(p))
        np.testing.assert_allclose((x - np.ravel(want.state_vector)) / scale, 0.0, atol=2e-6)
        np.testing.assert_allclose(p / scale / scale[:, None], want.covar / scale / scale[:, None], atol=2e-6)


@pytest.mark.parametrize("model", [LEVEL, BALLISTIC])
def test_models_without_turn_draw_it_anew(model):
    state, covariance = gliders(3)
    pairs = zip(state, covariance, strict=True)
    wanted = [twin.unscented(lambda x: carried(model, x, 1.5), *one, CUBATURE) for one in pairs]
    assert forecast(model, 1.5, *NOISE, CUBATURE, state, covariance) == 0
    others = [0, 1, 2, 3, 4, 5, 7]
    for x, p, (mean, spread, _) in zip(state, covariance, wanted, strict=True):
        spread = spread + noise_of(model, 1.5)
        scale = np.sqrt(np.diag(spread))[others]
        np.testing.assert_allclose((x - mean)[others] / scale, 0.0, atol=2e-6)
        got, want = p[np.ix_(others, others)], spread[np.ix_(others, others)]
        np.testing.assert_allclose(got / scale / scale[:, None], want / scale / scale[:, None], atol=1e-8)
        assert x[6] == 0.0
        assert p[6].tolist() == p[:, 6].tolist() == [0.0] * 6 + [NOISE[2] ** 2, 0.0]


def test_a_ballistic_flight_is_that_of_the_integrator_over_minutes():
    state, covariance = gliders(1)
    state[0, 3:6] = state[0, :3] / np.linalg.norm(state[0, :3]) * 3000.0 + [500.0, 1500.0, -700.0]
    wanted = carried(BALLISTIC, state[0], 300.0)
    covariance[:] = np.diag([1e-6] * 8)
    forecast(BALLISTIC, 300.0, 0.0, 0.0, 0.01, 0.0, CUBATURE, state, covariance)
    np.testing.assert_allclose(state[0, :3], wanted[:3], atol=0.05)


def frame_of(position, axes, velocity):
    return np.concatenate([position, axes.ravel(), velocity])


@pytest.mark.parametrize("scaling", [CUBATURE, SCALED])
def test_a_radar_plot_corrects_as_in_stone_soup(scaling):
    state, covariance = gliders(3)
    rng = np.random.default_rng(2)
    position, velocity = state[0, :3] + [80e3, -60e3, 40e3], np.array([100.0, 7000.0, 50.0])
    swap = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])  # Stone Soup's bearing is atan2(y, x)
    sigma = np.array([1e-3, 2e-3, 40.0, 3.0])  # elevation, bearing, range, range rate
    model = CartesianToElevationBearingRangeRate(
        8, (0, 1, 2), np.diag(sigma**2), velocity_mapping=(3, 4, 5), translation_offset=position[:, None],
        velocity=velocity[:, None],
    )  # fmt: skip
    updater = UnscentedKalmanUpdater(model, alpha=scaling[0], beta=scaling[1], kappa=scaling[2])
    state[1:, :3] = state[0, :3] + rng.normal(size=(2, 3)) * 20e3
    measured, wanted = [], []
    for x, p in zip(state, covariance, strict=True):
        z = np.array(model.function(State(x)), float).ravel() + rng.normal(size=4) * sigma
        prediction = GaussianStatePrediction(x, p, timestamp=START)
        detection = Detection(z[:, None], timestamp=START, measurement_model=model)
        wanted.append(updater.update(SingleHypothesis(prediction, detection)))
        measured.append(z[[2, 1, 0, 3]])
    noise = np.tile(np.diag(sigma[[2, 1, 0, 3]] ** 2), (3, 1, 1))
    told = np.empty(3)
    frame = frame_of(position, swap, velocity)
    rows = np.arange(3)
    assert revise(1, frame, 0.0, 0.0, rows, scaling, np.array(measured), noise, state, covariance, told) == 0
    for x, p, want in zip(state, covariance, wanted, strict=True):
        scale = np.sqrt(np.diag(p))
        np.testing.assert_allclose((x - np.ravel(want.state_vector)) / scale, 0.0, atol=1e-6)
        np.testing.assert_allclose((p - want.covar) / scale / scale[:, None], 0.0, atol=1e-6)


def test_a_sight_corrects_as_its_twin_with_light_time_and_the_turn_of_the_earth():
    state, covariance = gliders(4)
    rng = np.random.default_rng(3)
    axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    position = state[0, :3] - 1000e3 * axes[:, 2]
    state[1:, :3] = state[0, :3] + rng.normal(size=(3, 3)) * 1e3

    def sight(x):
        tau = np.linalg.norm(x[:3] - position) / SPEED_OF_LIGHT_M_S
        away = x[:3] - position - tau * (x[3:6] + np.cross([0.0, 0.0, SPIN], x[:3]))
        s = axes.T @ away
        return s[:2] / s[2]

    noise = np.tile(np.eye(2) * (50e-6) ** 2, (2, 1, 1))
    rows, told = np.array([3, 1]), np.empty(2)
    measured = np.array([sight(state[row]) for row in rows]) + rng.normal(size=(2, 2)) * 50e-6
    before = state.copy(), covariance.copy()
    frame, delay = frame_of(position, axes, np.zeros(3)), 1.0 / SPEED_OF_LIGHT_M_S
    assert revise(0, frame, delay, SPIN, rows, CUBATURE, measured, noise, state, covariance, told) == 0
    for index, row in enumerate(rows):
        mean, spread, cross = twin.unscented(sight, before[0][row], before[1][row], CUBATURE)
        spread = spread + noise[index]
        gain = cross @ np.linalg.inv(spread)
        miss = measured[index] - mean
        scale = np.sqrt(np.diag(before[1][row]))
        np.testing.assert_allclose((state[row] - before[0][row] - gain @ miss) / scale, 0.0, atol=1e-7)
        want = before[1][row] - gain @ spread @ gain.T
        np.testing.assert_allclose((covariance[row] - want) / scale / scale[:, None], 0.0, atol=1e-7)
        likely = -0.5 * (miss @ np.linalg.solve(spread, miss) + np.linalg.slogdet(2.0 * np.pi * spread)[1])
        assert told[index] == pytest.approx(likely, rel=1e-6)
    for row in (0, 2):
        np.testing.assert_array_equal(state[row], before[0][row])


def test_a_height_is_that_of_pymap3d():
    state, covariance = gliders(5)
    height = pymap3d.ecef2geodetic(*state[:, :3].T)[2]
    covariance[:] = np.diag([1e-4] * 8)
    before, told = state.copy(), np.empty(5)
    noise, sensor = np.full((5, 1, 1), 1e-8), (2, np.zeros(15), 0.0, 0.0, np.arange(5), CUBATURE)
    assert revise(*sensor, height[:, None], noise, state, covariance, told) == 0
    np.testing.assert_allclose(state, before, atol=1e-4)
    revise(*sensor, height[:, None] + 0.005, noise, state, covariance, told)
    assert np.linalg.norm(state[:, :3] - before[:, :3], axis=1).max() < 0.006


def test_what_cannot_be_used_is_left_and_counted_and_misuse_is_refused():
    state, covariance = gliders(3)
    covariance[1] = -np.eye(8)
    kept = state[1].copy()
    assert forecast(TURN, 1.0, *NOISE, CUBATURE, state, covariance) == 1
    np.testing.assert_array_equal(state[1], kept)
    told, noise = np.empty(3), np.tile(np.eye(2) * 1e-8, (3, 1, 1))
    away = frame_of(2.0 * state[0, :3], np.eye(3) * [1.0, 1.0, 1.0], np.zeros(3))
    away[3:12] = np.linalg.qr(np.column_stack([state[0, :3], [1.0, 0, 0], [0, 1.0, 0]]))[0][:, [1, 2, 0]].ravel()
    away[[5, 8, 11]] = state[0, :3] / np.linalg.norm(state[0, :3])  # looks up, away from the target
    assert revise(0, away, 0.0, 0.0, np.arange(3), CUBATURE, np.zeros((3, 2)), noise, state, covariance, told) == 3
    assert (told == -1e300).all()
    with pytest.raises(ValueError, match=r"^model"):
        forecast(5, 1.0, *NOISE, CUBATURE, state, covariance)
    with pytest.raises(ValueError, match=r"^frame"):
        revise(0, np.zeros(9), 0.0, 0.0, np.arange(3), CUBATURE, np.zeros((3, 2)), noise, state, covariance, told)
    with pytest.raises(ValueError, match=r"^rows"):
        revise(0, away, 0.0, 0.0, np.arange(1, 4), CUBATURE, np.zeros((3, 2)), noise, state, covariance, told)
