"""Partners: what stood there before, of the same polarity, along a line."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdown.kernels.partners import find_partners, partners_scratch_size
from tests.kernels.cases import quick, seeds

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
    words = np.full(partners_scratch_size(SHAPE[0], len(places)), 7, np.int32)
    find_partners(before, older, oldest, at, least, harder, together, 5.0, reach, words, out)
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


def strongest_about(x: np.ndarray, row: int, col: int) -> float:
    """Strongest of 5 x 5 pixels; endless where they reach beyond the border."""
    rows, cols = x.shape
    inside = 2 <= row < rows - 2 and 2 <= col < cols - 2
    return float(x[row - 2 : row + 3, col - 2 : col + 3].max()) if inside else np.inf


def has_partner(
    maps: list[np.ndarray | None],
    place: np.ndarray,
    least: float,
    strict: int,
    together: float,
    three: float,
    reach: int,
) -> bool:
    """Look at each pixel within reach; all in float32, as the kernel does."""
    before, older, oldest = (None if x is None else x * np.float32(1 if least > 0 else -1) for x in maps)
    assert before is not None
    rows, cols = before.shape
    (r, c), least = place[:2], np.float32(abs(least))
    if r + reach < 0 or c + reach < 0 or r - reach >= rows or c - reach >= cols:
        return True
    for i in range(max(r - reach, 0), min(r + reach + 1, rows)):
        for j in range(max(c - reach, 0), min(c + reach + 1, cols)):
            size = before[i, j]
            if size < least:
                continue
            if older is None:
                return True
            if size < before[max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2].max():
                continue
            second = np.float32(strongest_about(older, place[2] + 2 * (i - r), place[3] + 2 * (j - c)))
            if second < max(np.float32(0.5) * least, np.float32(together) * least - size):
                continue
            if not strict or oldest is None:
                return True
            third = strongest_about(oldest, place[4] + 3 * (i - r), place[5] + 3 * (j - c))
            if third >= max(np.float32(0.5) * least, np.float32(three) * least - size - second):
                return True
    return False


@quick
@given(
    seeds,
    st.integers(1, 40),
    st.integers(1, 70),
    st.integers(1, 120),
    st.sampled_from([0, 1, 3, 8, 20]),
    st.integers(1, 3),
    st.booleans(),
)
def test_partners_are_those_of_the_plain_search(
    seed: int, n: int, rows: int, cols: int, reach: int, n_maps: int, coarse: bool
) -> None:
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 1.5, (3, rows, cols))
    # Whole numbers make neighbours alike: of those each is a peak.
    frames = [x.astype(np.float32) for x in (np.rint(noise) if coarse else noise)]
    maps_of = [x if k < n_maps else None for k, x in enumerate(frames)]
    places = rng.integers(-5, (rows + 5, cols + 5), (n, 2)).astype(np.int32)
    places = np.concatenate([places + np.array(moved, np.int32) for moved in ((0, 0), (1, -2), (3, 1))], 1)
    least = (rng.uniform(1, 3.5, n) * rng.choice([-1, 1], n)).astype(np.float32)
    strict, out = rng.integers(0, 2, n).astype(np.uint8), np.full(n, 7, np.uint8)
    words = np.full(partners_scratch_size(rows, n), 7, np.int32)
    find_partners(*maps_of, np.ascontiguousarray(places), least, strict, 1.9, 2.7, reach, words, out)
    wanted = [has_partner(maps_of, *one, 1.9, 2.7, reach) for one in zip(places, least, strict, strict=True)]
    np.testing.assert_array_equal(out, np.array(wanted, np.uint8))


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
        ("scratch", np.zeros(40, np.int32)),
        ("found", np.zeros(2, np.uint8)),
        ("least", None),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(name: str, value: object) -> None:
    given = {
        "before": maps(), "older": maps(), "oldest": maps(), "places": np.zeros((1, 6), np.int32),
        "least": np.ones(1, np.float32), "strict": np.zeros(1, np.uint8), "together": 3.0, "three": 5.0, "reach": 6,
        "scratch": np.zeros(41, np.int32), "found": np.zeros(1, np.uint8),
    }  # fmt: skip
    with pytest.raises(ValueError, match=f"{name}: wanted"):
        find_partners(*(given | {name: value}).values())
