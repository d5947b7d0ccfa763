"""The manoeuvring glider of `glider.py` as two satellites report it: a recording for ``lookdown-ground fuse``."""

import numpy as np

from lookdown.geo.attitude import stare_attitude
from lookdown.wire.envelope import Delivery
from lookdown.wire.messages import SensorState
from lookdown.wire.packet import encode
from lookdown.wire.recording import Recorder
from tests.ground.conftest import EPOCH_NS, World
from tests.ground.glider import RATE, flights

SUB_POINTS = ((-2.0, -9.0, 70.0), (3.0, 10.0, 80.0))


class GliderWorld(World):
    """Satellites that keep one flight in the middle of their view."""

    def fly(self, flight):
        """Give the true states at `glider.RATE` looks a second, shape (looks, 6)."""
        self.flight = flight
        self.movers = flight[:1]
        return self

    def truth(self, time_ns):
        place = max((time_ns - EPOCH_NS) * 1e-9 * RATE, 0.0)
        k = min(int(place), len(self.flight) - 2)
        u, h = place - k, 1.0 / RATE
        a, b = self.flight[k], self.flight[k + 1]
        p = (1 + 2 * u) * (1 - u) ** 2 * a[:3] + u * (1 - u) ** 2 * h * a[3:]
        p = p + u * u * (3 - 2 * u) * b[:3] + u * u * (u - 1) * h * b[3:]
        return np.concatenate([p, (1 - u) * a[3:] + u * b[3:]])[None]

    def sensor_state(self, index, time_ns):
        position, velocity = self.orbits[index].state(time_ns)
        attitude = stare_attitude(position, velocity, self.truth(time_ns)[0, :3])
        return SensorState(position, velocity, attitude, 5.0, self.pointing_rad, self.ifov_rad)


def record(path, seed, seconds=60.0):
    """Write the reports of one flight; returns the world, for the truth."""
    world = GliderWorld(seed=seed, sub_points=SUB_POINTS, rate_hz=float(RATE), pointing_rad=1e-6, false_plots=2.0)
    world.fly(flights(1, seed)[:, 0])
    with Recorder(path) as recorder:
        for sequence, report in enumerate(world.reports(seconds)):
            recorder.append(Delivery(report.sensor_id, 0, 0, encode(report), 1, sequence))
    return world


def errors_of(world, updates, since_s=15.0):
    """Squared errors of position [m^2] by time, of the confirmed track that is nearest."""
    squares = {}
    for update in updates[np.isin(updates["status"], (1, 2))]:
        at_s = (int(update["time_ns"]) - EPOCH_NS) * 1e-9
        if at_s > since_s:
            error = update["position_m"] - world.truth(int(update["time_ns"]))[0, :3]
            squares[int(update["time_ns"])] = min(error @ error, squares.get(int(update["time_ns"]), np.inf))
    return squares
