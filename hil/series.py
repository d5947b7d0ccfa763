"""Course of a run over time: what the figures of the report draw and ``report.json`` lists under ``series``."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from lookdown.hil.measures import NOBODY
from lookdown.hil.score import NO_MOVER, Evidence, Score, latency_ms
from lookdown.hil.score_tracks import Bool, Float, Int

BIN_S = 1.0
"""Time over which detection figures are averaged [s]."""

_LATENCY_BINS = 48


@dataclass(frozen=True)
class Series:
    """Course of a run.

    Attributes
    ----------
    bin_s : ndarray of float64, shape (bins,)
        Middle of each bin of detection figures, from the scenario's start [s].
    pd : ndarray of float64, shape (movers, bins)
        Share of chances with a plot [1]; nan without a chance.
    pd_all : ndarray of float64, shape (bins,)
        The same over all movers.
    false_per_frame : ndarray of float64, shape (satellites, bins)
        False plots per frame, all frames [1].
    warming : ndarray of bool, shape (satellites, bins)
        A frame of the bin was taken while the background was settling.
    instant_s : ndarray of float64, shape (instants,)
        Instants of track evaluation, from the scenario's start [s].
    error_m, sigma3_m : ndarray of float64, shape (movers, instants)
        Position error and 3 sigma [m]; nan without a track.
    n_views : ndarray of int64, shape (movers, instants)
        Satellites that see the mover.
    track_id : ndarray of int64, shape (movers, instants)
        Track that holds the mover; 0 without one.
    owed : ndarray of bool, shape (movers, instants)
        Whether the mover is owed a track.
    n_false : ndarray of int64, shape (instants,)
        Confirmed tracks without a mover.
    nees : ndarray of float64, shape (instants,)
        Mean over the movers that have a track; nan without one.
    nees_band : ndarray of float64, shape (2, instants)
        95 % band of that mean for honest covariances and independent errors.
    gospa_m : ndarray of float64, shape (instants,)
        GOSPA metric [m].
    latency_edges_ms, latency_count : ndarray of float64, int64, shapes (bins + 1,), (bins,)
        Histogram of the latency from frame to fused report.
    """

    bin_s: Float
    pd: Float
    pd_all: Float
    false_per_frame: Float
    warming: Bool
    instant_s: Float
    error_m: Float
    sigma3_m: Float
    n_views: Int
    track_id: Int
    owed: Bool
    n_false: Int
    nees: Float
    nees_band: Float
    gospa_m: Float
    latency_edges_ms: Float
    latency_count: Int

    def as_json(self) -> dict[str, Any]:
        """Return the series as lists, rounded to five digits, None for nan."""
        return {name: _plain(getattr(self, name)) for name in self.__dataclass_fields__}


def make_series(evidence: Evidence, score: Score, start_ns: int, duration_s: float) -> Series:
    """Work out the course of a run.

    Parameters
    ----------
    evidence : Evidence
        What the run left.
    score : Score
        Its score.
    start_ns : int
        Start of the scenario, TAI [ns].
    duration_s : float
        Its length [s].
    """
    edges = np.arange(int(np.ceil(duration_s / BIN_S - 1e-9)) + 1) * BIN_S
    exposures, seen, plots = evidence.exposures, evidence.seen, evidence.plots
    frame_bin = _bin(exposures["time_ns"], start_ns, len(edges) - 1)
    seen_bin = _bin(seen["time_ns"], start_ns, len(edges) - 1)
    time_of = {(int(row["sensor_id"]), int(row["frame_id"])): at for row, at in zip(exposures, frame_bin, strict=True)}
    plot_bin = np.array([time_of.get((int(p["sensor_id"]), int(p["frame_id"])), -1) for p in plots], np.int64)

    def count(bins: Int, chosen: Bool) -> Int:
        return np.bincount(bins[chosen & (bins >= 0)], minlength=len(edges) - 1)

    false = score.mover == NO_MOVER
    of = [exposures["sensor_id"] == sensor_id for sensor_id in evidence.sensor_ids]
    tracks = score.tracks
    held = tracks.holder != NOBODY
    n_held = held.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        pd = [
            count(seen_bin, score.chance & score.found & (seen["mover"] == mover))
            / count(seen_bin, score.chance & (seen["mover"] == mover))
            for mover in range(len(evidence.movers))
        ]
        pd_all = count(seen_bin, score.chance & score.found) / count(seen_bin, score.chance)
        false_per_frame = [
            count(plot_bin, false & (plots["sensor_id"] == sensor_id)) / count(frame_bin, own)
            for sensor_id, own in zip(evidence.sensor_ids, of, strict=True)
        ]
        mean_nees = np.nansum(tracks.nees, axis=0) / np.where(n_held, n_held, np.nan)
    freedom = 6.0 * np.maximum(n_held, 1)
    band = np.array([chi2.ppf(share, freedom) / np.maximum(n_held, 1) for share in (0.025, 0.975)])
    ids = tracks.grid.ids
    latency = latency_ms(exposures)
    span = (max(latency.min(), 0.1), latency.max() * 1.001) if len(latency) else (1.0, 10.0)
    latency_edges = np.geomspace(span[0] * 0.999, max(span[1], span[0] * 1.01), _LATENCY_BINS + 1)
    return Series(
        bin_s=np.asarray(edges[:-1] + 0.5 * BIN_S, np.float64),
        pd=np.array(pd).reshape(len(evidence.movers), -1),
        pd_all=pd_all,
        false_per_frame=np.array(false_per_frame).reshape(len(of), -1),
        warming=np.array([count(frame_bin, own & ~score.settled) > 0 for own in of]).reshape(len(of), -1),
        instant_s=np.asarray((tracks.instants_ns - start_ns) * 1e-9, np.float64),
        error_m=tracks.error_m,
        sigma3_m=tracks.sigma3_m,
        n_views=tracks.n_views,
        track_id=np.where(held, ids[tracks.holder] if len(ids) else 0, 0),
        owed=tracks.owed,
        n_false=(tracks.grid.held.sum(axis=0) - n_held).astype(np.int64),
        nees=np.asarray(mean_nees, np.float64),
        nees_band=np.where(n_held > 0, band, np.nan),
        gospa_m=tracks.gospa_m,
        latency_edges_ms=latency_edges,
        latency_count=np.histogram(np.maximum(latency, latency_edges[0]), latency_edges)[0].astype(np.int64),
    )


def _bin(time_ns: Int, start_ns: int, n_bins: int) -> Int:
    """Bin of each time, -1 outside."""
    bins = np.floor((time_ns - start_ns) * 1e-9 / BIN_S + 1e-6).astype(np.int64)
    return np.where((bins >= 0) & (bins < n_bins), bins, -1)


def _plain(values: NDArray[Any]) -> Any:
    if values.ndim > 1:
        return [_plain(row) for row in values]
    if values.dtype.kind == "f":
        return [float(f"{value:.5g}") if np.isfinite(value) else None for value in values.tolist()]
    return values.astype(int).tolist()
