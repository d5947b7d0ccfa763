"""Fusion of positions: life of tracks, consistency, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest

from lookdown.ground.positions import PositionFusion, PositionParameters, usable
from lookdown.wire.messages import TrackStatus

SIGMA_M = 50.0
FLAT = PositionParameters(
    process_noise_m2_s3=5.0, initial_speed_sigma_m_s=200.0, great_circles=False, false_plots_per_m3=1e-12
)
NOISE = SIGMA_M**2 * np.eye(3)


def fuse(fusion, second, *places):
    plots = np.array(places, float).reshape(-1, 3)
    return fusion.step(second * 10**9, plots, np.tile(NOISE, (len(plots), 1, 1))).tolist()


def test_a_track_is_confirmed_by_its_third_plot_coasts_and_ends():
    fusion, seen = PositionFusion(FLAT), []
    for second in range(3):
        assert fuse(fusion, second, (100.0 * second, 0.0, 0.0)) == [1]
        seen.append(fusion.table.status.tolist())
    for second in range(3, 8):
        fuse(fusion, second)
        seen.append(fusion.table.status.tolist())
    tentative, confirmed, coasting = (
        int(s) for s in (TrackStatus.TENTATIVE, TrackStatus.CONFIRMED, TrackStatus.COASTING)
    )
    assert seen == [[tentative], [tentative], [confirmed], *[[coasting]] * 4, []]
    assert fuse(fusion, 8, (0.0, 0.0, 0.0)) == [2]  # an identity is never used twice


def test_a_tentative_track_ends_after_two_misses_and_a_weak_one_by_its_score():
    fusion = PositionFusion(FLAT)
    fuse(fusion, 0, (0.0, 0.0, 0.0))
    for second, left in ((1, 1), (2, 0)):
        fuse(fusion, second)
        assert len(fusion.table) == left
    fusion = PositionFusion(PositionParameters(drop_score=-2.0))
    fuse(fusion, 0, (7e6, 0.0, 0.0))
    fuse(fusion, 1)
    assert len(fusion.table) == 0  # ln(1 - .9) = -2.3


def test_errors_of_many_targets_are_consistent_and_identities_hold():
    rng = np.random.default_rng(4)
    n = 400
    place, velocity = rng.uniform(0, 2e5, (n, 3)), rng.normal(size=(n, 3)) * 150.0
    root = np.linalg.cholesky(np.array([[1 / 3, 1 / 2], [1 / 2, 1.0]]) * FLAT.process_noise_m2_s3)
    fusion, fed, nees = PositionFusion(FLAT), [], []
    for second in range(40):
        step = np.einsum("ij,jnk->ink", root, rng.normal(size=(2, n, 3)))
        place, velocity = place + velocity + step[0], velocity + step[1]
        fed.append(fuse(fusion, second, *(place + SIGMA_M * rng.normal(size=(n, 3)))))
        if second >= 20:
            row = np.searchsorted(fusion.table.track_id, fed[-1])
            error = fusion.table.state[row] - np.concatenate([place, velocity], axis=1)
            nees.append(np.einsum("ni,nij,nj->n", error, np.linalg.inv(fusion.table.covariance[row]), error))
    assert np.mean(np.array(fed[-1]) == np.array(fed[5])) > 0.99
    # 8,000 values, correlated over some 8 scans: one sigma of the mean is about 0.11; 0.1 % fall out of gates.
    assert np.median(nees) == pytest.approx(5.348, abs=0.25)


def test_the_same_scans_give_the_same_tracks_whatever_the_order_of_plots_is():
    rng = np.random.default_rng(2)
    one, other = PositionFusion(FLAT), PositionFusion(FLAT)
    base = rng.uniform(0, 5e3, (30, 3))
    for second in range(6):
        plots = base + rng.normal(size=base.shape) * SIGMA_M
        order = rng.permutation(30) if second else np.arange(30)
        assert fuse(other, second, *plots[order]) == np.array(fuse(one, second, *plots))[order].tolist()
    np.testing.assert_array_equal(one.table.state, other.table.state)


def test_plots_that_make_no_sense_are_counted_and_feed_nothing():
    noise = np.tile(NOISE, (6, 1, 1))
    noise[1, 0, 0], noise[2] = -1.0, np.ones((3, 3))
    noise[3, 0, 1], noise[4, 2, 2] = 500.0, np.inf
    plots = np.zeros((6, 3))
    plots[5, 1] = np.nan
    assert usable(plots, noise).tolist() == [True, False, False, False, False, False]
    fusion = PositionFusion(FLAT)
    assert fusion.step(0, plots, noise).tolist() == [1, 0, 0, 0, 0, 0]
    assert fusion.refused == 5


def test_misuse_is_refused_by_name():
    fusion = PositionFusion(FLAT)
    fuse(fusion, 5)
    with pytest.raises(ValueError, match="time_ns: wanted 5000000000 or later"):
        fuse(fusion, 4)
    with pytest.raises(ValueError, match="position_m and covariance: wanted shapes"):
        fusion.step(6 * 10**9, np.zeros((2, 3)), np.zeros((1, 3, 3)))
    with pytest.raises(ValueError, match="probability_of_detection: wanted"):
        PositionParameters(probability_of_detection=1.0)
    with pytest.raises(ValueError, match="drop_misses: wanted"):
        PositionParameters(drop_misses=0)


def test_joint_association_keeps_two_targets_that_fly_side_by_side_through_clutter():
    """Each plot feeds both by its probability; errors stay honest, which the nearest plot alone does not give."""
    rng = np.random.default_rng(8)
    apart, lost = {True: [], False: []}, {True: 0, False: 0}
    for joint in (True, False):
        for seed in range(30):
            rng = np.random.default_rng(seed)
            parameters = replace(FLAT, joint_association=joint, false_plots_per_m3=8e-9, probability_of_detection=0.9)
            fusion = PositionFusion(parameters)
            root = np.linalg.cholesky(np.array([[1 / 3, 1 / 2], [1 / 2, 1.0]]) * FLAT.process_noise_m2_s3)
            place, velocity = np.array([[0.0, 0.0, 0.0], [1500.0, 0.0, 0.0]]), np.array([[0.0, 150.0, 0.0]] * 2)
            for second in range(25):
                step = np.einsum("ij,jnk->ink", root, rng.normal(size=(2, 2, 3)))
                place, velocity = place + velocity + step[0], velocity + step[1]
                seen = place[rng.random(2) < (0.9 if second > 3 else 1.0)]
                clutter = place[0] + rng.uniform(-1000, 1000, (64 if second > 3 else 0, 3))
                fuse(fusion, second, *(seen + SIGMA_M * rng.normal(size=seen.shape)), *clutter)
            for row, target in zip(np.searchsorted(fusion.table.track_id, [1, 2]), (0, 1), strict=True):
                if row < len(fusion.table) and fusion.table.track_id[row] == target + 1:
                    away = fusion.table.state[row] - np.concatenate([place[target], velocity[target]])
                    apart[joint].append(away @ np.linalg.solve(fusion.table.covariance[row], away))
                else:
                    lost[joint] += 1
    # Of some 55 values; one sigma of the mean is 0.5, less for the difference of the two.
    assert np.mean(apart[True]) == pytest.approx(6.0, abs=1.2)
    assert np.mean(apart[False]) > np.mean(apart[True]) + 0.7
    assert lost[True] <= lost[False]
