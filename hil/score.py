"""Score of a run: what the satellites and the ground reported, held against the truth of the scenario.

Pure arithmetic on the arrays of an `Evidence`; where they come from is not known here. Detection is judged plot by plot
in pixels, tracks in metres (`score_tracks`), latency by the stamps that a report carries along.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from lookdown.hil.score_kinds import kind_figures
from lookdown.hil.score_tracks import Bool, Float, Int, TrackScore, score_tracks, track_figures
from lookdown.hil.settings import require

NO_MOVER = -1
"""Stands in for a mover where a plot is near to none."""

EXPOSURE_DTYPE = np.dtype(
    [
        ("sensor_id", "<u2"),
        ("frame_id", "<i8"),
        ("time_ns", "<i8"),  # mid-exposure, TAI [ns]
        ("reported", "?"),  # the ground stored a plot report of it
        ("settled", "?"),  # the report says that the background had settled
        ("n_plots", "<i4"),
        ("origin_ns", "<i8"),  # injected, TAI of the machine [ns]; 0 if unknown
        ("arrival_ns", "<i8"),  # arrived on the ground, likewise
        ("fused_ns", "<i8"),  # its fusion was done, likewise
    ]
)
"""One frame that was sent."""

SEEN_DTYPE = np.dtype(
    [
        ("sensor_id", "<u2"),
        ("frame_id", "<i8"),
        ("time_ns", "<i8"),  # mid-exposure, TAI [ns]
        ("mover", "<i4"),  # index in the scenario
        ("row", "<f8"),
        ("col", "<f8"),
        ("inside", "?"),  # within the frame
        ("hidden", "?"),  # behind a cloud
        ("snr", "<f8"),  # expected signal over the frame's noise [1]; nan if unknown
    ]
)
"""Where a mover truly was in a frame."""

PLOT_DTYPE = np.dtype(
    [("sensor_id", "<u2"), ("frame_id", "<i8"), ("row", "<f8"), ("col", "<f8"), ("snr", "<f8"), ("flags", "<u2")]
)
"""A plot of a report, in pixels."""


_POSITIVE = ("plot_gate_px", "track_gate_m", "gospa_cutoff_m", "step_s")


@dataclass(frozen=True)
class Settings:
    """How a run is scored.

    Attributes
    ----------
    plot_gate_px : float
        Longest distance between a mover and its plot [px].
    track_gate_m : float
        Longest distance between a mover and the track that holds it [m].
    initiation_allowance_s : float
        Time granted to start a track once a mover is in two views [s].
    gospa_cutoff_m : float
        Cut-off of the GOSPA metric [m].
    step_s : float
        Time between the instants at which tracks are held against truth [s].
    """

    plot_gate_px: float = 3.0
    track_gate_m: float = 5000.0
    initiation_allowance_s: float = 8.0
    gospa_cutoff_m: float = 1000.0
    step_s: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what would measure nothing."""
        require(
            self,
            *((name, 0.0 < getattr(self, name) < np.inf, "a number above 0") for name in _POSITIVE),
            ("initiation_allowance_s", 0.0 <= self.initiation_allowance_s < np.inf, "a number, 0 or more"),
        )


