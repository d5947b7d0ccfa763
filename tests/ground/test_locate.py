"""Lines of sight that cross: place, covariance, gates; gate and assignment of plots; distances to segments."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lookdown.geo.earth import enu_axes, geodetic_to_ecef
from lookdown.ground.associate import Pairs, assign, gate_pairs
from lookdown.ground.locate import locate
from lookdown.ground.measure import Look
from lookdown.kernels.standing import rule_out_standing


def looks(scene, times_ns, floor_px=0.1):
    return [Look.of(scene.report(index, 0, time_ns), floor_px) for index, time_ns in enumerate(times_ns)]


@pytest.fixture
def scene(world):
    return world(seed=0, false_plots=0.0, detection=1.0, sub_points=world.sub_points[:2])


EPOCH_NS = 1_800_000_000_000_000_000


def test_a_mover_is_found_where_it_is_with_an_honest_covariance(world):
    errors, nees = [], []
    for seed in range(60):
        scene = world(seed=seed, false_plots=0.0, detection=1.0, sub_points=world.sub_points[:2])
        heading = 6.0 * seed
        scene.add_mover(1e3, -2e3, 20e3, 3000.0, heading)
        later, earlier = looks(scene, (EPOCH_NS + 50_000_000, EPOCH_NS))
        found = locate(later, earlier, scene.parameters())
        assert len(found.miss) == 1
        error = found.state[0] - scene.truth(later.report.time_ns)[0]
        errors.append(error[:3])
        nees.append(error[:3] @ np.linalg.inv(found.covariance[0, :3, :3]) @ error[:3])
        assert 50.0 < np.sqrt(np.trace(found.covariance[0, :3, :3])) < 400.0
    assert np.sqrt(np.mean(np.sum(np.square(errors), axis=1))) < 300.0
    # 60 draws of 3 degrees of freedom; 3000 m/s is one sigma of the prior in one direction of three.
    assert 1.0 < np.mean(nees) < 4.0


def test_what_cannot_be_a_mover_is_left_out(world):
    scene = world(false_plots=0.0, detection=1.0, sub_points=world.sub_points[:2], rows=4000, cols=4000)
    parameters = scene.parameters()
    axes = enu_axes(np.radians(40.0), np.radians(10.0))
    for height_m, expected in ((-4e3, 0), (500.0, 1), (99e3, 1), (108e3, 0)):
        scene.standing.clear()
        scene.standing.append((geodetic_to_ecef(np.radians(40.0), np.radians(10.0), height_m), {1, 2}, 0.0))
        assert len(locate(*looks(scene, (EPOCH_NS, EPOCH_NS)), parameters).miss) == expected, height_m
    # Lines that miss each other by 2 km north to south, which no height explains.
    scene.standing[:] = [
        (geodetic_to_ecef(np.radians(40.0), np.radians(10.0), 0.0), {1}, 0.0),
        (geodetic_to_ecef(np.radians(40.0), np.radians(10.0), 0.0) + 2e3 * axes[1] - 800.0 * axes[0], {2}, 0.0),
    ]
    assert len(locate(*looks(scene, (EPOCH_NS, EPOCH_NS)), parameters).miss) == 0
    # Lines of one and the same satellite never cross at an angle.
    scene.standing[:] = [(geodetic_to_ecef(np.radians(40.0), np.radians(10.0), 5e3), {1, 2}, 0.0)]
    one = looks(scene, (EPOCH_NS, EPOCH_NS))[0]
    assert len(locate(one, one, parameters).miss) == 0


def test_a_flood_gives_no_more_than_two_crossings_a_plot(world):
    scene = world(seed=0, false_plots=150.0, sub_points=world.sub_points[:2])
    found = locate(*looks(scene, (EPOCH_NS, EPOCH_NS)), scene.parameters())
    assert len(found.miss) > 10
    assert np.bincount(found.plot_a).max() <= 2
    assert np.bincount(found.plot_b).max() <= 2
    assert np.all(np.diff(found.miss) >= 0.0)
    assert np.isfinite(found.state).all()
    assert np.all(np.linalg.eigvalsh(found.covariance)[:, 0] > 0.0)


def test_empty_reports_cross_nowhere(scene):
    a, b = looks(scene, (EPOCH_NS, EPOCH_NS))
    assert len(a.tangent) == len(b.tangent) == 0
    assert len(locate(a, b, scene.parameters()).miss) == 0


def test_no_centroid_is_believed_beyond_the_floor(scene):
    scene.add_mover(0.0, 0.0, 10e3, 200.0, 0.0)
    report = scene.report(0, 0, EPOCH_NS)
    sights = report.sights.copy()
    sights["sigma_x"] = 1e-12
    variance = Look.of(replace(report, sights=sights), 0.1).variance
    assert np.sqrt(variance[0, 0]) == pytest.approx(0.1 * scene.ifov_rad)
    assert np.sqrt(variance[0, 1]) == pytest.approx(0.2 * scene.ifov_rad, rel=1e-6)


def test_ratio_of_a_plot_is_that_of_densities():
    """L is the log of the Gaussian density of the plot times P_D over the density of false plots."""
    spread = np.array([[[4.0, 1.0], [1.0, 2.0]]])
    variance = np.array([[0.5, 0.25], [0.5, 0.25]])
    plots = np.array([[1.0, -0.5], [40.0, 0.0]])
    noise = variance[:, :, None] * np.eye(2)
    base = np.log(0.9 / 1e-3)
    pairs = gate_pairs(np.zeros((1, 2)), spread, np.ones(1, np.bool_), plots, noise, 13.8, base)
    total = spread[0] + np.diag(variance[0])
    density = np.exp(-0.5 * plots[0] @ np.linalg.inv(total) @ plots[0]) / (2 * np.pi * np.sqrt(np.linalg.det(total)))
    assert pairs.ratio == pytest.approx([np.log(0.9 * density / 1e-3)])
    assert pairs.plot.tolist() == [0]
    none = gate_pairs(np.zeros((1, 2)), spread, np.zeros(1, np.bool_), plots, noise, 13.8, base)
    assert none.start.tolist() == [0, 0]


@given(arrays(np.float64, (4, 5), elements=st.one_of(st.just(-np.inf), st.floats(-3.0, 20.0))))
@settings(max_examples=60, deadline=None)
def test_live_tracks_share_plots_out_and_tentative_ones_take_the_rest(ratios):
    live = np.array([True, True, False, False])
    rows, plots = np.nonzero(np.isfinite(ratios))
    pairs = Pairs(np.searchsorted(rows, np.arange(5)), plots.copy(), ratios[rows, plots], 5)
    chosen, _ = assign(pairs, live, -1.2, tentative_share=True)
    apart, _ = assign(pairs, live, -1.2, tentative_share=False)
    assert chosen[live].tolist() == apart[live].tolist()
    assert len(set(apart[apart >= 0])) == np.count_nonzero(apart >= 0)
    taken = chosen[live][chosen[live] >= 0]
    assert len(set(taken)) == len(taken)
    assert not set(taken) & set(chosen[~live])
    for row, plot in enumerate(chosen):
        if plot >= 0:
            assert ratios[row, plot] > -1.2
    gain = np.maximum(ratios[:2] + 1.2, 0.0)
    best = max(gain[0, i] + gain[1, j] for i in range(5) for j in range(5) if i != j)
    got = sum(gain[row, chosen[row]] for row in (0, 1) if chosen[row] >= 0)
    assert got == pytest.approx(max(best, gain[0].max(), gain[1].max()))


def test_distance_to_a_segment_against_a_search():
    rng = np.random.default_rng(3)
    origin = rng.normal(size=3)
    directions = rng.normal(size=(20, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    start, end = rng.normal(size=(2, 20, 3)) * 5.0
    share = np.linspace(0.0, 1.0, 20_001)[:, None]
    rows, anchor, away = np.arange(20), np.stack([start, end], axis=1)[:, None], np.empty(20)
    noise = np.zeros((20, 2)), anchor, 0.0, 0.0, 0.0, 0.0
    rule_out_standing(rows, rows, 0, origin, directions, *noise, away, np.zeros((20, 1), np.uint8))
    for row, distance in enumerate(away):
        points = start[row] + share * (end[row] - start[row]) - origin
        across = points - (points @ directions[row])[:, None] * directions[row]
        assert distance == pytest.approx(np.linalg.norm(across, axis=1).min(), abs=1e-3)
