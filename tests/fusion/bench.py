"""CPU time and GOSPA of our tracker beside Stone Soup's, scan by scan on the same data.

usage: python -m tests.fusion.bench OUT.json PAGE.md
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import stdtrit

from lookdown.hil.measures import gospa
from tests.fusion.scans import DENSE, SPARSE, Case, draw
from tests.fusion.trackers import Ours, Peer

SCANS, SEEDS, CUTOFF_M = 60, 20, 500.0
SETTLED = 6  # scans after which tracks are confirmed


def race(case: Case, n_scans: int, seed: int) -> dict[str, np.ndarray]:
    """Both trackers in turns: CPU time [ms] and GOSPA [m] of each scan."""
    truth, scans = draw(case, n_scans, seed)
    ours, peer = Ours(case), Peer(scans)
    rows = []
    for place, plots in zip(truth, scans, strict=True):
        start = time.process_time()
        ours.step(plots)
        between = time.process_time()
        peer.step()
        end = time.process_time()
        errors = [gospa(place, tracker.places(), CUTOFF_M)[0] for tracker in (ours, peer)]
        rows.append(((between - start) * 1e3, (end - between) * 1e3, *errors))
    return dict(zip(("ours_ms", "peer_ms", "ours_gospa", "peer_gospa"), np.array(rows).T, strict=True))


def alone(n_targets: int, n_scans: int) -> dict[str, float]:
    """Our tracker alone: median CPU time of a scan [ms], tracks at the end."""
    case = Case(n_targets)
    _, scans = draw(case, n_scans, 1)
    ours, times = Ours(case), []
    for plots in scans:
        start = time.process_time()
        ours.step(plots)
        times.append((time.process_time() - start) * 1e3)
    return {"targets": n_targets, "ms": float(np.median(times[SETTLED:])), "tracks": len(ours.places())}


def speed(race_: dict[str, np.ndarray], n_targets: int) -> dict[str, float]:
    """Median CPU time of scans of both, and their ratio."""
    ours, peer = (float(np.median(race_[name])) for name in ("ours_ms", "peer_ms"))
    return {"targets": n_targets, "ours_ms": ours, "peer_ms": peer, "times_faster": peer / ours}


def accuracy(races: list[dict[str, np.ndarray]]) -> dict[str, float]:
    """Mean GOSPA of both over all scans, and the upper 95 % bound of the paired difference over the peer's mean."""
    ours, peer = (np.array([race_[name].mean() for race_ in races]) for name in ("ours_gospa", "peer_gospa"))
    difference, n = ours - peer, len(races)
    half = stdtrit(n - 1, 0.975) * difference.std(ddof=1) / np.sqrt(n)
    return {
        "seeds": n,
        "ours_m": float(ours.mean()),
        "peer_m": float(peer.mean()),
        "difference": float(difference.mean() / peer.mean()),
        "upper": float((difference.mean() + half) / peer.mean()),
    }


def page(found: dict[str, Any]) -> str:
    """Figures as a page."""
    lines = [
        "# Fusion beside Stone Soup",
        "",
        "Written by `make bench-fusion`; not to be edited. The same plots, motion model, gate (0.999), confirmation",
        "(three plots) and deletion (five scans without, tentative two) in both. Stone Soup: k-d tree and global",
        "nearest neighbour by assignment. CPU time of one process, both in turns on each scan, medians.",
        "",
        "| targets | lookdown, ms a scan | Stone Soup, ms a scan | times faster |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {s['targets']} | {s['ours_ms']:.2f} | {s['peer_ms']:.0f} | {s['times_faster']:.0f} |"
        for s in found["speed"]
    ]
    lines += ["", "| targets | lookdown alone, ms a scan | us a target | tracks |", "|---|---|---|---|"]
    lines += [
        f"| {a['targets']} | {a['ms']:.2f} | {1e3 * a['ms'] / a['targets']:.2f} | {a['tracks']} |"
        for a in found["alone"]
    ]
    lines += [
        "",
        f"GOSPA (p 2, alpha 2, cutoff {CUTOFF_M:.0f} m), mean of {SCANS} scans; the difference is paired by seed, with",
        "the upper end of its two-sided 95 % interval:",
        "",
        "| case | seeds | lookdown, m | Stone Soup, m | difference | upper |",
        "|---|---|---|---|---|---|",
    ]
    for name, a in found["gospa"].items():
        row = f"| {name} | {a['seeds']} | {a['ours_m']:.1f} | {a['peer_m']:.1f} | {a['difference']:+.2%} |"
        lines.append(f"{row} {a['upper']:+.2%} |")
    return "\n".join(lines) + "\n"


def main(out: Path, where: Path) -> None:
    """Measure all, write both files; say how far it is on the way."""
    found: dict[str, Any] = {"alone": [], "speed": [], "gospa": {}}
    for n_targets in (100, 500, 1000, 2000, 5000, 10_000):
        found["alone"].append(alone(n_targets, 40))
        print(f"alone {found['alone'][-1]}", flush=True)
    at_500 = speed({key: of[SETTLED:] for key, of in race(Case(500), 24, 1).items()}, 500)
    print(f"both {at_500}", flush=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    cases = {"sparse": SPARSE, "dense": DENSE}
    races: dict[str, list[dict[str, np.ndarray]]] = {name: [] for name in cases}
    for seed in range(SEEDS):
        for name, case in cases.items():
            races[name].append(race(case, SCANS, seed))
            means = (races[name][-1][key].mean() for key in ("ours_gospa", "peer_gospa"))
            print("{} seed {}: GOSPA {:.1f} m, peer {:.1f} m".format(name, seed, *means), flush=True)
        if seed:
            together = {key: np.concatenate([r[key][SETTLED:] for r in races["sparse"]]) for key in races["sparse"][0]}
            found["speed"] = [speed(together, SPARSE.n_targets), at_500]
            found["gospa"] = {name: accuracy(done) for name, done in races.items()}
            # After every seed, so that a run that is cut short leaves what it measured; the page says how many.
            out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
            where.write_text(page(found), encoding="utf-8")
    print(where.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