@dataclass(frozen=True)
class Evidence:
    """What a run left behind, beside its truth.

    Attributes
    ----------
    movers : tuple of str
        Names.
    kinds : tuple of str
        Kind of each, as the scenario calls it.
    sensor_ids : tuple of int
        Satellites.
    n_pixels : int
        Pixels of a frame.
    period_s : float
        Time between frames [s].
    exposures : ndarray of EXPOSURE_DTYPE
        Frames that were sent, ordered by sensor and frame.
    seen : ndarray of SEEN_DTYPE
        Movers in these frames.
    plots : ndarray of PLOT_DTYPE
        Plots of the stored reports.
    updates : ndarray of score_tracks.UPDATE_DTYPE
        Track updates of the ground.
    instants_ns : ndarray of int64, shape (instants,)
        Instants of track evaluation, TAI [ns].
    truth_m, truth_m_s : ndarray of float64, shape (movers, instants, 3)
        True positions [m] and velocities [m/s], ECEF.
    link : tuple of dict
        For each satellite ``sensor_id``, ``sent``, ``received``, ``lost``, ``repeated``, ``refused``; None if unknown.
    strangers : int or None
        Peers and messages that the ground refused and that are nobody's.
    protection : str
        ``none``, ``encrypted`` or ``encrypted and sealed``: what all satellites said of their link; empty if unknown.
    frames : dict
        ``sent``, ``dropped``, ``late``, ``missed``, ``refused``; None if unknown.
    radar_ids : tuple of int
        Satellites with a radar: one of them alone tells where a mover is, as two others do.
    """

    movers: tuple[str, ...]
    kinds: tuple[str, ...]
    sensor_ids: tuple[int, ...]
    n_pixels: int
    period_s: float
    exposures: NDArray[np.void]
    seen: NDArray[np.void]
    plots: NDArray[np.void]
    updates: NDArray[np.void]
    instants_ns: Int
    truth_m: Float
    truth_m_s: Float
    link: tuple[dict[str, int | None], ...] = ()
    strangers: int | None = None
    protection: str = ""
    frames: dict[str, int | None] | None = None
    radar_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Score:
    """Outcome of scoring.

    Attributes
    ----------
    chance : ndarray of bool, shape (seen,)
        The mover could have been found: inside the frame, unhidden, background settled.
    found : ndarray of bool, shape (seen,)
        A plot lies within the gate.
    mover : ndarray of int64, shape (plots,)
        Nearest mover within the gate, hidden or not, or ``NO_MOVER``: a false plot.
    judged : ndarray of bool, shape (plots,)
        The background of the plot's frame had settled.
    settled : ndarray of bool, shape (exposures,)
        As the exposures say; a frame without a report counts as settled if the one before it was.
    tracks : TrackScore
        Tracks against truth.
    figures : dict
        The figures of ``report.json``: ``detection``, ``view``, ``tracks``, ``link``, ``latency_ms``, ``frames``.
    """

    chance: Bool
    found: Bool
    mover: Int
    judged: Bool
    settled: Bool
    tracks: TrackScore
    figures: dict[str, Any]


def score_run(evidence: Evidence, settings: Settings) -> Score:
    """Hold a run against its truth."""
    settled = settle(evidence.exposures)
    frame_of_seen = frame_index(evidence.exposures, evidence.seen)
    frame_of_plot = frame_index(evidence.exposures, evidence.plots)
    found, mover = match_plots(evidence.seen, evidence.plots, frame_of_seen, frame_of_plot, settings.plot_gate_px)
    visible = evidence.seen["inside"] & ~evidence.seen["hidden"]
    chance = visible & (frame_of_seen >= 0) & settled[frame_of_seen]
    judged = (frame_of_plot >= 0) & settled[frame_of_plot]
    views = count_views(
        evidence.seen[visible], len(evidence.movers), evidence.sensor_ids, evidence.instants_ns, evidence.period_s,
        evidence.radar_ids,
    )  # fmt: skip
    tracks = score_tracks(
        (evidence.truth_m, evidence.truth_m_s),
        views,
        evidence.updates,
        evidence.instants_ns,
        gate_m=settings.track_gate_m,
        allowance_s=settings.initiation_allowance_s,
        cutoff_m=settings.gospa_cutoff_m,
    )
    track_part = track_figures(tracks, list(evidence.movers))
    whole, of_movers = kind_figures(tracks, evidence.kinds)
    track_part |= whole
    for row, told in zip(track_part["per_mover"], of_movers, strict=True):
        row |= told
    figures = {
        "detection": detection_figures(evidence, chance, found, judged & (mover == NO_MOVER), settled),
        "view": {
            "movers": len(evidence.movers),
            "satellites": len(np.unique(evidence.exposures["sensor_id"][evidence.exposures["reported"]])),
            "two_views_min_s": min(
                (row["two_views_s"] for row in track_part["per_mover"] if row["two_views_s"] is not None), default=None
            ),
        },
        "tracks": track_part,
        "link": link_figures(evidence),
        "latency_ms": latency_figures(latency_ms(evidence.exposures)),
        "frames": evidence.frames or dict.fromkeys(("sent", "dropped", "late", "missed", "refused")),
    }
    return Score(chance, found, mover, judged, settled, tracks, figures)


