"""Merging against a plain search of all pairs."""

import numpy as np
import pytest

from lookdown.ground import life
from lookdown.ground.parameters import Parameters
from lookdown.ground.tracks import TrackTable


def drawn(seed):
    """A table of tracks in eight heaps, live and tentative, sure and unsure."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(0, 60))
    table = TrackTable.blank(n, 2)
    table.track_id, table.hits = rng.permutation(n) + 1, rng.integers(0, 9, n)
    table.score, table.status = rng.normal(size=n).round(1), rng.integers(0, 3, n).astype(np.uint8)
    heaps = rng.normal(size=(8, 6)) * 2e3
    table.state = heaps[rng.integers(0, 8, n)] + rng.normal(size=(n, 6)) * [60.0, 60.0, 60.0, 15.0, 15.0, 15.0]
    table.state[:, 0] += 6.4e6
    root = rng.normal(size=(n, 6, 6)) * rng.choice([30.0, 300.0], (n, 1, 1))
    table.covariance = root @ root.transpose(0, 2, 1) + np.eye(6)
    return table


def plain(table, parameters):
    """The rule of `life.duplicates`, pair by pair."""
    rows = [row for row in range(len(table)) if table.live[row] or table.hits[row] >= 4]
    rows.sort(key=lambda row: (not table.live[row], -table.score[row], table.track_id[row]))
    merged = {}
    for place, kept in enumerate(rows):
        for gone in rows[place + 1 :]:
            apart = table.state[kept] - table.state[gone]
            spread = table.covariance[kept] + table.covariance[gone]
            if not apart[:3] @ apart[:3] < 3.0 * np.trace(spread[:3, :3]):
                continue
            if table.live[gone]:
                same = np.linalg.norm(apart[:3]) < parameters.merge_distance_m
                same = same and np.linalg.norm(apart[3:]) < parameters.merge_speed_m_s
            else:
                same = apart @ np.linalg.solve(spread, apart) < life._SAME
            if same and kept not in merged and gone not in merged:
                merged[gone] = kept
    return [(kept, gone) for gone, kept in merged.items()]


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_merging_is_that_of_all_pairs(first):
    pairs = 0
    for seed in range(first, first + 20):
        table, parameters = drawn(seed), Parameters()
        variance_m2 = np.trace(table.covariance[:, :3, :3], axis1=1, axis2=2)
        found = life.duplicates(table, variance_m2, parameters)
        assert found == plain(table, parameters)
        pairs += len(found)
    assert pairs > 50
