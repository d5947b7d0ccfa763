"""What multiplier gives a wanted false-alarm probability: closed forms of CFAR and their tables for an image.

In exponential cells (square-law noise) with N ring cells, a cell lies beyond a times the estimate with probability

    CA  (1 + a/N)^-N
    GO  sum over both halves of (1 + a/N1)^-N1 I_q(N2, N1),      q = N2 / (N1 + N2 + a)
    SO  sum over both halves of (1 + a/N1)^-N1 I_(1-q)(N1, N2)
    OS  prod_{i < k} (N - i) / (N - i + a),                      k-th smallest of N

(GO and SO: the probability generating sums of Hansen and Sawyers 1980 and Weiss 1982, IEEE Trans. AES 16 and 18, in
terms of the regularised incomplete beta function I, for halves of different size too; OS: Rohling 1983, IEEE Trans. AES
19.) Pd of a Swerling 1 target of power ratio s follows with ``a / (1 + s)`` in place of a. In Gaussian cells with the
mean and sigma of N cells, ``k = t^-1(N - 1; Pfa) sqrt(1 + 1/N)`` (Student 1908).

At a border N is the number of cells that are left, and tables hold the multiplier for it. Plain Python and NumPy: made
once for a geometry, not once a frame.
"""

from collections.abc import Callable
from functools import cache
from math import exp, inf, lgamma, log, log1p, nan, sqrt

import numpy as np
from numpy.typing import NDArray

from lookdown.kernels.checks import require_number, require_ring

Sides = tuple[int, int]
FRACTION_TERMS = 20_000
SMALLEST_PFA, LARGEST_PFA = 1e-15, 0.5


def incomplete_beta(a: float, b: float, x: float) -> float:
    """Regularised incomplete beta function I_x(a, b) by its continued fraction (DLMF 8.17.22), relative error 1e-11."""
    if not 0 < x < 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(b, a, 1 - x)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)) / a
    # Lentz's method; the terms of even and odd place in turn.
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    total = d
    for m in range(1, FRACTION_TERMS):
        before = total
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / (1 + term * d)
            c = 1 + term / c
            total *= c * d
        if abs(total - before) <= 1e-15 * total:
            break
    return front * total


def average_pfa(n: int, multiplier: float) -> float:
    """Pfa of CA-CFAR on exponential cells."""
    return exp(-n * log1p(multiplier / n))


def greatest_pfa(n_before: int, n_after: int, multiplier: float) -> float:
    """Pfa of GO-CFAR on exponential cells; with one half empty, that of CA-CFAR on the other."""
    return halves_pfa(n_before, n_after, multiplier, greatest=True)


def smallest_pfa(n_before: int, n_after: int, multiplier: float) -> float:
    """Pfa of SO-CFAR on exponential cells; with one half empty, that of CA-CFAR on the other."""
    return halves_pfa(n_before, n_after, multiplier, greatest=False)


def halves_pfa(n_before: int, n_after: int, multiplier: float, greatest: bool) -> float:
    """Pfa of GO or SO: for each half that it alone sets the threshold and the cell exceeds it."""
    if not n_before or not n_after:
        return average_pfa(n_before or n_after, multiplier)
    total = 0.0
    for n, other in ((n_before, n_after), (n_after, n_before)):
        whole = n_before + n_after + multiplier
        if greatest:
            share = incomplete_beta(other, n, other / whole)
        else:
            share = incomplete_beta(n, other, (n + multiplier) / whole)
        total += average_pfa(n, multiplier) * share
    return total


def ordered_pfa(n: int, rank: int, multiplier: float) -> float:
    """Pfa of OS-CFAR on exponential cells for the ``rank``-th smallest of n."""
    return float(np.exp(-np.log1p(multiplier / (n - np.arange(rank))).sum()))


def student_tail(t: float, v: float) -> float:
    """Probability of Student's t with ``v`` degrees of freedom beyond ``t``, which is positive."""
    return 0.5 * incomplete_beta(v / 2, 0.5, v / (v + t * t))


def solve(pfa_of: Callable[[float], float], pfa: float) -> float:
    """Return where a falling function of a positive number reaches ``pfa``, to 1e-12 of the number."""
    require_number("pfa", pfa, SMALLEST_PFA, LARGEST_PFA)
    low, high = 0.0, 1.0
    while pfa_of(high) > pfa:
        low, high = high, 2 * high
    # The false position of log Pfa, halved where one end stays (Illinois); nearly a line, so a few steps do.
    wanted = log(pfa)
    f_low, f_high = log(pfa_of(low)) - wanted, log(max(pfa_of(high), 1e-300)) - wanted
    for _ in range(200):
        middle = high - f_high * (high - low) / (f_high - f_low) if f_high != f_low else high
        f_middle = log(pfa_of(middle)) - wanted
        if f_middle > 0:
            low, f_low, f_high = middle, f_middle, f_high / 2
        else:
            high, f_high, f_low = middle, f_middle, f_low / 2
        if high - low <= 1e-12 * high or abs(f_middle) <= 1e-13:
            return middle
    return 0.5 * (low + high)


def average_multiplier(n: int, pfa: float) -> float:
    """Multiplier of the mean of n exponential cells."""
    require_number("pfa", pfa, SMALLEST_PFA, LARGEST_PFA)
    return n * float(np.expm1(-log(pfa) / n))