def frame_index(exposures: NDArray[np.void], rows: NDArray[np.void]) -> Int:
    """Index of each row's frame among the exposures, which are ordered by sensor and frame; -1 if it is not there."""
    if len(exposures) == 0:
        return np.full(len(rows), -1, np.int64)

    def key(table: NDArray[np.void]) -> Int:
        return np.asarray(table["sensor_id"].astype(np.int64) << 40 | table["frame_id"], np.int64)

    keys, wanted = key(exposures), key(rows)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.asarray(np.where(keys[at] == wanted, at, -1), np.int64)


def settle(exposures: NDArray[np.void]) -> Bool:
    """Frames whose background had settled; one without a report is taken to be as the one before it.

    A lost report thus counts as a chance missed, not as a frame that never was.
    """
    settled = exposures["settled"].copy()
    same = np.r_[False, exposures["sensor_id"][1:] == exposures["sensor_id"][:-1]]
    for at in np.flatnonzero(~exposures["reported"]):
        settled[at] = bool(same[at] and settled[at - 1])
    return np.asarray(settled, np.bool_)


def match_plots(
    seen: NDArray[np.void], plots: NDArray[np.void], frame_of_seen: Int, frame_of_plot: Int, gate_px: float
) -> tuple[Bool, Int]:
    """Match plots to movers, frame by frame.

    Parameters
    ----------
    seen : ndarray of SEEN_DTYPE, shape (n,)
        True positions.
    plots : ndarray of PLOT_DTYPE, shape (m,)
        Plots.
    frame_of_seen, frame_of_plot : ndarray of int64, shapes (n,) and (m,)
        Frame of each.
    gate_px : float
        Longest distance of a match [px].

    Returns
    -------
    found : ndarray of bool, shape (n,)
        A plot lies within the gate; one plot finds one mover, the pairs with the least sum of distances count.
    mover : ndarray of int64, shape (m,)
        Mover of the nearest truth within the gate, found or not, else ``NO_MOVER``.
    """
    found, mover = np.zeros(len(seen), np.bool_), np.full(len(plots), NO_MOVER, np.int64)
    seen_order, plot_order = np.argsort(frame_of_seen, kind="stable"), np.argsort(frame_of_plot, kind="stable")
    seen_frames, plot_frames = frame_of_seen[seen_order], frame_of_plot[plot_order]
    for frame in np.intersect1d(seen_frames[seen_frames >= 0], plot_frames):
        truths = seen_order[slice(*np.searchsorted(seen_frames, [frame, frame + 1]))]
        points = plot_order[slice(*np.searchsorted(plot_frames, [frame, frame + 1]))]
        distance = np.hypot(
            seen["row"][truths][:, None] - plots["row"][points], seen["col"][truths][:, None] - plots["col"][points]
        )
        distance = np.where(np.isfinite(distance), distance, np.inf)
        nearest = np.argmin(distance, axis=0)
        near = distance[nearest, np.arange(len(points))] <= gate_px
        mover[points[near]] = seen["mover"][truths[nearest[near]]]
        rows, cols = linear_sum_assignment(np.minimum(distance, 1e3 * gate_px))
        found[truths[rows[distance[rows, cols] <= gate_px]]] = True
    return found, mover


