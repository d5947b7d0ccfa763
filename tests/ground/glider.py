"""A manoeuvring glider seen by two satellites: the multiple-model filter beside single models, each at its best noise.

Mach 16 at 48 km, slowed by drag; two turns of 3 to 8 g for 5 to 12 s at random times and to random sides, begun and
ended within a second; two satellites 20 degrees apart, 50 microradians a line of sight, five looks a second. Truth is
integrated here in vectors, not by the kernels. Each single model has its equations and the noise, of those listed,
with which its position error is least: a model tuned to quiet flight alone would be beaten by far more.

usage: python -m tests.ground.glider     (from the root of the checkout; prints the table of docs/fusion.md)
"""

import numpy as np
from scipy.stats import norm

from lookdown.geo.earth import geodetic_to_ecef
from lookdown.ground.multiple import MODELS, Kind, Model, Motion, MultipleModels, Sensor
from lookdown.hil.measures import nees
from tests.ground.stereo import SIGMA_RAD, observe, stereo_looks

SECONDS, SETTLED_S, RATE, SUBSTEPS = 120, 20, 5, 10
G = 9.81
DRAG = 1.225 / (2.0 * 2500.0)  # 1/m, at sea level: 2,500 kg/m^2 of C_d A
POSITION, VELOCITY = slice(0, 3), slice(3, 6)
PRIOR = np.diag([200.0**2] * 3 + [100.0**2] * 3)


def commanded(rng, runs, time_s):
    """Rate of lateral acceleration [m/s^2] of each run at a grid of times, shape (times, runs)."""
    begin = np.stack([rng.uniform(25.0, 45.0, runs), rng.uniform(70.0, 90.0, runs)])
    lasts, side = rng.uniform(5.0, 12.0, (2, runs)), rng.choice([-1.0, 1.0], (2, runs))
    size = rng.uniform(3.0, 8.0, (2, runs)) * G * side
    since, until = time_s[:, None, None] - begin, begin + lasts - time_s[:, None, None]
    return np.sum(size * np.clip(since, 0.0, 1.0) * np.clip(until, 0.0, 1.0), axis=1)


def slope(state, lateral):
    """Derivative of states [runs, 6] with a lateral acceleration [m/s^2]."""
    p, v = state[:, :3], state[:, 3:]
    r, speed = np.linalg.norm(p, axis=1), np.linalg.norm(v, axis=1)
    up = p / r[:, None]
    height = r - 6378137.0 * (1.0 - up[:, 2] ** 2 / 298.257223563)
    a = np.cross(np.cross(p, v) / r[:, None] ** 2, v)
    a = a + (lateral / speed)[:, None] * np.cross(up, v) - (DRAG * np.exp(-height / 7000.0) * speed)[:, None] * v
    return np.concatenate([v, a], axis=1)