@cache
def greatest_multiplier(n_before: int, n_after: int, pfa: float) -> float:
    """Multiplier of the greater mean of two halves of exponential cells."""
    return solve(lambda a: greatest_pfa(n_before, n_after, a), pfa)


@cache
def smallest_multiplier(n_before: int, n_after: int, pfa: float) -> float:
    """Multiplier of the smaller mean of two halves of exponential cells."""
    return solve(lambda a: smallest_pfa(n_before, n_after, a), pfa)


@cache
def ordered_multiplier(n: int, rank: int, pfa: float) -> float:
    """Multiplier of the ``rank``-th smallest of n exponential cells."""
    return solve(lambda a: ordered_pfa(n, rank, a), pfa)


@cache
def gaussian_multiplier(n: int, pfa: float) -> float:
    """How many sigmas above the mean, both those of n Gaussian cells, a cell lies with probability ``pfa``."""
    return solve(lambda t: student_tail(t, n - 1), pfa) * sqrt(1 + 1 / n)


def covered(size: int, places: NDArray[np.int64], first: int, last: int) -> NDArray[np.int64]:
    """How many of the cells ``place + first`` to ``place + last`` lie within a line of ``size``."""
    within: NDArray[np.int64] = np.minimum(places + last, size - 1) - np.maximum(places + first, 0) + 1
    return np.maximum(within, 0)


def row_classes(rows: int, window_rows: int) -> NDArray[np.int64]:
    """Distances to the nearer of upper and lower border that a table tells apart."""
    return np.arange(min(window_rows // 2, (rows - 1) // 2) + 1)


def ring_counts(shape: Sides, window: Sides, guard: Sides) -> NDArray[np.int64]:
    """Cells of the ring by distance to the nearer of upper and lower border, and by column of the image."""
    require_ring(window, guard)
    lines, columns = row_classes(shape[0], window[0]), np.arange(shape[1])
    square = [
        np.multiply.outer(
            covered(shape[0], lines, -(side[0] // 2), side[0] // 2),
            covered(shape[1], columns, -(side[1] // 2), side[1] // 2),
        )
        for side in (window, guard)
    ]
    return square[0] - square[1]


def half_counts(shape: Sides, window: Sides, guard: Sides) -> NDArray[np.int64]:
    """Cells of the half before the guard's columns and of that after, int64 [2, distance, column]."""
    require_ring(window, guard, halves=True)
    lines, columns = row_classes(shape[0], window[0]), np.arange(shape[1])
    down = covered(shape[0], lines, -(window[0] // 2), window[0] // 2)
    near, far = guard[1] // 2 + 1, window[1] // 2
    return np.stack(
        [np.multiply.outer(down, covered(shape[1], columns, *span)) for span in ((-far, -near), (near, far))]
    )


def by_count(table: dict[int, float], counts: NDArray[np.int64]) -> NDArray[np.float32]:
    """Look up what belongs to each number of cells."""
    factors: NDArray[np.float32] = np.vectorize(table.__getitem__, otypes=[np.float32])(counts)
    return factors


def average_factors(shape: Sides, window: Sides, guard: Sides, pfa: float) -> NDArray[np.float32]:
    """Table of `cfar_power.cell_average` for an image of (rows, columns): multiplier by number of cells [1]."""
    counts = ring_counts(shape, window, guard)
    table = {int(n): average_multiplier(int(n), pfa) / n if n else nan for n in np.unique(counts)}
    return by_count(table, counts)


def greatest_factors(shape: Sides, window: Sides, guard: Sides, pfa: float) -> NDArray[np.float32]:
    """Table of `cfar_power.greatest_of`: an empty half asks for nothing."""
    return half_factors(half_counts(shape, window, guard), pfa, greatest_multiplier, 0.0)


def smallest_factors(shape: Sides, window: Sides, guard: Sides, pfa: float) -> NDArray[np.float32]:
    """Table of `cfar_power.smallest_of`: an empty half gives no hit."""
    return half_factors(half_counts(shape, window, guard), pfa, smallest_multiplier, nan)


def half_factors(
    counts: NDArray[np.int64], pfa: float, multiplier: Callable[[int, int, float], float], empty: float
) -> NDArray[np.float32]:
    """Multiplier by number of cells for both halves; ``empty`` where one has none, NaN where neither has any."""
    pairs, places = np.unique(counts.reshape(2, -1), axis=1, return_inverse=True)
    table = np.full(pairs.shape, nan)
    for at, (before, after) in enumerate(pairs.T):
        if before or after:
            a = multiplier(int(min(before, after)), int(max(before, after)), pfa)
            table[:, at] = [a / n if n else empty for n in (before, after)]
    factors: NDArray[np.float32] = np.ascontiguousarray(table[:, places.ravel()].reshape(counts.shape), np.float32)
    return factors


def ordered_tables(
    shape: Sides, window: Sides, guard: Sides, pfa: float, share: float = 0.75
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Tables of `cfar_ordered.ordered_statistic`: multipliers, and ranks, which are ``share`` of the ring's cells.

    Without a ring the multiplier is infinite and the rank 1.
    """
    require_number("share", share, 0.01, 1)
    counts = ring_counts(shape, window, guard)
    ranks = np.maximum(np.rint(share * counts), 1).astype(np.int32)
    table = {
        int(n): ordered_multiplier(int(n), max(int(np.rint(share * n)), 1), pfa) if n else inf
        for n in np.unique(counts)
    }
    return by_count(table, counts), ranks
