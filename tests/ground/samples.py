"""Track points at the ends of the Earth and of the formats, for the readers of the outputs."""

import numpy as np

from lookdown.geo.earth import enu_axes, geodetic_to_ecef
from lookdown.ground.outputs.points import Platform, Points, points_of_updates
from lookdown.ground.tracks import UPDATE_DTYPE
from lookdown.wire.messages import Kind, TrackStatus

START_NS = 1_800_000_037_123_456_789  # 2027-01-15T08:00:00.123456789Z
STEP_NS = 250_000_000

# lat [deg], lon [deg], height [m], east, north, up [m/s], kind
MOVERS = (
    (40.0, 10.0, 10_000.0, 250.0, -3.0, 1.0, Kind.AIRCRAFT),
    (-33.25, 179.9999, 12.0, 15.0, 9.0, 0.0, Kind.SURFACE),
    (10.5, -70.1, 61_000.0, 6000.0, 100.0, -2000.0, Kind.BALLISTIC),
    (78.0, -15.7, 3.0, 0.0, -6.0, 0.0, Kind.SURFACE),
    (-0.0001, 0.0001, 40_000.0, -2500.0, 300.0, -40.0, Kind.GLIDER),
    (-89.9, 45.0, -300.0, 1.0, 1.0, 0.0, Kind.SURFACE),
    (89.99, 120.0, 90.0, 700.0, 8.0, 3.0, Kind.CRUISE),
)


def make_points(steps: int = 4) -> Points:
    """All movers at some instants, straight on in geodetic coordinates, seen by two satellites in turn."""
    rng = np.random.default_rng(6)
    updates = np.zeros(steps * len(MOVERS), UPDATE_DTYPE)
    sensors = np.zeros((len(updates), 3))
    row = 0
    for step in range(steps):
        for number, (lat, lon, height, east, north, up, kind) in enumerate(MOVERS):
            seconds = step * STEP_NS * 1e-9
            lat_rad = np.radians(lat) + north * seconds / 6.37e6
            lon_rad = np.radians(lon) + east * seconds / (6.37e6 * max(np.cos(np.radians(lat)), 0.01))
            update = updates[row]
            update["track_id"], update["time_ns"] = (1, 2, 70_000, 4, 65_535, 6, 7)[number], START_NS + step * STEP_NS
            update["position_m"] = geodetic_to_ecef(lat_rad, lon_rad, height + up * seconds)
            update["velocity_m_s"] = np.array([east, north, up]) @ enu_axes(lat_rad, lon_rad)
            root = rng.normal(size=(6, 6)) * np.array([30.0, 30.0, 60.0, 3.0, 3.0, 2.0])[:, None]
            update["covariance"] = root @ root.T
            update["status"] = TrackStatus.DROPPED if step == steps - 1 else TrackStatus(1 + (number + step) % 2)
            update["score"], update["sensor_id"] = 20.0 + number, 1 + step % 2
            update["kind"] = 0.02
            update["kind"][kind] = 0.88
            sensors[row] = geodetic_to_ecef(lat_rad - 0.05, lon_rad + 0.08, 700e3 + 1e3 * step)
            row += 1
    platform = Platform(updates["sensor_id"].astype(np.int64), sensors, np.full(len(updates), 5.0))
    return points_of_updates(updates, platform)
