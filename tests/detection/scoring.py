"""Counting what a detector finds in recordings of known truth, and reading its curve.

A target is hit by a plot within 3 px of its centre. Further plots on the target (inside its box grown by 2 px, or
within 6 px of a point) count neither way, all others are false. Pd is hit targets by targets, Pfa false plots by pixels
of all frames; one threshold serves all recordings.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

HIT_PX = 3.0
RATES = (1e-6, 1e-5, 1e-4)
"""Pfa at which detectors are compared: false plots per pixel and frame."""

KEPT_RATE = 1e-3
"""False plots a pixel that are kept of a recording, the strongest."""

Plots = np.ndarray
"""Rows of row, col [px] and score, shape (n, 3)."""


@dataclass(frozen=True)
class Target:
    """One target in one frame: centre [px], and the half-height and half-width about it in which plots belong to it."""

    row: float
    col: float
    half_rows: float
    half_cols: float
    kind: float = 0.0  # such as its SNR


@dataclass(frozen=True)
class Count:
    """What a detector gave on one recording.

    Attributes
    ----------
    name : str
        The recording.
    best : ndarray of float, shape (targets,)
        Score of the strongest plot that hits each target; -inf where none does.
    kind : ndarray of float, shape (targets,)
        What kind of target each is.
    false : ndarray of float, shape (n,)
        Scores of the false plots, strongest first; at most KEPT_RATE of them a pixel.
    pixels : int
        Pixels of all frames.
    """

    name: str
    best: np.ndarray
    kind: np.ndarray
    false: np.ndarray
    pixels: int


def count(name: str, n_pixels: int, frames: Iterable[tuple[Plots, Sequence[Target]]]) -> Count:
    """Count the plots of a recording, frame by frame beside its truth."""
    best: list[float] = []
    kind: list[float] = []
    false: list[np.ndarray] = []
    n_frames = 0
    for plots, targets in frames:
        n_frames += 1
        on_target = np.zeros(len(plots), bool)
        for target in targets:
            down, across = np.abs(plots[:, 0] - target.row), np.abs(plots[:, 1] - target.col)
            hits = np.hypot(down, across) <= HIT_PX
            on_target |= hits | ((down <= target.half_rows) & (across <= target.half_cols))
            best.append(float(plots[hits, 2].max(initial=-np.inf)))
            kind.append(target.kind)
        false.append(plots[~on_target, 2])
    pixels = n_frames * n_pixels
    strongest = np.sort(np.concatenate([*false, np.zeros(0)]))[::-1][: int(KEPT_RATE * pixels)]
    return Count(name, np.array(best), np.array(kind), strongest, pixels)


def threshold_at(counts: Sequence[Count], pfa: float) -> float:
    """Score that as many false plots exceed as a rate allows; -inf where the list of plots ends above the rate."""
    false = np.concatenate([part.false for part in counts])
    allowed = int(pfa * sum(part.pixels for part in counts))
    return -float(np.partition(-false, allowed)[allowed]) if allowed < len(false) else -np.inf


def pd_at(counts: Sequence[Count], threshold: float, kind: float | None = None) -> float:
    """Part of the targets (of one kind) that were hit above a threshold."""
    best = np.concatenate([part.best if kind is None else part.best[part.kind == kind] for part in counts])
    return float((best > threshold).mean()) if best.size else np.nan


def pfa_at(counts: Sequence[Count], threshold: float) -> float:
    """False plots per pixel and frame above a threshold."""
    return sum(int((part.false > threshold).sum()) for part in counts) / sum(part.pixels for part in counts)


def transfer(counts: Sequence[Count], pfa: float) -> np.ndarray:
    """Pfa on one half of the recordings over that wanted, the threshold set on the other; of all ways to halve."""
    most = int(10 * pfa * sum(part.pixels for part in counts))
    counts = [replace(part, false=part.false[:most]) for part in counts]
    n = len(counts)
    ratios = []
    for half in combinations(range(n), n // 2):
        here = [counts[i] for i in half]
        there = [counts[i] for i in range(n) if i not in half]
        for a, b in ((here, there), (there, here)):
            ratios.append(pfa_at(b, threshold_at(a, pfa)) / pfa)
    return np.array(ratios)
