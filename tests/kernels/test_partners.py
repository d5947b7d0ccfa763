"""Partners: what stood there before, of the same polarity, along a line."""

import numpy as np
import pytest

from lookdown.kernels.partners import find_partners

SHAPE = 40, 50


def maps(*spots: tuple[int, int, float]) -> np.ndarray:
    out = np.zeros(SHAPE, np.float32)
    for row, col, size in spots:
        out[row, col] = size
    return out


def found(
    before: np.ndarray,
    older: np.ndarray | None,
    *places: tuple[int, int, float],
    oldest: np.ndarray | None = None,
    strict: bool = False,
    reach: int = 6,
    together: float = 3.0,
) -> list[int]:
    at = np.array([(r, c, r, c, r, c) for r, c, _ in places], np.int32).reshape(-1, 6)
    least = np.array([size for *_, size in places], np.float32)
    harder = np.full(len(places), strict, np.uint8)
    out = np.full(len(places), 7, np.uint8)
    find_partners(before, older, oldest, at, least, harder, together, 5.0, reach, out)
    return out.tolist()


def test_a_partner_is_near_strong_enough_and_of_the_same_polarity() -> None:
    before = maps((20, 20, 5.0), (30, 30, -5.0))
    cases = ((22, 25, 4.9), (22, 25, 5.1), (22, 27, 4.0), (22, 25, -4.0), (30, 33, -4.0), (30, 33, 4.0))
    assert found(before, None, *cases) == [1, 0, 0, 0, 1, 0]


def test_the_older_frame_must_show_it_on_the_other_end_of_a_line() -> None:
    before = maps((20, 23, 7.0))
    for older, wanted in ((maps((20, 26, 6.0)), 1), (maps((21, 28, 6.0)), 1), (maps((20, 20, 6.0)), 0), (maps(), 0)):
        assert found(before, older, (20, 20, 4.0)) == [wanted]


def test_both_frames_together_must_show_three_times_what_a_partner_must() -> None:
    for before, older, wanted in ((7.0, 5.1, 1), (7.0, 4.9, 0), (9.0, 3.1, 1), (9.9, 1.9, 0), (4.1, 8.0, 1)):
        assert found(maps((20, 23, before)), maps((20, 26, older)), (20, 20, 4.0)) == [wanted]
    assert found(maps((20, 23, 4.1)), maps((20, 26, 2.1)), (20, 20, 4.0), together=1.5) == [1]


def test_where_flashes_come_thick_three_lie_on_a_line_and_show_five_times_what_a_partner_must() -> None:
    before, older = maps((20, 23, 7.0)), maps((20, 26, 7.0))
    cases = (((20, 29, 6.1), 1), ((22, 31, 6.1), 1), ((20, 29, 5.9), 0), ((20, 26, 6.1), 0), ((20, 29, -6.1), 0))
    for spot, wanted in cases:
        assert found(before, older, (20, 20, 4.0), oldest=maps(spot), strict=True) == [wanted]
        assert found(before, older, (20, 20, 4.0), oldest=maps(spot)) == [1]
    assert found(before, older, (20, 20, 4.0), strict=True) == [1]


def test_beyond_the_border_nothing_speaks_against_a_plot() -> None:
    before = maps((20, 3, 5.0))
    assert found(before, maps(), (20, 8, 4.0), (-9, 8, 4.0)) == [1, 1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("reach", 65),
        ("together", 1.4),
        ("reach", 1.5),
        ("three", 1.4),
        ("places", np.zeros((2, 6), np.int32)),
        ("places", np.zeros((1, 6))),
        ("oldest", np.zeros((3, 3), np.float32)),
        ("strict", np.zeros(2, np.uint8)),
        ("older", np.zeros((3, 3), np.float32)),
        ("before", np.zeros(3, np.float32)),
        ("found", np.zeros(2, np.uint8)),
        ("least", None),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(name: str, value: object) -> None:
    given = {
        "before": maps(), "older": maps(), "oldest": maps(), "places": np.zeros((1, 6), np.int32),
        "least": np.ones(1, np.float32), "strict": np.zeros(1, np.uint8), "together": 3.0, "three": 5.0, "reach": 6,
        "found": np.zeros(1, np.uint8),
    }  # fmt: skip
    with pytest.raises(ValueError, match=f"{name}: wanted"):
        find_partners(*(given | {name: value}).values())
