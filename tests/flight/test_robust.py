"""What disturbs a view one thing at a time: false plots stay within twice nominal, movers of both polarities are found.

Nominal is the probability that a Gaussian exceeds the threshold, on both sides, per pixel and frame (`nominal`): what
the calibrated SNR stands for. Movers have SNR 10 after the matched filter, four bright and four dark.
"""

import pytest

from lookdown.flight.config import ChainParameters
from tests.flight.disturbed import DISTURBANCES, View, nominal, run

N_FRAMES = 120

# Threshold up to which the rate holds, and the least Pd at SNR 4 of each polarity.
HELD = {
    "none": (5.0, 0.95),
    "cloud edges": (4.5, 0.45),
    "glint": (5.0, 0.9),
    "limb and stars": (4.0, 0.8),
    "rolling pattern": (5.0, 0.6),
    "bad pixels": (5.0, 0.95),
    "cosmic rays": (5.0, 0.9),
    "saturated region": (5.0, 0.7),
    "frame gaps": (5.0, 0.85),
    "slew": (5.0, 0.85),
}


@pytest.mark.parametrize("name", HELD)
def test_a_disturbance_at_most_doubles_the_false_plots_and_hides_few_movers(name: str) -> None:
    view, (held, least_pd) = View(3), HELD[name]
    counts = run(view, DISTURBANCES[name](view), N_FRAMES, (4.0, held))
    # Three sigmas of a count for what twice nominal would give.
    for threshold, count in counts.items():
        most = 2 * nominal(threshold) * count.pixels
        assert count.false <= most + 3 * most**0.5, f"{count.rate / nominal(threshold):.1f} times nominal"
    assert counts[4.0].hits is not None
    for sign in (1, -1):
        assert counts[4.0].hits[sign] >= least_pd * 0.5 * counts[4.0].asked * (0.9 if sign < 0 else 1.0)


def test_a_slew_is_marked_for_one_frame_and_half_of_the_movers_are_back_after_three() -> None:
    view = View(3)
    disturb = DISTURBANCES["slew"](view)
    counts = run(view, disturb, 60, (4.0,), settle=45)[4.0]
    assert counts.warm_up == 1
    assert counts.hits is not None
    assert sum(counts.hits.values()) >= 0.6 * counts.asked


def test_flashes_of_one_frame_are_plots_if_asked() -> None:
    found = {}
    for asked in (False, True):
        view = View(3)
        parameters = ChainParameters(threshold=5.0, one_frame_plots=asked)
        found[asked] = run(view, DISTURBANCES["cosmic rays"](view), 60, (5.0,), parameters)[5.0].false
    assert found[True] > 4 * found[False]
