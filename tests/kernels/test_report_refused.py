"""What kernels that take a report and its tracks as a whole refuse, each by the name of the argument."""

import numpy as np
import pytest

from lookdown.ground.tracks import _PLACES, UPDATE_DTYPE
from lookdown.kernels.close import find_close
from lookdown.kernels.learn import learn
from lookdown.kernels.lives import decide_lives
from lookdown.kernels.sift import sift_sights
from lookdown.kernels.standing import rule_out_standing
from lookdown.kernels.tally import tally_looks
from lookdown.kernels.tell import tell_tracks
from lookdown.kernels.turning import turning
from tests.kernels.test_report import TRACK, TRACK_PLACES, decided, lives, plots_of, stood, told


def changed(arguments, place, value):
    """The same arguments with another in one place."""
    return [value if index == place else part for index, part in enumerate(arguments)]


@pytest.mark.parametrize(
    ("place", "value", "name"),
    [
        (0, np.array([0, 9]), "rows"),
        (0, np.array([-1, 0]), "rows"),
        (1, np.zeros(2, np.bool_), "sure"),
        (2, np.zeros((2, 2, 7)), "jacobian"),
        (3, 3, "own"),
        (4, np.zeros(3), "shared"),
        (5, np.zeros((2, 3)), "innovation"),
        (6, np.zeros((2, 2)), "noise"),
        (7, np.zeros((3, 6, 5)), "covariance"),
        (8, np.zeros((3, 5, 4)), "cross"),
        (8, np.zeros((3, 6, 1)), "cross"),
        (9, np.zeros((2, 3)), "scratch"),
        (10, np.zeros((2, 2)), "spread"),
        (11, np.zeros((4, 3)), "information"),
        (12, np.zeros(3), "pull"),
    ],
)
def test_learn_refuses_by_name(place, value, name):
    arguments = *plots_of(np.random.default_rng(2), 2, 3, 4), np.empty((2, 4)), np.empty((2, 2, 2))
    with pytest.raises(ValueError, match=f"^{name}"):
        learn(*changed((*arguments, np.empty((4, 4)), np.empty(4)), place, value))


@pytest.mark.parametrize(
    ("place", "value", "name"),
    [
        (0, 0.5, "time"),
        (1, np.zeros((2, 5)), "state"),
        (2, np.zeros((2, 6, 5)), "covariance"),
        (3, np.zeros(3), "score"),
        (4, np.zeros(2), "born"),
        (5, np.zeros(2, np.int64), "looks"),
        (6, np.zeros((2, 2)), "last_hit"),
        (7, np.zeros((2, 3)), "hits"),
        (8, np.zeros((2, 3), np.bool_), "moved"),
        (9, np.zeros(2), "plot_of"),
        (9, np.array([0, 4]), "plot_of"),
        (10, np.zeros(0, np.int64), "worth"),
        (11, np.zeros(2, np.int64), "patience"),
        (12, np.zeros(6, np.int64), "whole"),
        (13, np.zeros(8), "bounds"),
        (14, 0.0, "semi_major"),
        (15, 1.0, "flattening"),
        (16, np.zeros(3, np.uint8), "status"),
        (17, np.zeros(2, np.bool_), "single"),
        (18, np.zeros(2), "best"),
        (19, np.zeros((2, 3)), "numbers"),
        (20, np.zeros((2, 3), np.int64), "counts"),
        (21, np.zeros(2, np.bool_), "verdict"),
    ],
)
def test_lives_refuse_by_name(place, value, name):
    with pytest.raises(ValueError, match=f"^{name}"):
        decide_lives(*changed((*lives(2, 3, 0), *decided(2)), place, value))


@pytest.mark.parametrize(
    ("place", "value", "name"),
    [
        (0, np.zeros((2, 5)), "state"),
        (1, np.zeros((2, 2)), "variance"),
        (2, np.zeros(2, np.bool_), "status"),
        (3, np.zeros(3, np.int64), "hits"),
        (4, -1, "least_hits"),
        (5, np.nan, "reach"),
        (6, -1.0, "merge2"),
        (7, np.array([0, 2]), "order"),
        (8, np.zeros((2, 3), np.int64), "pairs"),
    ],
)
def test_close_refuses_by_name(place, value, name):
    counts = np.zeros(2, np.uint8), np.zeros(2, np.int64)
    arguments = np.zeros((2, 6)), np.ones(2), *counts, 4, 3.0, 9.0, np.arange(2), np.empty((2, 2), np.int64)
    with pytest.raises(ValueError, match=f"^{name}"):
        find_close(*changed(arguments, place, value))


@pytest.mark.parametrize(
    ("place", "value", "name"),
    [
        (0, np.zeros((2, 7), np.float32), "words"),
        (1, np.zeros((3, 2)), "axes"),
        (2, np.zeros(2), "start"),
        (3, np.zeros(3, np.float32), "half_axes"),
        (4, np.zeros(3, np.uint8), "verdict"),
    ],
)
def test_sift_refuses_by_name(place, value, name):
    arguments = np.zeros((2, 8), np.float32), np.eye(3), np.zeros(3), np.ones(3), np.zeros(2, np.uint8)
    with pytest.raises(ValueError, match=f"^{name}"):
        sift_sights(*changed(arguments, place, value))


