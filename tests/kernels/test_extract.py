"""Plot extraction against its twin and OpenCV's labels, at capacity, and the accuracy of place and sigma."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import correlate1d
from scipy.special import erf

from lookdown.kernels import extract
from lookdown.kernels.extract import PLOT_DTYPE, extract_plots, extract_scratch_size
from tests.kernels import reference
from tests.kernels.cases import image, quick, seeds, shapes, spoilt

NONE_BAD = np.empty(0, np.int32)


def extract_all(
    z: np.ndarray,
    residual: np.ndarray,
    threshold: float,
    samples: np.ndarray | None = None,
    saturation: int = 65536,
    bad: np.ndarray = NONE_BAD,
    capacity: int = 4000,
) -> tuple[int, np.ndarray]:
    out = np.zeros(capacity, PLOT_DTYPE)
    scratch = np.full(extract_scratch_size(z.shape[1], capacity), -1, np.int64)
    n_found, n_written = extract_plots(z, residual, threshold, samples, saturation, bad, scratch, out)
    assert n_written == min(n_found, capacity)
    assert not out[n_written:].view(np.uint8).any()
    return n_found, out[:n_written]


@quick
@given(shapes, seeds, st.sampled_from([0.2, 1.0, 1.8, 3.0]), st.integers(0, 3), st.booleans())
def test_plots_equal_the_twin(shape: tuple[int, int], seed: int, threshold: float, blur: int, spoil: bool) -> None:
    rng = np.random.default_rng(seed)
    residual = image(shape, seed)
    if blur:
        residual = cv2.GaussianBlur(residual, (0, 0), blur).reshape(shape) * np.float32(1 + blur)
    z = residual * np.float32(rng.choice([0.5, 1.0, 2.0]))
    if spoil:
        z[~np.isfinite(spoilt(shape, seed))] = np.nan
    samples = rng.integers(0, 100, shape).astype(np.uint16)
    bad = np.flatnonzero(rng.random(z.size) < 0.01).astype(np.int32)
    _, plots = extract_all(z, residual, threshold, samples, 95, bad)
    want = reference.extract_plots(z, residual, threshold, samples, 95, bad)
    assert len(plots) == len(want)
    # Equal scores may stand in either order when their places differ by rounding.
    plots, want = (np.sort(p, order=["snr", "n_pixels", "n_rows", "amplitude", "row"]) for p in (plots, want))
    for name in ("snr", "amplitude", "n_pixels", "flags", "n_rows", "n_cols", "peak_row", "peak_col", "covariance_px2"):
        np.testing.assert_array_equal(plots[name], want[name], err_msg=name)
    for name in ("row", "col", "sigma_row_px", "sigma_col_px", "flux", *(n for n in PLOT_DTYPE.names if "moment" in n)):
        np.testing.assert_allclose(plots[name], want[name], atol=2e-3, rtol=2e-3, err_msg=name)


@pytest.mark.parametrize("threshold", [0.0001, 0.7, 2.0])
def test_components_are_those_of_opencv(threshold: float) -> None:
    z = np.random.default_rng(2).standard_normal((101, 130)).astype(np.float32)
    n_found, plots = extract_all(z, z, threshold, capacity=20_000)
    sizes = []
    for sign in (1, -1):
        mask = (sign * z > np.float32(threshold)).astype(np.uint8)
        *_, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        sizes += stats[1:, [cv2.CC_STAT_AREA, cv2.CC_STAT_HEIGHT, cv2.CC_STAT_WIDTH]].tolist()
    assert n_found == len(sizes)
    assert sorted(sizes) == sorted([int(p["n_pixels"]), int(p["n_rows"]), int(p["n_cols"])] for p in plots)


def test_shapes_that_join_late_are_one_plot() -> None:
    comb = np.zeros((9, 11), np.float32)
    comb[:8, ::2] = 9
    comb[8, :] = 9
    spiral = np.zeros((9, 9), np.float32)
    for k in range(0, 4, 2):
        spiral[k, k : 9 - k] = spiral[k : 9 - k, 8 - k] = spiral[8 - k, k : 9 - k] = 9
        spiral[k + 2 : 9 - k, k] = 9
    for z in (comb, spiral[:, ::-1].copy(), np.full((5, 5), 9, np.float32)):
        n, _ = cv2.connectedComponents((z > 0).astype(np.uint8), connectivity=8)
        assert extract_all(z, z, 1.0)[0] == n - 1


def test_capacity_keeps_the_strongest_and_counts_the_rest() -> None:
    z = np.random.default_rng(3).standard_normal((64, 64)).astype(np.float32)
    n_found, everything = extract_all(z, z, 1.5)
    for capacity in (0, 1, 7, 50):
        n_again, plots = extract_all(z, z, 1.5, capacity=capacity)
        assert n_again == n_found > 50
        np.testing.assert_array_equal(plots, everything[:capacity])


def test_equal_plots_stand_in_row_and_column_order() -> None:
    z = np.zeros((20, 20), np.float32)
    z[2::6, 2::6] = 9
    for capacity in (3, 100):
        _, plots = extract_all(z, z, 5.0, capacity=capacity)
        places = [(p["row"], p["col"]) for p in plots]
        assert places == [(r, c) for r in (2, 8, 14) for c in (2, 8, 14)][:capacity]


def test_flags_say_what_is_particular() -> None:
    z = np.zeros((12, 12), np.float32)
    samples = np.zeros((12, 12), np.uint16)
    z[0, 5], z[5, 5], z[9, 9], z[9, 2] = 9, -8, 7, 6
    samples[9, 9] = 16383
    bad = np.array([9 * 12 + 2 + 13], np.int32)
    _, plots = extract_all(z, z, 5.0, samples, 16383, bad)
    assert plots["flags"].tolist() == [extract.EDGE, extract.DARK, extract.SATURATED, extract.NEAR_BAD_PIXEL]
    assert plots["amplitude"].tolist() == [9, -8, 7, 6]
    assert plots["snr"].tolist() == [9, 8, 7, 6]


def spot(row: float, col: float, sigma: float, size: int = 17) -> np.ndarray:
    """Pixel-integrated Gaussian of unit volume; the place is relative to the middle pixel."""
    edges = np.arange(size + 1) - 0.5 - size // 2
    down, along = (np.diff(erf((edges - at) / sigma / np.sqrt(2))) / 2 for at in (row, col))
    return np.outer(down, along)


@pytest.mark.parametrize("sigma", [0.6, 0.8, 1.0])
@pytest.mark.parametrize("snr", [10, 20])
def test_place_is_near_the_bound_and_sigma_honest(sigma: float, snr: float) -> None:
    rng = np.random.default_rng(8)
    profile = np.exp(-0.5 * (np.arange(-4, 5) / sigma) ** 2)
    profile /= np.sqrt((profile**2).sum())
    gain = np.sqrt((spot(0, 0, sigma) ** 2).sum())
    slope = (spot(0.01, 0, sigma) - spot(-0.01, 0, sigma)) / 0.02
    bound = gain / snr / np.sqrt((slope**2).sum())
    errors, scores = [], []
    for _ in range(400):
        row, col = rng.uniform(-0.5, 0.5, 2)
        frame = snr / gain * spot(row, col, sigma) + rng.standard_normal((17, 17))
        filtered = correlate1d(correlate1d(frame, profile, 0), profile, 1).astype(np.float32)
        _, plots = extract_all(filtered, filtered, 5.0)
        errors += [plots["row"][0] - 8 - row, plots["col"][0] - 8 - col]
        scores += [errors[-2] / plots["sigma_row_px"][0], errors[-1] / plots["sigma_col_px"][0]]
    assert np.sqrt(np.mean(np.square(errors))) < 1.15 * bound
    assert 0.75 < np.mean(np.square(scores)) < 1.35


def test_a_wide_plot_takes_its_weighted_centroid() -> None:
    rows, cols = np.mgrid[:40, :40]
    z = np.maximum(30 - 3 * np.hypot(rows - 18.3, cols - 21.6), 0).astype(np.float32)
    _, plots = extract_all(z, z, 2.0)
    assert plots["row"][0] == pytest.approx(18.3, abs=0.03)
    assert plots["col"][0] == pytest.approx(21.6, abs=0.03)
    assert plots["n_rows"][0] > 7


@pytest.mark.parametrize("threshold", [0, -1, np.nan, np.inf])
def test_a_threshold_that_is_none_is_refused(threshold: float) -> None:
    z = np.zeros((4, 4), np.float32)
    with pytest.raises(ValueError, match=r"threshold: wanted"):
        extract_all(z, z, threshold)
