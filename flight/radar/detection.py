"""The test of a range-Doppler map for a wanted false-alarm probability a cell, and what probability a cell has.

``average``, ``greatest``, ``smallest`` and ``ordered`` are exact on exponential cells (`lookdown.kernels.thresholds`).
``k`` is for spiky clutter, whose cells are K-distributed: exponential with a mean that is itself gamma distributed of
order nu (Ward 1981, Electronics Letters 17),

    P(x > t mean) = 2 / Gamma(nu) (nu t)^(nu / 2) K_nu(2 sqrt(nu t)).

Its order is estimated for each Doppler bin, with as many bins beside it as make two thousand cells, from the cells over
the mean of their rings, by ``<q log q> / <q> - <log q> = 1 + 1 / nu`` in a ring without error (Blacknell and Tough
2001, IEE Proc. Radar 148). The mean of a ring of N K cells scatters like a gamma variable of order
``m = N / (1 + 2 / nu)``, which adds 1 / (m - 1) to the estimator and is averaged over in the threshold.
"""

from collections.abc import Callable
from functools import cache
from math import erfc, exp, inf, log, sqrt

import cv2
import numpy as np
from numpy.typing import NDArray

from lookdown.flight.radar.clutter_map import ClutterMap
from lookdown.flight.radar.config import RadarParameters
from lookdown.kernels import cfar_ordered, cfar_power, thresholds

Image = NDArray[np.float32]
Real = NDArray[np.float64]

BORDER = cv2.BORDER_CONSTANT  # nothing beyond the map

POOLED_CELLS = 2048
"""Cells from which the order of the K distribution is estimated, at least."""

ORDERS = np.geomspace(0.1, 100, 61)
"""Orders for which thresholds are made; beyond the last cells are exponential."""

NODES = 240
"""Points of the integrals over textures and ring means."""

KNOWN_NUMBERS = 12
"""Numbers of ring cells for which the multiplier of K cells is computed."""

ALONE = (0.0, 0)
"""Frequency and beam of maps that are the only ones."""

PASSES = 2
"""How often the order is estimated; cells found the first time do not count the second."""


def gaussian_tail(sigma: float) -> float:
    """Probability of a Gaussian beyond ``sigma``."""
    return 0.5 * erfc(sigma / sqrt(2))


def gaussian_sigma(log_pfa: float) -> float:
    """Sigma beyond which a Gaussian lies with a probability, given by its natural logarithm (at most log 0.5)."""
    t = sqrt(max(-2 * log_pfa - log(2 * np.pi), 0.01))
    for _ in range(30):
        tail = gaussian_tail(t) if t < 30 else 0.0
        # Beyond 30 sigma the tail is its leading term to 1e-3.
        log_tail = log(tail) if tail > 0 else -t * t / 2 - log(t) - log(2 * np.pi) / 2
        slope = -exp(-t * t / 2 - log_tail) / sqrt(2 * np.pi) if tail > 0 else -t
        step = (log_pfa - log_tail) / slope
        t = max(t + step, 0.0)
        if abs(step) < 1e-9:
            break
    return t


@cache
def gamma_nodes(order: float) -> tuple[Real, Real]:
    """Points and weights for means over a gamma variable of mean 1, by the trapezoidal rule in its logarithm.

    With x = exp(y) the density times dx is smooth and falls off on both sides, where the rule converges geometrically.
    """
    spread = 1 / sqrt(order) if order > 1 else 1 / order
    low, high = min(14 * spread, 40 / max(order, 0.5) + 8 * spread), min(9 * spread, log(60 / order + 12))
    y = np.linspace(-low, high, NODES)
    density = order * y - order * np.exp(y)
    weight = np.exp(density - density.max())
    return np.exp(y), weight / weight.sum()


