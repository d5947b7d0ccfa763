"""One satellite alone: its tracks are told as what they are, never confirmed, and taken over by those of two."""

import numpy as np
import pytest

from lookdown.geo.attitude import stare_attitude
from lookdown.geo.earth import enu_axes, geodetic_to_ecef
from lookdown.ground.events import Happening
from lookdown.ground.fusion import Fusion
from lookdown.ground.ingest import Ingest
from lookdown.ground.measure import Look
from lookdown.ground.single import Single, lonely
from lookdown.wire.messages import SensorState, TrackStatus
from tests.ground.conftest import AIM_RAD, EPOCH_NS, World


class Turning(World):
    """The second satellite looks 300 km to the east until ``joins_s``."""

    joins_s = 1e9

    def sensor_state(self, index, time_ns):
        position, velocity = self.orbits[index].state(time_ns)
        away = index == 1 and time_ns < EPOCH_NS + self.joins_s * 1e9
        east = geodetic_to_ecef(*AIM_RAD, 0.0) + 300e3 * enu_axes(*AIM_RAD)[0]
        attitude = stare_attitude(position, velocity, east if away else self.aim_m)
        return SensorState(position, velocity, attitude, 5.0, self.pointing_rad, self.ifov_rad)


def scene_of(seed, joins_s=1e9, false_plots=10.0):
    scene = Turning(seed=seed, sub_points=((38.0, 4.0, 70.0), (42.0, 15.0, 80.0)), rate_hz=5.0, false_plots=false_plots)
    scene.joins_s = joins_s
    return scene


def follow(scene, seconds, **changes):
    chosen = scene.parameters(**changes)
    fusion, ingest, events = Fusion(chosen), Ingest(chosen), []
    for report in scene.reports(seconds):
        events += fusion.step(ingest.offer(report))
    happened = [event for event in events if isinstance(event, Happening)]
    return fusion, happened, np.concatenate([e.updates for e in events if not isinstance(e, Happening)])


@pytest.mark.parametrize("model", ["constant_velocity", "multiple"])
def test_a_mover_of_one_satellite_is_told_as_such_and_resolved_by_the_second(model):
    scene = scene_of(1, joins_s=8.0, false_plots=3.0)
    scene.add_mover(-9e3, -3e3, 20e3, 900.0, 90.0)
    fusion, happened, updates = follow(scene, 14.0, model=model)
    (told,) = [event for event in happened if event.kind == "single"]
    name = int(told.text.split()[1])
    assert told.time_ns < EPOCH_NS + 8e9
    alone = updates[(updates["track_id"] == name) & (updates["single"] == 1)]
    assert len(alone) > 5
    assert set(alone["status"]) <= {TrackStatus.TENTATIVE, TrackStatus.DROPPED}
    for update in alone:
        truth = scene.truth(int(update["time_ns"]))[0]
        error = update["position_m"] - truth[:3]
        spread = update["covariance"][:3, :3]
        assert error @ np.linalg.solve(spread, error) < 20.0  # chi-square with 3 degrees: 99.98 %
        assert np.sqrt(np.trace(spread)) > 10e3  # the range is not known
    (row,) = np.flatnonzero(fusion.table.live)
    assert fusion.table.track_id[row] == name  # custody: it is the same track
    assert fusion.table.single[row] == Single.NO
    assert np.linalg.norm(fusion.table.state[row, :3] - scene.truth(fusion.save().time_ns)[0, :3]) < 150.0
    assert [event.kind for event in happened if event.kind in ("confirmed", "merged")] == ["confirmed", "merged"]


@pytest.mark.parametrize("ragged", [False, True])
def test_clutter_of_one_satellite_confirms_nothing_and_is_bounded(ragged):
    """Ten false plots a frame as configured, and eight cloud edges that jump by 100 m."""
    scene = scene_of(1)
    rng = np.random.default_rng(1)
    for _ in range(8 * ragged):
        scene.add_standing(*rng.uniform(-15e3, 15e3, 2), rng.uniform(0.0, 12e3), {1}, 100.0)
    fusion, happened, updates = follow(scene, 8.0, max_single=30)
    assert 5 < np.count_nonzero(fusion.table.single) <= 30 + 48  # it is tried
    assert not [event for event in happened if event.kind == "confirmed"]
    assert not (updates["status"] == TrackStatus.CONFIRMED).any()
    assert ragged or not [event for event in happened if event.kind == "single"]


def test_only_where_no_other_satellite_looks_a_single_track_starts():
    scene = scene_of(1, false_plots=120.0)
    parameters = scene.parameters()
    field = parameters.sensors[1]
    for joins_s, wanted in ((-1.0, False), (1e9, True)):
        scene.joins_s = joins_s
        mine, other = (Look.of(scene.report(index, 0, EPOCH_NS), 0.1) for index in (0, 1))
        middle = np.flatnonzero((np.abs(mine.tangent) < 0.012).all(axis=1))
        assert len(middle) > 3
        plots, ends_m = lonely(mine, middle, [(other, field)], parameters)
        assert len(plots) == len(ends_m) == (len(middle) if wanted else 0)
    scene.false_plots = 3.0
    assert not np.count_nonzero(follow(scene, 3.0, single_tracks=False)[0].table.single)
