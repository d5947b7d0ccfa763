"""Kernels that take a report and its tracks as a whole against their plain twins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdown.geo.earth import FLATTENING, ROTATION_RATE_RAD_S, SEMI_MAJOR_AXIS_M
from lookdown.ground.tracks import _PLACES, UPDATE_DTYPE
from lookdown.kernels.close import find_close
from lookdown.kernels.learn import learn
from lookdown.kernels.lives import ALONE, BELIEVED, ENDS, READY, SHOWN, TOLD, TURNED, decide_lives
from lookdown.kernels.sift import IN_AIR, IN_SPACE, NO_COVARIANCE, NOT_FINITE, sift_sights
from lookdown.kernels.standing import rule_out_standing
from lookdown.kernels.tally import tally_looks
from lookdown.kernels.tell import tell_tracks
from lookdown.kernels.turning import turning
from tests.kernels import reference_tracks as twin
from tests.kernels.test_tracks import positive

SIZES = st.integers(1, 30)
SEEDS = st.integers(0, 2**32 - 1)


def plots_of(rng, q, n, m, states=6):
    """Arguments of `learn` before what it writes."""
    jacobian, cross = rng.normal(size=(q, 2, states)), rng.normal(size=(n, states, m))
    rows, sure = rng.integers(0, n, q), rng.integers(0, 2, q).astype(np.uint8)
    own = 2 * int(rng.integers(m // 2))
    shared, innovation, noise = rng.uniform(0.1, 2.0, q), rng.normal(size=(q, 2)), positive(rng, q, 2)
    return rows, sure, jacobian, own, shared, innovation, noise, positive(rng, n, states), cross


def learnt(arguments, m):
    """What `learn` writes, and what it returns."""
    found = np.full((len(arguments[0]), 2, 2), 7.0), np.full((m, m), 7.0), np.full(m, 7.0)
    return *found, learn(*arguments, np.empty((2, m)), *found)


@settings(max_examples=60, deadline=None)
@given(SIZES, st.integers(1, 12), st.sampled_from([2, 6, 10]), st.sampled_from([6, 8]), SEEDS)
def test_learn_is_its_twin(q, n, m, states, seed):
    arguments = plots_of(np.random.default_rng(seed), q, n, m, states)
    *got, refused = learnt(arguments, m)
    assert refused == 0
    for one, wanted in zip(got, twin.learn(*arguments), strict=True):
        np.testing.assert_allclose(one, wanted, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(got[1], got[1].T)


@pytest.mark.parametrize("bad", [np.nan, -1e9])
def test_a_plot_without_a_positive_spread_teaches_nothing_and_is_counted(bad):
    arguments = plots_of(np.random.default_rng(1), 3, 5, 4)
    arguments[1][:] = 1
    alone = tuple(part[:2] if isinstance(part, np.ndarray) and len(part) == 3 else part for part in arguments)
    arguments[6][2, 1, 1] = bad
    _, information, pull, refused = learnt(arguments, 4)
    _, wanted, wanted_pull, _ = learnt(alone, 4)
    assert refused == 1
    np.testing.assert_array_equal(information, wanted)
    np.testing.assert_array_equal(pull, wanted_pull)


def test_no_plots_teach_nothing():
    spread, information, pull, refused = learnt(plots_of(np.random.default_rng(1), 0, 2, 4), 4)
    assert (refused, spread.size) == (0, 0)
    assert not information.any()
    assert not pull.any()


AGES = 2, 3, 7
"""Least age to be confirmed, time after which a track coasts, and after which it ends."""


def lives(n, m, seed):
    """Arguments of `decide_lives` before what it writes; some tracks are at the bounds, some beyond."""
    rng = np.random.default_rng(seed)
    state = rng.normal(size=(n, 6)) * ([7e6] * 3 + [3e3] * 3)
    state[:, :3] *= (rng.choice([6.3e6, 6.37e6, 6.4e6, 7e6], n) / np.linalg.norm(state[:, :3], axis=1))[:, None]
    state[rng.random(n) < 0.2, 3:] = 0.0
    covariance = positive(rng, n, 6) * rng.choice([1.0, 1e4, 1e7], n)[:, None, None]
    counts = (rng.integers(-9, 1, (n, m)), rng.integers(0, 4, (n, m)), rng.integers(0, 2, (n, m)).astype(np.uint8))
    tracks = rng.choice([-5.0, 0.0, 8.0, 9.0], n), rng.integers(-9, 1, n), rng.integers(0, 2**32, n, np.uint32)
    sensors = rng.integers(1, 3, m), rng.integers(0, 6, m)
    rules = np.array([*AGES, 2, 5, 2, 2]), np.array([8.0, -3.0, 30.0, 8e3, 2.0, 3e3, -1e3, 1e5, 3.0])
    flags = rng.integers(0, 3, n).astype(np.uint8) * rng.integers(0, 2, n, np.uint8), rng.integers(0, 3, n, np.uint8)
    plots = rng.integers(-1, 4, n)
    return 0, state, covariance, *tracks, *counts, plots, *sensors, *rules, SEMI_MAJOR_AXIS_M, FLATTENING, *flags


def decided(n):
    """What `decide_lives` writes anew."""
    return np.empty(4, np.int64), np.empty((n, 4)), np.empty((n, 2), np.int64), np.empty(n, np.uint8)


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 40), st.integers(1, 5), SEEDS)
def test_lives_are_those_of_their_twin(n, m, seed):
    arguments, found = lives(n, m, seed), decided(n)
    wanted = twin.decide_lives(*arguments)
    everything = decide_lives(*arguments, *found)
    status, single, numbers, verdict = *arguments[-2:], found[1], found[3]
    np.testing.assert_array_equal(verdict, wanted[3])
    np.testing.assert_array_equal(status, wanted[0])
    np.testing.assert_array_equal(single, wanted[1])
    np.testing.assert_allclose(numbers, wanted[2], rtol=1e-12, atol=1e-9)
    assert everything == np.bitwise_or.reduce(verdict)


def test_all_that_can_become_of_a_track_does():
    reached = set()
    for seed in range(40):
        arguments, found = lives(30, 3, seed), decided(30)
        before = arguments[-2].copy()
        decide_lives(*arguments, *found)
        reached |= set(zip(before.tolist(), arguments[-2].tolist(), strict=True))
        reached |= {bit for bit in (SHOWN, TURNED, ENDS, BELIEVED, TOLD, ALONE, READY) if (found[3] & bit).any()}
    assert reached >= {SHOWN, TURNED, ENDS, BELIEVED, TOLD, ALONE, READY}
    assert reached >= {(0, 0), (0, 1), (1, 1), (1, 2), (2, 1), (2, 2)}


def test_no_tracks_have_no_lives():
    arguments, found = lives(1, 2, 0), decided(0)
    none = [part[:0] if isinstance(part, np.ndarray) and place in NUMBERED else part for place, part in
            enumerate(arguments)]  # fmt: skip
    assert decide_lives(*none, *found) == 0


NUMBERED = {*range(1, 10), 16, 17}
"""Arguments of `decide_lives` that have a row a track."""


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 40), SEEDS)
def test_close_pairs_are_those_of_the_twin(n, seed):
    rng = np.random.default_rng(seed)
    state = rng.normal(size=(n, 6)) * 100.0
    state[rng.random(n) < 0.2, 0] = np.nan if seed % 5 == 0 else 7.0  # equal numbers are in any order
    variance = rng.choice([1.0, 1e3, 1e5, np.nan], n, p=[0.4, 0.3, 0.2, 0.1])
    status, hits = rng.integers(0, 3, n).astype(np.uint8), rng.integers(0, 9, n)
    given_, order = (state, variance, status, hits, 4, 3.0, 60.0**2), np.argsort(state[:, 0])
    pairs, wanted = np.empty((n * n + 1, 2), np.int64), twin.find_close(*given_)
    found = find_close(*given_, order, pairs)
    assert sorted(pairs[:found].tolist()) == wanted.tolist()
    few = np.full((2, 2), -7)
    assert find_close(*given_, order, few[:1]) == found
    assert (few[1] == -7).all()


SPECIAL = [0.0, -1.0, 1.0, 0.999, 10.0, -9.99, np.nan, np.inf, -np.inf, 1e30]


@settings(max_examples=100, deadline=None)
@given(SIZES, SEEDS, st.sampled_from([0.0, 0.2, 1.0]))
def test_sift_is_its_twin(n, seed, share):
    rng = np.random.default_rng(seed)
    words = np.abs(rng.normal(size=(n, 8)) * [0.5, 0.5, 1e-4, 1e-4, 9.0, 9.0, 0.4, 1.0])
    words = np.where(rng.random((n, 8)) < share, rng.choice(SPECIAL, (n, 8)), words).astype(np.float32)
    axes, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    start = axes @ [0.0, 0.0, -rng.uniform(1.01, 6.0)]
    got, half_axes = np.empty(n, np.uint8), np.array([6.4e6, 6.4e6, 6.38e6])
    sift_sights(words, axes, start, half_axes, got)
    np.testing.assert_array_equal(got, twin.sift_sights(words, axes, start, half_axes))


def test_sift_names_what_is_wrong():
    good = [0.0, 0.0, 1e-4, 1e-4, 9.0, 9.0, 0.1, 0.0]
    changes = [{}, {0: 5.0}, {1: np.nan}, {0: 10.0}, {2: 0.0}, {3: np.inf}, {6: 1.0}, {6: np.nan}, {5: np.inf}]
    words = np.array([[change.get(i, number) for i, number in enumerate(good)] for change in changes], np.float32)
    got = np.empty(len(words), np.uint8)
    sift_sights(words, np.eye(3), np.array([0.0, 0.0, -1.2]), np.full(3, 6.4e6), got)
    wanted = [IN_AIR, IN_SPACE, NOT_FINITE, NOT_FINITE, *[NO_COVARIANCE] * 4, NOT_FINITE]
    assert got.tolist() == wanted
    # Looking away from the Earth no line meets the air.
    sift_sights(words[:1], np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, -1.2]), np.full(3, 6.4e6), got[:1])
    assert got[0] == IN_SPACE


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 30), st.integers(1, 4), SEEDS)
def test_tally_is_its_twin(n, m, seed):
    rng = np.random.default_rng(seed)
    missed, live = (rng.integers(0, 2, n).astype(np.uint8) for _ in range(2))
    given_ = rng.integers(-1, 3, n), rng.normal(size=n) * 9.0, missed, live, -2.3, 10.0, int(rng.integers(m)), 77
    changed = [rng.integers(0, 9, n), rng.integers(0, 9, n), rng.integers(0, 2**32, n, np.uint32)]
    changed += [rng.normal(size=n) * 9.0, rng.integers(0, 9, (n, m)), rng.integers(0, 9, (n, m))]
    wanted = twin.tally_looks(*given_, *changed)
    tally_looks(*given_, *changed)
    for got, want in zip(changed, wanted, strict=True):
        np.testing.assert_array_equal(got, want)


TRACK = np.dtype([("kind", "u1"), ("covariance", "<f8", (6, 6)), ("velocity", "<f8", (3,)), ("position", "<f8", (3,))])
TRACK_PLACES = np.array([TRACK.fields[name][1] for name in ("position", "velocity", "covariance")])


def sighted(n, seed):
    """Records of tracks, where they stand, and `turning`'s other arguments before what it writes."""
    rng = np.random.default_rng(seed)
    tracks = np.zeros(n, TRACK)
    tracks["position"], tracks["velocity"] = rng.normal(size=(n, 3)) * 7e6, rng.normal(size=(n, 3)) * 3e3
    tracks["covariance"] = positive(rng, n, 6, 30.0)
    own = rng.normal(size=3) * 7e6, rng.normal(size=3) * 7e3
    return tracks, *own, ROTATION_RATE_RAD_S, 1.5, 2e-5, rng.permutation(n + 3)[:n]


