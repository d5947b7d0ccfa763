"""Multiple models: the right one is believed, mixing keeps moments, one alone is plain; and the glider's contest."""

import numpy as np
import pytest

from lookdown.geo.earth import SPEED_OF_LIGHT_M_S, ecef_to_geodetic, enu_axes, geodetic_to_ecef
from lookdown.ground.multiple import MODELS, Kind, Model, Motion, MultipleModels, Sensor
from lookdown.kernels.forecast import forecast
from lookdown.kernels.revise import revise
from tests.ground import glider

PLACE = (0.5, 0.3)
PRIOR = np.diag([100.0**2] * 3 + [50.0**2] * 3)
SIGMA = np.array([20.0, 1e-3, 1e-3, 2.0])  # range, azimuth, elevation, range rate
CUBATURE = (1.0, 0.0, 0.0)


def radar():
    position = geodetic_to_ecef(*PLACE, 0.0)
    return Sensor(position, np.zeros(3), enu_axes(*PLACE).T, 7.292115e-5)


def plots_of(state, sensor, rng):
    """A radar's plots of states [n, 6], by plain vectors: where the target was when the light left it."""
    delay = np.linalg.norm(state[:, :3] - sensor.position_m, axis=1)[:, None] / SPEED_OF_LIGHT_M_S
    turn = np.cross([0.0, 0.0, sensor.turn_rad_s], state[:, :3])
    away = state[:, :3] - sensor.position_m - delay * (state[:, 3:] + turn)
    east, north, up = (away @ sensor.axes).T
    distance = np.linalg.norm(away, axis=1)
    rate = np.sum(away * state[:, 3:], axis=1) / distance
    clean = np.stack([distance, np.arctan2(east, north), np.arcsin(up / distance), rate], axis=1)
    return clean + rng.normal(size=clean.shape) * SIGMA


def moved(motion, state, dt_s, turn=0.0, drag=0.0):
    """Truth by the kernel's equations, without noise; the equations have tests of their own."""
    full = np.concatenate([state, np.full((len(state), 1), turn), np.full((len(state), 1), drag)], axis=1)
    spread = np.tile(1e-12 * np.eye(8), (len(state), 1, 1))
    forecast(int(motion), dt_s, 0.0, 0.0, 1e-6, 0.0, CUBATURE, full, spread)
    return np.ascontiguousarray(full[:, :6])


def start(height_m, east_m_s, north_m_s, up_m_s):
    axes = enu_axes(*PLACE)
    place = geodetic_to_ecef(*PLACE, height_m) + 30e3 * axes[0] + 20e3 * axes[1]
    return np.concatenate([place, np.array([east_m_s, north_m_s, up_m_s]) @ axes])


BANK = tuple(Model(motion, 1.0, turn_noise_rad2_s3=1e-6) for motion in Motion)


@pytest.mark.parametrize(
    ("motion", "height_m", "velocity", "turn"),
    [
        (Motion.TURN, 10e3, (250.0, 0.0, 0.0), 0.05),
        (Motion.BALLISTIC, 60e3, (500.0, 500.0, 1200.0), 0.0),
        (Motion.GLIDE, 35e3, (3000.0, 1000.0, 0.0), 0.0),
    ],
)
def test_the_model_that_moves_like_the_target_is_believed(motion, height_m, velocity, turn):
    rng = np.random.default_rng(1)
    runs, sensor = 30, radar()
    truth = np.tile(start(height_m, *velocity), (runs, 1))
    first = truth + rng.multivariate_normal(np.zeros(6), PRIOR, runs)
    tracks = MultipleModels(BANK, first, np.tile(PRIOR, (runs, 1, 1)))
    noise = np.tile(np.diag(SIGMA**2), (runs, 1, 1))
    for _ in range(30):
        truth = moved(motion, truth, 1.0, turn, 2.5e-4)
        tracks.predict(1.0)
        tracks.correct(Kind.RADAR, sensor, np.arange(runs), plots_of(truth, sensor, rng), noise)
    mean = tracks.probability.mean(axis=1)
    assert mean.argmax() == motion
    assert mean[motion] > 0.5
    estimate, covariance = tracks.estimate()
    error = estimate[:, :6] - truth
    # Two angles of a milliradian at the last range: what one plot alone is worth.
    plot_m = np.sqrt(2.0) * SIGMA[1] * np.linalg.norm(truth[0, :3] - sensor.position_m)
    assert np.sqrt(np.mean(np.sum(error[:, :3] ** 2, axis=1))) < 0.8 * plot_m
    sigma = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))[:, :6]
    assert np.mean(np.abs(error) < 3.0 * sigma) > 0.98
    if motion == Motion.TURN:
        assert estimate[:, 6].mean() == pytest.approx(turn, abs=0.01)


