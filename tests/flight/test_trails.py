"""Trails go, everything else stays."""

import numpy as np
import pytest

from lookdown.flight.trails import without_trails
from lookdown.kernels.extract import PLOT_DTYPE


def make(rows: list[tuple[float, float, float, float]]) -> np.ndarray:
    plots = np.zeros(len(rows), PLOT_DTYPE)
    for plot, (row, col, snr, amplitude) in zip(plots, rows, strict=True):
        plot["row"], plot["col"], plot["snr"], plot["amplitude"] = row, col, snr, amplitude
    return plots


@pytest.mark.parametrize(
    ("second", "stays"),
    [
        ((10.0, 14.0, 6.0, -9.0), False),  # the other polarity, near, weaker
        ((10.0, 14.0, 6.0, 9.0), True),  # of one polarity: a second mover
        ((10.0, 16.0, 6.0, -9.0), True),  # too far away
        ((10.0, 14.0, 7.5, -9.0), True),  # too strong for a trail
    ],
)
def test_a_trail_is_near_weaker_and_of_the_other_polarity(
    second: tuple[float, float, float, float], stays: bool
) -> None:
    for sign in (1, -1):
        plots = make([(10.0, 10.0, 10.0, sign * 30.0), (*second[:3], sign * second[3])])
        assert without_trails(plots) == 1 + stays
        assert plots["snr"][0] == 10.0


def test_order_and_content_of_what_stays_are_kept() -> None:
    plots = make([(10.0, 10.0, 10.0, 30.0), (12.0, 10.0, 6.0, -9.0), (80.0, 10.0, 5.0, -9.0), (90.0, 9.0, 4.5, 5.0)])
    wanted = plots[[0, 2, 3]].copy()
    assert without_trails(plots) == 3
    np.testing.assert_array_equal(plots[:3], wanted)


def test_no_plots_are_no_trails() -> None:
    assert without_trails(make([])) == 0
