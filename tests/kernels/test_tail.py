"""The histogram of a score's size against its twin."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdown.kernels.tail import tail_histogram, tail_levels
from tests.kernels import reference_chain
from tests.kernels.cases import image, quick, seeds, shapes, spoilt


@quick
@given(shapes, seeds, st.integers(1, 5), st.sampled_from([1.0, 50.0]))
def test_it_equals_its_twin(shape: tuple[int, int], seed: int, step: int, per_unit: float) -> None:
    z = image(shape, seed)
    counts = np.full(500, -1, np.int32)
    tail_histogram(z, step, per_unit, counts)
    np.testing.assert_array_equal(counts, reference_chain.tail_histogram(z, step, per_unit, 500))


def test_nan_and_unknown_pixels_do_not_count() -> None:
    z = spoilt((30, 30), 4)
    z[::2] = 0
    counts = np.zeros(10, np.int32)
    tail_histogram(z, 1, 1.0, counts)
    assert counts.sum() == np.count_nonzero(z[1::2]) - np.isnan(z[1::2]).sum()
    with pytest.raises(ValueError, match=r"counts: wanted at least one bin"):
        tail_histogram(z, 1, 1.0, np.zeros(0, np.int32))


def level_of(history: np.ndarray, wanted: float) -> float:
    """Level in bins that ``wanted`` exceed: the bin from which on so many lie, and the part of it below the level."""
    beyond = np.cumsum(history[::-1])
    k = int(np.searchsorted(beyond, wanted))
    following = beyond[k - 1] if k else 0.0
    return float(len(history) - 1 - k + (beyond[k] - wanted) / max(beyond[k] - following, 1e-12))


@quick
@given(
    seeds, st.integers(2, 300), st.floats(0, 1), st.sampled_from([1e-3, 0.01, 0.1]), st.sampled_from([1.0, 4.0, 9.0])
)
def test_levels_are_those_of_the_twin(seed: int, n: int, keep: float, outer: float, ratio: float) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.poisson(30 * np.exp(-np.arange(n) / 20)).astype(np.int32)
    history = rng.uniform(0, 90, n) * (rng.random(n) < 0.7)
    wanted = history * keep + counts
    total = np.cumsum(wanted[::-1])[-1] * outer
    levels = level_of(wanted, total), level_of(wanted, ratio * total)
    found = tail_levels(counts, keep, outer, ratio, history)
    np.testing.assert_array_equal(history, wanted)
    assert found == (levels if total >= 1 else (0, 0))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("counts", np.zeros(0, np.int32)),
        ("counts", np.zeros(4)),
        ("keep", 1.1),
        ("outer", 0.0),
        ("ratio", 11.0),
        ("history", np.zeros(3)),
        ("history", np.zeros(4, np.float32)),
    ],
)
def test_levels_of_what_does_not_fit_are_refused(name: str, value: object) -> None:
    given = {"counts": np.ones(4, np.int32), "keep": 0.9, "outer": 0.1, "ratio": 10.0, "history": np.zeros(4)}
    with pytest.raises(ValueError, match=f"{name}: wanted"):
        tail_levels(*(given | {name: value}).values())
