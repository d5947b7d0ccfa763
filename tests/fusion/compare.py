"""A tracker's run over scans, and what it is worth: GOSPA and SIAP by seed, paired differences with intervals."""

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import stdtrit

from lookdown.hil.measures import gospa, segments, siap
from tests.fusion.scans import SCAN_S, Case, draw
from tests.fusion.trackers import Ours, Peer

N_SCANS, CUTOFF_M = 60, 500.0
ASSIGN_M = 250.0  # a track counts for SIAP as one of the nearest target within five sigma of a plot
PEERS = Path(__file__).resolve().parents[2] / "build" / "fusion-peer"
HIGHER_IS_BETTER = ("completeness", "longest_segment")
SHARES = ("completeness", "spuriousness", "longest_segment", "changes_per_s")
"""Attributes whose differences are told as they are; those of all others relative to the peer's mean."""


@dataclass(frozen=True)
class Course:
    """Confirmed tracks of a run.

    Attributes
    ----------
    count : ndarray of int64, shape (scans,)
        Tracks of each scan.
    number : ndarray of int64, shape (sum of count,)
        Identities, scan after scan.
    state : ndarray of float64, shape (sum of count, 6)
        Positions [m], then velocities [m/s].
    cpu_ms : ndarray of float64, shape (scans,)
        CPU time of each scan.
    """

    count: np.ndarray
    number: np.ndarray
    state: np.ndarray
    cpu_ms: np.ndarray

    @classmethod
    def of(cls, tracker: Ours | Peer, scans: list[np.ndarray]) -> "Course":
        """Run a tracker over scans."""
        numbers, states, cpu_ms = [], [], []
        for plots in scans:
            start = time.process_time()
            if isinstance(tracker, Ours):
                tracker.step(plots)
            else:
                tracker.step()
            cpu_ms.append((time.process_time() - start) * 1e3)
            number, state = tracker.tracks()
            numbers.append(number)
            states.append(state)
        count = np.array([len(number) for number in numbers])
        return cls(count, np.concatenate(numbers), np.concatenate(states), np.array(cpu_ms))

    def scores(self, truth: np.ndarray) -> dict[str, float]:
        """Mean GOSPA [m] and the attributes of SIAP against true states [scans, targets, 6]."""
        ends = np.cumsum(self.count)
        total, names = 0.0, np.unique(self.number)
        track = np.full((len(names), len(truth), 6), np.nan)
        of = np.full((len(names), len(truth)), -1, np.int64)
        for scan, (place, end, count) in enumerate(zip(truth, ends, self.count, strict=True)):
            state, row = self.state[end - count : end], np.searchsorted(names, self.number[end - count : end])
            total += gospa(place[:, :3], state[:, :3], CUTOFF_M).total_m
            track[row, scan] = state
            if count:
                apart = np.linalg.norm(state[:, None, :3] - place[None, :, :3], axis=2)
                of[row, scan] = np.where(apart.min(axis=1) <= ASSIGN_M, apart.argmin(axis=1), -1)
        runs = segments(of)[:, [1, 0, 2, 3]]
        picture = siap(SCAN_S * np.arange(len(truth)), truth.transpose(1, 0, 2), track, runs)
        return {"gospa_m": total / len(truth), **{name: getattr(picture, name) for name in picture.__slots__}}


def peer_course(name: str, case: Case, seed: int, joint: bool) -> Course:
    """Stone Soup's run, from the disk if it was made before with the same code of scans and trackers."""
    sources = [(Path(__file__).parent / file).read_bytes() for file in ("scans.py", "trackers.py")]
    key = hashlib.sha256(b"".join(sources)).hexdigest()[:12]
    path = PEERS / key / f"{name}-{'jpda' if joint else 'gnn'}-{seed}.npz"
    if path.is_file():
        with np.load(path) as kept:
            return Course(*(kept[field] for field in ("count", "number", "state", "cpu_ms")))
    _, scans = draw(case, N_SCANS, seed)
    course = Course.of(Peer(case, scans, joint), scans)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **vars(course))
    return course


def differences(ours: list[dict[str, float]], peer: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Means of both by score, and the paired difference, above 0 where ours is worse, with its upper 95 % bound."""
    found = {}
    for name in ours[0]:
        mine, theirs = (np.array([score[name] for score in scores]) for scores in (ours, peer))
        worse = (theirs - mine) if name in HIGHER_IS_BETTER else (mine - theirs)
        if name == "ambiguity":  # one track a target is best
            worse = np.abs(mine - 1.0) - np.abs(theirs - 1.0)
        n, scale = len(worse), 1.0 if name in SHARES else theirs.mean()
        half = stdtrit(n - 1, 0.975) * worse.std(ddof=1) / np.sqrt(n)
        found[name] = {
            "ours": float(mine.mean()),
            "peer": float(theirs.mean()),
            "worse": float(worse.mean() / scale),
            "upper": float((worse.mean() + half) / scale),
        }
    return found