def test_a_vehicle_stands_on_the_ground_by_its_model():
    """Elevation alone is worth 36 m at 36 km; the ground's height of 400 m is known to 30 m, and told by terrain."""
    rng = np.random.default_rng(2)
    runs, sensor = 40, radar()
    truth = np.tile(start(0.0, 20.0, 5.0, 0.0), (runs, 1))
    lat, lon, height = ecef_to_geodetic(truth[:, :3])
    truth[:, :3] += (400.0 - height)[:, None] * enu_axes(lat[0], lon[0])[2]
    asked = []

    def terrain(position_m):
        asked.append(len(position_m))
        return np.full(len(position_m), 400.0)

    found = {}
    sigma = SIGMA * [1.0, 1.0, 5.0, 1.0]
    for motion in (Motion.SURFACE, Motion.LEVEL):
        rng = np.random.default_rng(3)
        first = truth + rng.multivariate_normal(np.zeros(6), PRIOR, runs)
        tracks = MultipleModels((Model(motion, 0.1),), first, np.tile(PRIOR, (runs, 1, 1)), terrain=terrain)
        state = truth
        for _ in range(20):
            state = moved(Motion.LEVEL, state, 1.0)
            tracks.predict(1.0)
            plots = plots_of(state, sensor, rng) + rng.normal(size=(runs, 4)) * [0.0, 0.0, SIGMA[2] * 4.9, 0.0]
            tracks.correct(Kind.RADAR, sensor, np.arange(runs), plots, np.tile(np.diag(sigma**2), (runs, 1, 1)))
        found[motion] = np.sqrt(np.mean((ecef_to_geodetic(tracks.estimate()[0][:, :3])[2] - 400.0) ** 2))
    assert asked == [runs] * 20
    assert found[Motion.SURFACE] < 15.0
    assert found[Motion.SURFACE] < 0.6 * found[Motion.LEVEL]


def test_one_model_is_the_plain_unscented_filter():
    rng = np.random.default_rng(4)
    sensor, state = radar(), np.tile(start(10e3, 200.0, 30.0, 0.0), (3, 1))
    model = Model(Motion.TURN, 5.0, 1e-6, 1e-12)
    tracks = MultipleModels((model,), state, np.tile(PRIOR, (3, 1, 1)))
    plain, spread = tracks.states[0].copy(), tracks.covariances[0].copy()
    plots, noise, told = plots_of(state, sensor, rng), np.tile(np.diag(SIGMA**2), (3, 1, 1)), np.empty(3)
    tracks.predict(0.7)
    likelihood = tracks.correct(Kind.RADAR, sensor, np.arange(3), plots, noise)
    forecast(1, 0.7, 5.0, 1e-6, 0.02, 1e-12, CUBATURE, plain, spread)
    light = 1.0 / SPEED_OF_LIGHT_M_S
    revise(1, sensor.frame, light, sensor.turn_rad_s, np.arange(3), CUBATURE, plots, noise, plain, spread, told)
    for got, want in zip(tracks.estimate(), (plain, spread), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)
    np.testing.assert_allclose(likelihood, told, rtol=1e-12)


def test_mixing_keeps_the_mean_of_all_models_and_probabilities_sum_to_one():
    rng = np.random.default_rng(5)
    state = np.tile(start(30e3, 2000.0, 0.0, 0.0), (4, 1))
    tracks = MultipleModels(MODELS, state, np.tile(PRIOR, (4, 1, 1)))
    tracks.states[:, :, :3] += rng.normal(size=(len(MODELS), 4, 3)) * 300.0
    tracks.probability[:] = rng.dirichlet(np.ones(len(MODELS)), 4).T
    before = tracks.estimate()
    tracks._mix(2.0)
    np.testing.assert_allclose(tracks.probability.sum(axis=0), 1.0, rtol=1e-12)
    for got, want in zip(tracks.estimate(), before, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-6)


def test_what_cannot_be_used_is_counted_and_leaves_the_track():
    sensor, state = radar(), np.tile(start(30e3, 2000.0, 0.0, 0.0), (2, 1))
    tracks = MultipleModels(MODELS, state, np.tile(PRIOR, (2, 1, 1)))
    kept, chances = tracks.states.copy(), tracks.probability.copy()
    noise = np.tile(-1e9 * np.eye(4), (2, 1, 1))
    told = tracks.correct(Kind.RADAR, sensor, np.arange(2), np.zeros((2, 4)), noise)
    assert tracks.refused == 2 * len(MODELS)
    assert (told < -1e299).all()
    np.testing.assert_array_equal(tracks.states, kept)
    np.testing.assert_allclose(tracks.probability, chances)
    with pytest.raises(ValueError, match="one model or more"):
        MultipleModels((), state, np.tile(PRIOR, (2, 1, 1)))
    with pytest.raises(ValueError, match="sojourn_s"):
        Model(Motion.TURN, 1.0, sojourn_s=0.0)


@pytest.mark.proof
def test_multiple_models_beat_every_single_one_on_a_manoeuvring_glider():
    """200 runs; each single model at the noise that suits it best, found on other runs."""
    found = glider.contest(200, seed=1)
    print("\n" + glider.told(found))
    for name, row in found.items():
        if name != "multiple models":
            assert row["position_ratio"][2] < 1.0, name
            assert row["velocity_ratio"][2] < 1.0, name
