"""Clutter map: false alarms as the closed form says from the second interval on, in clutter that differs by cell."""

import numpy as np
import pytest

from lookdown.flight.radar.clutter_map import MOST_MAPS, ClutterMap, map_log_pfa, map_multiplier, map_weights
from lookdown.flight.radar.config import RadarParameters
from lookdown.flight.radar.detection import Detector

SHAPE, PFA, PLACE = (128, 800), 1e-3, (5000.0, 0)


def clutter(rng):
    """Mean of each cell, over 40 dB."""
    return 10 ** rng.uniform(0, 4, SHAPE)


def hits_of(clutter_map, power):
    hits = np.empty(power.shape, np.uint8)
    clutter_map.test(PLACE, power, hits)
    return hits


@pytest.mark.parametrize(("n", "memory"), [(1, 8), (3, 8), (8, 8), (40, 8), (200, 16)])
def test_weights_are_those_of_the_recursion(n, memory):
    y, basis = np.zeros(n), np.eye(n)
    for j in range(n):
        y = y + max(1 / (j + 1), 1 / memory) * (basis[j] - y)
    np.testing.assert_allclose(map_weights(n, memory), y, atol=1e-12)
    assert np.exp(map_log_pfa(np.float64(map_multiplier(n, memory, PFA)), n, memory)) == pytest.approx(PFA, rel=1e-6)


@pytest.mark.parametrize("before", [1, 2, 5, 30])
def test_false_alarms_are_as_wanted_where_each_cell_has_its_own_clutter(before):
    rng = np.random.default_rng(before)
    mean, found, cells = clutter(rng), 0, 0
    for _ in range(4):
        clutter_map = ClutterMap(8, PFA)
        for _ in range(before):
            clutter_map.remember(PLACE, (mean * rng.exponential(size=SHAPE)).astype(np.float32))
        found += int(hits_of(clutter_map, (mean * rng.exponential(size=SHAPE)).astype(np.float32)).sum())
        cells += mean.size
    # Hits enter the map as thresholds: that lowers it by some hundredths at this Pfa.
    assert abs(found - PFA * cells) < 3 * np.sqrt(PFA * cells) + 0.06 * PFA * cells


def test_the_detector_finds_what_is_new_and_not_what_stands():
    rng = np.random.default_rng(3)
    mean = clutter(rng)
    parameters = RadarParameters(cfar="map", map_intervals=8)
    detector, average = Detector(parameters, SHAPE, 1e-5), Detector(RadarParameters(), SHAPE, 1e-5)
    for _ in range(20):
        power = (mean * rng.exponential(size=SHAPE)).astype(np.float32)
        detector.remember(power[None], PLACE[0])
    power = (mean * rng.exponential(size=SHAPE)).astype(np.float32)
    power[60, 400] = 200 * mean[60, 400]
    hits = detector(power, PLACE).copy()
    assert hits[60, 400]
    assert hits.sum() < 20
    assert average(power).sum() > 20 * hits.sum()
    rows, cols = np.array([60]), np.array([400])
    assert detector.log_pfa(power, rows, cols, PLACE)[0] < np.log(1e-5)
    # Of another frequency nothing is known yet: the ring decides.
    np.testing.assert_array_equal(detector(power, (6000.0, 0)), average(power))


def test_what_comes_new_is_seen_at_once_and_what_stands_becomes_clutter():
    rng = np.random.default_rng(4)
    clutter_map = ClutterMap(16, 1e-6)
    seen = []
    for n in range(80):
        power = rng.exponential(size=SHAPE).astype(np.float32)
        if n >= 24:
            power[5, 5] = 300.0
        if n:
            seen.append(bool(hits_of(clutter_map, power)[5, 5]))
        clutter_map.remember(PLACE, power)
    assert not any(seen[:23])
    assert all(seen[23:26])
    assert not any(seen[-10:])


def test_what_is_not_finite_leaves_the_map_and_maps_are_bounded():
    clutter_map = ClutterMap(4, PFA)
    clutter_map.remember(PLACE, np.ones(SHAPE, np.float32))
    spoilt = np.ones(SHAPE, np.float32)
    spoilt[3, 4], spoilt[5, 6] = np.nan, np.inf
    clutter_map.remember(PLACE, spoilt)
    assert not hits_of(clutter_map, np.full(SHAPE, 1.5, np.float32)).any()
    assert hits_of(clutter_map, np.full(SHAPE, 1e6, np.float32)).all()
    for _ in range(2):
        clutter_map.remember(PLACE, np.ones(SHAPE, np.float32))
    assert clutter_map.knows(PLACE)
    for prf in range(MOST_MAPS + 3):
        clutter_map.remember((float(prf), 0), np.ones((2, 2), np.float32))
    assert not clutter_map.knows(PLACE)
