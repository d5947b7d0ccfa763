"""A tree of hypotheses beside one-to-one and joint association: would it gain GOSPA on the dense case?

usage: python -m tests.fusion.tree SEEDS [SCANS ...]

Track-oriented multiple hypotheses (Kurien 1990; Blackman, Popoli 1999, 16): every plot starts a tree, every leaf grows
by each plot of its gate and by a miss. Of all leaves those are told whose sum of scores is greatest while no plot of
the last N scans serves two (an integer programme); what contradicts them N scans back is cut off. Motion, gate, rules
of confirmation and deletion are those of `trackers`. An experiment: what it gave, and that `ground.branches` has all of
it, stands in docs/decisions.md.
"""

import sys
import time
from dataclasses import dataclass, fields

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array
from scipy.special import chdtri

from lookdown.hil.measures import gospa
from tests.fusion.compare import CUTOFF_M, N_SCANS
from tests.fusion.scans import DENSE, PROCESS_NOISE_M2_S3, SCAN_S, SIGMA_M, SPEED_SIGMA_M_S, Case, draw
from tests.fusion.trackers import CONFIRM_HITS, CONFIRM_SCORE, DROP_MISSES, DROP_TENTATIVE_MISSES, GATE, Ours

START = -6.0  # logarithm of new targets over false plots: some twenty in a run against 12,000
MOST_LEAVES, WORST = 40, 12.0  # of a tree: leaves kept, and by how much they may be worse than its best


@dataclass
class Leaves:
    """Hypotheses, one row each; ``history`` holds the plots of the last scans, newest first, -1 for none."""

    tree: np.ndarray
    state: np.ndarray
    covariance: np.ndarray
    score: np.ndarray
    hits: np.ndarray
    silent: np.ndarray
    history: np.ndarray

    def take(self, rows: np.ndarray) -> "Leaves":
        """Some of them."""
        return Leaves(*(getattr(self, field.name)[rows] for field in fields(self)))

    def join(self, other: "Leaves") -> "Leaves":
        """Both."""
        return Leaves(*(np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)))


class Trees:
    """The tracker, a scan at a time; decisions wait for ``depth`` scans."""

    def __init__(self, case: Case, depth: int) -> None:
        self.depth, self.gate = depth, float(chdtri(3, 1.0 - GATE))
        self.base = np.log(case.detection / case.false_density) - 1.5 * np.log(2.0 * np.pi)
        self.missed = np.log1p(-case.detection)
        self.leaves, self.live, self.told, self.scan, self.next_plot, self.next_tree = None, set(), [], 0, 0, 0
        self.ahead = np.kron([[1.0, SCAN_S], [0.0, 1.0]], np.eye(3))
        noise = np.array([[SCAN_S**3 / 3, SCAN_S**2 / 2], [SCAN_S**2 / 2, SCAN_S]])
        self.noise = np.kron(noise * PROCESS_NOISE_M2_S3, np.eye(3))

    def step(self, plots: np.ndarray) -> None:
        """Fuse a scan."""
        names = self.next_plot + np.arange(len(plots))
        self.next_plot += len(plots)
        new = self._started(plots, names)
        leaves = new if self.leaves is None else self._grown(plots, names).join(new)
        most = np.where(np.isin(leaves.tree, list(self.live)), DROP_MISSES, DROP_TENTATIVE_MISSES)
        leaves = leaves.take(leaves.silent < most)
        leaves = _best_of_trees(leaves)
        chosen = _most_likely(leaves)
        self.live |= set(
            leaves.tree[chosen][
                (leaves.hits[chosen] >= CONFIRM_HITS)
                & (leaves.score[chosen] >= CONFIRM_SCORE)
                & (leaves.silent[chosen] == 0)
            ].tolist()
        )
        shown = chosen[np.isin(leaves.tree[chosen], list(self.live))]
        self.told = leaves.state[shown]
        self.leaves = self._cut(leaves, chosen)
        self.live &= set(self.leaves.tree.tolist())

    def _started(self, plots: np.ndarray, names: np.ndarray) -> Leaves:
        n = len(plots)
        covariance = np.tile(np.diag([SIGMA_M**2] * 3 + [SPEED_SIGMA_M_S**2] * 3), (n, 1, 1))
        history = np.full((n, self.depth), -1)
        history[:, 0] = names
        tree = self.next_tree + np.arange(n)
        self.next_tree += n
        state = np.concatenate([plots, np.zeros((n, 3))], axis=1)
        return Leaves(tree, state, covariance, np.zeros(n), np.ones(n, int), np.zeros(n, int), history)

    def _grown(self, plots: np.ndarray, names: np.ndarray) -> Leaves:
        old = self.leaves
        state = old.state @ self.ahead.T
        covariance = self.ahead @ old.covariance @ self.ahead.T + self.noise
        spread = covariance[:, :3, :3] + SIGMA_M**2 * np.eye(3)
        away = plots[None] - state[:, None, :3]
        inverse = np.linalg.inv(spread)
        distance2 = np.einsum("nki,nij,nkj->nk", away, inverse, away)
        leaf, plot = np.nonzero(distance2 < self.gate)
        gain = covariance[leaf][:, :, :3] @ inverse[leaf]
        ratio = self.base - 0.5 * (distance2[leaf, plot] + np.linalg.slogdet(spread)[1][leaf])
        shifted = np.roll(old.history, 1, axis=1)
        shifted[:, 0] = -1
        history = shifted[leaf]
        history[:, 0] = names[plot]
        fed = Leaves(
            old.tree[leaf],
            state[leaf] + np.einsum("nij,nj->ni", gain, away[leaf, plot]),
            covariance[leaf] - gain @ covariance[leaf][:, :3],
            old.score[leaf] + ratio,
            old.hits[leaf] + 1,
            np.zeros(len(leaf), int),
            history,
        )
        without = Leaves(old.tree, state, covariance, old.score + self.missed, old.hits, old.silent + 1, shifted)
        return without.join(fed)

    def _cut(self, leaves: Leaves, chosen: np.ndarray) -> Leaves:
        """Cut off what contradicts the chosen leaves ``depth`` scans back."""
        oldest = leaves.history[:, -1]
        decided = dict(zip(leaves.tree[chosen].tolist(), oldest[chosen].tolist(), strict=True))
        trees, plots = leaves.tree.tolist(), oldest.tolist()
        wanted = np.array([decided.get(tree, plot) for tree, plot in zip(trees, plots, strict=True)])
        used = np.array([plot for plot in decided.values() if plot >= 0])
        own = np.array([tree in decided for tree in trees], bool)
        return leaves.take((wanted == oldest) & (own | ~np.isin(oldest, used)))


