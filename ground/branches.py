"""Branches: tentative tracks follow every plot of their gates, until one branch is confirmed.

A start among false plots often has more than one plot in its first gates, and may be missed at that. Taking one plot
loses the target as often as the plot is wrong. Here a tentative track grows a branch for each of its best plots beside
the one without (a tree of hypotheses, Blackman, Popoli 1999, 16.3); branches share the identity of their start. When
one is confirmed its kin end, and so does every other tentative track that fed on the plot that confirmed it.
"""

import numpy as np

from lookdown.ground.associate import Pairs
from lookdown.ground.tracks import Bool, Int, TrackTable

_MOST_OF_START = 16  # branches of one start that are kept, the best by score


def grow(pairs: Pairs, live: Bool, taken: Bool, log_missed: float, most: int) -> tuple[Int, Int]:
    """Find the branches that tentative tracks grow.

    Parameters
    ----------
    pairs : Pairs
        Tracks and the plots in their gates.
    live : ndarray of bool, shape (n,)
        Tracks that grow none.
    taken : ndarray of bool, shape (k,)
        Plots that no branch may have.
    log_missed : float
        ``ln(1 - P_D)``: a plot that speaks for a track less than its absence makes no branch.
    most : int
        Branches of a track, the best by log-likelihood ratio.

    Returns
    -------
    parent, pair : ndarray of int64, shape (q,)
        Track that each branch grows from, and its pair.
    """
    track = pairs.track
    pair = np.flatnonzero(~live[track] & ~taken[pairs.plot] & (pairs.ratio > log_missed))
    pair = pair[np.lexsort((-pairs.ratio[pair], track[pair]))]
    parent = track[pair]
    good = np.arange(len(pair)) - np.searchsorted(parent, parent) < most
    return parent[good].astype(np.int64), pair[good]


def best_branches(table: TrackTable, ready: Int, plot_of: Int) -> Int:
    """Of the branches that are ready to be confirmed the best ones: one of a start, and one of a plot."""
    best = ready[np.argsort(-table.score[ready], kind="stable")]
    for of in (table.track_id, plot_of):
        _, first = np.unique(of[best], return_index=True)
        best = best[np.sort(first)]
    return best


def needless(table: TrackTable, new: Int, plot_of: Int, tentative: Bool) -> Bool:
    """Tentative rows that end: kin of newly confirmed ones, others on their plots, and the worst of many branches."""
    fed = (plot_of >= 0) & np.isin(plot_of, plot_of[new])
    ends = tentative & (fed | np.isin(table.track_id, table.track_id[new]))
    rows = np.flatnonzero(tentative & ~ends)
    rows = rows[np.lexsort((-table.score[rows], table.track_id[rows]))]
    start = table.track_id[rows]
    ends[rows[np.arange(len(rows)) - np.searchsorted(start, start) >= _MOST_OF_START]] = True
    return np.asarray(ends, np.bool_)
