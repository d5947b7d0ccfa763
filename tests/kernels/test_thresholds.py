"""Closed forms of CFAR against SciPy: its distributions, and integrals over them."""

import numpy as np
import pytest
from scipy import integrate, special, stats

from lookdown.kernels import thresholds as th


@pytest.mark.parametrize("a", [0.5, 1, 7, 132, 3000])
@pytest.mark.parametrize("b", [0.5, 1, 9, 150, 2500])
def test_the_incomplete_beta_function_is_that_of_scipy(a: float, b: float) -> None:
    for x in (1e-6, 0.01, 0.3, 0.5, 0.9, 0.9999):
        want = special.betainc(a, b, x)
        assert th.incomplete_beta(a, b, x) == pytest.approx(want, rel=1e-9, abs=1e-290)
    assert (th.incomplete_beta(a, b, 0), th.incomplete_beta(a, b, 1)) == (0, 1)


@pytest.mark.parametrize("n", [2, 3, 10, 72, 264, 416, 60_000])
@pytest.mark.parametrize("pfa", [1e-2, 1e-4, 1e-6, 1e-9])
def test_gaussian_and_average_multipliers_are_those_of_scipy(n: int, pfa: float) -> None:
    want = stats.t.isf(pfa, n - 1) * np.sqrt(1 + 1 / n)
    assert th.gaussian_multiplier(n, pfa) == pytest.approx(want, rel=1e-8)
    # A cell by the mean of n exponential cells follows F with 2 and 2 n degrees of freedom.
    assert th.average_multiplier(n, pfa) == pytest.approx(stats.f.isf(pfa, 2, 2 * n), rel=1e-7)
    assert th.average_pfa(n, th.average_multiplier(n, pfa)) == pytest.approx(pfa, rel=1e-9)


def over_the_halves(n: int, m: int, a: float, greatest: bool) -> float:
    """E[exp(-a Z)] with Z the greater or smaller of two means of exponential cells, by its density."""

    def density(z: float) -> float:
        one, other = stats.gamma(n, scale=1 / n), stats.gamma(m, scale=1 / m)
        if greatest:
            return one.pdf(z) * other.cdf(z) + other.pdf(z) * one.cdf(z)
        return one.pdf(z) * other.sf(z) + other.pdf(z) * one.sf(z)

    return integrate.quad(
        lambda z: density(z) * np.exp(-a * z), 0, 30, epsrel=1e-9, points=[0.1, 0.5, 1, 2], limit=400
    )[0]


@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 7), (16, 16), (33, 55), (168, 168)])
@pytest.mark.parametrize("a", [0.5, 5.0, 12.0])
def test_greatest_and_smallest_are_the_integrals_over_both_halves(n: int, m: int, a: float) -> None:
    assert th.greatest_pfa(n, m, a) == pytest.approx(over_the_halves(n, m, a, True), rel=1e-6)
    assert th.smallest_pfa(n, m, a) == pytest.approx(over_the_halves(n, m, a, False), rel=1e-6)
    assert th.greatest_pfa(n, m, a) == pytest.approx(th.greatest_pfa(m, n, a), rel=1e-12)


def test_smallest_of_equal_halves_is_the_sum_of_weiss() -> None:
    """Weiss 1982, for M cells a half: 2 sum_{k < M} C(M - 1 + k, k) (2 + a/M)^-(M + k)."""
    for m, a in ((4, 9.0), (16, 6.0), (40, 7.5)):
        k = np.arange(m)
        want = 2 * (special.comb(m - 1 + k, k) * (2 + a / m) ** -(m + k)).sum()
        assert th.smallest_pfa(m, m, a) == pytest.approx(want, rel=1e-10)
        both = 2 * (1 + a / m) ** -m
        assert th.greatest_pfa(m, m, a) == pytest.approx(both - want, rel=1e-9)


@pytest.mark.parametrize(("n", "rank"), [(1, 1), (16, 12), (96, 72), (416, 312), (416, 416)])
def test_ordered_is_the_integral_over_the_ranked_cell(n: int, rank: int) -> None:
    for a in (0.7, 6.0):
        # The rank-th smallest of n uniform cells follows a beta distribution.
        want = integrate.quad(
            lambda u, a=a: stats.beta.pdf(u, rank, n - rank + 1) * (1 - u) ** a, 0, 1, epsabs=0, epsrel=1e-9,
            points=[rank / (n + 1)], limit=400,
        )[0]  # fmt: skip
        assert th.ordered_pfa(n, rank, a) == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("pfa", [0.3, 1e-2, 1e-6, 1e-12])
def test_a_solved_multiplier_gives_the_wanted_rate(pfa: float) -> None:
    for n, m in ((1, 1), (3, 60), (168, 168), (5000, 4000)):
        assert th.greatest_pfa(n, m, th.greatest_multiplier(n, m, pfa)) == pytest.approx(pfa, rel=1e-8)
        assert th.smallest_pfa(n, m, th.smallest_multiplier(n, m, pfa)) == pytest.approx(pfa, rel=1e-8)
    for n, rank in ((1, 1), (16, 12), (416, 312)):
        assert th.ordered_pfa(n, rank, th.ordered_multiplier(n, rank, pfa)) == pytest.approx(pfa, rel=1e-8)


@pytest.mark.parametrize("pfa", [0, 0.6, 1e-16, float("nan")])
def test_a_rate_out_of_range_is_refused(pfa: float) -> None:
    with pytest.raises(ValueError, match="pfa: wanted a number"):
        th.average_multiplier(16, pfa)
    with pytest.raises(ValueError, match="pfa: wanted a number"):
        th.ordered_multiplier(16, 12, pfa)


@pytest.mark.parametrize("shape", [(1, 1), (5, 40), (30, 9), (40, 40)])
def test_counts_are_those_of_cells_in_the_image(shape: tuple[int, int]) -> None:
    window, guard = (9, 7), (3, 5)
    rings, halves = th.ring_counts(shape, window, guard), th.half_counts(shape, window, guard)
    for line in range(rings.shape[0]):
        for col in range(shape[1]):
            r, c = np.mgrid[: shape[0], : shape[1]]
            r, c = r - line, c - col
            inside = (abs(r) <= 4) & (abs(c) <= 3)
            assert rings[line, col] == (inside & ~((abs(r) <= 1) & (abs(c) <= 2))).sum()
            assert halves[0, line, col] == (inside & (c < -2)).sum()
            assert halves[1, line, col] == (inside & (c > 2)).sum()
