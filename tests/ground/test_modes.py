"""The live filter by several models and by joint association: the glider, late data, resumed states, consistency."""

import pickle
from dataclasses import fields, replace

import numpy as np
import pytest

from lookdown.ground import fuse
from lookdown.ground.fusion import Fusion
from lookdown.ground.ingest import Ingest
from lookdown.ground.parameters import MOTIONS, Parameters
from lookdown.ground.rewind import Rewind
from tests.ground.glider_run import errors_of, record

SECOND_NS = 1_000_000_000
WAYS = [
    {"model": "multiple"},
    {"association": "jpda"},
    {"model": "multiple", "association": "jpda", "estimate_pointing": False},
]


def scene_of(world, seed=3):
    scene = world(seed=seed, false_plots=5.0, rate_hz=5.0)
    scene.add_mover(-3e3, 5e3, 10e3, 250.0, 60.0)
    scene.add_mover(-9e3, -3e3, 20e3, 900.0, 90.0)
    return scene


def come(reports, delay_ns):
    return sorted(reports, key=lambda r: (r.time_ns + (delay_ns if r.sensor_id == 3 else 0), r.sensor_id))


@pytest.mark.parametrize("way", WAYS)
def test_late_reports_and_resumed_states_give_the_same_tracks_to_the_last_bit(world, way):
    scene = scene_of(world)
    reports = list(scene.reports(6.0))
    parameters = scene.parameters(hold_s=0.25, late_every_s=0.5, **way)
    tables = []
    for chosen, road, broken in (
        (replace(parameters, hold_s=10.0), reports, False),
        (parameters, come(reports, 2 * SECOND_NS), True),
    ):
        fusion, ingest = Fusion(chosen), Ingest(chosen)
        rewind = Rewind(fusion, chosen)
        for number, report in enumerate(road):
            rewind.step(ingest.offer(report))
            if broken and number == 50:
                fusion, rewind, ingest = pickle.loads(pickle.dumps((fusion, rewind, ingest)))
        rewind.step(ingest.flush())
        rewind.catch_up()
        tables.append(fusion.table)
    assert np.count_nonzero(tables[0].live) == 2
    for field in fields(tables[0]):
        if field.name != "track_id":
            np.testing.assert_array_equal(*(getattr(table, field.name) for table in tables), err_msg=field.name)


@pytest.mark.parametrize("way", WAYS)
def test_every_mover_keeps_one_consistent_track(world, way):
    scene = scene_of(world, seed=5)
    chosen = scene.parameters(**way)
    fusion, ingest, nees = Fusion(chosen), Ingest(chosen), []
    for report in scene.reports(9.0):
        for event in fusion.step(ingest.offer(report)):
            for update in getattr(event, "updates", ()):
                if update["status"] == 1:
                    truth = scene.truth(int(update["time_ns"]))
                    error = np.concatenate([update["position_m"], update["velocity_m_s"]]) - truth
                    error = error[np.linalg.norm(error[:, :3], axis=1).argmin()]
                    nees.append(error @ np.linalg.solve(update["covariance"], error))
    table = fusion.table
    assert np.count_nonzero(table.live) == 2
    assert 0.5 < np.mean(nees) < 9.0  # the movers keep their course: below 6 in the mean, of few errors of pointing
    if chosen.model == "multiple":
        np.testing.assert_allclose(table.mode_share.sum(axis=1), 1.0)
        assert fusion._modes.refused == 0


def test_a_mover_of_its_kind_is_told_by_the_models(world):
    scene = world(seed=2, false_plots=1.0, rate_hz=5.0)
    scene.add_mover(-3e3, 5e3, 0.0, 40.0, 60.0)
    scene.pointing_rad = 1e-6
    scene.bias *= 0.0
    chosen = scene.parameters(model="multiple", min_displacement_m=50.0)
    fusion, ingest = Fusion(chosen), Ingest(chosen)
    for report in scene.reports(14.0):
        fusion.step(ingest.offer(report))
    (row,) = np.flatnonzero(fusion.table.live)
    ballistic = fusion.table.mode_share[row, MOTIONS.index("ballistic")]
    assert ballistic < 0.01  # what falls does not stay at its height


def test_wrong_motions_are_refused():
    for wrong in ((), ("level", "level"), ("sideways",)):
        with pytest.raises(ValueError, match="motions: wanted some of level, turn"):
            Parameters(motions=wrong)


def glider_errors(path, seed, ways, seconds=60.0):
    """Mean square error of position [m^2] of each way on one recorded flight; none where a tenth of it had no track."""
    world = record(path, seed, seconds)
    squares = {name: errors_of(world, fuse(path, **way)) for name, way in ways.items()}
    most = max(len(of) for of in squares.values())
    return {name: np.mean(list(of.values())) if len(of) > 0.9 * most else np.inf for name, of in squares.items()}


def test_multiple_models_follow_a_manoeuvring_glider_better_than_constant_velocity(tmp_path, record_property):
    ways = {"multiple": {"model": "multiple"}, "constant velocity": {}}
    rmse = {name: np.sqrt(of) for name, of in glider_errors(tmp_path / "glider.ldrec", 1, ways, 45.0).items()}
    record_property("glider", str(rmse))
    assert rmse["multiple"] < 0.9 * rmse["constant velocity"] < np.inf


@pytest.mark.proof
@pytest.mark.timeout(1200)
def test_multiple_models_beat_every_single_one_in_a_fused_recording(tmp_path, record_property):
    """Eight flights; the single models of the bank, and constant velocity at three densities of noise."""
    ways = {"multiple": {"model": "multiple"}}
    ways |= {name: {"model": "multiple", "motions": [name]} for name in MOTIONS}
    ways |= {f"constant velocity, {q:g}": {"process_noise_m2_s3": q} for q in (50.0, 1000.0, 3000.0)}
    found = [glider_errors(tmp_path / f"{seed}.ldrec", seed, ways) for seed in range(8)]
    rmse = {name: float(np.sqrt(np.mean([of[name] for of in found]))) for name in ways}
    record_property("glider", str(rmse))
    print("\n" + "\n".join(f"{name}: {value:.1f} m" for name, value in rmse.items()))
    assert all(rmse["multiple"] < value for name, value in rmse.items() if name != "multiple")
