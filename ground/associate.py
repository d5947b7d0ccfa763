"""Which plot feeds which track: gate, log-likelihood ratio, global nearest neighbour.

A plot inside the chi-square gate of a track speaks for it with the log-likelihood ratio (Blackman, Popoli 1999, 6.2)::

    L = ln P_D - d^2 / 2 - ln(2 pi sqrt(det S)) - ln beta

where ``d^2`` is the squared innovation over its covariance ``S`` and ``beta`` the density of false plots. Confirmed
tracks share the plots out one to one so that the sum of L is greatest. Tentative tracks then each take their best of
what is left, several the same one if need be: which of them is real is not known yet, and a false crossing must not
starve a true one.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from lookdown.wire.messages import Float


def log_ratios(
    tangent: Float, spread: Float, plots: Float, variance: Float, gate: float, log_detection_over_false: float
) -> Float:
    """Log-likelihood ratio of each plot for each track.

    Parameters
    ----------
    tangent : ndarray of float64, shape (n, 2)
        Predicted tangents of the tracks [1].
    spread : ndarray of float64, shape (n, 2, 2)
        Covariance of the prediction about a noiseless plot.
    plots : ndarray of float64, shape (k, 2)
        Measured tangents [1].
    variance : ndarray of float64, shape (k, 2)
        Variance of each plot from its centroid.
    gate : float
        Greatest squared distance [1].
    log_detection_over_false : float
        ``ln(P_D / beta)``, ``beta`` the density of false plots in tangent space [1].

    Returns
    -------
    ndarray of float64, shape (n, k)
        L; -inf outside of the gate.
    """
    across = plots[None, :, 0] - tangent[:, 0, None]
    down = plots[None, :, 1] - tangent[:, 1, None]
    xx = spread[:, 0, 0, None] + variance[None, :, 0]
    yy = spread[:, 1, 1, None] + variance[None, :, 1]
    xy = spread[:, 0, 1, None]
    determinant = xx * yy - xy * xy
    distance2 = (yy * across**2 - 2.0 * xy * across * down + xx * down**2) / determinant
    ratio = log_detection_over_false - 0.5 * distance2 - np.log(2.0 * np.pi * np.sqrt(determinant))
    return np.asarray(np.where(distance2 < gate, ratio, -np.inf), np.float64)


def assign(ratios: Float, live: NDArray[np.bool_], log_missed: float) -> NDArray[np.int64]:
    """Give plots to tracks.

    Parameters
    ----------
    ratios : ndarray of float64, shape (n, k)
        From `log_ratios`.
    live : ndarray of bool, shape (n,)
        Tracks that are confirmed or coasting: they choose first, one plot to one track.
    log_missed : float
        ``ln(1 - P_D)``: what a track loses without a plot.

    Returns
    -------
    ndarray of int64, shape (n,)
        Index of the plot of each track, -1 for none.

    Examples
    --------
    >>> assign(np.array([[5.0, 4.0], [4.5, -np.inf]]), np.array([True, True]), -1.0).tolist()
    [1, 0]
    """
    plot_of = np.full(len(ratios), -1, np.int64)
    if not ratios.size:
        return plot_of
    gain = np.maximum(ratios - log_missed, 0.0)
    rows = np.flatnonzero(live & (gain > 0.0).any(axis=1))
    if rows.size:
        columns = np.flatnonzero((gain[rows] > 0.0).any(axis=0))
        chosen = gain[np.ix_(rows, columns)]
        row, column = linear_sum_assignment(chosen, maximize=True)
        real = chosen[row, column] > 0.0
        plot_of[rows[row[real]]] = columns[column[real]]
        gain[:, plot_of[plot_of >= 0]] = 0.0
    rows = np.flatnonzero(~live)
    best = gain[rows].argmax(axis=1)
    found = gain[rows, best] > 0.0
    plot_of[rows[found]] = best[found]
    return plot_of
