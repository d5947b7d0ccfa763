"""OSPA, GOSPA, SIAP and the bound: the expected values of Stone Soup's own tests, and its code on drawn cases.

The numbers are those of stonesoup/metricgenerator/tests of Stone Soup 1.9 (test_ospametric.py, test_pcrbmetric.py,
test_tracktotruthmetrics.py with conftest.py); points lie on a line there, hence columns of one here.
"""

from datetime import datetime, timedelta
from itertools import permutations

import numpy as np
import pytest
from stonesoup.measures import Euclidean
from stonesoup.metricgenerator.manager import MultiManager
from stonesoup.metricgenerator.ospametric import GOSPAMetric, OSPAMetric
from stonesoup.metricgenerator.tracktotruthmetrics import SIAPMetrics
from stonesoup.types.association import AssociationSet, TimeRangeAssociation
from stonesoup.types.groundtruth import GroundTruthPath
from stonesoup.types.state import State
from stonesoup.types.time import TimeRange
from stonesoup.types.track import Track

from lookdown.hil.measures import ABSENT, NOBODY, gospa, holders, ospa, posterior_bound, segments, siap, switches

START = datetime(2026, 1, 1)


def line(*values):
    return np.array(values, float)[:, None]


@pytest.mark.parametrize(
    ("order", "estimates", "shift", "wanted"),
    [
        (1, 5, 0.5, 0.5),
        (1, 5, 0.2, 0.2),
        (2, 5, 0.5, 0.5),
        (2, 5, 0.2, 0.2),
        (np.inf, 5, 0.5, 0.5),
        (np.inf, 5, 0.2, 0.2),
        (1, 4, 0.5, 2.4),
        (1, 4, 0.2, 2.16),
        (2, 4, 0.5, 4.49444),
        (2, 4, 0.2, 4.47571),
        (np.inf, 4, 0.5, 10.0),
        (np.inf, 4, 0.2, 10.0),
    ],
)
def test_ospa_has_the_expected_values(order, estimates, shift, wanted):
    truth = line(*range(5))
    assert ospa(truth, truth[:estimates] + shift, 10.0, order) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize(("shift", "wanted"), [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)])
def test_gospa_has_the_expected_values(shift, wanted):
    truth = line(*range(5))
    found = gospa(truth, truth + shift, 10.0, 1.0)
    # A shift by one pairs all but the ends one to one at no distance, or all at one: the sum is 5 either way.
    assert found.total_m / 5.0 == pytest.approx(wanted)


def test_gospa_with_switching_has_the_expected_values():
    truth, penalty, cutoff, power = line(1, 2, 3), 3.0, 2.0, 2.0
    scans = [line(1, 2, 3), line(2, 1, 100), line(2, 1, 3)]
    found = [gospa(truth, scan, cutoff, power) for scan in scans]
    switched = switches(np.stack([holders(truth, scan, cutoff, power) for scan in scans], axis=1))
    assert switched.tolist() == [0.0, 2.5, 0.5]
    loss = penalty * switched ** (1.0 / power)
    total = [(one.total_m**power + own**power) ** (1.0 / power) for one, own in zip(found, loss, strict=True)]
    wanted = [0.0, (cutoff**2 + (2.5**0.5 * penalty) ** 2) ** 0.5, 0.5**0.5 * penalty]
    np.testing.assert_allclose(total, wanted, rtol=1e-12)
    assert [(one.missed, one.false) for one in found] == [(0, 0), (1, 1), (0, 0)]


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        ([(0, 1, 2), (0, 1, 2), (0, 1, -1), (0, 1, 2), (1, 0, 2), (1, 0, 2), (-1, 2, 0)], [0, 0, 0.5, 0.5, 2, 0, 2.5]),
        ([(0, 1, 2), (-1, -1, -1), (3, -1, -1)], [0, 1.5, 0.5]),
        ([(-1, -1, -1), (0, 1, 2)], [0, 0]),
        ([(0, ABSENT, ABSENT), (0, 1, ABSENT), (0, 1, 3)], [0, 0, 0]),
        ([(0, 1), (0, ABSENT), (0, 1), (0, 2)], [0, 0, 0, 1]),
    ],
)
def test_switches_have_the_expected_values(steps, wanted):
    assert switches(np.array(steps, np.int64).T).tolist() == wanted


