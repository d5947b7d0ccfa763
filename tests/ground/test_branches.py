"""Tentative tracks that grow branches: what a false plot in a first gate costs, and how kin end."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdown.ground.associate import Pairs
from lookdown.ground.branches import best_branches, grow
from lookdown.ground.positions import PositionFusion, PositionParameters
from lookdown.ground.tracks import TrackTable
from tests.ground.test_positions import FLAT, fuse

ONE, TREE = replace(FLAT, branches=1), replace(FLAT, branches=4)
TRUE = [(150.0 * second, 0.0, 0.0) for second in range(6)]
FALSE = (-130.0, 0.0, 0.0)  # nearer to where a start of unknown speed is foreseen than the target is


def drawn(rng, n, k):
    """Pairs of n tracks and k plots, with the table of their ratios."""
    table = np.where(rng.random((n, k)) < 0.5, rng.normal(0.0, 3.0, (n, k)), -np.inf)
    track, plot = np.nonzero(np.isfinite(table))
    return Pairs(np.searchsorted(track, np.arange(n + 1)), plot, table[track, plot], k), table


def test_a_false_plot_in_the_first_gate_costs_a_scan_without_branches_and_none_with():
    for parameters, wanted in ((ONE, [0, 0, 0, 1]), (TREE, [0, 0, 1, 1])):
        fusion, confirmed = PositionFusion(parameters), []
        for second, plots in enumerate(([TRUE[0]], [FALSE, TRUE[1]], [TRUE[2]], [TRUE[3]])):
            fuse(fusion, second, *plots)
            confirmed.append(int(fusion.table.live.sum()))
        assert confirmed == wanted


def test_a_confirmed_branch_keeps_the_identity_of_its_start_and_ends_its_kin():
    fusion = PositionFusion(TREE)
    for second, plots in enumerate(([TRUE[0]], [FALSE, TRUE[1]], [TRUE[2]])):
        fed = fuse(fusion, second, *plots)
    table = fusion.table
    assert fed == [1]
    assert table.track_id[table.live].tolist() == [1]
    assert 1 not in table.track_id[~table.live]
    np.testing.assert_allclose(table.state[table.live][0, :3], TRUE[2], atol=60.0)
    assert (table.hits[table.live], table.misses[table.live]) == (3, 0)
    for second in range(3, 6):
        assert fuse(fusion, second, TRUE[second]) == [1]
    assert len(table) == 1  # other starts of its plots have ended, and its plots start none


def test_a_start_that_is_missed_goes_on_beside_a_false_plot():
    for parameters, goes_on in ((ONE, False), (TREE, True)):
        fusion = PositionFusion(parameters)
        for second, plots in enumerate(([TRUE[0]], [(-300.0, 0.0, 0.0)], [TRUE[2]])):
            fuse(fusion, second, *plots)
        table = fusion.table
        right = (table.track_id == 1) & (table.misses == 1) & (np.abs(table.state[:, 0] - TRUE[2][0]) < 60.0)
        assert right.any() == goes_on


@pytest.mark.parametrize("joint", [False, True])
def test_no_plot_confirms_two_and_no_identity_is_live_twice(joint):
    rng = np.random.default_rng(3)
    parameters = replace(TREE, joint_association=joint, probability_of_detection=0.7, false_plots_per_m3=2e-9)
    fusion, place = PositionFusion(parameters), rng.uniform(0.0, 6e3, (12, 3))
    for second in range(25):
        seen = place[rng.random(12) < 0.7] + 50.0 * second
        clutter = rng.uniform(-1e3, 8e3, (60, 3))
        fuse(fusion, second, *(seen + 50.0 * rng.normal(size=seen.shape)), *clutter)
        live = fusion.table.track_id[fusion.table.live]
        assert len(np.unique(live)) == len(live)
        assert not np.isin(fusion.table.track_id[~fusion.table.live], live).any()
    assert fusion.table.live.sum() >= 10


def test_branches_of_a_start_are_bounded_in_a_flood_of_false_plots():
    rng, fusion = np.random.default_rng(1), PositionFusion(replace(TREE, confirm_score=1e6, drop_tentative_misses=9))
    for second in range(5):
        fuse(fusion, second, *rng.uniform(-400.0, 400.0, (50, 3)))
        _, number = np.unique(fusion.table.track_id, return_counts=True)
        assert number.max() <= 16
    assert number.max() == 16


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_branches_are_the_best_free_plots_of_each_tentative_track(n, k, most, seed):
    rng = np.random.default_rng(seed)
    pairs, table = drawn(rng, n, k)
    live, taken = rng.random(n) < 0.3, rng.random(k) < 0.3
    parent, pair = grow(pairs, live, taken, -1.0, most)
    wanted = []
    for row in np.flatnonzero(~live).tolist():
        free = [plot for plot in range(k) if not taken[plot] and table[row, plot] > -1.0]
        wanted += [(row, plot) for plot in sorted(free, key=lambda plot, row=row: -table[row, plot])[:most]]
    assert list(zip(parent.tolist(), pairs.plot[pair].tolist(), strict=True)) == wanted


def test_of_branches_on_one_plot_or_of_one_start_the_best_is_confirmed():
    table = TrackTable.blank(5, 0)
    table.track_id[:], table.score[:] = [1, 1, 2, 3, 4], [5.0, 9.0, 8.0, 7.0, 6.0]
    new = best_branches(table, np.arange(5), np.array([0, 1, 1, 2, 3]))
    assert sorted(new.tolist()) == [1, 3, 4]


def test_a_track_grows_one_branch_at_least():
    with pytest.raises(ValueError, match="branches: wanted"):
        PositionParameters(branches=0)