def flights(runs, seed):
    """True states at each look, shape (looks + 1, runs, 6)."""
    rng = np.random.default_rng(seed)
    h = 1.0 / SUBSTEPS
    lateral = commanded(rng, runs, np.arange(SECONDS * SUBSTEPS + 1) * h)
    state = np.zeros((runs, 6))
    state[:, :3] = geodetic_to_ecef(rng.uniform(-0.045, -0.035, runs), rng.normal(0.0, 0.005, runs), 48e3)
    heading = rng.normal(0.0, 0.1, runs)
    state[:, 4], state[:, 5] = 4800.0 * np.sin(heading), 4800.0 * np.cos(heading)
    truth = [state]
    for step in range(SECONDS * SUBSTEPS):
        now, after = lateral[step], lateral[step + 1]
        a = slope(state, now)
        b = slope(state + h / 2 * a, (now + after) / 2)
        c = slope(state + h / 2 * b, (now + after) / 2)
        d = slope(state + h * c, after)
        state = state + h / 6 * (a + 2 * b + 2 * c + d)
        truth.append(state)
    return np.array(truth[:: SUBSTEPS // RATE])


SINGLES = {
    "level": [(Model(Motion.LEVEL, noise),) for noise in (300.0, 1000.0, 3000.0)],
    "turn": [(Model(Motion.TURN, noise, 3e-6),) for noise in (300.0, 1000.0, 3000.0)],
    "ballistic": [(Model(Motion.BALLISTIC, noise),) for noise in (300.0, 1000.0, 3000.0)],
    "glide": [(Model(Motion.GLIDE, 1.0, noise, 1e-14),) for noise in (1e-6, 3e-6, 1e-5, 3e-5)],
}


def follow(models, truth, seed):
    """Filter all runs at once: errors [looks, runs, 6], NEES [looks, runs], and model probabilities [models, runs]."""
    rng = np.random.default_rng(1000 + seed)
    runs = truth.shape[1]
    first = truth[0] + rng.multivariate_normal(np.zeros(6), PRIOR, runs)
    tracks = MultipleModels(models, first, np.tile(PRIOR, (runs, 1, 1)))
    looks, _ = stereo_looks(20.0)
    noise, rows = np.tile(SIGMA_RAD**2 * np.eye(2), (runs, 1, 1)), np.arange(runs)
    errors, consistency = [], []
    for state in truth[1:]:
        tracks.predict(1.0 / RATE)
        for look in looks:
            sensor = Sensor(look.origin_m, look.report.state.velocity_m_s, look.axes)
            measured = observe(state, look) + rng.normal(size=(runs, 2)) * SIGMA_RAD
            tracks.correct(Kind.SIGHT, sensor, rows, measured, noise)
        estimate, covariance = tracks.estimate()
        errors.append(estimate[:, :6] - state)
        consistency.append(nees(errors[-1], covariance[:, :6, :6]))
    assert tracks.refused == 0
    return np.array(errors), np.array(consistency), tracks.probability


def square_of(errors, part):
    """Mean square of settled errors of each run, shape (runs,)."""
    return np.sum(errors[SETTLED_S * RATE :, :, part] ** 2, axis=2).mean(axis=0)


def ratio_of(mine, other):
    """RMSE of one over another's on the same runs, with its 95 % interval (delta method)."""
    n, ratio = len(mine), mine.mean() / other.mean()
    half = norm.ppf(0.975) * np.std((mine - ratio * other) / other.mean(), ddof=1) / np.sqrt(n)
    return np.sqrt(np.array([ratio, ratio - half, ratio + half]))


def contest(runs, seed):
    """RMSE [m, m/s] and NEES of each filter, and the ratio of the multiple models' RMSE to it with its interval."""
    truth = flights(runs, seed)
    filters = {"multiple models": MODELS}
    for name, grid in SINGLES.items():
        tuning = flights(40, seed + 1)
        errors = [square_of(follow(models, tuning, seed)[0], POSITION).mean() for models in grid]
        filters[name] = grid[int(np.argmin(errors))]
    found, base = {}, None
    for name, models in filters.items():
        error, consistency, _ = follow(models, truth, seed)
        squares = square_of(error, POSITION), square_of(error, VELOCITY)
        base = squares if base is None else base
        found[name] = {
            "position_m": float(np.sqrt(squares[0].mean())),
            "velocity_m_s": float(np.sqrt(squares[1].mean())),
            "nees": float(consistency[SETTLED_S * RATE :].mean()),
            "position_ratio": ratio_of(base[0], squares[0]),
            "velocity_ratio": ratio_of(base[1], squares[1]),
            "noise": (models[0].noise_m2_s3, models[0].turn_noise_rad2_s3) if len(models) == 1 else None,
        }
    return found


def told(found):
    """The contest as lines of a table."""
    line = "| {} | {:.1f} | {:.1f} | {:.1f} | {:.3f} [{:.3f}, {:.3f}] | {:.3f} [{:.3f}, {:.3f}] |"
    numbers = ("position_m", "velocity_m_s", "nees")
    return "\n".join(
        line.format(name, *(row[key] for key in numbers), *row["position_ratio"], *row["velocity_ratio"])
        for name, row in found.items()
    )


if __name__ == "__main__":
    print(told(contest(200, seed=1)))
