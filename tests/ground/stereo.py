"""The stereo infrared case: many movers drawn from the filter's own model, filtered at once, beside their bound.

Two satellites at 1,000 km over the equator stare at the point midway at 30 km, 50 microradians a line of sight, one
look a second; the mover passes that point at 2,400 m/s, moved by white acceleration of 10 m^2/s^3.

usage: python -m tests.ground.stereo     (from the root of the checkout; draws docs/fusion-stereo.png)
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import chi2, norm

from lookdown.geo.attitude import stare_attitude
from lookdown.geo.camera import Camera
from lookdown.geo.earth import SPEED_OF_LIGHT_M_S
from lookdown.ground.filter import innovation_covariance, move, predict, process_noise, update
from lookdown.ground.measure import Look, common_sigma, predict_sights
from lookdown.hil.measures import nees, posterior_bound
from lookdown.wire.messages import SIGHT_DTYPE, PlotReport, SensorState

SIGMA_RAD = 50e-6
DENSITY = 10.0  # m^2/s^3
RADIUS_M = 6_378_137.0
SEPARATIONS_DEG = (10.0, 20.0, 30.0, 40.0)
STEPS, SETTLED = 60, 20
PRIOR = np.diag([200.0**2] * 3 + [100.0**2] * 3)
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


def information_of(state, looks):
    """Fisher information of one sight of each look, mean over states: each adds (I - u u') / (range sigma)^2."""
    information = np.zeros((6, 6))
    for look in looks:
        offset = state[:, :3] - look.origin_m
        distance = np.linalg.norm(offset, axis=1)[:, None, None]
        along = offset[:, :, None] / distance
        information[:3, :3] += np.mean(
            (np.eye(3) - along @ along.transpose(0, 2, 1)) / (distance * SIGMA_RAD) ** 2, axis=0
        )
    return information


def bound_of(information, prior=PRIOR, dt_s=1.0):
    """Root of the position's bound after each step [m]."""
    flow = np.eye(6)
    flow[:3, 3:] = dt_s * np.eye(3)
    bound = posterior_bound(prior, flow, process_noise(dt_s, DENSITY), information)[1:]
    return np.sqrt(np.trace(bound[:, :3, :3], axis1=1, axis2=2))


@dataclass(frozen=True)
class Stereo:
    """Errors [steps, runs, 6], NEES [steps, runs] and bound of the position [steps] of a separation."""

    separation_deg: float
    error: np.ndarray
    nees: np.ndarray
    bound_m: np.ndarray

    def ratio(self):
        """RMSE of settled positions over the bound, with its 95 % interval over runs."""
        square = np.sum(self.error[SETTLED:, :, :3] ** 2, axis=2).mean(axis=0)
        half = norm.ppf(0.975) * square.std(ddof=1) / np.sqrt(len(square))
        bound = np.mean(self.bound_m[SETTLED:] ** 2)
        return np.sqrt(np.array([square.mean(), square.mean() - half, square.mean() + half]) / bound)

    def mean_nees(self):
        """Time-averaged NEES with its 95 % interval over runs."""
        each = self.nees[SETTLED:].mean(axis=0)
        half = norm.ppf(0.975) * each.std(ddof=1) / np.sqrt(len(each))
        return np.array([each.mean(), each.mean() - half, each.mean() + half])

    def inside(self, group=500):
        """Share of settled scans whose mean NEES over a group of runs lies in its 95 % band."""
        low, high = band(group)
        steps, runs = self.nees.shape
        each = self.nees[SETTLED:].reshape(steps - SETTLED, runs // group, group).mean(axis=2)
        return np.mean((each > low) & (each < high))


def band(runs):
    """95 % band of the mean NEES of a scan over runs."""
    return chi2.ppf([0.025, 0.975], 6 * runs) / runs


def run_stereo(separation_deg, runs, seed, steps=STEPS, pointing_rad=0.0, believed_s=100.0):
    """Filter ``runs`` movers drawn from the filter's own model."""
    rng = np.random.default_rng(seed)
    looks, middle = stereo_looks(separation_deg, pointing_rad)
    velocity = np.array([0.0, 0.0, 2400.0])
    start = move(np.concatenate([middle, -velocity])[None], steps / 2)  # backwards, so that it ends beyond the middle
    start[:, 3:] *= -1.0
    truth = np.repeat(start, runs, axis=0)
    estimate = truth + rng.multivariate_normal(np.zeros(6), PRIOR, runs)
    covariance, cross = np.repeat(PRIOR[None], runs, axis=0), np.zeros((runs, 6, 4))
    noise = np.linalg.cholesky(process_noise(1.0, DENSITY))
    bias = rng.normal(size=(2, runs, 2)) * pointing_rad
    fade = np.exp(-1.0 / 100.0)
    errors, consistency, information = [], [], []
    for _ in range(steps):
        truth = move(truth, 1.0) + rng.normal(size=(runs, 6)) @ noise.T
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
        information.append(information_of(truth, looks))
        errors.append(estimate - truth)
        consistency.append(nees(errors[-1], covariance))
    bound_m = bound_of(np.array(information))
    return Stereo(separation_deg, np.array(errors), np.array(consistency), bound_m)


def draw_figure(found, path):
    """RMSE beside the bound, and NEES in its band, over time."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.4), layout="constrained")
    time_s = np.arange(1, STEPS + 1)
    for one, colour in zip(found, ("#1b6ca8", "#4f8a4c", "#b8860b", "#c8553d"), strict=True):
        square = np.sum(one.error[:, :, :3] ** 2, axis=2)
        half = 1.96 * square.std(axis=1, ddof=1) / np.sqrt(square.shape[1])
        mean = square.mean(axis=1)
        left.fill_between(time_s, np.sqrt(mean - half), np.sqrt(mean + half), color=colour, alpha=0.3, lw=0)
        left.plot(time_s, np.sqrt(mean), color=colour, lw=1.0, label=f"{one.separation_deg:.0f}°")
        left.plot(time_s, one.bound_m, color="#222222", lw=0.8, ls=(0, (4, 2)))
        right.plot(time_s, one.nees.mean(axis=1), color=colour, lw=0.9)
    runs = found[0].nees.shape[1]
    right.axhspan(*band(runs), color="#1f9d75", alpha=0.2, lw=0)
    left.set(xlabel="time [s]", ylabel="position RMSE [m]", ylim=(0, 250), title="dashed: posterior Cramer-Rao bound")
    left.legend(title="separation", fontsize=8)
    right.set(xlabel="time [s]", ylabel="NEES [1]", ylim=(5.4, 6.6), title=f"mean of {runs} runs and its 95 % band")
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    where = Path(__file__).resolve().parents[2] / "docs" / "fusion-stereo.png"
    draw_figure([run_stereo(separation, 1000, seed=1) for separation in SEPARATIONS_DEG], where)
    print(where)
