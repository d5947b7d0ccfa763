"""Fitted places against their twin and the Cramer-Rao bound; merged plots told apart, and those that are none left."""

import numpy as np
import pytest

from lookdown.kernels.extract import (
    DARK,
    EDGE,
    EXTENDED,
    MERGED,
    PLOT_DTYPE,
    UNFITTED,
    extract_plots,
    extract_scratch_size,
)
from lookdown.kernels.fit import fit_plots
from tests.kernels import points
from tests.kernels.points import bound_px, plots_of, run, spots
from tests.kernels.reference_fit import fit_spots

SIGMA_PX = 1.0
PSF_SIGMA_PX = float(np.sqrt(SIGMA_PX**2 + 1 / 12))


def frame_of(
    places: list[tuple[float, float]], snrs: list[float], seed: int, size: int = 32, sigma: float = SIGMA_PX
) -> np.ndarray:
    """Sources of given matched-filter SNR in noise of unit sigma."""
    rows, cols = np.array(places).T
    p = spots(rows, cols, sigma, size)
    light = np.array(snrs) / np.sqrt((spots(rows % 1 + 16, cols % 1 + 16, sigma) ** 2).sum((1, 2)))
    return (light[:, None, None] * p).sum(0) + np.random.default_rng(seed).standard_normal((size, size))


@pytest.mark.parametrize("seed", range(12))
def test_place_covariance_and_light_of_a_spot_equal_the_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    place = tuple(rng.integers(12, 20, 2) + rng.uniform(-0.3, 0.3, 2))  # nearer to .5 the windows may differ
    snr = float(rng.choice([8, 20, 60]))
    frame = frame_of([place], [snr], seed)
    plot = plots_of(frame, PSF_SIGMA_PX)[0]
    assert not plot["flags"] & (MERGED | EXTENDED)
    want, covariance = fit_spots(frame, [place], SIGMA_PX)
    sigma = np.sqrt(np.diag(covariance))
    assert abs(plot["row"] - want[0]) < 0.06 * sigma[0] + 1e-4
    assert abs(plot["col"] - want[1]) < 0.06 * sigma[1] + 1e-4
    assert plot["flux"] == pytest.approx(want[2], abs=0.1 * sigma[2])
    # The kernel makes it larger where chi^2 is, and never less than 0.005 px.
    ratio = plot["sigma_row_px"] / np.hypot(sigma[0], 0.005), plot["sigma_col_px"] / np.hypot(sigma[1], 0.005)
    assert ratio == (pytest.approx(ratio[0], rel=0.02), pytest.approx(ratio[0], rel=0.02))
    assert 0.98 < ratio[0] < 1.35
    assert plot["covariance_px2"] == pytest.approx(covariance[0, 1] * ratio[0] ** 2, abs=0.02 * covariance[0, 0])


@pytest.mark.parametrize("seed", range(6))
def test_places_of_a_pair_equal_the_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, np.pi)
    first = rng.uniform(13, 19, 2)
    places = [tuple(first), tuple(first + 2.8 * np.array([np.sin(angle), np.cos(angle)]))]
    frame = frame_of(places, [40, 25], seed)
    plots = plots_of(frame, PSF_SIGMA_PX)
    pair = plots[(plots["flags"] & MERGED) > 0]
    assert len(pair) == 2
    assert pair["snr"] == pytest.approx([40, 25], abs=5)
    want, covariance = fit_spots(frame, places, SIGMA_PX)
    for k in range(2):
        sigma = np.sqrt(np.diag(covariance)[3 * k : 3 * k + 3])
        assert abs(pair["row"][k] - want[3 * k]) < 0.1 * sigma[0]
        assert abs(pair["col"][k] - want[3 * k + 1]) < 0.1 * sigma[1]
        assert 0.95 < pair["sigma_row_px"][k] / sigma[0] < 1.3
    assert pair["peak_row"][0] == pair["peak_row"][1]
    assert pair["n_pixels"][0] == pair["n_pixels"][1] > 12


