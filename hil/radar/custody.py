"""Custody of movers that the radars cannot see: do tracks coast, say so, grow in sigma, and go on when they move again.

A mover is unseen from the first instant at which it is slower than the clutter for every radar that has it in its beam,
less a grace in which the last plot still counts. In that time its track should be coasting: one that is told as
confirmed claims a plot that no radar had.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.hil.score import Evidence
from lookdown.hil.score_tracks import NOBODY, TrackScore, spans
from lookdown.wire.messages import TrackStatus

GRACE_S = 3.0
"""Time after the last chance of a plot within which a track may be told as seen, and after a first new one."""

RESUME_S = 12.0
"""Time within which the track must hold a mover that can be seen again as its own."""


def unseen_figures(evidence: Evidence, tracks: TrackScore) -> dict[str, Any]:
    """Figures of the times in which held movers could not be seen.

    Parameters
    ----------
    evidence : Evidence
        What a run of radars left.
    tracks : TrackScore
        Its tracks against the truth.

    Returns
    -------
    dict
        ``unseen_s``, time in which movers that had a track could not be seen [s]; ``unseen_custody``, share of it in
        which a track held them; ``claimed``, instants at which such a track was told as seen; ``sigma_growth``, sigma
        of place at the end of such a time over that at its beginning, median; ``resumed``, share of those times, of
        those that ended within the run, after which the same track held the mover.
    """
    step_s = float(np.median(np.diff(tracks.instants_ns))) * 1e-9 if len(tracks.instants_ns) > 1 else 0.0
    skip, later = (round(t / step_s) if step_s else 0 for t in (GRACE_S, RESUME_S))
    status = _status(evidence, tracks)
    n_instants = tracks.n_views.shape[1] if tracks.n_views.ndim == 2 else 0
    held = instants = claimed = resumed = ended = 0
    growth = []
    for mover, begin, end in spans(tracks.n_views == 0):
        first = begin + skip
        track = tracks.holder[mover, begin - 1] if begin else NOBODY
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


def _status(evidence: Evidence, tracks: TrackScore) -> NDArray[np.int64]:
    """Status that each track was last told with, shape (tracks, instants); -1 before its first."""
    out = np.full(tracks.grid.held.shape, -1, np.int64)
    for row, track_id in enumerate(tracks.grid.ids):
        own = evidence.updates[evidence.updates["track_id"] == track_id]
        own = own[np.argsort(own["time_ns"], kind="stable")]
        last = np.searchsorted(own["time_ns"], tracks.instants_ns, side="right") - 1
        out[row] = np.where(last >= 0, own["status"][np.maximum(last, 0)], -1)
    return out
