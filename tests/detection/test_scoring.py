"""The counting of hits and false plots, by hand."""

import numpy as np

from tests.detection.clips import target_of
from tests.detection.scoring import Count, Target, count, pd_at, pfa_at, threshold_at, transfer


def test_a_plot_within_three_pixels_hits_others_on_the_target_count_neither_way() -> None:
    target = Target(20.0, 30.0, half_rows=6.0, half_cols=6.0, kind=4.5)
    plots = np.array([[22.0, 32.0, 7.0], [20.5, 30.0, 5.0], [25.0, 35.0, 9.0], [27.0, 30.0, 8.0], [50.0, 5.0, 6.0]])
    counted = count("one", 100, [(plots, [target]), (np.zeros((0, 3)), [target]), (plots[4:], [])])
    assert counted.best.tolist() == [7.0, -np.inf]
    assert counted.kind.tolist() == [4.5, 4.5]
    assert counted.pixels == 300
    assert counted.false.size == 0  # fewer pixels than one false plot is kept for
    many = count("one", 10_000, [(plots, [target])])
    assert many.false.tolist() == [8.0, 6.0]


def test_a_box_counts_pixels_from_one_and_is_grown_by_two() -> None:
    target = target_of(11.0, 21.0, 4.0, 6.0)  # columns 10 to 13, rows 20 to 25
    assert (target.row, target.col) == (23.0, 12.0)
    inside = [target.row - target.half_rows, target.row + target.half_rows, target.col + target.half_cols]
    assert inside == [18.0, 28.0, 16.0]


def test_thresholds_and_rates_are_those_of_a_sorted_list() -> None:
    rng = np.random.default_rng(3)
    parts = [
        Count(str(k), rng.normal(5, 2, 50), np.zeros(50), np.sort(rng.normal(0, 1, 400))[::-1], 10_000)
        for k in range(4)
    ]
    falls = np.sort(np.concatenate([part.false for part in parts]))[::-1]
    level = threshold_at(parts, 1e-3)
    assert level == falls[40]
    assert pfa_at(parts, level) == 1e-3
    best = np.concatenate([part.best for part in parts])
    assert pd_at(parts, level) == (best > level).mean()
    assert threshold_at(parts, 0.5) == -np.inf
    ratios = transfer(parts, 1e-3)
    assert ratios.size == 12
    halves = [
        pfa_at(parts[2:], threshold_at(parts[:2], 1e-3)) / 1e-3,
        pfa_at(parts[:2], threshold_at(parts[2:], 1e-3)) / 1e-3,
    ]
    assert np.isin(halves, ratios).all()