def count_views(
    visible: NDArray[np.void], n_movers: int, sensor_ids: tuple[int, ...], instants_ns: Int, period_s: float,
    radar_ids: tuple[int, ...] = (),
) -> Int:  # fmt: skip
    """How many satellites see each mover at each instant, a radar counted as two; shape (movers, instants).

    A satellite sees a mover if the mover is visible in a frame taken within one and a half periods before the instant.
    """
    views = np.zeros((n_movers, len(instants_ns)), np.int64)
    reach_ns = round(1.5e9 * period_s)
    for sensor_id in sensor_ids:
        for mover in range(n_movers):
            times = np.sort(visible["time_ns"][(visible["sensor_id"] == sensor_id) & (visible["mover"] == mover)])
            if len(times):
                last = np.searchsorted(times, instants_ns, side="right") - 1
                age_ns = instants_ns - times[np.maximum(last, 0)]
                views[mover] += ((last >= 0) & (age_ns <= reach_ns)) * (2 if sensor_id in radar_ids else 1)
    return views


def detection_figures(evidence: Evidence, chance: Bool, found: Bool, false: Bool, settled: Bool) -> dict[str, Any]:
    """Figures of ``report.json`` under ``detection``; None where there was no chance or no frame."""
    per_mover: list[dict[str, Any]] = []
    for index, name in enumerate(evidence.movers):
        own = chance & (evidence.seen["mover"] == index)
        per_mover.append({"mover": name, "chances": int(own.sum()), "pd": _mean(found[own])})
    per_satellite = []
    for sensor_id in evidence.sensor_ids:
        own_frames = settled & (evidence.exposures["sensor_id"] == sensor_id)
        n_false = int(np.count_nonzero(false & (evidence.plots["sensor_id"] == sensor_id)))
        own = chance & (evidence.seen["sensor_id"] == sensor_id)
        n_frames = int(own_frames.sum())
        per_satellite.append(
            {
                "sensor_id": sensor_id,
                "frames": int(np.count_nonzero(evidence.exposures["sensor_id"] == sensor_id)),
                "pd": _mean(found[own]),
                "false_per_frame": n_false / n_frames if n_frames else None,
            }
        )
    n_frames, n_false = int(settled.sum()), int(false.sum())
    return {
        "pd": _mean(found[chance]),
        "pd_min": min((row["pd"] for row in per_mover if row["pd"] is not None), default=None),
        "chances": int(chance.sum()),
        "pfa": n_false / (n_frames * evidence.n_pixels) if n_frames else None,
        "false_per_frame": n_false / n_frames if n_frames else None,
        "warm_up_share": 1.0 - float(settled.mean()) if len(settled) else None,
        "per_mover": per_mover,
        "per_satellite": per_satellite,
    }


def link_figures(evidence: Evidence) -> dict[str, Any]:
    """Figures of ``report.json`` under ``link``: sums over satellites, None if one of them is unknown."""
    total: dict[str, Any] = {}
    for name in ("sent", "received", "lost", "repeated", "refused"):
        values = [row.get(name) for row in evidence.link]
        if name == "refused":
            values.append(evidence.strangers)
        known = [value for value in values if value is not None]
        total[name] = sum(known) if known and len(known) == len(values) else None
    missing = int(np.count_nonzero(~evidence.exposures["reported"])) if len(evidence.exposures) else None
    total |= {"protection": evidence.protection, "reports_missing": missing}
    return {**total, "per_satellite": [dict(row) for row in evidence.link]}


def latency_ms(exposures: NDArray[np.void]) -> Float:
    """Time from the injection of a frame to its fused report, for each report that has both stamps [ms]."""
    known = (exposures["origin_ns"] > 0) & (exposures["fused_ns"] > 0)
    return np.asarray((exposures["fused_ns"] - exposures["origin_ns"])[known] * 1e-6, np.float64)


def latency_figures(latency: Float) -> dict[str, float | int | None]:
    """Percentiles of latencies [ms]."""
    if len(latency) == 0:
        return {"p50": None, "p99": None, "max": None, "reports": 0}
    p50, p99 = np.percentile(latency, [50.0, 99.0])
    return {"p50": float(p50), "p99": float(p99), "max": float(latency.max()), "reports": len(latency)}


def _mean(flags: Bool) -> float | None:
    return float(flags.mean()) if len(flags) else None
