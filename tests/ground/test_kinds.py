"""Kind of target: the posterior means what it says on tracks that it was not tuned on, and overrules nothing."""

import numpy as np
import pytest

from lookdown.ground.kinds import Kinds
from lookdown.ground.pipeline import Pipeline
from lookdown.ground.regimes import KIND_OF, PRIOR, REGIMES, Features, log_likelihoods
from lookdown.wire.envelope import Delivery
from lookdown.wire.messages import Kind
from lookdown.wire.packet import encode
from tests.ground.kind_tracks import calibration_error, classify

AGES_S = (3.0, 8.0, 20.0)


@pytest.mark.parametrize("brightness", [False, True])
def test_posterior_is_calibrated_on_held_out_tracks(world, brightness):
    kind, found = classify(world, 1001, 1200, AGES_S, brightness)
    for age_s in AGES_S:
        error, _ = calibration_error(found[age_s], kind)
        assert error <= 0.05, (age_s, error)
        right = found[age_s].argmax(axis=1) == kind
        assert right.mean() > 0.85
        assert np.allclose(found[age_s].sum(axis=1), 1.0)
    # Not by saying nothing: the prior alone would be right in 0.3 of all tracks.
    assert found[20.0].max(axis=1).mean() > 0.85


def test_no_chance_is_above_one_though_sums_are_rounded():
    """A chance of 1 + 2e-16 was refused by the packet of the picture, which ended the ground's process."""
    kinds = Kinds()
    [row] = kinds._memory.rows([7])
    of_one_kind = np.flatnonzero(np.bincount(KIND_OF)[KIND_OF] > 1)
    kinds._memory.told[row] = 0.0
    kinds._memory.told[row, of_one_kind[:2]] = 0.5, 0.5 + 2.0**-52
    assert KIND_OF[of_one_kind[0]] == KIND_OF[of_one_kind[1]]
    assert max(kinds.posterior(7)) == 1.0


def test_ranges_are_ranges_and_weights_sum_to_one():
    assert PRIOR.sum() == pytest.approx(1.0)
    for kind in Kind:
        assert sum(regime.weight for regime in REGIMES if regime.kind == kind) == pytest.approx(1.0)
    for regime in REGIMES:
        for name in ("height_m", "speed_m_s", "climb_m_s", "lift_m_s2", "thrust_m_s2", "intensity_w_sr"):
            low, high = getattr(regime, name)
            assert low < high
        for limits in (regime.loading_kg_m2, regime.drag_over_lift):
            assert limits is None or 0.0 < limits[0] < limits[1]
    assert set(KIND_OF.tolist()) == set(Kind)


def kinds_by(height_m, speed_m_s, thrust_m_s2):
    """Chances of kinds of a level mover after one look, its accelerations known."""
    one, gravity = np.ones(1), 9.7
    sigma = {"height_m": 60.0, "speed_m_s": 20.0, "climb_m_s": 20.0, "lift_m_s2": 3.0, "thrust_m_s2": 1.5}
    sigma |= {"turn_rad_s": 1e-4, "log_intensity": 0.7}
    features = Features(
        height_m * one, speed_m_s * one, 0.0 * one, 0.0 * one, thrust_m_s2 * one,
        (speed_m_s**2 / 6.4e6 - gravity) * one, 0.0 * one, 1e-3 * one, np.nan * one,
        {name: value * one for name, value in sigma.items()},
    )  # fmt: skip
    logs = sum(log_likelihoods(features))[0] + np.log(PRIOR[KIND_OF] * [regime.weight for regime in REGIMES])
    chances = np.exp(logs - logs.max())
    return np.bincount(KIND_OF, chances / chances.sum(), len(Kind))


def test_a_scramjet_is_told_from_a_glider_by_drag_and_by_the_air_it_needs():
    """At 31 km and 1,660 m/s both may fly: one keeps its speed, the other pays a third of its weight."""
    keeps, pays = kinds_by(31e3, 1660.0, 0.0), kinds_by(31e3, 1660.0, -3.7)
    assert keeps[Kind.CRUISE] > 0.8
    assert pays[Kind.GLIDER] > 0.5 > pays[Kind.CRUISE]
    # Too little air for an engine, enough for wings.
    assert kinds_by(38e3, 1660.0, 0.0)[Kind.GLIDER] > 0.99


def test_kind_never_overrules_the_track(world, monkeypatch):
    scene = world(seed=2, false_plots=2.0)
    scene.add_mover(-8e3, 0.0, 30e3, 2400.0, 90.0)
    scene.add_mover(0.0, -4e3, 10e3, 250.0, 0.0)
    deliveries = [Delivery(r.sensor_id, 1, 0, encode(r, r.frame_id), 1) for r in scene.reports(6.0)]

    def run():
        pipeline = Pipeline(scene.parameters())
        events = [event for delivery in deliveries for event in pipeline.take(delivery)] + pipeline.finish()
        updates = np.concatenate([event.updates for event in events if hasattr(event, "updates")])
        return updates, pipeline

    told, pipeline = run()
    monkeypatch.setattr(Kinds, "note", lambda self, fused: None)
    untold, _ = run()
    for name in told.dtype.names:
        if name != "kind":
            assert told[name].tobytes() == untold[name].tobytes()
    assert (untold["kind"] == 0).all()
    assert np.allclose(told["kind"].sum(axis=1), 1.0, atol=1e-5)
    by_speed = {
        float(np.linalg.norm(t.state[3:])): int(np.argmax(t.kind)) for t in pipeline.picture().tracks if t.status
    }
    assert len(by_speed) == 2
    slow, fast = (by_speed[speed] for speed in sorted(by_speed))
    assert slow == Kind.AIRCRAFT
    assert fast in (Kind.CRUISE, Kind.GLIDER)
