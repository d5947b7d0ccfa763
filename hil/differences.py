"""Two sets of plot reports, or of track updates, held against each other: plot by plot and field by field.

Integers must be equal. Floats may differ by a share of themselves, places by a part of a pixel: that much a compiler or
a processor may round differently. Plots are paired by place, so that two that changed their order are none the less
the same two.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from lookdown.wire.messages import PlotReport
from lookdown.wire.packet import decode

_PAIR_PX = 1.0
"""Plots farther apart than this are two plots."""

_SHARES = ("snr", "amplitude", "sigma_x", "sigma_y")
_SMALL = 1e-3
"""Correlations and the like are held against 1 in the place of themselves; a thousandth of it is nothing."""


@dataclass(frozen=True)
class Tolerance:
    """How far two builds may be apart: by default a step of what a packet rounds to.

    Attributes
    ----------
    share : float
        Of SNR, amplitude and sigmas, relative to themselves [1].
    position_px : float
        Of places [px].
    pixels : int
        Of the number of pixels of a plot: more than 0 between processors, where a pixel at the threshold may count here
        and not there.
    """

    share: float = 0.03
    position_px: float = 0.02
    pixels: int = 0


@dataclass
class Differences:
    """What differs between two sets of reports.

    Attributes
    ----------
    equal, within, beyond : int
        Reports that are equal to the octet, differ within the tolerance, differ by more.
    only_before, only_now : list of (int, int)
        Satellite and frame of which only one side has a report.
    plots_only_before, plots_only_now : int
        Plots without a counterpart.
    largest : dict of str to float
        Largest difference of each field: of places in pixels, of others as a share.
    lines : list of str
        What differs beyond the tolerance, a line each.
    """

    equal: int = 0
    within: int = 0
    beyond: int = 0
    only_before: list[tuple[int, int]] = field(default_factory=list)
    only_now: list[tuple[int, int]] = field(default_factory=list)
    plots_only_before: int = 0
    plots_only_now: int = 0
    largest: dict[str, float] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing differs beyond the tolerance."""
        return not (self.beyond or self.only_before or self.only_now)

    def note(self, name: str, value: float) -> None:
        """Keep the largest difference of a field."""
        self.largest[name] = max(self.largest.get(name, 0.0), value)


def compare_reports(
    before: Mapping[tuple[int, int], bytes], now: Mapping[tuple[int, int], bytes], tolerance: Tolerance | None = None
) -> Differences:
    """Hold report packets against each other.

    Parameters
    ----------
    before, now : mapping of (int, int) to bytes
        Packets by satellite and frame.
    tolerance : Tolerance or None
        How far they may be apart; None for the default.
    """
    tolerance = tolerance or Tolerance()
    found = Differences(only_before=sorted(before.keys() - now.keys()), only_now=sorted(now.keys() - before.keys()))
    for keys, what in ((found.only_before, "the earlier run"), (found.only_now, "this one")):
        found.lines += [f"satellite {i} frame {k}: only {what} has a report" for i, k in keys]
    for key in sorted(before.keys() & now.keys()):
        if before[key] == now[key]:
            found.equal += 1
            continue
        a, b = decode(before[key]), decode(now[key])
        assert isinstance(a, PlotReport)
        assert isinstance(b, PlotReport)
        lines = _compare(a, b, tolerance, found)
        found.within += not lines
        found.beyond += bool(lines)
        found.lines += [f"satellite {key[0]} frame {key[1]}: {line}" for line in lines]
    return found