def siap_trial():
    """Three targets, three tracks, four instants: positions (x, y), then velocities; and who was on whom."""
    truth = np.array(
        [
            [[0, 0, 1, 1], [1, 1, 1, 1], [2, 2, 1, 1], [3, 3, 1, 1]],
            [[-2, -2, 1, 1], [-1, -1, 1, 1], [0, 0, 1, 1], [2, 2, 1, 1]],
            [[-1, 1, 1, 0], [0, 1, 1, 0], [1, 2, 1, 0], [3, 3, 1, 0]],
        ],
        float,
    )
    a, b, c = 1.2, 1.6, 1.99
    track = np.array(
        [
            [[0.1, 0.1, a, a], [1.1, 1.1, a, a], [2.1, 2.1, a, a], [3.1, 3.1, a, a]],
            [[-2.5, -2.5, b, b], [-1.5, -1.5, b, b], [0.5, 0.5, b, b], [1.5, 1.5, b, b]],
            [[-1.99, 1.99, c, c], [0.99, 1.99, c, c], [1.99, 1.99, c, c], [2.99, 1.99, c, c]],
        ]
    )
    runs = np.array([[0, 0, 0, 2], [1, 1, 0, 1], [1, 1, 2, 3], [2, 2, 1, 2], [0, 2, 1, 3]])
    return truth, track, runs


def test_siap_has_the_expected_values():
    truth, track, runs = siap_trial()
    found = siap(np.arange(4.0), truth, track, runs)
    assert found.completeness == 10 / 12  # 2, 3, 3 and 2 of 3 targets
    assert found.ambiguity == 1.0
    assert found.spuriousness == 2 / 12
    assert found.changes_per_s == (2 - 1 + 2 - 1 + 1 - 1) / (3 + 2 + 1)
    # Both runs of the second track on the second target count together, 1 + 1, as in Stone Soup 1.9.1.
    assert found.longest_segment == (2 + 2 + 1) / 9
    first = siap(np.arange(1.0), truth[:, :1], track[:, :1], np.array([[0, 0, 0, 0], [1, 1, 0, 0]]))
    assert 2 * first.position_accuracy_m == pytest.approx(0.1 * 2**0.5 + 0.5 * 2**0.5)
    assert 2 * first.velocity_accuracy_m_s == pytest.approx(0.2 * 2**0.5 + 0.6 * 2**0.5)


def test_bound_has_the_expected_values():
    step = np.array([[1.0, 1.0], [0.0, 1.0]])
    noise = 0.05 * np.array([[1 / 3, 1 / 2], [1 / 2, 1.0]])
    flow, noise = np.kron(np.eye(2), step), np.kron(np.eye(2), noise)
    gained = np.broadcast_to(np.diag([0.2, 0.0, 0.2, 0.0]), (20, 4, 4))
    bound = posterior_bound(np.diag([5.0, 10.0, 5.0, 10.0]), flow, noise, gained)
    place = np.sqrt(bound[:, 0, 0] + bound[:, 2, 2])
    speed = np.sqrt(bound[:, 1, 1] + bound[:, 3, 3])
    places = [3.16227766, 2.73899281, 2.70945734, 2.57092567, 2.41880754, 2.28452324, 2.1740353, 2.08692291]
    places += [2.02108617, 1.97375227, 1.94170446, 1.92149958, 1.90979313, 1.90367124, 1.90086597, 1.89980342]
    places += [1.8995155, 1.899484, 1.89947979, 1.89943311, 1.89934607]
    speeds = [4.47213595, 3.17148318, 2.02052469, 1.38909331, 1.04690571, 0.85577243, 0.74853932, 0.68976806]
    speeds += [0.65903667, 0.64408669, 0.63756245, 0.63517145, 0.63454123, 0.63447629, 0.63446495, 0.6343556]
    speeds += [0.63415564, 0.63391957, 0.63369704, 0.63351646, 0.63338613]
    np.testing.assert_allclose(place, places, rtol=1e-5)
    np.testing.assert_allclose(speed, speeds, rtol=1e-5)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (5, 5), (7, 3), (2, 9), (4, 0), (0, 3)])
