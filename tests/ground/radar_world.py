"""A radar beside the satellites of the small world; plots are solved for the moment of emission, in inertial axes."""

from dataclasses import dataclass, field

import numpy as np

from lookdown.geo.attitude import stare_attitude
from lookdown.geo.earth import ROTATION_RATE_RAD_S, SPEED_OF_LIGHT_M_S
from lookdown.geo.rotation import to_matrix
from lookdown.wire.messages import ECHO_DTYPE, RadarReport, SensorState


def observed(state, sensor):
    """Azimuth, range, range rate and elevation of a target with a state at reception, without noise."""
    tau = 0.0
    for _ in range(6):
        turn = ROTATION_RATE_RAD_S * tau
        back = np.array([[np.cos(turn), -np.sin(turn), 0.0], [np.sin(turn), np.cos(turn), 0.0], [0.0, 0.0, 1.0]])
        # Axes of reception: what is fixed to the Earth has turned on since, so the place of emission lies behind.
        away = back.T @ (state[:3] - tau * state[3:]) - sensor.position_m
        tau = np.linalg.norm(away) / SPEED_OF_LIGHT_M_S
    axes = to_matrix(sensor.attitude)
    s = axes.T @ away
    distance = np.linalg.norm(s)
    rate = away @ (state[3:] - sensor.velocity_m_s) / distance
    return np.array([np.arcsin(s[0] / distance), distance, rate, np.arctan2(s[1], s[2])])


@dataclass
class RadarWorld:
    """Makes reports of one radar; ``elevation_rad`` is its sigma there, 0 for a line array."""

    orbit: object
    aim_m: np.ndarray
    sensor_id: int = 9
    seed: int = 0
    range_m: float = 15.0
    azimuth_rad: float = 2e-4
    rate_m_s: float = 0.5
    elevation_rad: float = 0.0
    pointing_rad: float = 2e-5
    position_sigma_m: float = 5.0
    detection: float = 0.9
    false_plots: float = 1.0
    least_speed_m_s: float = 5.0
    rate_fold_m_s: float = 0.0
    half_sector_rad: float = 0.03
    span_m: float = 60e3
    frame: int = 0
    origin: dict = field(default_factory=dict)

    def __post_init__(self):
        self.rng = np.random.default_rng(self.seed)
        self.bias = self.rng.normal(size=4) * [self.pointing_rad, self.position_sigma_m, 0.0, self.pointing_rad]

    def state_at(self, time_ns):
        position, velocity = self.orbit.state(time_ns)
        attitude = stare_attitude(position, velocity, self.aim_m)
        return SensorState(position, velocity, attitude, self.position_sigma_m, self.pointing_rad, 4e-3)

    def report(self, time_ns, states, **changes):
        sensor, rng = self.state_at(time_ns), self.rng
        self.frame += 1
        middle_m = np.linalg.norm(self.aim_m - sensor.position_m)
        sigma = np.array([self.azimuth_rad, self.range_m, self.rate_m_s, self.elevation_rad])
        rows, names = [], []
        for number, state in enumerate(states):
            clean = observed(state, sensor)
            line = np.linalg.norm(state[:3] - sensor.position_m)
            radial = abs((state[:3] - sensor.position_m) @ state[3:] / line)
            inside = abs(clean[0]) < self.half_sector_rad and abs(clean[1] - middle_m) < self.span_m / 2
            if inside and radial > self.least_speed_m_s and rng.random() < self.detection:
                rows.append(clean + self.bias + sigma * rng.normal(size=4))
                names.append(number)
        for _ in range(rng.poisson(self.false_plots)):
            edge = [self.half_sector_rad, self.span_m / 2, 500.0, 0.02]
            rows.append(np.array([0.0, middle_m, 0.0, 0.0]) + rng.uniform(-1, 1, 4) * edge)
            names.append(-1)
        echoes = np.zeros(len(rows), ECHO_DTYPE)
        measured = np.array(rows).reshape(-1, 4)
        if self.rate_fold_m_s:
            half = self.rate_fold_m_s / 2
            measured[:, 2] = (measured[:, 2] + half) % self.rate_fold_m_s - half
        for column, name in enumerate(("azimuth_rad", "range_m", "range_rate_m_s", "elevation_rad")):
            echoes[name] = measured[:, column]
            echoes[f"sigma_{name}"] = sigma[column]
        if not self.elevation_rad:
            echoes["elevation_rad"] = 0.0
        echoes["snr"], echoes["snr_db"], echoes["n_cells"] = 8.0, 20.0, 4
        self.origin[self.frame] = names
        values = {
            "first_range_m": middle_m - self.span_m / 2, "range_span_m": self.span_m, "range_fold_m": 0.0,
            "rate_fold_m_s": self.rate_fold_m_s, "azimuth_low_rad": -self.half_sector_rad,
            "azimuth_high_rad": self.half_sector_rad, "least_speed_m_s": self.least_speed_m_s,
        }  # fmt: skip
        return RadarReport(self.sensor_id, self.frame, time_ns, sensor, echoes, **(values | changes))
