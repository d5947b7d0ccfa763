"""Our tracker beside Stone Soup's on the same data: GOSPA, SIAP and CPU time; and alone, by number of targets.

usage: python -m tests.fusion.bench OUT.json PAGE.md [ingest]

With ``ingest`` only the live pipeline is measured, and its table of the page made anew.
Stone Soup's runs (25 minutes) are kept in build/fusion-peer, so that what was cut short goes on where it was.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from lookdown.ground.multiple import MODELS, Kind, MultipleModels, Sensor
from lookdown.ground.pipeline import Pipeline
from lookdown.wire.envelope import Delivery
from lookdown.wire.packet import encode
from tests.fusion.compare import ASSIGN_M, CUTOFF_M, N_SCANS, Course, differences, peer_course
from tests.fusion.scans import DENSE, SPARSE, Case, draw
from tests.fusion.trackers import CONFIRM_SCORE, Ours, Peer
from tests.ground.conftest import World
from tests.ground.stereo import PRIOR, SIGMA_RAD, observe, stereo_looks

INGEST, INGEST_RUNS = "The live pipeline:", 7
SETTLED = 6  # scans after which tracks are confirmed
CASES = {"sparse": SPARSE, "dense": DENSE}
# Case, whether joint association (JPDA) is the peer's, seeds.
MATCHES = (("sparse", False, 20), ("dense", False, 20), ("dense", True, 20), ("sparse", True, 5))
LABELS = {
    "gospa_m": "GOSPA, m",
    "completeness": "completeness",
    "ambiguity": "ambiguity",
    "spuriousness": "spuriousness",
    "position_accuracy_m": "position accuracy, m",
    "velocity_accuracy_m_s": "velocity accuracy, m/s",
    "changes_per_s": "track number changes, 1/s",
    "longest_segment": "longest segment",
}


def race(n_targets: int, n_scans: int) -> dict[str, float]:
    """Median CPU time of a scan of both with nearest neighbours, in turns on each scan, and their ratio."""
    case = Case(n_targets)
    _, scans = draw(case, n_scans, 1)
    ours, peer, times = Ours(case), Peer(case, scans), []
    for plots in scans:
        start = time.process_time()
        ours.step(plots)
        between = time.process_time()
        peer.step()
        times.append((between - start, time.process_time() - between))
    mine, theirs = (float(ms) for ms in np.median(times[SETTLED:], axis=0) * 1e3)
    return {"targets": n_targets, "ours_ms": mine, "peer_ms": theirs, "times_faster": theirs / mine}


def alone(n_targets: int, n_scans: int, joint: bool = False) -> dict[str, Any]:
    """Our tracker alone: median CPU time of a scan [ms], tracks at the end."""
    case = Case(n_targets)
    course = Course.of(Ours(case, joint), draw(case, n_scans, 1)[1])
    kind = "JPDA" if joint else "GNN"
    ms = float(np.median(course.cpu_ms[SETTLED:]))
    return {"targets": n_targets, "kind": kind, "ms": ms, "tracks": int(course.count[-1])}


def ingest(n_targets: int, false_plots: float) -> dict[str, Any]:
    """Plots a second of CPU that the live pipeline takes: packets of three satellites, decoded, checked and fused.

    The median of `INGEST_RUNS` runs over the same packets, and the least and greatest of them.
    """
    scene, rng = World(seed=4, false_plots=false_plots, rate_hz=5.0), np.random.default_rng(0)
    for _ in range(n_targets):
        place, height_m = rng.uniform(-18e3, 18e3, 2), rng.uniform(8e3, 12e3)
        scene.add_mover(*place, height_m, rng.uniform(200.0, 260.0), rng.uniform(0.0, 360.0))
    room = {"max_plots": 4000, "max_tentative": 3 * n_targets + 200, "max_pair_plots": n_targets + 50}
    reports = list(scene.reports(8.0))
    packets = [Delivery(report.sensor_id, 0, 0, encode(report, number)) for number, report in enumerate(reports)]
    settled = 2 * len(packets) // 3  # tracks are confirmed by then
    n_plots, rates = sum(len(report.sights) for report in reports[settled:]), []
    for _ in range(INGEST_RUNS):
        pipeline = Pipeline(scene.parameters(**room))
        for packet in packets[:settled]:
            pipeline.take(packet)
        start = time.process_time()
        for packet in packets[settled:]:
            pipeline.take(packet)
        rates.append(n_plots / (time.process_time() - start))
    live, a_report = int(pipeline.fusion.table.live.sum()), n_plots / (len(packets) - settled)
    told = {"plots_a_second": float(np.median(rates)), "least": min(rates), "most": max(rates)}
    return {"targets": n_targets, "false": false_plots, "plots_a_report": a_report, "tracks": live, **told}


def many_models(n_tracks: int) -> dict[str, Any]:
    """Multiple models alone: median CPU time of a prediction and a sight of all tracks."""
    looks, middle = stereo_looks(20.0)
    state = np.tile(np.concatenate([middle, [0.0, 0.0, 2400.0]]), (n_tracks, 1))
    tracks, rows, times = MultipleModels(MODELS, state, np.tile(PRIOR, (n_tracks, 1, 1))), np.arange(n_tracks), []
    sensor = Sensor(looks[0].origin_m, np.zeros(3), looks[0].axes)
    noise, measured = np.tile(SIGMA_RAD**2 * np.eye(2), (n_tracks, 1, 1)), observe(state, looks[0])
    for _ in range(12):
        start = time.process_time()
        tracks.predict(0.2)
        tracks.correct(Kind.SIGHT, sensor, rows, measured, noise)
        times.append(time.process_time() - start)
    return {"tracks": n_tracks, "models": len(MODELS), "ms": float(np.median(times[2:]) * 1e3)}


def match(name: str, joint: bool, seeds: int) -> dict[str, Any]:
    """Ours, by nearest neighbours and jointly, beside one of Stone Soup's trackers."""
    case, scores, cpu_ms = CASES[name], {"gnn": [], "jpda": [], "peer": []}, []
    for seed in range(seeds):
        truth, scans = draw(case, N_SCANS, seed)
        peer = peer_course(name, case, seed, joint)
        scores["peer"].append(peer.scores(truth))
        for kind in ("gnn", "jpda"):
            scores[kind].append(Course.of(Ours(case, kind == "jpda"), scans).scores(truth))
        cpu_ms.append(np.median(peer.cpu_ms))
        means = (np.mean([score["gospa_m"] for score in scores[kind]]) for kind in scores)
        print(
            "{} {} seed {}: GOSPA ours {:.2f}, jointly {:.2f}, peer {:.2f} m".format(name, joint, seed, *means),
            flush=True,
        )
    return {
        "case": name,
        "peer": "JPDA-EHM2" if joint else "GNN",
        "seeds": seeds,
        "peer_ms": float(np.median(cpu_ms)),
        "gnn": differences(scores["gnn"], scores["peer"]),
        "jpda": differences(scores["jpda"], scores["peer"]),
    }


