"""Latency of frames in high-dynamic-range histograms: every value to three digits, whatever the tail.

Counted from the instant at which a frame was due, not from when it was sent, so that a station or a board that stalls
is not flattered (coordinated omission, Tene 2013). Histograms of several runs can be added: their encoded form stands
in ``report.json``.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

_LEAST_US, _MOST_US, _DIGITS = 1, 3_600_000_000, 3
PERCENTILES = (("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p999", 99.9))


class Latency:
    """A histogram of latencies.

    Parameters
    ----------
    values_ns : iterable of int
        Latencies; less than nothing, by a clock that was set, counts as nothing [ns].
    """

    def __init__(self, values_ns: Iterable[int] = ()) -> None:
        self._histogram = HdrHistogram(_LEAST_US, _MOST_US, _DIGITS)
        for value in values_ns:
            self._histogram.record_value(min(max(round(value / 1000), _LEAST_US), _MOST_US))

    @property
    def count(self) -> int:
        """Values recorded."""
        return int(self._histogram.get_total_count())

    def at(self, percentile: float) -> float | None:
        """Return the latency that a share of all values does not exceed, in per cent; None if there is none [ms]."""
        return self._histogram.get_value_at_percentile(percentile) / 1000.0 if self.count else None

    def as_json(self) -> dict[str, Any]:
        """Return percentiles, count and the encoded histogram, which any HdrHistogram reads (unit: microseconds)."""
        found: dict[str, Any] = {name: self.at(percentile) for name, percentile in PERCENTILES}
        found["max"] = self._histogram.get_max_value() / 1000.0 if self.count else None
        return {**found, "count": self.count, "histogram_us": self._histogram.encode().decode()}

    def curve(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (1 / (1 - share), latency [ms]) for a plot by percentile; empty without values."""
        if not self.count:
            return np.zeros(0), np.zeros(0)
        odds = np.geomspace(1.0, max(self.count, 2), 200)
        shares = 100.0 * (1.0 - 1.0 / odds)
        return odds, np.array([self.at(float(share)) or 0.0 for share in shares])
