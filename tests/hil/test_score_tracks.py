"""Track scores against cases worked out by hand."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import chi2

from lookdown.hil.measures import NOBODY, gospa, nees
from lookdown.hil.motion.movers import MoverKind
from lookdown.hil.score_kinds import KIND_OF_MOVER, kind_figures
from lookdown.hil.score_tracks import (
    UPDATE_DTYPE,
    assign,
    owed,
    pair,
    sample_tracks,
    score_tracks,
    spans,
    track_figures,
)
from lookdown.wire.messages import Kind

SECOND = 1_000_000_000
INSTANTS = np.arange(0, 21, dtype=np.int64) * SECOND


def updates_of(track_id: int, start_m: list[float], speed_m_s: list[float], first: int, last: int) -> np.ndarray:
    """Make a track that is confirmed at second ``first``, dropped at ``last``, updated once a second, sigma 10 m."""
    rows = np.zeros(last - first + 1, UPDATE_DTYPE)
    seconds = np.arange(first, last + 1)
    rows["track_id"], rows["time_ns"], rows["status"] = track_id, seconds * SECOND, 1
    rows["status"][-1] = 3
    rows["position_m"] = np.array(start_m) + seconds[:, None] * np.array(speed_m_s)
    rows["velocity_m_s"] = speed_m_s
    rows["covariance"] = np.diag([100.0] * 3 + [1.0] * 3)
    return rows


def truth_of(*movers: tuple[list[float], list[float]]) -> tuple[np.ndarray, np.ndarray]:
    seconds = (INSTANTS / SECOND)[None, :, None]
    start = np.array([mover[0] for mover in movers])[:, None]
    speed = np.array([mover[1] for mover in movers])[:, None]
    return start + seconds * speed, np.broadcast_to(speed, (len(movers), len(INSTANTS), 3))


def scored(updates: np.ndarray, truth: tuple[np.ndarray, np.ndarray], n_views: np.ndarray, allowance_s: float = 5.0):
    return score_tracks(truth, n_views, updates, INSTANTS, gate_m=5e3, allowance_s=allowance_s, cutoff_m=1e3)


def test_gospa_of_worked_cases() -> None:
    x = np.array([[0.0, 0.0, 0.0], [100.0, 0.0, 0.0]])
    assert gospa(x, x, 10.0) == (0.0, 0.0, 0, 0)
    # One pair 3 m apart, one mover missed: sqrt(9 + 10^2 / 2).
    assert gospa(x, np.array([[3.0, 0.0, 0.0]]), 10.0) == pytest.approx((59.0**0.5, 3.0, 1, 0))
    # A pair beyond the cut-off is one missed and one false: sqrt(2 * 10^2 / 2).
    assert gospa(x[:1], x[1:], 10.0) == pytest.approx((10.0, 0.0, 1, 1))
    assert gospa(np.zeros((0, 3)), np.zeros((0, 3)), 10.0) == (0.0, 0.0, 0, 0)
    assert gospa(np.zeros((0, 3)), x, 10.0) == pytest.approx((10.0, 0.0, 0, 2))


POINTS = arrays(np.float64, st.tuples(st.integers(0, 4), st.just(3)), elements=st.floats(-50, 50))


@given(POINTS, POINTS, POINTS)
def test_gospa_is_a_metric(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> None:
    def d(a: np.ndarray, b: np.ndarray) -> float:
        return gospa(a, b, 20.0)[0]

    assert d(x, y) == pytest.approx(d(y, x))
    assert d(x, z) <= d(x, y) + d(y, z) + 1e-9


def test_nees_of_an_honest_covariance_is_its_dimension() -> None:
    random = np.random.default_rng(3)
    root = random.normal(size=(6, 6))
    covariance = root @ root.T
    error = random.normal(size=(4000, 6)) @ root.T
    values = nees(error, np.broadcast_to(covariance, (4000, 6, 6)))
    assert values.mean() == pytest.approx(6.0, abs=3 * (12 / 4000) ** 0.5)
    inside = np.mean((values > chi2.ppf(0.025, 6)) & (values < chi2.ppf(0.975, 6)))
    assert inside == pytest.approx(0.95, abs=0.012)


def test_pairs_take_as_many_as_the_gate_allows() -> None:
    truth = np.array([[0.0, 0, 0], [10.0, 0, 0]])
    # The nearer pair (0, 9) alone would leave the other truth with nobody in its gate.
    found, by = pair(truth, np.array([[9.0, 0, 0], [-12.0, 0, 0]]), 15.0)
    assert dict(zip(found.tolist(), by.tolist(), strict=True)) == {0: 1, 1: 0}
    assert pair(truth, np.array([[40.0, 0, 0]]), 15.0)[0].size == 0


def test_a_track_is_carried_on_with_its_covariance_until_it_is_dropped() -> None:
    rows = updates_of(4, [0, 0, 0], [10, 0, 0], 2, 6)[[0, -1]]
    grid = sample_tracks(rows, INSTANTS)
    assert grid.held[0].tolist() == [False] * 2 + [True] * 4 + [False] * 15
    np.testing.assert_allclose(grid.position_m[0, 5], [50, 0, 0])
    np.testing.assert_allclose(np.diag(grid.covariance[0, 5]), [109] * 3 + [1] * 3)
    assert np.isnan(grid.position_m[0, 1]).all()


def test_custody_starts_when_the_allowance_has_passed_and_restarts_after_a_gap() -> None:
    views = np.zeros((1, len(INSTANTS)), np.int64)
    views[0, 2:10], views[0, 12:20] = 2, 3
    assert np.flatnonzero(owed(views, INSTANTS, 5.0)[0]).tolist() == [7, 8, 9, 17, 18, 19]
    assert spans(views >= 2) == [(0, 2, 10), (0, 12, 20)]


def test_figures_of_two_movers_one_swap_and_one_false_track() -> None:
    truth = truth_of(([0, 0, 0], [100, 0, 0]), ([0, 50_000, 0], [0, 0, 200]))
    views = np.full((2, len(INSTANTS)), 2)
    updates = np.concatenate(
        [
            updates_of(1, [3, 4, 0], [100, 0, 0], 2, 12),  # first mover, 5 m off, until second 12
            updates_of(2, [0, 0, 12], [100, 0, 0], 12, 21),  # taken over by another track, 12 m off
            updates_of(3, [0, 50_000, 0], [0, 0, 200], 10, 21),  # second mover, late
            updates_of(4, [0, 90_000, 0], [0, 0, 0], 4, 9),  # nobody
        ]
    )
    score = scored(updates, truth, views)
    figures = track_figures(score, ["one", "two"])
    assert (figures["confirmed"], figures["false"], figures["false_longest_s"]) == (4, 1, 5.0)
    assert figures["swaps"] == 1
    one, two = figures["per_mover"]
    assert (one["tracks"], one["custody"], one["initiation_s"]) == ([1, 2], 1.0, 2.0)
    assert (two["tracks"], two["initiation_s"], two["two_views_s"]) == ([3], 10.0, 21.0)
    # Owed from second 5 on; held from second 10 on: 11 of 16 instants.
    assert two["custody"] == pytest.approx(11 / 16)
    assert figures["custody_min"] == two["custody"]
    assert figures["initiation_max_s"] == 10.0
    assert one["rmse_m"] == pytest.approx(((10 * 25 + 9 * 144) / 19) ** 0.5)
    assert figures["within_3_sigma"] == 1.0
    assert score.sigma3_m[0, 3] == pytest.approx(3 * 300**0.5)
    # Second 6: mover one 5 m off, mover two owed and missed, one false track.
    assert score.gospa_m[6] == pytest.approx((25 + 0.5 * 1e6 * 2) ** 0.5)


def test_without_tracks_there_is_nothing_to_measure() -> None:
    truth = truth_of(([0, 0, 0], [100, 0, 0]))
    score = scored(np.zeros(0, UPDATE_DTYPE), truth, np.full((1, len(INSTANTS)), 2))
    figures = track_figures(score, ["one"])
    assert figures["custody"] == 0.0
    assert figures["rmse_m"] is None
    assert figures["initiation_max_s"] is None
    assert (score.holder == NOBODY).all()


def test_movers_that_do_not_exist_hold_nothing() -> None:
    truth = truth_of(([0, 0, 0], [0, 0, 0]))
    truth[0][0, :10] = np.nan
    grid = sample_tracks(updates_of(1, [0, 0, 0], [0, 0, 0], 0, 21), INSTANTS)
    assert assign(truth[0], grid, 1e3)[0].tolist() == [NOBODY] * 10 + [0] * 11


def test_kinds_are_held_against_what_movers_are() -> None:
    one, two = ([0.0, 0.0, 0.0], [200.0, 0.0, 0.0]), ([0.0, 9e4, 0.0], [0.0, 2e3, 0.0])
    first, second = updates_of(3, *one, 0, 20), updates_of(4, *two, 10, 20)
    first["kind"][:5, Kind.CRUISE], first["kind"][:5, Kind.AIRCRAFT] = 0.75, 0.25
    first["kind"][5:, Kind.AIRCRAFT] = 1.0
    score = scored(np.concatenate([first, second]), truth_of(one, two), np.full((2, 21), 2))
    whole, rows = kind_figures(score, ["airliner", "hypersonic_glider"])
    # Held from second 0 to 19, right from second 5 on; the second mover's track told nothing.
    assert rows[0] == {"kind": "aircraft", "kind_told": "aircraft", "kind_right": 0.75, "kind_chance": 0.8125}
    assert rows[1] == {"kind": "glider", "kind_told": None, "kind_right": None, "kind_chance": None}
    assert whole == {"kind_right": 0.75, "kind_chance": 0.8125}


def test_every_kind_of_mover_has_a_kind_of_target() -> None:
    assert set(get_args(MoverKind)) == set(KIND_OF_MOVER)