@pytest.mark.parametrize("sigma", [0.7, 1.0, 1.5])
@pytest.mark.parametrize("snr", [5, 10, 50])
def test_places_are_near_the_bound_and_sigmas_honest(sigma: float, snr: float) -> None:
    rng = np.random.default_rng(5)
    error, by_sigma = np.concatenate([np.stack(run(rng, sigma, (snr,)).errors()) for _ in range(2)], axis=2)
    assert np.sqrt((error**2).mean()) < 1.2 * bound_px(sigma, snr)
    assert 0.75 < (by_sigma**2).mean() < 1.5
    assert abs(error.mean()) < 0.12 * bound_px(sigma, snr)


@pytest.mark.parametrize(("sigma", "snrs"), [(1.0, (15, 15)), (1.0, (30, 15)), (1.5, (15, 30))])
@pytest.mark.parametrize("separation", [2.5, 4.0])
def test_close_pairs_are_told_apart(sigma: float, snrs: tuple[float, float], separation: float) -> None:
    trials = run(np.random.default_rng(6), sigma, snrs, separation_px=separation * sigma)
    assert trials.told_apart(0.6 * sigma).mean() > 0.9


@pytest.mark.parametrize("smear", [0.0, 1.0])
@pytest.mark.parametrize("snr", [10, 25, 60, 200])
def test_one_source_stays_one_plot(snr: float, smear: float) -> None:
    for sigma in (0.7, 1.0, 1.5):
        trials = run(np.random.default_rng(7), sigma, (snr,), smear_px=smear)
        assert (trials.n_plots(6.0) > 1).mean() <= 0.01


@pytest.mark.parametrize("wider", [1.35, 2.0, 3.0])
def test_a_wide_source_is_extended_and_not_several(wider: float) -> None:
    trials = run(np.random.default_rng(8), SIGMA_PX, (200,), shape_sigma_px=wider)
    assert (trials.n_plots(10.0) == 1).all()
    extended = (trials.strongest()[0]["flags"] & EXTENDED) > 0
    assert extended.mean() > 0.9 if wider >= 2 else extended.mean() < 0.1


@pytest.mark.parametrize("n", [3, 4])
def test_a_row_of_sources_is_told_apart(n: int) -> None:
    trials = run(np.random.default_rng(9), SIGMA_PX, (30,) * n, separation_px=4.0)
    assert trials.told_apart(0.5).mean() > 0.95


def test_dark_pairs_are_told_apart_too() -> None:
    frame = -frame_of([(15.2, 14.1), (16.9, 16.8)], [40, 30], 1)
    plots = plots_of(frame, PSF_SIGMA_PX)
    pair = plots[(plots["flags"] & MERGED) > 0]
    assert pair["flags"].tolist() == [MERGED | DARK] * 2
    assert (pair["amplitude"] < 0).all()
    assert (pair["flux"] < 0).all()
    assert pair["row"] == pytest.approx([15.2, 16.9], abs=0.2)


def test_a_spot_at_the_border_has_its_place_and_an_honest_sigma() -> None:
    by_sigma = []
    for seed in range(120):
        place = (float(np.random.default_rng(seed).uniform(-0.3, 0.8)), 15.3)
        plot = plots_of(frame_of([place], [30], seed), PSF_SIGMA_PX)[0]
        assert plot["flags"] & EDGE
        by_sigma += [(plot["row"] - place[0]) / plot["sigma_row_px"], (plot["col"] - 15.3) / plot["sigma_col_px"]]
    assert 0.6 < np.mean(np.square(by_sigma)) < 1.6


def test_the_centroid_of_an_extended_plot_has_an_honest_sigma() -> None:
    rows, cols = np.mgrid[:48, :48]
    by_sigma = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        at = 24 + rng.uniform(-0.5, 0.5, 2)
        light = 6 * np.clip(7 - np.hypot(rows - at[0], cols - at[1]), 0, 1)
        plot = plots_of(light + rng.standard_normal(light.shape), PSF_SIGMA_PX, threshold=8.0)[0]
        assert plot["flags"] & EXTENDED
        by_sigma += [(plot["row"] - at[0]) / plot["sigma_row_px"], (plot["col"] - at[1]) / plot["sigma_col_px"]]
    assert 0.4 < np.mean(np.square(by_sigma)) < 2.0