def _best_of_trees(leaves: Leaves) -> Leaves:
    """Leave out what is much worse than the best leaf of its tree, and more than so many of a tree."""
    order = np.lexsort((-leaves.score, leaves.tree))
    tree, score = leaves.tree[order], leaves.score[order]
    first = np.searchsorted(tree, tree, side="left")
    good = (np.arange(len(tree)) - first < MOST_LEAVES) & (score > score[first] - WORST)
    return leaves.take(order[good])


def _most_likely(leaves: Leaves) -> np.ndarray:
    """Leaves of the greatest sum of scores, one a tree at most and each plot at most once."""
    worth = leaves.score + START
    rows = np.flatnonzero(worth > 0.0)
    if not rows.size:
        return rows
    _, tree = np.unique(leaves.tree[rows], return_inverse=True)
    leaf, scan = np.nonzero(leaves.history[rows] >= 0)
    plots, plot = np.unique(leaves.history[rows][leaf, scan], return_inverse=True)
    place = np.concatenate([tree, tree.max() + 1 + plot]), np.concatenate([np.arange(len(rows)), leaf])
    matrix = csr_array((np.ones(len(place[0])), place), shape=(tree.max() + 1 + len(plots), len(rows)))
    found = milp(
        -worth[rows], integrality=np.ones(len(rows)), bounds=Bounds(0, 1), constraints=LinearConstraint(matrix, ub=1.0)
    )
    return rows[found.x > 0.5]


def course(tracker, truth: np.ndarray, scans: list[np.ndarray]) -> tuple[float, float, float, float]:
    """Mean GOSPA [m], targets missed and false tracks a scan, and CPU time a scan [ms]."""
    found, cost = [], 0.0
    for place, plots in zip(truth, scans, strict=True):
        start = time.process_time()
        tracker.step(plots)
        cost += time.process_time() - start
        states = tracker.told if isinstance(tracker, Trees) else tracker.tracks()[1]
        told = np.asarray(states).reshape(-1, 6)
        one = gospa(place[:, :3], told[:, :3], CUTOFF_M)
        found.append((one.total_m, one.missed, one.false))
    return *np.mean(found, axis=0).tolist(), cost / len(scans) * 1e3


def main(seeds: int, depths: list[int]) -> None:
    """Print means over seeds, and paired differences from joint association with their 95 % intervals."""
    makers = {"GNN": lambda: Ours(DENSE), "JPDA": lambda: Ours(DENSE, joint=True)}
    makers["GNN, branches"] = lambda: Ours(DENSE, branches=4)
    makers["JPDA, branches"] = lambda: Ours(DENSE, joint=True, branches=4)
    makers |= {f"tree of {depth}": lambda depth=depth: Trees(DENSE, depth) for depth in depths}
    rows = {name: [] for name in makers}
    for seed in range(seeds):
        truth, scans = draw(DENSE, N_SCANS, seed)
        for name, make in makers.items():
            rows[name].append(course(make(), truth, scans))
        print(seed, {name: round(row[-1][0], 1) for name, row in rows.items()}, flush=True)
    joint = np.array(rows["JPDA"])[:, 0]
    for name, row in rows.items():
        found = np.array(row)
        more = found[:, 0] - joint
        half = 1.96 * more.std(ddof=1) / np.sqrt(len(more)) if len(more) > 1 else np.nan
        gospa_m, missed, false, ms = found.mean(axis=0)
        share, wide = 100.0 * more.mean() / joint.mean(), 100.0 * half / joint.mean()
        print(
            f"{name:12s} GOSPA {gospa_m:.1f} m ({share:+.2f} +- {wide:.2f} %), missed {missed:.2f}, "
            f"false {false:.3f}, {ms:.1f} ms a scan"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]), [int(depth) for depth in sys.argv[2:]] or [3])
