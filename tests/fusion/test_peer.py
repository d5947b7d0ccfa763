"""Our tracker beside Stone Soup's on the same scans, where it is installed: as good, in a fraction of the time."""

import numpy as np
import pytest

pytest.importorskip("stonesoup", exc_type=ImportError)

pytestmark = pytest.mark.proof


@pytest.mark.parametrize(("name", "times_faster"), [("SPARSE", 200.0), ("DENSE", 200.0)])
def test_gospa_is_no_worse_and_cpu_time_is_a_fraction(name, times_faster):
    from tests.fusion import bench

    races = [bench.race(getattr(bench, name), 20, seed) for seed in (100, 101, 102)]
    ours, peer = (np.mean([race[key] for race in races]) for key in ("ours_gospa", "peer_gospa"))
    ours_ms, peer_ms = (np.median([race[key] for race in races]) for key in ("ours_ms", "peer_ms"))
    print(f"\n{name}: GOSPA {ours:.1f} m, peer {peer:.1f} m; {ours_ms:.2f} ms, peer {peer_ms:.0f} ms")
    assert ours <= 1.01 * peer
    assert peer_ms / ours_ms > times_faster
