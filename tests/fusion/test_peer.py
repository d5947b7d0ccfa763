"""Our tracker beside Stone Soup's on the same scans, where it is installed: as good, in a fraction of the time."""

import numpy as np
import pytest

pytest.importorskip("stonesoup", exc_type=ImportError)

pytestmark = pytest.mark.proof


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["sparse", "dense"])
def test_gospa_and_siap_are_no_worse_over_some_seeds(name):
    """All 20 seeds with their intervals: `make bench-fusion`; here the mean of four."""
    from tests.fusion import bench

    found = bench.match(name, joint=False, seeds=4)
    for kind in ("gnn", "jpda"):
        for measure, one in found[kind].items():
            print(f"{name} {kind} {measure}: {one['ours']:.4g}, peer {one['peer']:.4g}, worse {one['worse']:+.2%}")
            assert one["worse"] <= 0.01, measure


def test_cpu_time_is_a_fraction():
    from tests.fusion import bench

    assert bench.race(100, 20)["times_faster"] > 200.0


def test_both_sides_confirm_by_the_same_rule():
    """On scans where nothing is ambiguous both confirm the same targets at the same scan, and agree on their states."""
    from tests.fusion.compare import Course
    from tests.fusion.scans import Case, draw
    from tests.fusion.trackers import Ours, Peer

    case = Case(12, spacing_m=60e3, detection=0.8, false_per_target=1.0)
    _, scans = draw(case, 15, 3)
    ours, peer = Course.of(Ours(case), scans), Course.of(Peer(case, scans), scans)
    assert ours.count.tolist() == peer.count.tolist()
    assert 0 < ours.count[3] < ours.count[-1]  # not all at once: the rule is at work
    end = slice(-ours.count[-1], None)
    mine, theirs = (np.sort(course.state[end], axis=0) for course in (ours, peer))
    np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-3)
