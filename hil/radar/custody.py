"""Custody of movers that the radars do not see: do tracks coast, say so, grow in sigma, and go on when they move again.

A mover is unseen from a grace after its last plot of any radar up to its next one: it stopped, is slower than the
clutter, or was missed. In that time its track should be coasting: one that is told as confirmed claims a plot that no
radar had.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.hil.measures import NOBODY
from lookdown.hil.radar.score import RadarScore
from lookdown.hil.score import Evidence
from lookdown.hil.score_tracks import TrackScore, spans
from lookdown.wire.messages import TrackStatus

GRACE_S = 3.0
"""Time after its last plot within which a track may be told as seen."""

RESUME_S = 12.0
"""Time within which the track must hold a mover that can be seen again as its own."""


def unseen_figures(evidence: Evidence, tracks: TrackScore, radar: RadarScore) -> dict[str, Any]:
    """Figures of the times in which held movers had no plot.

    Parameters
    ----------
    evidence : Evidence
        What a run of radars left.
    tracks : TrackScore
        Its tracks against the truth.
    radar : RadarScore
        Its plots against the truth.

    Returns
    -------
    dict
        ``unseen_s``, time in which movers that had a track had no plot [s]; ``unseen_custody``, share of it in
        which a track held them; ``claimed``, instants at which such a track was told as seen; ``sigma_growth``, sigma
        of place at the end of such a time over that at its beginning, median; ``resumed``, share of those times, of
        those that ended within the run, after which the same track held the mover.
    """
    step_s = float(np.median(np.diff(tracks.instants_ns))) * 1e-9 if len(tracks.instants_ns) > 1 else 0.0
    later = round(RESUME_S / step_s) if step_s else 0
    status = _status(evidence, tracks)
    recent = _recent(tracks, radar)
    n_instants = recent.shape[1]
    held = instants = claimed = resumed = ended = 0
    growth = []
    for mover, first, end in spans(~recent):
        track = tracks.holder[mover, first - 1] if first else NOBODY
        if end - first < 2 or track == NOBODY:
            continue  # too short to tell, or it had no track
        own = tracks.holder[mover, first:end]
        instants += end - first
        held += int(np.count_nonzero(own != NOBODY))
        claimed += int(np.count_nonzero(status[track, first:end] == TrackStatus.CONFIRMED))
        sigma = np.sqrt(np.trace(tracks.grid.covariance[track, first:end, :3, :3], axis1=1, axis2=2))
        sigma = sigma[np.isfinite(sigma)]
        if len(sigma) > 1:
            growth.append(float(sigma[-1] / sigma[0]))
        if end + later <= n_instants:
            ended += 1
            resumed += int(tracks.holder[mover, end + later - 1] == track)
    return {
        "unseen_s": instants * step_s,
        "unseen_custody": held / instants if instants else None,
        "claimed": claimed if instants else None,
        "sigma_growth": float(np.median(growth)) if growth else None,
        "resumed": resumed / ended if ended else None,
    }


def _recent(tracks: TrackScore, radar: RadarScore) -> NDArray[np.bool_]:
    """Whether each mover had a plot within the grace before each instant, shape (movers, instants)."""
    recent = np.zeros(tracks.n_views.shape, np.bool_)
    for mover in range(len(recent)):
        times = np.sort(radar.looks["time_ns"][radar.found & (radar.looks["mover"] == mover)])
        if len(times):
            last = np.searchsorted(times, tracks.instants_ns, side="right") - 1
            age_ns = tracks.instants_ns - times[np.maximum(last, 0)]
            recent[mover] = (last >= 0) & (age_ns <= GRACE_S * 1e9)
    return recent


def _status(evidence: Evidence, tracks: TrackScore) -> NDArray[np.int64]:
    """Status that each track was last told with, shape (tracks, instants); -1 before its first."""
    out = np.full(tracks.grid.held.shape, -1, np.int64)
    for row, track_id in enumerate(tracks.grid.ids):
        own = evidence.updates[evidence.updates["track_id"] == track_id]
        own = own[np.argsort(own["time_ns"], kind="stable")]
        last = np.searchsorted(own["time_ns"], tracks.instants_ns, side="right") - 1
        out[row] = np.where(last >= 0, own["status"][np.maximum(last, 0)], -1)
    return out
