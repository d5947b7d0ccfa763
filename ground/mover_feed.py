"""Which plot feeds which ground mover, and what it tells: held against the point of the roads where the plot is.

A mover that coasts may be anywhere along some hundred metres of bends and branches, on which a plot is a line through
its mean no longer. So each pair of a mover and a plot is judged about the point of an edge that the plot lies nearest
to: the way to there along the mover's own edge and on over the network is what the mover's mean and covariance speak of
(an extended Kalman update about that point instead of the mean; of several edges, the likeliest). A mover off the roads
is judged about its mean.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from lookdown.ground.associate import Pairs
from lookdown.ground.echoes import EchoLook, predict_echoes
from lookdown.ground.movers import OFF_ROAD, MoverTable, loose_of, points_at
from lookdown.ground.parameters import Parameters
from lookdown.ground.radar_feed import gain_of, judge, log_density_of
from lookdown.ground.roads import Nearby, RoadNet
from lookdown.wire.messages import Float

Int = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Chances:
    """Pairs of movers and plots, each about a point.

    Attributes
    ----------
    pairs : Pairs
        By mover and plot.
    edge : ndarray of int64, shape (c,)
        Edge of the point.
    state, covariance : ndarray of float64, shapes (c, 4) and (c, 4, 4)
        The mover's own numbers, as counted along that edge.
    away : ndarray of float64, shape (c, 4)
        Measured less predicted.
    slopes : ndarray of float64, shape (c, 4, 4)
        Derivative of the measured by the own numbers.
    total : ndarray of float64, shape (c, 4, 4)
        Covariance of ``away``.
    """

    pairs: Pairs
    edge: Int
    state: Float
    covariance: Float
    away: Float
    slopes: Float
    total: Float


def chances(
    table: MoverTable, look: EchoLook, nearby: list[list[Nearby]], net: RoadNet, parameters: Parameters
) -> Chances:
    """Judge all pairs.

    Parameters
    ----------
    table : MoverTable
        Movers at the time of the report.
    look : EchoLook
        The report.
    nearby : list of list of Nearby
        Of each plot, the points of edges that it may lie on.
    net : RoadNet
        The roads.
    parameters : Parameters
        Gate and probabilities.

    Returns
    -------
    Chances
        Pairs in their gates.
    """
    mover, plot, edge, own, point = _drawn(table, look.report.n_plots, nearby, net, parameters.gate_probability)
    # Each pair stands in a table of its own, on the edge of its point.
    about = table.take(mover)
    about.edge = edge
    rows = np.arange(len(mover))
    points = points_at(about, rows, point, np.ones(len(rows)), net, parameters.ground)
    predicted = predict_echoes(points.state, look)
    slopes, loose = predicted.jacobian @ points.bases, loose_of(about, points, net, parameters)
    spread = slopes @ about.covariance @ slopes.transpose(0, 2, 1)
    spread += predicted.jacobian @ loose @ predicted.jacobian.transpose(0, 2, 1)
    spread[:, [0, 1], [0, 1]] += look.shared**2
    measured = predicted.measured + np.einsum("cij,cj->ci", slopes, own - point)
    chance = parameters.radar_detection, parameters.radar_false_plots
    judged = judge(look, plot, measured, spread, parameters.gate_probability, log_density_of(look, *chance))
    kept = judged.inside & predicted.visible
    # Of the points of a pair, the likeliest.
    order = np.lexsort((-judged.ratio, plot, mover))
    order = order[kept[order]]
    key = mover[order] * max(look.report.n_plots, 1) + plot[order]
    order = order[np.unique(key, return_index=True)[1]]
    start = np.concatenate([[0], np.cumsum(np.bincount(mover[order], minlength=len(table)))]).astype(np.int64)
    return Chances(
        Pairs(start, plot[order], judged.ratio[order], look.report.n_plots), edge[order], own[order],
        about.covariance[order], judged.away[order], slopes[order], judged.total[order],
    )  # fmt: skip


def corrected(found: Chances, rows: Int, look: EchoLook) -> tuple[Float, Float]:
    """Own numbers and their covariance after the plots of some pairs, shapes (k, 4) and (k, 4, 4)."""
    covariance, total = found.covariance[rows], found.total[rows]
    gain = gain_of(covariance, found.slopes[rows], total, look)
    after = covariance - gain @ total @ gain.transpose(0, 2, 1)
    state = found.state[rows] + np.einsum("kij,kj->ki", gain, found.away[rows])
    return np.asarray(state, np.float64), np.asarray(0.5 * (after + after.transpose(0, 2, 1)), np.float64)


def _drawn(
    table: MoverTable, n_plots: int, nearby: list[list[Nearby]], net: RoadNet, gate_probability: float
) -> tuple[Int, Int, Int, Float, Float]:
    """Pairs with the edge of their point, the mover's own numbers along that edge, and those of the point."""
    gate = float(chdtri(4, 1.0 - gate_probability))
    of = np.array([plot for plot, one in enumerate(nearby) for _ in one], np.int64)
    flat = [point for one in nearby for point in one]
    at_edge = np.array([point.edge for point in flat], np.int64)
    at_m = np.array([point.along_m for point in flat], np.float64)
    variance = np.array([point.variance_m2 for point in flat], np.float64)
    off = np.flatnonzero(table.edge == OFF_ROAD)
    parts = [(
        np.repeat(off, n_plots), np.tile(np.arange(n_plots), off.size), np.full(off.size * n_plots, OFF_ROAD),
        np.repeat(table.state[off], n_plots, axis=0), np.repeat(table.state[off], n_plots, axis=0),
    )]  # fmt: skip
    for edge in np.unique(table.edge[table.edge != OFF_ROAD]).tolist():
        movers = np.flatnonzero(table.edge == edge)
        for other in np.unique(at_edge).tolist():
            points = np.flatnonzero(at_edge == other)
            for offset, sense in net.bridges(edge, other):
                state, covariance = table.state[movers] * sense, table.covariance[movers]
                state[:, 0] -= sense * offset
                step = at_m[points] - state[:, :1]
                near = step**2 < gate * (covariance[:, 0, 0, None] + variance[points])
                m, p = np.nonzero(near)
                own, point = state[m], np.zeros((len(m), 4))
                slope = covariance[m, 0, 2] / np.maximum(covariance[m, 0, 0], 1e-12)
                point[:, 0], point[:, 2] = at_m[points[p]], own[:, 2] + slope * step[m, p]
                parts.append((movers[m], of[points[p]], np.full(len(m), other), own, point))
    mover, plot, edges, own, point = (np.concatenate(part) for part in zip(*parts, strict=True))
    return mover, plot, edges, own, point
