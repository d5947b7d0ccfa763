"""The plain NumPy twins of the CFAR kernels on square-law cells, and what tests of them share."""

import numpy as np
from numpy.typing import NDArray

from lookdown.kernels import cfar_ordered, cfar_power, thresholds

Array = NDArray[np.float64]
Sides = tuple[int, int]
MODES = ("average", "greatest", "smallest", "ordered")
POWER = {
    "average": (cfar_power.cell_average, thresholds.average_factors),
    "greatest": (cfar_power.greatest_of, thresholds.greatest_factors),
    "smallest": (cfar_power.smallest_of, thresholds.smallest_factors),
}


def spread(table: NDArray[np.generic], rows: int) -> NDArray[np.generic]:
    """A table by distance to the nearer of upper and lower border, for each row of the image."""
    line = np.arange(rows)
    return np.take(table, np.minimum(np.minimum(line, line[::-1]), table.shape[-2] - 1), axis=-2)


def ring_offsets(window: Sides, guard: Sides) -> list[tuple[int, int]]:
    return [
        (i, j)
        for i in range(-(window[0] // 2), window[0] // 2 + 1)
        for j in range(-(window[1] // 2), window[1] // 2 + 1)
        if abs(i) > guard[0] // 2 or abs(j) > guard[1] // 2
    ]


def summed(x: Array, offsets: list[tuple[int, int]]) -> Array:
    """Sum in float64 over the cells at these offsets, in their order; nothing outside the image."""
    (rows, cols), reach = x.shape, 128
    padded = np.pad(x.astype(np.float64), reach)
    total = np.zeros(x.shape)
    for i, j in offsets:
        total += padded[reach + i : reach + i + rows, reach + j : reach + j + cols]
    return total


def power_hits(mode: str, x: Array, window: Sides, guard: Sides, factors: NDArray[np.float32]) -> NDArray[np.bool_]:
    factors = spread(factors, x.shape[0]).astype(np.float64)
    with np.errstate(invalid="ignore"):
        if mode == "average":
            return x > factors * summed(x, ring_offsets(window, guard))
        beside = ring_offsets(window, (window[0], guard[1]))
        halves = [[at for at in beside if side * at[1] > 0] for side in (-1, 1)]
        before, after = (x > f * summed(x, half) for f, half in zip(factors, halves, strict=True))
    return before & after if mode == "greatest" else before | after


def ordered_hits(
    x: Array, window: Sides, guard: Sides, multipliers: NDArray[np.float32], ranks: NDArray[np.int32]
) -> NDArray[np.bool_]:
    rows, cols = x.shape
    multipliers, ranks = spread(multipliers, rows), spread(ranks, rows)
    out = np.zeros(x.shape, bool)
    offsets = np.array(ring_offsets(window, guard))
    for at in np.ndindex(rows, cols):
        cells = offsets + at
        cells = cells[((cells >= 0) & (cells < (rows, cols))).all(1)]
        k = ranks[at]
        if 1 <= k <= len(cells):
            ring = x[cells[:, 0], cells[:, 1]]
            with np.errstate(invalid="ignore", over="ignore"):
                out[at] = x[at] > multipliers[at] * np.partition(ring, k - 1)[k - 1]
    return out


class Detector:
    """One of the kernels with the tables for one geometry and its own buffers."""

    def __init__(self, mode: str, shape: Sides, window: Sides, guard: Sides, pfa: float) -> None:
        self.mode, self.window, self.guard = mode, window, guard
        self.hits = np.full(shape, 7, np.uint8)
        if mode == "ordered":
            self.kernel = cfar_ordered.ordered_statistic
            self.tables = thresholds.ordered_tables(shape, window, guard, pfa)
            size = cfar_ordered.ordered_scratch_size(shape[1], window)
        else:
            self.kernel, table = POWER[mode]
            self.tables = (table(shape, window, guard, pfa),)
            size = cfar_power.power_scratch_size(shape[1], window, guard)
        self.scratch = np.full(size, np.nan, np.float32)

    def __call__(self, x: NDArray[np.float32]) -> NDArray[np.uint8]:
        self.kernel(x, self.window, self.guard, *self.tables, self.scratch, self.hits)
        return self.hits

    def twin(self, x: NDArray[np.float32]) -> NDArray[np.bool_]:
        if self.mode == "ordered":
            return ordered_hits(x, self.window, self.guard, *self.tables)
        return power_hits(self.mode, x, self.window, self.guard, *self.tables)