def page(found: dict[str, Any]) -> str:
    """Figures as a page."""
    lines = [
        "# Fusion beside Stone Soup",
        "",
        "Written by `make bench-fusion`; not to be edited. The same plots, motion model, gate (0.999), confirmation",
        f"(third plot or later, with a log-likelihood ratio of {CONFIRM_SCORE:g}) and deletion (five scans without,",
        "tentative two) on both sides. Sparse: 100 targets 10 km apart, P_D 0.9, one false plot a target. Dense: 20",
        "targets 3 km apart, P_D 0.7, ten false plots a target: one in three first gates of a start holds one.",
        f"{N_SCANS} scans. Each table: lookdown with global nearest neighbour (GNN) and with joint association",
        "(JPDA) beside one of Stone Soup's trackers; *worse* is the paired difference, above zero where lookdown is",
        "worse, and *upper* the upper end of its two-sided 95 % interval over seeds. Differences of shares and of",
        f"changes are told as they are, others relative to the peer. GOSPA: p 2, alpha 2, cutoff {CUTOFF_M:.0f} m.",
        f"SIAP: a track counts for the nearest target within {ASSIGN_M:.0f} m.",
    ]
    for one in found["matches"]:
        lines += [
            "",
            f"## {one['case']}, Stone Soup's {one['peer']}: {one['seeds']} seeds, {one['peer_ms']:.0f} ms a scan",
            "",
            "| measure | Stone Soup | GNN | worse | upper | JPDA | worse | upper |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for key, label in LABELS.items():
            gnn, jpda = one["gnn"][key], one["jpda"][key]
            cells = [f"{gnn['peer']:.4g}"]
            for a in (gnn, jpda):
                cells += [f"{a['ours']:.4g}", f"{a['worse']:+.2%}", f"{a['upper']:+.2%}"]
            lines.append(f"| {label} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "## CPU time",
        "",
        "Medians of scans in one process, both in turns on each scan; one false plot a target, GNN on both sides.",
        "",
        "| targets | lookdown, ms a scan | Stone Soup, ms a scan | times faster |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {s['targets']} | {s['ours_ms']:.2f} | {s['peer_ms']:.0f} | {s['times_faster']:.0f} |"
        for s in found["speed"]
    ]
    lines += [
        "",
        "| targets | association | lookdown alone, ms a scan | us a target | tracks |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {a['targets']} | {a['kind']} | {a['ms']:.2f} | {1e3 * a['ms'] / a['targets']:.2f} | {a['tracks']} |"
        for a in found["alone"]
    ]
    lines += ingest_table(found["ingest"])
    lines += [
        "",
        "| tracks by multiple models | models | ms a prediction and a sight | us a track |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {m['tracks']} | {m['models']} | {m['ms']:.1f} | {1e3 * m['ms'] / m['tracks']:.1f} |"
        for m in found["models"]
    ]
    return "\n".join(lines) + "\n"


def ingest_table(measured: list[dict[str, Any]]) -> list[str]:
    """Lines of the page about the live pipeline, from the sentence before the table on."""
    return [
        "",
        f"{INGEST} packets of three satellites decoded, checked, gated, filtered, tracks",
        f"started and ended, kinds of target told. Medians of {INGEST_RUNS} runs, least and greatest in brackets.",
        "",
        "| targets | false plots a report | plots a report | live tracks | plots a second of CPU |",
        "|---|---|---|---|---|",
        *(
            f"| {i['targets']} | {i['false']:g} | {i['plots_a_report']:.0f} | {i['tracks']} | "
            f"{i['plots_a_second']:,.0f} ({i['least']:,.0f} to {i['most']:,.0f}) |"
            for i in measured
        ),
    ]


def measure_ingest() -> list[dict[str, Any]]:
    """The live pipeline with few and many plots a report."""
    return [ingest(100, 0.0), ingest(800, 0.0), ingest(400, 40.0)]


def renew_ingest(where: Path) -> None:
    """Measure the live pipeline alone and write its table into the page."""
    lines = where.read_text(encoding="utf-8").split("\n")
    first = next(number for number, line in enumerate(lines) if line.startswith(INGEST)) - 1
    last = next(number for number in range(first, len(lines)) if lines[number].startswith("|"))
    while lines[last].startswith("|"):
        last += 1
    table = ingest_table(measure_ingest())
    where.write_text("\n".join(lines[:first] + table + lines[last:]), encoding="utf-8")
    print("\n".join(table))


def main(out: Path, where: Path) -> None:
    """Measure all, write both files; say how far it is on the way."""
    found: dict[str, Any] = {"alone": [], "speed": [], "matches": []}
    for n_targets in (100, 500, 1000, 2000, 5000, 10_000):
        found["alone"].append(alone(n_targets, 40))
        print(f"alone {found['alone'][-1]}", flush=True)
    found["alone"] += [alone(n_targets, 40, joint=True) for n_targets in (1000, 10_000)]
    found["speed"] = [race(100, 40), race(500, 24)]
    print(f"both {found['speed']}", flush=True)
    found["ingest"] = measure_ingest()
    found["models"] = [many_models(n_tracks) for n_tracks in (100, 1000)]
    print(f"live {found['ingest']}, {found['models']}", flush=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    for name, joint, seeds in MATCHES:
        found["matches"].append(match(name, joint, seeds))
        out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        where.write_text(page(found), encoding="utf-8")
    print(where.read_text(encoding="utf-8"))


if __name__ == "__main__":
    if sys.argv[3:] == ["ingest"]:
        renew_ingest(Path(sys.argv[2]))
    else:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
