"""Convoys that brake, halt or crawl under two radars: how honest the tracks of the ground are while nobody sees them.

usage: python -m tests.ground.convoy SEEDS      prints a line a manoeuvre
"""

import sys

import numpy as np
from scipy.stats import norm

from lookdown.geo.earth import ecef_to_geodetic, enu_axes, geodetic_to_ecef
from lookdown.ground.parameters import Parameters, SensorField
from lookdown.ground.pipeline import Pipeline
from lookdown.ground.roads import RoadConfig, RoadNet
from lookdown.wire.messages import TrackStatus
from tests.ground.conftest import AIM_RAD, EPOCH_NS, orbit_over
from tests.ground.radar_world import RadarWorld

HEIGHT_M = 300.0
AXES = enu_axes(*AIM_RAD)
AIM_M = geodetic_to_ecef(*AIM_RAD, HEIGHT_M)
LEAST_M_S = 10.0
MANOEUVRES = ("halt", "crawl", "long halt", "slow bend")


def road_through(points_m, **changes):
    """A road through points east and north of the aim point, on the ground."""
    places = [AIM_M + east * AXES[0] + north * AXES[1] for east, north in points_m]
    lat, lon, _ = ecef_to_geodetic(np.array(places))
    points = tuple((float(a), float(b), HEIGHT_M) for a, b in zip(np.degrees(lat), np.degrees(lon), strict=True))
    return RoadConfig(points, **changes)


HIGHWAY = road_through([(-6000.0, -400.0), (-2000.0, 0.0), (1500.0, 150.0), (7000.0, 300.0)])
BENDING = road_through(
    [(-6000.0, -400.0), (-1300.0, 0.0), (-1100.0, 60.0), (-1000.0, 250.0), (-950.0, 600.0), (-700.0, 900.0),
     (7000.0, 1800.0)]
)  # fmt: skip


class SoftRadar(RadarWorld):
    """Whose detection falls off about the least speed as it does behind an adaptive filter: a third at it."""

    def report(self, time_ns, states, **changes):
        sensor = self.state_at(time_ns)
        states = np.asarray(states).reshape(-1, 6)
        away = states[:, :3] - sensor.position_m
        radial = np.abs(np.einsum("ni,ni->n", away, states[:, 3:])) / np.linalg.norm(away, axis=1)
        seen = self.rng.random(len(states)) < norm.cdf((radial - 11.0) / 1.5)
        return super().report(time_ns, states[seen & (radial > LEAST_M_S - 1.0)], **changes)


def radars(seed):
    """West and south-east of the road, 600 km up."""
    common = {
        "range_m": 5.0, "rate_m_s": 0.3, "azimuth_rad": 1.2e-4, "rate_fold_m_s": 116.0, "half_sector_rad": 0.01,
        "span_m": 25e3, "pointing_rad": 5e-6, "position_sigma_m": 3.0, "detection": 0.97, "false_plots": 0.08,
    }  # fmt: skip
    west = orbit_over(np.radians(40.5), np.radians(4.5), 600e3, np.radians(97.8), EPOCH_NS)
    east = orbit_over(np.radians(39.0), np.radians(15.5), 600e3, np.radians(60.0), EPOCH_NS)
    made = []
    for n, orbit in enumerate((west, east)):
        radar = SoftRadar(orbit, AIM_M, sensor_id=8 + n, seed=1000 * seed + n, **common)
        radar.least_speed_m_s = 0.0  # the soft one decides
        made.append(radar)
    return made


def speeds_of(manoeuvre, rng, seconds, step_s):
    """Speed over time: a cruise, braking at 20 to 30 s, and what the manoeuvre says."""
    cruise, brake, start = rng.uniform(18.0, 26.0), rng.uniform(1.0, 3.0), rng.uniform(20.0, 30.0)
    low = {"halt": 0.0, "crawl": rng.uniform(3.0, 8.0), "long halt": 0.0, "slow bend": rng.uniform(6.0, 9.0)}[manoeuvre]
    slow_s = {"halt": 15.0, "crawl": 40.0, "long halt": 60.0, "slow bend": 30.0}[manoeuvre]
    time_s = np.arange(0.0, seconds, step_s)
    down = cruise - brake * (time_s - start)
    reached = start + (cruise - low) / brake
    up = low + 1.5 * (time_s - reached - slow_s)
    return np.where(time_s < reached, np.minimum(np.maximum(down, low), cruise), np.clip(up, low, cruise))


