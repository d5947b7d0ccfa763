"""The velocity bank gives, to the last bit, the largest sum along its paths, for any sizes, offsets and tree."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdown.flight.bank import Bank, make_bank
from lookdown.kernels.stack import quantise, stack_scratch_size, stack_velocities
from tests.kernels.cases import quick, seeds, shapes

BANKS = {(n, v): make_bank(n, v) for n, v in ((2, 2.0), (4, 2.0), (8, 1.0), (8, 2.0), (16, 0.3), (16, 0.5), (32, 0.25))}


def twin(frames: np.ndarray, order: np.ndarray, at: np.ndarray, bank: Bank) -> np.ndarray:
    """Sum along every path of the bank, one after the other."""
    _, rows, cols = frames.shape
    margin = int(np.abs(bank.paths).max() + np.abs(at).max())
    wide = np.pad(frames.astype(np.int64), ((0, 0), (margin, margin), (margin, margin)))
    best = np.zeros((rows, cols), np.int64)
    for down in bank.paths + margin:
        for along in bank.paths + margin:
            places = zip(order, at[:, 0] + down, at[:, 1] + along, strict=True)
            total = sum(wide[slot, r : r + rows, c : c + cols] for slot, r, c in places)
            best = np.maximum(best, np.abs(total))
    return best


def stacked(frames: np.ndarray, order: np.ndarray, at: np.ndarray, bank: Bank) -> np.ndarray:
    scratch = np.full(stack_scratch_size(bank.n_cells, bank.links), 12345, np.int16)
    best = np.full(frames.shape[1:], -1, np.int16)
    stack_velocities(frames, order, at, bank.n_cells, bank.links, scratch, best)
    return best


@quick
@given(st.sampled_from(sorted(BANKS)), shapes, seeds)
def test_it_equals_its_twin(key: tuple[int, float], shape: tuple[int, int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, bank = key[0], BANKS[key]
    most = 32767 // n
    frames = rng.integers(-most, most + 1, (n, *shape)).astype(np.int16)
    order, at = rng.permutation(n).astype(np.int32), rng.integers(-6, 7, (n, 2)).astype(np.int32)
    np.testing.assert_array_equal(stacked(frames, order, at, bank), twin(frames, order, at, bank))


def test_the_default_bank_over_several_tiles() -> None:
    rng = np.random.default_rng(1)
    bank = make_bank(16, 2.0)
    frames = rng.integers(-256, 257, (16, 45, 150)).astype(np.int16)
    order, at = rng.permutation(16).astype(np.int32), rng.integers(-20, 21, (16, 2)).astype(np.int32)
    np.testing.assert_array_equal(stacked(frames, order, at, bank), twin(frames, order, at, bank))


def test_the_largest_scores_do_not_overflow() -> None:
    bank = make_bank(32, 0.25)
    for sign in (1, -1):
        frames = np.full((32, 40, 40), sign * 1023, np.int16)
        best = stacked(frames, np.arange(32, dtype=np.int32), np.zeros((32, 2), np.int32), bank)
        assert best.max() == 32 * 1023


def test_scratch_is_all_it_needs() -> None:
    bank = make_bank(8, 2.0)
    frames = np.ones((8, 50, 70), np.int16)
    order, at, best = np.arange(8, dtype=np.int32), np.zeros((8, 2), np.int32), np.zeros((50, 70), np.int16)
    size = stack_scratch_size(bank.n_cells, bank.links)
    guarded = np.full(size + 64, 77, np.int16)
    stack_velocities(frames, order, at, bank.n_cells, bank.links, guarded[:size], best)
    assert (guarded[size:] == 77).all()


def arguments() -> dict[str, np.ndarray]:
    bank = make_bank(4, 1.0)
    return {
        "frames": np.zeros((4, 9, 11), np.int16),
        "order": np.arange(4, dtype=np.int32),
        "at": np.zeros((4, 2), np.int32),
        "n_cells": bank.n_cells,
        "links": bank.links,
        "scratch": np.zeros(stack_scratch_size(bank.n_cells, bank.links), np.int16),
        "best": np.zeros((9, 11), np.int16),
    }


def spoilt_links(place: tuple[int, int], value: int) -> np.ndarray:
    links = make_bank(4, 1.0).links.copy()
    links[place] = value
    return links


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("frames", np.zeros((8, 9, 11), np.int16), "frames: wanted 4 frames"),
        ("frames", np.zeros((4, 9, 11), np.int32), "frames: wanted a C-contiguous"),
        ("frames", np.zeros((4, 0, 11), np.int16), "frames: wanted 4 frames of at least one pixel"),
        ("order", np.array([0, 1, 1, 3], np.int32), "order: wanted each of 0 to 3 once"),
        ("at", np.full((4, 2), 1 << 21, np.int32), "at: wanted displacements"),
        ("at", np.zeros((3, 2), np.int32), "at: wanted"),
        ("n_cells", np.array([3, 0], np.int32), "n_cells: wanted 1 to 5 levels"),
        ("n_cells", np.array([300, 3], np.int32), "n_cells: wanted 1 to 5 levels"),
        ("links", np.zeros((3, 3), np.int32), "links: wanted"),
        ("links", spoilt_links((5, 0), 3), "links: wanted children"),
        ("links", spoilt_links((5, 0), -1), "links: wanted children"),
        ("links", spoilt_links((4, 2), 4000), "links: wanted shifts"),
        ("scratch", np.zeros(100, np.int16), "scratch: wanted at least"),
        ("best", np.zeros((9, 12), np.int16), "best: wanted"),
    ],
)
def test_what_does_not_fit_is_refused(name: str, value: np.ndarray, says: str) -> None:
    stack_velocities(*arguments().values())
    with pytest.raises(ValueError, match=says):
        stack_velocities(*(arguments() | {name: value}).values())


def test_outputs_may_not_overlap_inputs() -> None:
    given_ = arguments()
    with pytest.raises(ValueError, match="best: wanted memory of its own"):
        stack_velocities(*(given_ | {"best": given_["frames"][0]}).values())


@quick
@given(shapes, seeds, st.floats(0.5, 100.0), st.integers(1, 32767))
def test_quantise_equals_its_twin(shape: tuple[int, int], seed: int, per_unit: float, most: int) -> None:
    z = (3 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)
    scaled = np.clip(z * np.float32(per_unit), -most, most).astype(np.float32)
    wanted = np.trunc(scaled + np.copysign(np.float32(0.5), scaled)).astype(np.int16)
    out = np.zeros(shape, np.int16)
    quantise(z, per_unit, most, out)
    np.testing.assert_array_equal(out, wanted)


@pytest.mark.parametrize(("per_unit", "most"), [(0.0, 9), (float("nan"), 9), (1.0, 0), (1.0, 40000)])
def test_quantise_refuses_what_is_no_scale(per_unit: float, most: int) -> None:
    with pytest.raises(ValueError, match=r"per_unit|most"):
        quantise(np.zeros((2, 2), np.float32), per_unit, most, np.zeros((2, 2), np.int16))