def turned(tracks, *given_, column=1):
    """What `turning` writes: rates and sigmas of three sensors, squared distances."""
    n, octets = len(tracks), tracks.view(np.uint8).reshape(len(tracks), TRACK.itemsize)
    rates, sigmas, square = np.full((n + 3, 3), 7.0), np.full((n + 3, 3), 7.0), np.empty(n)
    turning(octets, TRACK_PLACES, *given_, column, rates, sigmas, square)
    return rates, sigmas, square


@settings(max_examples=40, deadline=None)
@given(SIZES, SEEDS)
def test_turning_is_its_twin(n, seed):
    tracks, *rest, rows = sighted(n, seed)
    rates, sigmas, square = turned(tracks, *rest, rows)
    rate, sigma, far = twin.turning(tracks["position"], tracks["velocity"], tracks["covariance"], *rest)
    np.testing.assert_allclose(rates[rows, 1], rate, rtol=1e-7)
    np.testing.assert_allclose(sigmas[rows, 1], sigma, rtol=1e-12)
    np.testing.assert_allclose(square, far, rtol=1e-12)
    for table in (rates, sigmas):  # of other tracks and sensors nothing is written
        table[rows, 1] = 7.0
        assert (table == 7.0).all()


def test_what_stands_among_the_stars_does_not_turn():
    tracks, *_ = sighted(1, 0)
    tracks["position"], origin = [[7e6, 1e5, 2e4]], np.array([9e6, -3e5, 1e5])
    spin = [0.0, 0.0, -ROTATION_RATE_RAD_S]
    tracks["velocity"] = np.cross(spin, tracks["position"])
    rates, _, _ = turned(tracks, origin, np.cross(spin, origin), ROTATION_RATE_RAD_S, 1.5, 2e-5, np.array([2]))
    assert rates[2, 1] < 1e-15