def k_pfa(multiplier: float, order: float, cells: float = inf) -> float:
    """Probability that a K-distributed cell exceeds its ring's mean of ``cells`` K cells times a multiplier."""
    texture, share = gamma_nodes(order)
    means, weight = (np.ones(1), np.ones(1))
    if cells < inf:
        means, weight = gamma_nodes(cells / (1 + 2 / order))
    tail = np.exp(-np.divide.outer(multiplier * means, texture))
    return float(weight @ tail @ share)


@cache
def k_multiplier(order: float, cells: int, pfa: float) -> float:
    """Multiplier of the mean of a ring of K-distributed cells for a false-alarm probability."""
    return thresholds.solve(lambda a: max(k_pfa(a, order, cells), 1e-300) if a else 1.0, pfa)


class Detector:
    """Tests maps of one shape.

    Parameters
    ----------
    parameters : RadarParameters
        Mode, window and guard.
    shape : tuple of int
        Doppler bins and range cells of the map.
    pfa : float
        Wanted false-alarm probability a cell.
    """

    def __init__(self, parameters: RadarParameters, shape: tuple[int, int], pfa: float) -> None:
        self._mode, self._shape, self._pfa = parameters.cfar, shape, pfa
        self._window, self._guard = parameters.window, parameters.guard
        self._hits = np.zeros(shape, np.uint8)
        given = (shape, self._window, self._guard)
        self._counts = np.maximum(thresholds.ring_counts(*given), 1)
        line = np.arange(shape[0])
        self._class = np.minimum(np.minimum(line, line[::-1]), len(self._counts) - 1)
        self._cells_mean = self._counts.mean(axis=1)
        self._orders = np.full(shape[0], inf)
        self._numbers, self._of_count = np.unique(self._counts, return_inverse=True)
        self._tables: dict[float, Real] = {}
        window, guard, cols = self._window, self._guard, shape[1]
        self._test: Callable[[Image], None]
        self._map: ClutterMap | None = None
        if self._mode == "ordered":
            tables = thresholds.ordered_tables(*given, pfa)
            scratch = np.zeros(cfar_ordered.ordered_scratch_size(cols, window), np.float32)
            self._test = lambda x: cfar_ordered.ordered_statistic(x, window, guard, *tables, scratch, self._hits)
            return
        if self._mode == "k":
            self._test = self._k_test
            return
        self._map = ClutterMap(parameters.map_intervals, pfa) if self._mode == "map" else None
        mode = "average" if self._map else self._mode  # until there is a map
        scratch = np.zeros(cfar_power.power_scratch_size(cols, window, guard), np.float32)
        factors = getattr(thresholds, f"{mode}_factors")(*given, pfa)
        name = {"average": "cell_average", "greatest": "greatest_of", "smallest": "smallest_of"}[mode]
        kernel = getattr(cfar_power, name)
        self._test = lambda x: kernel(x, window, guard, factors, scratch, self._hits)

    def __call__(self, power: Image, place: tuple[float, int] = ALONE) -> NDArray[np.uint8]:
        """Return 1 where a cell exceeds its threshold; overwritten by the next call.

        ``place``, frequency and beam, names the clutter map; until it is full, ``map`` tests as ``average`` does.
        """
        if self._map and self._map.knows(place):
            self._map.test(place, power, self._hits)
        else:
            self._test(power)
        return self._hits

    def remember(self, power: NDArray[np.float32], prf_hz: float) -> None:
        """Take an interval's power, shape (beams, dopplers, ranges), into the clutter maps, if there are any."""
        if self._map:
            for beam, image in enumerate(power):
                self._map.remember((prf_hz, beam), image)

    def log_pfa(
        self, power: Image, rows: NDArray[np.int64], cols: NDArray[np.int64], place: tuple[float, int] = ALONE
    ) -> Real:
        """Return the natural logarithm of the false-alarm probability of cells, against the mean of their rings.

        Cells that are hits themselves do not count in a ring, as long as half of it is left. With a clutter map it is
        against that.
        """
        if self._map and self._map.knows(place):
            return self._map.log_pfa(place, power[rows, cols].astype(np.float64), rows, cols)
        out = np.empty(rows.size)
        half, near = [side // 2 for side in self._window], [side // 2 for side in self._guard]
        for at, (row, col) in enumerate(zip(rows.tolist(), cols.tolist(), strict=True)):
            top, left = max(row - half[0], 0), max(col - half[1], 0)
            part = np.s_[top : row + half[0] + 1, left : col + half[1] + 1]
            free = np.ones(power[part].shape, bool)
            above, before = max(row - near[0] - top, 0), max(col - near[1] - left, 0)
            free[above : row + near[0] + 1 - top, before : col + near[1] + 1 - left] = False
            quiet = free & (self._hits[part] == 0)
            ring = power[part][quiet if 2 * quiet.sum() >= free.sum() and quiet.any() else free]
            q = float(power[row, col]) / max(float(ring.mean()), 1e-30) if ring.size else 0.0
            if self._mode == "k" and self._orders[row] < inf:
                out[at] = log(max(k_pfa(q, float(self._orders[row]), max(ring.size, 2)), 1e-300))
            else:
                out[at] = -ring.size * np.log1p(q / max(ring.size, 1))
        return out

    def _k_test(self, power: Image) -> None:
        rows, cols = self._shape
        finite = np.nan_to_num(power, nan=0.0, posinf=0.0)
        ring = cv2.boxFilter(finite, cv2.CV_64F, self._window[::-1], normalize=False, borderType=BORDER)
        ring = ring - cv2.boxFilter(finite, cv2.CV_64F, self._guard[::-1], normalize=False, borderType=BORDER)
        line = np.arange(rows)
        counts = self._counts[self._class]
        with np.errstate(divide="ignore", invalid="ignore"):
            q = np.where(ring > 0, finite * counts / ring, 0.0)
        # Doppler folds over, so the bins beside the first are the last.
        beside = max(-(-POOLED_CELLS // cols) // 2, 0)
        pools = np.add.outer(line, np.arange(-beside, beside + 1)) % rows
        counted = q
        for _ in range(PASSES):
            for row in range(rows):
                order = order_of(counted[pools[row]], float(self._cells_mean[self._class[row]]))
                self._orders[row] = order
                self._hits[row] = q[row] > self._multipliers(order)[self._of_count[self._class[row]]]
            counted = np.where(self._hits, 0.0, q)

    def _multipliers(self, order: float) -> Real:
        """Multiplier for each number of ring cells that occurs."""
        if order not in self._tables:
            numbers = self._numbers.astype(np.float64)
            if order == inf:
                factors = np.array([thresholds.average_multiplier(int(n), self._pfa) for n in numbers])
            else:
                # Nearly a line in 1 / n, so a few numbers tell the others.
                some = np.unique(np.geomspace(numbers[0], numbers[-1], KNOWN_NUMBERS).astype(int))[::-1]
                known = np.array([k_multiplier(order, int(n), self._pfa) for n in some])
                factors = np.interp(1 / numbers, 1 / some, known)
            self._tables[order] = factors
        return self._tables[order]


def order_of(q: Real, cells: float) -> float:
    """Order of the K distribution of cells over the mean of rings of ``cells`` cells, one of `ORDERS`; inf beyond."""
    q = q[q > 0]
    if q.size < 16:
        return inf
    logs = np.log(q)
    found = float((q * logs).mean() / q.mean() - logs.mean()) - 1
    m = cells / (1 + 2 / ORDERS)
    wanted = 1 / ORDERS + 1 / np.maximum(m - 1, 0.1)
    if found <= wanted[-1]:
        return inf
    return float(ORDERS[int(np.argmin(np.abs(np.log(wanted / found))))])


def offset_of(before: float, peak: float, after: float) -> float:
    """Place of a maximum between three cells, by a parabola through their logarithms, within half a cell."""
    a, b, c = (np.log(max(value, 1e-30)) for value in (before, peak, after))
    bend = a - 2 * b + c
    return float(np.clip((a - c) / (2 * bend), -0.5, 0.5)) if bend < 0 else 0.0