def parts(capacity: int, most_tried: int = 9, most_fitted: int = 9) -> tuple[int, np.ndarray]:
    """A bright pair, five spots by themselves of falling SNR; how many plots came of parting, and all plots."""
    places = [(30, 30), (30, 33.5), *((60, 10 + 20 * k) for k in range(5))]
    frame = frame_of(places, [60, 40, *(50, 30, 20, 15, 12)], 3, size=100)
    taps = points.taps_of(PSF_SIGMA_PX)
    filtered = points.filtered_by(frame, taps)
    z = (filtered / (taps**2).sum()).astype(np.float32)
    plots = np.zeros(capacity, PLOT_DTYPE)
    scratch = np.zeros(extract_scratch_size(100, capacity), np.int64)
    n_found, n = extract_plots(z, filtered, 6.0, None, 65536, points.NONE_BAD, scratch, plots)
    assert n_found == 6
    given = (frame.astype(np.float32), filtered, z, 6.0, PSF_SIGMA_PX, (taps**2).sum() ** -2.0, most_tried, most_fitted)
    n_parted, n = fit_plots(*given, n, scratch, plots)
    assert n == min(6 + n_parted, capacity)
    return n_parted, plots[:n]


def test_capacity_keeps_the_strongest_parts_and_counts_the_rest() -> None:
    n_parted, everything = parts(10)
    assert n_parted == 1
    assert everything["snr"] == pytest.approx([60, 50, 40, 30, 20, 15, 12], abs=4)
    for capacity in (1, 3, 6):
        n_again, plots = parts(capacity)
        assert n_again == 1
        np.testing.assert_array_equal(plots, everything[:capacity])
    assert parts(0)[0] == 0


def test_no_more_plots_are_tried_with_several_spots_than_allowed() -> None:
    n_parted, plots = parts(10, most_tried=0)
    assert n_parted == 0
    assert len(plots) == 6
    assert parts(10, most_tried=1)[0] == 1


def test_the_strongest_are_fitted_and_the_rest_keep_their_place() -> None:
    _, everything = parts(10)
    unfitted = parts(10, most_fitted=0)[1]
    for most in range(8):
        n_parted, plots = parts(10, most_fitted=most)
        assert n_parted == min(most, 1)
        is_unfitted = (plots["flags"] & UNFITTED) > 0
        assert is_unfitted.sum() == max(6 - most, 0)
        assert np.isin(plots[~is_unfitted], everything).all()
        assert np.isin(plots[is_unfitted], unfitted[len(unfitted) - is_unfitted.sum() :]).all()
        assert (np.diff(plots["snr"]) < 0).all()


@pytest.mark.parametrize("sigma", [0.7, 1.0, 1.5])
@pytest.mark.parametrize("snr", [5, 7, 10])
def test_the_sigma_of_a_place_that_is_not_fitted_says_what_it_is_worth(sigma: float, snr: float) -> None:
    rng = np.random.default_rng(8)
    trials = run(rng, sigma, (snr,), most_fitted=0)
    error, by_sigma = trials.errors()
    assert (trials.plots["flags"] & UNFITTED).all()
    assert np.sqrt((error**2).mean()) < 1.2 * bound_px(sigma, snr)
    assert 0.75 < (by_sigma**2).mean() < 1.5


def test_a_saturated_plot_is_not_told_apart() -> None:
    frame = frame_of([(15, 15), (15, 17.7)], [90, 90], 2).astype(np.float32)
    taps = points.taps_of(PSF_SIGMA_PX)
    filtered = points.filtered_by(frame, taps)
    z = (filtered / (taps**2).sum()).astype(np.float32)
    samples = np.clip(frame, 0, 10).astype(np.uint16)
    for saturation, several in ((10, 1), (65536, 2)):
        plots, scratch = np.zeros(20, PLOT_DTYPE), np.zeros(extract_scratch_size(32, 20), np.int64)
        _, n = extract_plots(z, filtered, 6.0, samples, saturation, points.NONE_BAD, scratch, plots)
        _, n = fit_plots(frame, filtered, z, 6.0, PSF_SIGMA_PX, (taps**2).sum() ** -2.0, 9, 9, n, scratch, plots)
        assert n == several
