"""Kernels on tracks against their plain twins, and what they refuse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdown.kernels.advance import advance
from lookdown.kernels.correct import correct
from lookdown.kernels.fold import fold
from lookdown.kernels.gate import gate_plots
from lookdown.kernels.marginal import weigh_pairs
from lookdown.kernels.moments import match_moments
from lookdown.kernels.nearest import share_out
from tests.kernels import reference_tracks as twin


def positive(rng, n, d, scale=1.0):
    root = rng.normal(size=(n, d, d)) * scale
    return root @ root.transpose(0, 2, 1) + 0.1 * scale**2 * np.eye(d)


def tracks(rng, n, m, states=6):
    state = rng.normal(size=(n, states)) * ([7e6] * 3 + [3e3] * 3 + [0.1] * 2)[:states]
    return state, positive(rng, n, states, 30.0), rng.normal(size=(n, states, m))


@pytest.mark.parametrize("circle", [True, False])
@pytest.mark.parametrize("m", [0, 4])
def test_advance_is_its_twin(circle, m):
    given_ = tracks(np.random.default_rng(1), 7, m)
    wanted = twin.advance(2.5, 40.0, 0.9, circle, *given_)
    advance(2.5, 40.0, 0.9, circle, *given_)
    for got, want in zip(given_, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize(("d", "m", "own"), [(1, 0, -1), (2, 6, 2), (3, 6, 3), (3, 0, -1), (2, 4, -1)])
@pytest.mark.parametrize(("one", "states", "known"), [(True, 6, False), (False, 6, True), (False, 8, False)])
def test_correct_is_its_twin_on_its_rows_and_touches_no_other(d, m, own, one, states, known):
    rng = np.random.default_rng(d + m)
    rows = np.array([4, 0, 2])
    state, covariance, cross = tracks(rng, 6, m, states)
    jacobian = rng.normal(size=(1 if one else 3, d, states))
    shared, innovation = rng.uniform(0.5, 2.0, 3), rng.normal(size=(3, d)) * 20.0
    spread = jacobian @ covariance[rows] @ jacobian.transpose(0, 2, 1) + positive(rng, 3, d, 50.0)
    before = state.copy(), covariance.copy(), cross.copy()
    wanted = twin.correct(
        np.broadcast_to(jacobian, (3, d, states)),
        own,
        shared,
        known,
        innovation,
        spread,
        state[rows],
        covariance[rows],
        cross[rows],
    )
    assert correct(rows, jacobian, own, shared, known, innovation, spread, state, covariance, cross) == 0
    for got, want, old in zip((state, covariance, cross), wanted, before, strict=True):
        np.testing.assert_allclose(got[rows], want, rtol=1e-9, atol=1e-7)
        np.testing.assert_array_equal(got[[1, 3, 5]], old[[1, 3, 5]])


@pytest.mark.parametrize(("states", "m", "sign"), [(6, 6, -1.0), (8, 2, 1.0)])
def test_fold_is_its_twin(states, m, sign):
    rng = np.random.default_rng(3)
    _, covariance, left = tracks(rng, 5, m, states)
    matrix = positive(rng, 1, m)[0]
    product, wanted = np.empty_like(left), left @ matrix
    total = covariance + sign * (wanted @ left.transpose(0, 2, 1))
    fold(matrix, sign, left, covariance, product)
    np.testing.assert_allclose(product, wanted, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(covariance, total, rtol=1e-11, atol=1e-11)
    np.testing.assert_array_equal(covariance, covariance.transpose(0, 2, 1))


@pytest.mark.parametrize("bad", [np.nan, -1.0, 0.0])
def test_a_track_with_an_impossible_spread_is_counted_and_left(bad):
    rng = np.random.default_rng(0)
    state, covariance, cross = tracks(rng, 2, 0)
    old = state.copy()
    spread = np.array([np.eye(2) * bad, np.eye(2) * 1e9])
    hit = np.array([0, 1])
    args = rng.normal(size=(2, 2, 6)), -1, np.zeros(2), False, np.ones((2, 2)), spread, state, covariance, cross
    assert correct(hit, *args) == 1
    np.testing.assert_array_equal(state[0], old[0])
    assert np.all(state[1] != old[1])


def gated(places, spreads, use, plots, noises, gate, base, room=4000, buckets=64):
    start, plot, ratio = np.empty(len(use) + 1, np.int64), np.empty(room, np.int64), np.empty(room)
    cells, heads = np.empty((len(plots), 4), np.int64), np.empty(buckets, np.int64)
    found = gate_plots(places, spreads, use, plots, noises, gate, base, cells, heads, start, plot, ratio)
    return found, start, plot, ratio


@given(st.integers(1, 3), st.integers(1, 25), st.integers(1, 40), st.floats(0.05, 30.0), st.integers(0, 10**6))
@settings(max_examples=80, deadline=None)
def test_gate_finds_the_pairs_of_its_twin_at_any_density(d, n, k, width, seed):
    rng = np.random.default_rng(seed)
    places, plots = rng.uniform(-20, 20, (n, d)), rng.uniform(-20, 20, (k, d))
    # Gates from narrow to wider than the whole scene in one call
    spreads = positive(rng, n, d, width) * 10.0 ** rng.uniform(-3, 1, n)[:, None, None]
    noises, use = positive(rng, k, d, 0.3), (rng.random(n) < 0.8).astype(np.uint8)
    wanted = twin.gate_plots(places, spreads, use, plots, noises, 9.0, 4.0)
    found, start, plot, ratio = gated(places, spreads, use, plots, noises, 9.0, 4.0, buckets=1 << seed % 8)
    row, col = np.nonzero(np.isfinite(wanted))
    assert found == len(row)
    np.testing.assert_array_equal(np.repeat(np.arange(n), np.diff(start)), row)
    np.testing.assert_array_equal(plot[:found], col)
    np.testing.assert_allclose(ratio[:found], wanted[row, col], rtol=1e-7, atol=1e-7)


def test_gate_tells_how_much_room_it_needs_and_writes_no_further():
    n, k = 5, 8
    guard = np.full(12, -7, np.int64)
    start, ratio = np.empty(n + 1, np.int64), np.empty(10)
    found = gate_plots(
        np.zeros((n, 2)), np.tile(np.eye(2), (n, 1, 1)), np.ones(n, np.uint8), np.zeros((k, 2)),
        np.tile(np.eye(2), (k, 1, 1)), 9.0, 0.0, np.empty((k, 4), np.int64), np.empty(4, np.int64), start, guard[:10],
        ratio,
    )  # fmt: skip
    assert found == n * k
    assert guard[10:].tolist() == [-7, -7]


def test_numbers_that_are_none_or_far_are_in_no_gate():
    plots = np.array([[np.nan, 0.0], [np.inf, 0.0], [1e300, 0.0], [0.1, 0.0]])
    places = np.array([[0.0, 0.0], [np.nan, 0.0], [-1e300, 0.0]])
    spreads, noises = np.tile(np.eye(2), (3, 1, 1)), np.tile(np.eye(2), (4, 1, 1))
    found, start, plot, _ = gated(places, spreads, np.ones(3, np.uint8), plots, noises, 9.0, 0.0)
    assert (found, start.tolist(), plot[0]) == (1, [0, 1, 1, 1], 3)
    spreads[0, 0, 0] = np.nan
    assert gated(places, spreads, np.ones(3, np.uint8), plots, noises, 9.0, 0.0)[0] == 0


def shared_out(table, rows=None, taken=None, sharers=(), missed=0.0):
    n, k = table.shape
    row, col = np.nonzero(np.isfinite(table))
    rows = np.arange(n) if rows is None else rows
    taken = np.zeros(k, np.uint8) if taken is None else taken
    plot_of, won = np.full(n, -1, np.int64), np.full(n, -7.0)
    share_out(
        np.searchsorted(row, np.arange(n + 1)), col.copy(), table[row, col] + missed, missed, rows,
        np.array(sharers, np.int64), np.empty(n + 2 * k + len(row)), np.empty(k, np.uint8), np.empty(3 * k, np.int64),
        taken, plot_of, won,
    )  # fmt: skip
    paired = plot_of >= 0
    np.testing.assert_array_equal(won, np.where(paired, table[np.arange(n), plot_of] + missed, -7.0))
    return plot_of, taken


@given(st.integers(1, 14), st.integers(1, 14), st.floats(0.05, 1.0), st.booleans(), st.integers(0, 10**6))
@settings(max_examples=300, deadline=None)
def test_shares_gain_as_much_as_the_dense_solution(n, k, density, whole, seed):
    rng = np.random.default_rng(seed)
    table = rng.integers(-2, 6, (n, k)).astype(float) if whole else rng.uniform(-3.0, 10.0, (n, k))
    table[rng.random((n, k)) > density] = -np.inf
    plot_of, taken = shared_out(table, rng.permutation(n))
    row = np.flatnonzero(plot_of >= 0)
    assert len(set(plot_of[row])) == len(row)
    assert np.flatnonzero(taken).tolist() == sorted(plot_of[row])
    assert (table[row, plot_of[row]] > 0.0).all()
    assert table[row, plot_of[row]].sum() == pytest.approx(twin.most_gained(table))


def test_taken_plots_are_not_given_and_other_rows_stay():
    table = np.array([[5.0, 4.0], [9.0, 1.0]])
    plot_of, taken = shared_out(table, np.array([1]), np.array([1, 0], np.uint8))
    assert plot_of.tolist() == [-1, 1]
    assert taken.tolist() == [1, 1]


@given(st.integers(1, 14), st.integers(1, 9), st.integers(0, 10**6))
@settings(max_examples=100, deadline=None)
def test_sharers_have_the_best_plot_that_is_left_several_the_same(n, k, seed):
    rng = np.random.default_rng(seed)
    table = rng.integers(-2, 4, (n, k)).astype(float)
    table[rng.random((n, k)) > 0.6] = -np.inf
    rows, sharers = np.split(rng.permutation(n), [n // 2])
    alone, taken = shared_out(table, rows)
    both, marked = shared_out(table, rows, sharers=sharers, missed=2.0)
    np.testing.assert_array_equal(both[rows], alone[rows])
    np.testing.assert_array_equal(marked, taken)
    left = np.where(taken > 0, -np.inf, table)[sharers]
    wanted = np.where((left > 0.0).any(axis=1), left.argmax(axis=1), -1)  # of equal ones the first
    np.testing.assert_array_equal(both[sharers], wanted)


def test_gains_that_are_no_numbers_are_never_made():
    assert shared_out(np.array([[np.nan, 2.0]]))[0].tolist() == [1]


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: advance(-1.0, 1.0, 1.0, True, np.zeros((1, 6)), np.zeros((1, 6, 6)), np.zeros((1, 6, 0))), "dt"),
        (lambda: advance(1.0, 1.0, 1.0, True, np.zeros((1, 6)), np.zeros((2, 6, 6)), np.zeros((1, 6, 0))),
         "covariance"),
        (lambda: gated(np.zeros((1, 4)), np.zeros((1, 4, 4)), np.ones(1, np.uint8), np.zeros((1, 4)),
                       np.zeros((1, 4, 4)), 9.0, 0.0), "spreads"),
        (lambda: gated(np.zeros((1, 2)), np.zeros((1, 2, 2)), np.ones(1, np.uint8), np.zeros((1, 2)),
                       np.zeros((1, 2, 2)), 9.0, 0.0, buckets=3), "heads"),
        (lambda: shared_out(np.ones((2, 2)), np.array([2])), "rows"),
        (lambda: shared_out(np.ones((2, 2)), sharers=[-1]), "sharers"),
        (lambda: shared_out(np.ones((2, 2)), missed=np.nan), "missed"),
        (lambda: correct(np.array([9]), np.zeros((1, 2, 6)), -1, np.zeros(1), False, np.zeros((1, 2)),
                         np.zeros((1, 2, 2)), np.zeros((1, 6)), np.zeros((1, 6, 6)), np.zeros((1, 6, 0))), "rows"),
        (lambda: correct(np.array([0]), np.zeros((1, 2, 6)), 1, np.zeros(1), False, np.zeros((1, 2)),
                         np.zeros((1, 2, 2)), np.zeros((1, 6)), np.zeros((1, 6, 6)), np.zeros((1, 6, 2))), "own"),
        (lambda: fold(np.eye(2), 1.0, np.zeros((1, 6, 2)), np.zeros((1, 6, 5)), np.zeros((1, 6, 2))), "covariance"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_name(call, name):
    with pytest.raises(ValueError, match=f"{name}: wanted"):
        call()


def sparse(table):
    """CSR of the finite entries of a dense table of gains."""
    track, plot = np.nonzero(np.isfinite(table))
    start = np.concatenate([[0], np.cumsum(np.isfinite(table).sum(axis=1))]).astype(np.int64)
    return start, plot.astype(np.int64), table[track, plot]


def weighed(table, rows=None, most=500):
    start, plot, gain = sparse(table)
    c, k = len(plot), table.shape[1]
    weight = np.full(c, np.nan)
    rows = np.arange(len(table)) if rows is None else rows
    scratch = (np.empty(c), np.empty(c), np.empty(k), np.empty(k), np.empty(k, np.int64))
    rounds = weigh_pairs(start, plot, gain, rows, 1e-9, most, *scratch, weight)
    dense = np.zeros(table.shape)
    dense[np.repeat(np.arange(len(table)), np.diff(start)), plot] = weight
    return dense, rounds


OUT = -np.inf


@pytest.mark.parametrize(
    "table",
    [
        [[1.0, 2.0, -1.0]],
        [[1.0], [2.0], [0.5]],
        [[3.0, 1.0, OUT], [OUT, 2.0, 4.0]],
        [[50.0, OUT], [48.0, OUT], [OUT, -3.0]],
        [[90.0, 60.0]],
        [[30.0, OUT], [OUT, OUT]],
    ],
)
def test_weights_are_those_of_all_joint_shares_where_pairs_make_a_tree(table):
    table = np.array(table)
    dense, _ = weighed(table)
    np.testing.assert_allclose(dense, twin.weigh_pairs(np.where(np.isfinite(table), table, -1e9)), rtol=1e-6, atol=1e-9)


def test_weights_are_near_to_those_of_all_joint_shares_in_clusters():
    rng = np.random.default_rng(5)
    worst, mean = 0.0, []
    for _ in range(60):
        n, k = rng.integers(2, 5, 2)
        table = np.where(rng.random((n, k)) < 0.7, rng.normal(1.0, 2.5, (n, k)), OUT)
        dense, rounds = weighed(table)
        exact = twin.weigh_pairs(np.where(np.isfinite(table), table, -1e9))
        assert rounds < 500
        worst = max(worst, np.abs(dense - exact).max())
        mean.append(np.abs(dense - exact).mean())
    print(f"\ngreatest error of a weight {worst:.3f}, mean {np.mean(mean):.4f}")
    assert worst < 0.15
    assert np.mean(mean) < 0.01


def test_a_cluster_of_hundreds_costs_rounds_times_pairs():
    rng = np.random.default_rng(6)
    table = rng.normal(2.0, 2.0, (300, 300))
    dense, rounds = weighed(table, most=60)  # every plot in every gate: it does not settle, and stops
    assert rounds == 60
    assert (dense >= 0.0).all()
    assert (dense.sum(axis=1) <= 1.0 + 1e-9).all()
    assert (dense.sum(axis=0) <= 1.1).all()
    some, _ = weighed(table, rows=np.arange(0, 300, 2))
    assert (some[1::2] == 0.0).all()


def test_moments_are_their_twin_and_an_empty_mixture_is_left():
    rng = np.random.default_rng(7)
    states, covariances = rng.normal(size=(5, 8)), positive(rng, 5, 8)
    start, which = np.array([0, 2, 2, 5]), np.array([3, 1, 0, 4, 3])
    weight = np.array([0.25, 0.75, 0.2, 0.5, 0.3])
    state, covariance = np.full((3, 8), 9.0), np.full((3, 8, 8), 9.0)
    match_moments(start, which, weight, states, covariances, state, covariance)
    for row, first, last in ((0, 0, 2), (2, 2, 5)):
        part = which[first:last]
        mean, spread = twin.match_moments(weight[first:last], states[part], covariances[part])
        np.testing.assert_allclose(state[row], mean, rtol=1e-12)
        np.testing.assert_allclose(covariance[row], spread, rtol=1e-12, atol=1e-12)
    assert (state[1] == 9.0).all()
    assert (covariance[1] == 9.0).all()


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: weighed(np.zeros((2, 2)), rows=np.array([2])), "rows"),
        (lambda: weighed(np.zeros((2, 2)), most=0), "most"),
        (lambda: match_moments(np.array([0, 1]), np.array([1]), np.ones(1), np.zeros((1, 6)), np.zeros((1, 6, 6)),
                               np.zeros((1, 6)), np.zeros((1, 6, 6))), "which"),
        (lambda: match_moments(np.array([0, 2]), np.array([0]), np.ones(1), np.zeros((1, 6)), np.zeros((1, 6, 6)),
                               np.zeros((1, 6)), np.zeros((1, 6, 6))), "start"),
    ],
)  # fmt: skip
def test_mixtures_refuse_by_name(call, named):
    with pytest.raises(ValueError, match=f"^{named}"):
        call()