def stood(n, q, m, seed):
    """Arguments of `rule_out_standing` before what it writes; lines that pass near their segments and far off."""
    rng = np.random.default_rng(seed)
    k, rows, sensor = 12, rng.permutation(n)[:q], int(rng.integers(m))
    plots, origin = rng.integers(0, k, len(rows)), rng.normal(size=3)
    direction = rng.normal(size=(k, 3))
    direction /= np.linalg.norm(direction, axis=1)[:, None]
    anchor = rng.normal(size=(n, m, 2, 3)) + origin
    near = rng.integers(0, 2, len(rows)) * 0.98
    middle = origin + direction[plots] * rng.uniform(0.5, 2.0, len(rows))[:, None]
    anchor[rows, sensor] += near[:, None, None] * (middle - anchor[rows, sensor].mean(axis=1))[:, None]
    anchor[rng.random((n, m)) < 0.2] = np.nan
    variance, moved = rng.uniform(0.0, 1e-3, (k, 2)), (rng.random((n, m)) < 0.2).astype(np.uint8)
    return rows, plots, sensor, origin, direction, variance, anchor, 0.02, 0.05, 0.1, 3.0, moved


@settings(max_examples=100, deadline=None)
@given(SIZES, st.integers(0, 30), st.integers(1, 4), SEEDS)
def test_standing_points_are_ruled_out_as_by_the_twin(n, q, m, seed):
    *given_, moved = stood(n, q, m, seed)
    away, moved_wanted, new_wanted = twin.rule_out_standing(*given_, moved)
    got = np.full(len(given_[0]), np.nan)
    assert rule_out_standing(*given_, got, moved) == new_wanted
    np.testing.assert_allclose(got, away, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(moved, moved_wanted)


def test_some_are_ruled_out_and_some_are_not():
    flags = []
    for seed in range(20):
        *given_, moved = stood(20, 20, 1, seed)
        moved[:] = 0
        rule_out_standing(*given_, np.empty(20), moved)
        flags.append(moved)
    assert 0.2 < np.mean(flags) < 0.8


def told(q, n, m, seed):
    """Arguments of `tell_tracks` before what it writes."""
    rng = np.random.default_rng(seed)
    counts = [rng.integers(0, 99, n) for _ in range(3)]
    flags = rng.integers(0, 4, n).astype(np.uint8), rng.integers(0, 3, n).astype(np.uint8)
    head = rng.integers(0, n, q), 2**61 + 1, 65535, 4
    tracks = counts[0], rng.normal(size=(n, 6)), rng.normal(size=(n, 6, 6)), flags[0], rng.normal(size=n)
    return *head, *tracks, *counts[1:], flags[1], rng.integers(0, 9, (n, m)), _PLACES


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 20), SIZES, st.integers(1, 4), SEEDS)
def test_tracks_are_told_field_by_field(q, n, m, seed):
    arguments, records = told(q, n, m, seed), np.zeros(q, UPDATE_DTYPE)
    records["kind"] = 0.5
    tell_tracks(*arguments, records.view(np.uint8).reshape(q, UPDATE_DTYPE.itemsize))
    rows, time, sensor, recent, number, state, covariance, status, score, hits, misses, single, last, _ = arguments
    wanted = np.zeros(q, UPDATE_DTYPE)
    wanted["track_id"], wanted["time_ns"], wanted["sensor_id"] = number[rows], time, sensor
    wanted["position_m"], wanted["velocity_m_s"] = state[rows, :3], state[rows, 3:]
    wanted["covariance"], wanted["status"], wanted["score"] = covariance[rows], status[rows], score[rows]
    wanted["hits"], wanted["misses"], wanted["single"] = hits[rows], misses[rows], single[rows] > 0
    wanted["n_sensors"], wanted["kind"] = np.count_nonzero(last[rows] >= recent, axis=1), 0.5
    assert records.tobytes() == wanted.tobytes()