def run(manoeuvre, seed, seconds=110, parameters=None, road=None):
    """One convoy of two, 400 m apart; rows of (time, NEES, error, sigma, coasting, held) a vehicle and report."""
    rng = np.random.default_rng(seed)
    step_s = 0.5
    config = road or (BENDING if manoeuvre == "slow bend" else HIGHWAY)
    line = RoadNet([config])
    speed = speeds_of(manoeuvre, rng, seconds, step_s)
    way = np.concatenate([[0.0], np.cumsum(0.5 * (speed[1:] + speed[:-1]) * step_s)])
    begin = np.array([3700.0, 3300.0])
    pair = radars(seed)
    values = {"roads": (config,), "surface_height_m": HEIGHT_M} | (parameters or {})
    sensors = tuple(SensorField(radar.sensor_id, radar="surface") for radar in pair)
    pipeline, rows, truth = Pipeline(Parameters(sensors=sensors, **values)), [], {}
    for n, (gone, now) in enumerate(zip(way, speed, strict=True)):
        states = []
        for first in begin:
            [place], [direction] = line.at(np.array([0]), np.array([first + gone]))
            states.append(np.concatenate([place, now * direction]))
        time_ns = EPOCH_NS + round(n * step_s * 1e9)
        report = pair[n % 2].report(time_ns, states, least_speed_m_s=LEAST_M_S)
        truth[time_ns] = states
        pipeline._fuse(pipeline.ingest.offer(report))
        known_ns = pipeline.fusion._surface._time_ns  # a report waits for one of the other satellite
        tracks = pipeline.fusion._surface.tracks(known_ns) if known_ns else []
        now_s = ((known_ns or 0) - EPOCH_NS) * 1e-9
        for state in truth.get(known_ns, []):
            if tracks:
                away = np.array([state - t.state for t in tracks])
                squares = [a @ np.linalg.solve(t.covariance, a) for a, t in zip(away, tracks, strict=True)]
                best = int(np.argmin(squares))
                track = tracks[best]
                sigma = np.sqrt(np.trace(track.covariance[:3, :3]))
                error = np.linalg.norm(away[best, :3])
                coasts = track.status == TrackStatus.COASTING
                rows.append((now_s, squares[best], error, sigma, coasts, track.id))
            else:
                rows.append((now_s, np.nan, np.nan, np.nan, False, -1))
    return np.array(rows, float)


def figures(manoeuvre, seeds, **changes):
    """What coasting tracks were like over seeds; NEES of a seed is the mean over its coasting instants."""
    nees, inside, worst, growth, resumed = [], [], [], [], []
    for seed in seeds:
        rows = run(manoeuvre, seed, **changes)
        coasting = rows[(rows[:, 4] == 1) & (rows[:, 0] > 15.0)]
        if not len(coasting):
            continue
        nees.append(coasting[:, 1].mean())
        inside.append((coasting[:, 1] < 16.81).mean())  # 99 % of 6 degrees of freedom
        worst.append(coasting[:, 2].max())
        growth.append(coasting[:, 3].max())
        before, after = rows[(rows[:, 0] > 15) & (rows[:, 0] < 19)], rows[-8:]
        resumed.append(set(before[:, 5]) == set(after[:, 5]))
    return {
        "nees": np.array(nees), "inside": np.array(inside), "worst_m": np.array(worst),
        "sigma_m": np.array(growth), "resumed": np.array(resumed),
    }  # fmt: skip


def main() -> None:
    """Print them."""
    for manoeuvre in MANOEUVRES:
        got = figures(manoeuvre, range(int(sys.argv[1])))
        nees = got["nees"]
        print(
            f"{manoeuvre:10} NEES median {np.median(nees):6.1f}, 90 % {np.quantile(nees, 0.9):6.1f}, most "
            f"{nees.max():6.1f}; instants within 99 %: {got['inside'].mean():.3f}; error at most "
            f"{np.median(got['worst_m']):4.0f} m, sigma {np.median(got['sigma_m']):4.0f} m; resumed as themselves "
            f"{got['resumed'].mean():.2f}"
        )


if __name__ == "__main__":
    main()