def _compare(a: PlotReport, b: PlotReport, tolerance: Tolerance, found: Differences) -> list[str]:
    lines = []
    for name in ("time_ns", "flags", "n_left_out"):
        if getattr(a, name) != getattr(b, name):
            lines.append(f"{name} was {getattr(a, name)}, is {getattr(b, name)}")
    for name in ("position_m", "velocity_m_s", "attitude"):
        if not np.array_equal(getattr(a.state, name), getattr(b.state, name)):
            lines.append(f"the sensor's {name} is another")
    ifov = a.state.ifov_rad
    pairs, lone_a, lone_b = _pair(a.sights, b.sights, ifov)
    found.plots_only_before += len(lone_a)
    found.plots_only_now += len(lone_b)
    lines += [f"plot at {_at(a.sights[i])} with SNR {a.sights['snr'][i]:.2f} is gone" for i in lone_a]
    lines += [f"plot at {_at(b.sights[j])} with SNR {b.sights['snr'][j]:.2f} is new" for j in lone_b]
    for i, j in pairs:
        p, q = a.sights[i], b.sights[j]
        moved = float(np.hypot(p["x"] - q["x"], p["y"] - q["y"])) / ifov
        found.note("place [px]", moved)
        if moved > tolerance.position_px:
            lines.append(f"plot at {_at(p)} moved by {moved:.3g} px")
        for name in (*_SHARES, "correlation"):
            scale = max(abs(float(p[name])), _SMALL if name in _SHARES else 1.0)
            apart = abs(float(p[name]) - float(q[name])) / scale
            found.note(name, apart)
            if apart > tolerance.share:
                lines.append(f"plot at {_at(p)}: {name} was {p[name]:.6g}, is {q[name]:.6g}")
        bounds = (("n_pixels", tolerance.pixels), ("flags", 0))
        lines += [
            f"plot at {_at(p)}: {name} was {p[name]}, is {q[name]}"
            for name, bound in bounds
            if abs(int(p[name]) - int(q[name])) > bound
        ]
    return lines


def _pair(a: NDArray[np.void], b: NDArray[np.void], ifov: float) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Pair plots one to one by least distance; what is farther than `_PAIR_PX` stays alone."""
    if not (len(a) and len(b)):
        return [], list(range(len(a))), list(range(len(b)))
    apart = np.hypot(a["x"][:, None] - b["x"], a["y"][:, None] - b["y"]) / ifov
    rows, cols = linear_sum_assignment(np.minimum(apart, 2 * _PAIR_PX))
    pairs = [(int(i), int(j)) for i, j in zip(rows, cols, strict=True) if apart[i, j] <= _PAIR_PX]
    lone_a = sorted(set(range(len(a))) - {i for i, _ in pairs})
    lone_b = sorted(set(range(len(b))) - {j for _, j in pairs})
    return pairs, lone_a, lone_b


def _at(sight: np.void) -> str:
    return f"({sight['x']:+.5f}, {sight['y']:+.5f})"


def compare_updates(before: NDArray[np.void], now: NDArray[np.void], metres: float = 1e-3) -> list[str]:
    """Hold track updates against each other, each at its time.

    Parameters
    ----------
    before, now : ndarray of `lookdown.ground.tracks.UPDATE_DTYPE`
        Updates.
    metres : float
        How far a place may be off [m].

    Returns
    -------
    list of str
        What differs, a line each.
    """
    lines = []
    if len(before) != len(now):
        lines.append(f"{len(before)} updates of tracks before, {len(now)} now")
    identity = [
        Counter(zip(side["time_ns"].tolist(), side["track_id"].tolist(), strict=True)) for side in (before, now)
    ]
    if identity[0] != identity[1]:
        apart = (identity[0] - identity[1]) + (identity[1] - identity[0])
        lines.append(f"{apart.total()} updates of tracks have no counterpart of the same time and track")
        return lines
    one, other = (side[np.lexsort((side["sensor_id"], side["track_id"], side["time_ns"]))] for side in (before, now))
    moved = np.linalg.norm(one["position_m"] - other["position_m"], axis=1)
    if len(moved) and moved.max() > metres:
        worst = int(moved.argmax())
        lines.append(
            f"track {one['track_id'][worst]} moved by up to {moved.max():.3g} m in {(moved > metres).sum()} updates"
        )
    for name in ("status", "hits", "misses"):
        if count := int((one[name] != other[name]).sum()):
            lines.append(f"{name} of {count} updates is another")
    return lines