@pytest.mark.parametrize("cutoff_m", [20.0, 100.0])
@pytest.mark.parametrize("order", [1, 2])
def test_gospa_is_that_of_stone_soup(n, m, cutoff_m, order):
    rng = np.random.default_rng(n + 10 * m)
    truth, estimate = rng.uniform(0, 60, (n, 3)), rng.uniform(0, 60, (m, 3))
    states = [[State(place[:, None]) for place in places] for places in (estimate, truth)]
    metric, _ = GOSPAMetric(p=order, c=cutoff_m).compute_gospa_metric(*states)
    assert gospa(truth, estimate, cutoff_m, order).total_m == pytest.approx(metric.value["distance"], rel=1e-9)
    if order == 1:  # Stone Soup pairs by the sum of distances, whatever the order: equal for 1 alone
        theirs = OSPAMetric(p=1, c=cutoff_m).compute_OSPA_distance(*states).value
        assert ospa(truth, estimate, cutoff_m) == pytest.approx(theirs, rel=1e-9)


def siap_of_stone_soup(truth, track, runs):
    """The seven attributes by Stone Soup's generator."""
    when = [START + timedelta(seconds=i) for i in range(truth.shape[1])]
    paths = [GroundTruthPath([State(s, timestamp=t) for s, t in zip(one, when, strict=True)]) for one in truth]
    found = [Track([State(s, timestamp=t) for s, t in zip(one, when, strict=True)]) for one in track]
    who = {TimeRangeAssociation({paths[a], found[b]}, TimeRange(when[first], when[last])) for a, b, first, last in runs}
    generator = SIAPMetrics(position_measure=Euclidean((0, 1)), velocity_measure=Euclidean((2, 3)))
    manager = MultiManager([generator])
    manager.add_data({"groundtruth_paths": set(paths), "tracks": set(found)})
    manager.association_set = AssociationSet(who)
    values = {metric.title: metric.value for metric in generator.compute_metric(manager)}
    names = ("Completeness", "Ambiguity", "Spuriousness", "Position Accuracy", "Velocity Accuracy")
    names += ("Rate of Track Number Change", "Longest Track Segment")
    return [values[f"SIAP {name}"] for name in names]


@pytest.mark.parametrize("seed", [None, 0, 1, 2])
def test_siap_is_that_of_stone_soup(seed):
    truth, track, runs = siap_trial()
    if seed is not None:
        rng = np.random.default_rng(seed)
        targets, tracks, instants = 4, 6, 30
        truth = np.cumsum(rng.normal(size=(targets, instants, 4)), axis=1)
        track = truth[rng.integers(0, targets, tracks)] + rng.normal(size=(tracks, instants, 4))
        runs = segments(np.repeat(rng.integers(-1, tracks, (targets, 6)), 5, axis=1))
    ours = siap(np.arange(truth.shape[1], dtype=float), truth, track, runs)
    np.testing.assert_allclose([getattr(ours, f) for f in ours.__slots__], siap_of_stone_soup(truth, track, runs))


def test_ospa_of_any_order_is_the_least_over_all_pairings():
    rng = np.random.default_rng(3)
    truth, estimate = rng.uniform(0, 10, (4, 2)), rng.uniform(0, 10, (4, 2))
    apart = np.minimum(np.linalg.norm(truth[:, None] - estimate[None], axis=2), 6.0)
    every = np.array([apart[range(4), list(order)] for order in permutations(range(4))])
    assert ospa(truth, estimate, 6.0, np.inf) == every.max(axis=1).min()
    assert ospa(truth, estimate, 6.0, 2.0) == pytest.approx(np.sqrt(np.mean(every**2, axis=1)).min())
    assert ospa(truth[:0], estimate[:0], 6.0) == 0.0


def test_runs_that_do_not_fit_are_refused():
    truth, track, runs = siap_trial()
    with pytest.raises(ValueError, match="runs: wanted target"):
        siap(np.arange(4.0), truth, track, np.array([[3, 0, 0, 1]]))
    track[0, 1] = np.nan
    with pytest.raises(ValueError, match="track 0 is absent"):
        siap(np.arange(4.0), truth, track, runs)
    assert holders(line(0.0), line(5.0), 2.0).tolist() == [NOBODY]
