"""Which plot feeds which track: gate, log-likelihood ratio, global nearest neighbour, all on the sparse list of pairs.

A plot inside the chi-square gate of a track speaks for it with the log-likelihood ratio (Blackman, Popoli 1999, 6.2)::

    L = ln P_D - d^2 / 2 - ln((2 pi)^(dim / 2) sqrt(det S)) - ln beta

where ``d^2`` is the squared innovation over its covariance ``S`` and ``beta`` the density of false plots. Confirmed
tracks share the plots out one to one so that the sum of L is greatest. Tentative tracks come after them, one to one
too or, where it is not known yet which of them is real, each with its best of what is left, several the same one if
need be: a false crossing must not starve a true one. Cost grows with the pairs in gates, not with tracks times plots.

Instead of one plot, a confirmed track may take all of its gate by their probability (`weigh`, JPDA): better where false
plots are dense, at a small cost in identity where targets cross.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lookdown.kernels.gate import gate_plots
from lookdown.kernels.marginal import weigh_pairs
from lookdown.kernels.nearest import share_out
from lookdown.wire.messages import Float

_SETTLED, _MOST_ROUNDS = 1e-6, 500
_NONE = np.empty(0, np.int64)

Int = NDArray[np.int64]
Bool = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Tracks and the plots in their gates.

    Attributes
    ----------
    start : ndarray of int64, shape (n + 1,)
        Where the pairs of each track begin and end.
    plot : ndarray of int64, shape (c,)
        Plot of each pair, ascending within a track.
    ratio : ndarray of float64, shape (c,)
        Log-likelihood ratio of each pair.
    n_plots : int
        Plots that were there.
    """

    start: Int
    plot: Int
    ratio: Float
    n_plots: int

    @property
    def track(self) -> Int:
        """Track of each pair, shape (c,)."""
        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))


def gate_pairs(
    places: Float, spread: Float, use: Bool, plots: Float, noise: Float, gate: float, log_detection_over_false: float
) -> Pairs:
    """Find the plots in each track's gate.

    Parameters
    ----------
    places : ndarray of float64, shape (n, d)
        Predicted measurements, d = 1 to 3.
    spread : ndarray of float64, shape (n, d, d)
        Covariance of each prediction about a noiseless plot.
    use : ndarray of bool, shape (n,)
        Tracks that may have plots.
    plots : ndarray of float64, shape (k, d)
        Measured.
    noise : ndarray of float64, shape (k, d, d)
        Covariance of each plot about its prediction.
    gate : float
        Greatest squared distance [1].
    log_detection_over_false : float
        ``ln(P_D / beta)``, ``beta`` the density of false plots in the space of the measurements.

    Returns
    -------
    Pairs
        Pairs inside their gates.
    """
    n, k, capacity = len(places), len(plots), 4 * len(places) + 64
    start = np.empty(n + 1, np.int64)
    cells, heads = np.empty((k, 4), np.int64), np.empty(1 << (2 * k).bit_length(), np.int64)
    may = np.ascontiguousarray(use).view(np.uint8)
    while True:
        plot, ratio = np.empty(capacity, np.int64), np.empty(capacity)
        found = gate_plots(
            places, spread, may, plots, noise, gate, log_detection_over_false, cells, heads, start, plot, ratio
        )
        if found <= capacity:
            return Pairs(start, plot[:found], ratio[:found], k)
        capacity = found


def assign(
    pairs: Pairs, live: Bool, log_missed: float, *, tentative_share: bool, taken: NDArray[np.uint8] | None = None
) -> tuple[Int, Float]:
    """Give plots to tracks.

    Parameters
    ----------
    pairs : Pairs
        From `gate_pairs`.
    live : ndarray of bool, shape (n,)
        Tracks that are confirmed or coasting: they choose first, one plot to one track.
    log_missed : float
        ``ln(1 - P_D)``: what a track loses without a plot.
    tentative_share : bool
        Whether several tentative tracks may feed on one plot.
    taken : ndarray of uint8, shape (k,), optional
        1 for plots that live tracks have taken already (`weigh`): those then get none here. Changed in place.

    Returns
    -------
    plot_of : ndarray of int64, shape (n,)
        Index of the plot of each track, -1 for none.
    ratio : ndarray of float64, shape (n,)
        Log-likelihood ratio of that pair; 0 for none.

    Examples
    --------
    >>> both = Pairs(np.array([0, 2, 3]), np.array([0, 1, 0]), np.array([5.0, 4.0, 4.5]), 2)
    >>> assign(both, np.array([True, True]), -1.0, tentative_share=True)[0].tolist()
    [1, 0]
    """
    n, k, c = len(live), pairs.n_plots, len(pairs.plot)
    plot_of, ratio = np.full(n, -1, np.int64), np.zeros(n)
    first, tentative = (live.nonzero()[0] if taken is None else _NONE), (~live).nonzero()[0]
    taken = np.zeros(k, np.uint8) if taken is None else taken
    scratch = np.empty(n + 2 * k + c), np.empty(k, np.uint8), np.empty(3 * k, np.int64)
    given = pairs.start, pairs.plot, pairs.ratio, log_missed
    share_out(*given, first, tentative if tentative_share else _NONE, *scratch, taken, plot_of, ratio)
    if not tentative_share and tentative.size:
        share_out(*given, tentative, _NONE, *scratch, taken, plot_of, ratio)
    return plot_of, ratio


def weigh(pairs: Pairs, rows: Int, log_missed: float) -> Float:
    """Probability that each pair is the right one, all joint shares of plots considered (JPDA).

    Parameters
    ----------
    pairs : Pairs
        From `gate_pairs`.
    rows : ndarray of int64, shape (q,)
        Tracks that take part.
    log_missed : float
        ``ln(1 - P_D)``: what a track loses without a plot.

    Returns
    -------
    ndarray of float64, shape (c,)
        Weight of each pair; what is missing to 1 in a track is its chance of no plot.

    Examples
    --------
    >>> both = Pairs(np.array([0, 1, 2]), np.array([0, 0]), np.array([2.0, 2.0]), 1)
    >>> weigh(both, np.array([0, 1]), -1.0).round(3).tolist()
    [0.488, 0.488]
    """
    c, k = len(pairs.plot), pairs.n_plots
    weight, weights, messages = np.empty(c), np.empty(c), np.empty(c)
    top, rest, who = np.empty(k), np.empty(k), np.empty(k, np.int64)
    gain = pairs.ratio - log_missed
    rounds = _SETTLED, _MOST_ROUNDS
    weigh_pairs(pairs.start, pairs.plot, gain, rows, *rounds, weights, messages, top, rest, who, weight)
    return weight
