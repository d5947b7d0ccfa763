"""Intervals cover what they promise, also for frames that are alike; theory is what a matched filter does."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from lookdown.hil.campaign.plan import Counts
from lookdown.hil.campaign.statistics import (
    binomial_interval,
    detection_probability,
    false_probability,
    needed_snr,
    poisson_interval,
    white_noise_pd,
    white_noise_snr,
)


def unit(hits: Any, chances: Any, false: Any = (0,), pixels: int = 1000) -> Counts:
    return Counts(tuple(chances), tuple(map(tuple, hits)), tuple(false), tuple(0 for _ in false), pixels, 1)


@pytest.mark.parametrize("n", [1, 7, 40, 300])
def test_the_binomial_interval_is_that_of_clopper_and_pearson_and_covers(n: int) -> None:
    hits = np.arange(n + 1)
    low, high = binomial_interval(hits, np.full(n + 1, n))
    for k in hits[:: 1 + n // 20]:
        interval = stats.binomtest(int(k), n).proportion_ci(0.95, method="exact")
        assert (low[k], high[k]) == pytest.approx((interval.low, interval.high), abs=1e-9)
    assert low[0] == 0.0
    assert high[n] == 1.0
    for share in np.linspace(0.001, 0.999, 97):
        covered = (low <= share) & (share <= high)
        assert stats.binom.pmf(hits[covered], n, share).sum() >= 0.95


def test_the_binomial_interval_covers_in_simulation() -> None:
    rng = np.random.default_rng(5)
    hits = rng.binomial(60, 0.9, 20_000)
    low, high = binomial_interval(hits, np.full(hits.shape, 60))
    assert 0.95 <= np.mean((low <= 0.9) & (high >= 0.9)) <= 0.985  # exact intervals of whole counts are a little wide


def test_the_poisson_interval_is_that_of_garwood_and_covers() -> None:
    events = np.arange(200)
    low, high = poisson_interval(events)
    assert (low[0], high[0]) == pytest.approx((0.0, 3.6889), abs=1e-4)
    assert (low[10], high[10]) == pytest.approx((4.7954, 18.3904), abs=1e-4)  # Garwood's table
    for mean in np.geomspace(0.05, 100.0, 60):
        covered = (low <= mean) & (mean <= high)
        assert stats.poisson.pmf(events[covered], mean).sum() >= 0.95 - 1e-9


def test_nothing_and_everything_found_keep_an_interval() -> None:
    pd = detection_probability([unit([[0, 10]], [10]), unit([[0, 10]], [10])])
    assert pd.value.tolist() == [[0.0, 1.0]]
    assert (pd.low[0, 0], pd.high[0, 1]) == (0.0, 1.0)
    assert pd.high[0, 0] == pytest.approx(1.0 - 0.025**0.05)
    assert pd.low[0, 1] == pytest.approx(0.025**0.05)
    pfa = false_probability([unit([[0]], [1]), unit([[0]], [1])])
    assert (pfa.value[0], pfa.low[0]) == (0.0, 0.0)
    assert pfa.high[0] == pytest.approx(3.6889 / 2000, rel=1e-4)


def test_a_level_without_a_chance_is_unknown() -> None:
    pd = detection_probability([unit([[0], [3]], [0, 4])])
    assert np.isnan(pd.value[0, 0])
    assert (pd.low[0, 0], pd.high[0, 0]) == (0.0, 1.0)
    assert pd.value[1, 0] == 0.75


def test_intervals_cover_though_the_frames_of_a_unit_are_alike() -> None:
    """Each unit's 50 frames are found all or hardly ever; plain intervals cover in 28 cases of 100."""
    rng = np.random.default_rng(11)
    wide = plain = 0
    for _ in range(200):
        own = rng.beta(0.6, 0.4, 24)  # mean 0.6
        hits = rng.binomial(50, own)
        pd = detection_probability([unit([[k]], [50]) for k in hits])
        wide += pd.low[0, 0] <= 0.6 <= pd.high[0, 0]
        low, high = binomial_interval(hits.sum(), 24 * 50)
        plain += low <= 0.6 <= high
    assert plain < 100
    assert 184 <= wide <= 198


def test_intervals_of_false_plots_cover_though_scenes_differ() -> None:
    rng = np.random.default_rng(12)
    covered = 0
    for _ in range(200):
        false = rng.poisson(rng.gamma(4.0, 25.0, 24))  # mean 100, twice as wide as a Poisson count several times over
        pfa = false_probability([unit([[0]], [1], [k]) for k in false])
        covered += pfa.low[0] <= 0.1 <= pfa.high[0]
    assert 182 <= covered <= 199


def test_theory_is_what_a_matched_filter_does() -> None:
    rng = np.random.default_rng(3)
    spot = np.exp(-0.5 * (np.arange(-4, 5) / 0.9) ** 2)
    spot = np.outer(spot, spot) / np.sqrt(np.sum(np.outer(spot, spot) ** 2))
    score = np.einsum("nij,ij->n", rng.standard_normal((100_000, 9, 9)), spot)
    threshold = 2.5
    for snr in (1.0, 2.5, 4.0):
        found = np.mean(score + snr > threshold)
        assert found == pytest.approx(float(white_noise_pd(snr, stats.norm.sf(threshold))), abs=0.006)
    assert white_noise_snr(0.9, 1e-6) == pytest.approx(6.035, abs=0.001)


def test_curves_of_theory_are_read_off_as_theory() -> None:
    snr = np.array([2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    pfa = np.array([1e-3, 1e-4, 1e-6, 0.0])
    pd = white_noise_pd(snr[:, None], np.maximum(pfa, 1e-12))
    for share in (0.5, 0.9):
        for rate in (1e-4, 1e-5):
            measured = needed_snr(snr, pd, pfa, share, rate)
            assert measured == pytest.approx(white_noise_snr(share, rate), abs=1e-6)
    assert needed_snr(snr, pd, pfa, 0.5, 1e-8) is None  # no threshold was so high
    assert needed_snr(snr, pd, pfa, 0.999999, 1e-6) is None  # no level was so strong
    assert needed_snr(snr, pd, pfa, 0.001, 1e-4) is None  # nor so weak
    assert needed_snr(snr, pd, np.zeros(4), 0.5, 1e-5) is None