@pytest.mark.parametrize(
    ("place", "value", "name"),
    [
        (0, np.zeros(2), "plot_of"),
        (1, np.zeros(3), "ratio"),
        (2, np.zeros(2, np.bool_), "missed"),
        (3, np.zeros(1, np.uint8), "live"),
        (4, 0.1, "log_missed"),
        (5, -1.0, "most"),
        (6, 3, "sensor"),
        (7, 0.5, "time"),
        (8, np.zeros(2), "hits"),
        (9, np.zeros(3, np.int64), "misses"),
        (10, np.zeros(2, np.int64), "looks"),
        (11, np.zeros(2, np.float32), "score"),
        (12, np.zeros((3, 3), np.int64), "sensor_hits"),
        (13, np.zeros((2, 2), np.int64), "last_hit"),
    ],
)
def test_tally_refuses_by_name(place, value, name):
    flags, counts = np.zeros(2, np.uint8), np.zeros(2, np.int64)
    arguments = np.zeros(2, np.int64), np.zeros(2), flags, flags, -1.0, 9.0, 0, 5, counts, counts.copy()
    arguments = *arguments, np.zeros(2, np.uint32), np.zeros(2), np.zeros((2, 3), np.int64), np.zeros((2, 3), np.int64)
    with pytest.raises(ValueError, match=f"^{name}"):
        tally_looks(*changed(arguments, place, value))


@pytest.mark.parametrize(
    ("place", "value", "name"),
    [
        (0, np.zeros((2, 9), np.float32), "records"),
        (0, np.zeros((3, TRACK.itemsize), np.uint8), "records"),
        (1, np.array([0, 8, TRACK.itemsize - 287]), "places"),
        (1, np.array([-1, 8, 16]), "places"),
        (2, np.zeros(2), "origin"),
        (3, np.zeros(3, np.float32), "own_velocity"),
        (4, 2.0, "rotation"),
        (5, -1.0, "inflation"),
        (6, np.nan, "floor"),
        (7, np.array([0, 4]), "rows"),
        (8, 3, "column"),
        (9, np.zeros(4), "rates"),
        (10, np.zeros((4, 2)), "sigmas"),
        (11, np.zeros(1), "square"),
    ],
)
def test_turning_refuses_by_name(place, value, name):
    records, tables = np.zeros((2, TRACK.itemsize), np.uint8), [np.zeros((4, 3)), np.zeros((4, 3))]
    own = np.zeros(3), np.zeros(3), 0.0, 1.5, 2e-5
    with pytest.raises(ValueError, match=f"^{name}"):
        turning(*changed((records, TRACK_PLACES, *own, np.array([0, 3]), 1, *tables, np.zeros(2)), place, value))


@pytest.mark.parametrize(
    ("place", "value", "name"),
    [
        (0, np.array([0, 4]), "rows"),
        (1, np.array([0, 12]), "plots"),
        (2, 3, "sensor"),
        (3, np.zeros(2), "origin"),
        (4, np.zeros((12, 2)), "direction"),
        (5, np.zeros((11, 2)), "variance"),
        (6, np.zeros((4, 3, 6)), "anchor"),
        (7, -1.0, "pointing"),
        (8, np.nan, "position"),
        (9, -1.0, "least"),
        (10, -1.0, "sigmas"),
        (11, np.zeros(3), "away"),
        (12, np.zeros((4, 3), np.bool_), "moved"),
    ],
)
def test_standing_refuses_by_name(place, value, name):
    *given_, moved = stood(4, 2, 3, 0)
    with pytest.raises(ValueError, match=f"^{name}"):
        rule_out_standing(*changed((*given_, np.zeros(2), moved), place, value))


@pytest.mark.parametrize(
    ("place", "value", "name"),
    [
        (0, np.array([0, 3]), "rows"),
        (1, 0.5, "time"),
        (2, 65536, "sensor_id"),
        (3, 0.5, "recent"),
        (4, np.zeros(3), "track_id"),
        (5, np.zeros((3, 5)), "state"),
        (6, np.zeros((3, 6)), "covariance"),
        (7, np.zeros(3), "status"),
        (8, np.zeros(2), "score"),
        (9, np.zeros(3), "hits"),
        (10, np.zeros(3), "misses"),
        (11, np.zeros(3, np.bool_), "single"),
        (12, np.zeros((2, 2), np.int64), "last_hit"),
        (13, _PLACES + 30, "places"),
        (13, _PLACES[:11], "places"),
        (14, np.zeros((3, UPDATE_DTYPE.itemsize), np.uint8), "records"),
    ],
)
def test_telling_refuses_by_name(place, value, name):
    records = np.zeros((2, UPDATE_DTYPE.itemsize), np.uint8)
    with pytest.raises(ValueError, match=f"^{name}"):
        tell_tracks(*changed((*told(2, 3, 2, 0), records), place, value))
