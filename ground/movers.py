r"""The table of ground movers, how they move, and where they are in ECEF.

On a road a mover is its way along an edge and how fast, so that it follows every bend; elsewhere it has two coordinates
and two speeds over the surface. Both stand in four numbers, of which a mover on a road uses the first and the third.
While it is seen its speed keeps, but for white acceleration. One that coasts may brake, stop, crawl or go on, so that
its speed becomes as unknown as that of any vehicle (Ornstein-Uhlenbeck),

.. math:: \dot v = -v / T + w, \quad E v = v_0 e^{-t/T}, \quad \sigma_v^2 \to \sigma^2.

Its place is then told by seven points of its way (Gauss-Hermite), each on all the edges that it may have reached: mean
and covariance in ECEF follow bends and junctions.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from lookdown.geo.earth import ecef_to_geodetic, enu_axes
from lookdown.ground.parameters import Parameters
from lookdown.ground.roads import RoadNet
from lookdown.ground.terrain import Terrain
from lookdown.ground.tracks import UPDATE_DTYPE
from lookdown.wire.messages import Float, Track, TrackStatus

Int = NDArray[np.int64]
Bool = NDArray[np.bool_]

TENTATIVE, CONFIRMED, COASTING, DROPPED = (int(status) for status in TrackStatus)
OFF_ROAD = -1

_CLIMB_SIGMA_M_S = 1.0
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(7)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


@dataclass(slots=True, eq=False)
class MoverTable:
    """Movers, one a row, all at one time; arrays are replaced, never changed in place.

    Attributes
    ----------
    track_id : ndarray of int64, shape (n,)
        Identities.
    edge : ndarray of int64, shape (n,)
        Edge of the road network, `OFF_ROAD` elsewhere.
    anchor_m, axes : ndarray of float64, shapes (n, 3) and (n, 3, 3)
        Off the roads: origin of its coordinates, ECEF, and east, north and up there as rows.
    state, covariance : ndarray of float64, shapes (n, 4) and (n, 4, 4)
        On a road way and speed along the edge in places 0 and 2, the others 0; else east, north and their speeds [m],
        [m/s].
    status : ndarray of uint8, shape (n,)
        Life of the track (`TrackStatus`).
    score : ndarray of float64, shape (n,)
        Log-likelihood ratio.
    hits, misses : ndarray of int64, shape (n,)
        Reports with a plot, and reports without that should have had one.
    last_hit_ns : ndarray of int64, shape (n,)
        Time of the last plot, TAI [ns].
    """

    track_id: Int
    edge: Int
    anchor_m: Float
    axes: Float
    state: Float
    covariance: Float
    status: NDArray[np.uint8]
    score: Float
    hits: Int
    misses: Int
    last_hit_ns: Int

    @classmethod
    def blank(cls, size: int) -> "MoverTable":
        """Tentative movers that nothing is known of."""
        whole = [np.zeros(size, np.int64) for _ in range(4)]
        return cls(
            whole[0], np.full(size, OFF_ROAD, np.int64), np.zeros((size, 3)), np.zeros((size, 3, 3)),
            np.zeros((size, 4)), np.zeros((size, 4, 4)), np.full(size, TENTATIVE, np.uint8), np.zeros(size),
            whole[1], whole[2], whole[3],
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.track_id)

    def take(self, rows: Int | Bool) -> "MoverTable":
        """Return copies of some rows."""
        return MoverTable(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def with_more(self, other: "MoverTable") -> "MoverTable":
        """Return these rows and then those of another table."""
        names = [field.name for field in fields(self)]
        return MoverTable(**{name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in names})

    @property
    def live(self) -> Bool:
        """Which are confirmed or coasting, shape (n,)."""
        return np.asarray(self.status != TENTATIVE, np.bool_)

    def moved_on(self, ahead_s: float, parameters: Parameters, net: RoadNet) -> "MoverTable":
        """Return the movers a time later."""
        after = self.take(np.arange(len(self)))
        if not len(self) or ahead_s == 0.0:
            return after
        coasts = self.status == COASTING
        # Of a mover that is seen, and of one that coasts.
        third, second = ahead_s**3 / 3.0, ahead_s**2 / 2.0
        seen = parameters.surface_noise_m2_s3 * np.array([[third, second], [second, ahead_s]])
        time_s, square = parameters.surface_stop_s, parameters.surface_speed_sigma_m_s**2
        fade = float(np.exp(-ahead_s / time_s))
        place = time_s**2 * (2.0 * ahead_s / time_s - 3.0 + 4.0 * fade - fade**2)
        both = time_s * (1.0 - fade) ** 2
        faded = square * np.array([[place, both], [both, 1.0 - fade**2]])
        carry = np.array([[[1.0, ahead_s], [0.0, 1.0]], [[1.0, time_s * (1.0 - fade)], [0.0, fade]]])
        whole = np.kron(carry, np.eye(2)[None])[coasts.astype(np.int64)]
        noise = np.kron(np.stack([seen, faded]), np.eye(2)[None])[coasts.astype(np.int64)]
        on_road = self.edge != OFF_ROAD
        noise[np.ix_(on_road, [1, 3], range(4))] = 0.0
        noise[np.ix_(on_road, range(4), [1, 3])] = 0.0
        after.state = np.asarray(np.einsum("nij,nj->ni", whole, self.state), np.float64)
        after.covariance = np.asarray(whole @ self.covariance @ whole.transpose(0, 2, 1) + noise, np.float64)
        return after._gone_on(net)

    def _gone_on(self, net: RoadNet) -> "MoverTable":
        """Put movers that have passed the end of their edge onto the next one, where only one goes on."""
        beyond = (self.edge != OFF_ROAD) & (self.state[:, 0] < 0.0)
        beyond |= (self.edge != OFF_ROAD) & (self.state[:, 0] > net.length_m[self.edge] if len(net) else beyond)
        for row in np.flatnonzero(beyond).tolist():
            ways = net.ways(int(self.edge[row]), float(self.state[row, 0]))
            if len(ways) == 1:
                self.edge[row], self.state[row, 0], sense = ways[0]
                self.state[row, 2] *= sense
        return self


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Points that stand for movers: one or more of each, in order of movers.

    Attributes
    ----------
    owner : ndarray of int64, shape (p,)
        Row of the mover.
    weight : ndarray of float64, shape (p,)
        Share of its chance; of each mover they sum to 1.
    place_m : ndarray of float64, shape (p, 3)
        ECEF [m].
    lines : ndarray of float64, shape (p, 3, 2)
        Directions of the mover's two coordinates; the second is 0 on a road.
    speed_m_s : ndarray of float64, shape (p, 2)
        Speeds along them [m/s].
    """

    owner: Int
    weight: Float
    place_m: Float
    lines: Float
    speed_m_s: Float

    @property
    def state(self) -> Float:
        """Positions and velocities, ECEF, shape (p, 6)."""
        return np.concatenate([self.place_m, np.einsum("pij,pj->pi", self.lines, self.speed_m_s)], axis=1)

    @property
    def bases(self) -> Float:
        """Derivatives of `state` by the movers' own numbers, shape (p, 6, 4)."""
        base = np.zeros((len(self.owner), 6, 4))
        base[:, :3, :2] = base[:, 3:, 2:] = self.lines
        return base


def points_at(table: MoverTable, owner: Int, own: Float, weight: Float, net: RoadNet, ground: Terrain) -> Points:
    """Where movers ``owner`` are if their own numbers are ``own``, with a weight; on each edge that they may be on.

    Shapes (q,), (q, 4) and (q,).
    """
    rows: list[tuple[int, int, float, int, float]] = []
    on = table.edge[owner] != OFF_ROAD
    for k in np.flatnonzero(on).tolist():
        edge, gone_m = int(table.edge[owner[k]]), float(own[k, 0])
        inside = 0.0 <= gone_m <= net.length_m[edge]
        ways = [(edge, gone_m, 1)] if inside else net.ways(edge, gone_m)
        rows += [(k, *way, weight[k] / len(ways)) for way in ways]
    source = np.array([row[0] for row in rows], np.int64)
    edges, sense = (np.array([row[n] for row in rows], np.int64) for n in (1, 3))
    along, share = (np.array([row[n] for row in rows], np.float64) for n in (2, 4))
    place, direction = net.at(edges, along) if rows else (np.zeros((0, 3)), np.zeros((0, 3)))
    lines = np.zeros((len(rows), 3, 2))
    lines[:, :, 0] = direction * sense[:, None]
    off = np.flatnonzero(~on)
    if off.size:
        axes = table.axes[owner[off]]
        where = table.anchor_m[owner[off]] + np.einsum("nk,nki->ni", own[off, :2], axes[:, :2])
        lat, lon, high = ecef_to_geodetic(where)
        where = where - (high - ground.heights(lat, lon))[:, None] * enu_axes(lat, lon)[:, 2]
        place = np.concatenate([place, where])
        lines = np.concatenate([lines, axes[:, :2].transpose(0, 2, 1)])
        source, share = np.concatenate([source, off]), np.concatenate([share, weight[off]])
    order = np.argsort(source, kind="stable")
    source = source[order]
    return Points(owner[source], share[order], place[order], lines[order], own[source, 2:])


def loose_of(table: MoverTable, points: Points, net: RoadNet, parameters: Parameters) -> Float:
    """Return what movers' own numbers do not hold: road's width, height, climb; shape (p, 6, 6)."""
    edge = table.edge[points.owner]
    half_m = np.full(len(edge), parameters.ground_sigma_m)
    if len(net):
        half_m = np.where(edge == OFF_ROAD, half_m, 0.5 * net.width_m[edge])
    rest = np.eye(3) - points.lines @ points.lines.transpose(0, 2, 1)
    loose = np.zeros((len(edge), 6, 6))
    loose[:, :3, :3], loose[:, 3:, 3:] = rest * half_m[:, None, None] ** 2, rest * _CLIMB_SIGMA_M_S**2
    return loose


def means_of(table: MoverTable, net: RoadNet, parameters: Parameters) -> Points:
    """Where movers are by their means."""
    n = len(table)
    return points_at(table, np.arange(n), table.state, np.ones(n), net, parameters.ground)


def whole_of(table: MoverTable, net: RoadNet, parameters: Parameters) -> tuple[Float, Float]:
    """States (n, 6) and covariances (n, 6, 6) in ECEF; those of coasting movers follow the roads."""
    n, wide = len(table), (table.status == COASTING) & (table.edge != OFF_ROAD)
    owner = np.repeat(np.arange(n), np.where(wide, len(_NODES), 1))
    step, weight, many = np.zeros(len(owner)), np.ones(len(owner)), wide[owner]
    step[many], weight[many] = np.tile(_NODES, int(wide.sum())), np.tile(_WEIGHTS, int(wide.sum()))
    sigma = np.sqrt(np.maximum(table.covariance[:, 0, 0], 1e-12))
    slope = table.covariance[:, 0, 2] / sigma
    own = table.state[owner].copy()
    own[:, 0] += step * sigma[owner]
    own[:, 2] += step * slope[owner]
    points = points_at(table, owner, own, weight, net, parameters.ground)
    # The points hold the spread of the way; what is left is that of the speed at a place.
    left = table.covariance.copy()
    left[wide] = 0.0
    left[wide, 2, 2] = np.maximum(table.covariance[wide, 2, 2] - slope[wide] ** 2, 0.0)
    bases, states = points.bases, points.state
    spread = bases @ left[points.owner] @ bases.transpose(0, 2, 1) + loose_of(table, points, net, parameters)
    state, covariance = np.zeros((n, 6)), np.zeros((n, 6, 6))
    np.add.at(state, points.owner, points.weight[:, None] * states)
    away = states - state[points.owner]
    spread += away[:, :, None] * away[:, None, :]
    np.add.at(covariance, points.owner, points.weight[:, None, None] * spread)
    return state, covariance


def updates_of(table: MoverTable, time_ns: int, net: RoadNet, parameters: Parameters) -> NDArray[np.void]:
    """Movers as updates; the sensor is left open."""
    state, covariance = whole_of(table, net, parameters)
    updates = np.zeros(len(table), UPDATE_DTYPE)
    updates["position_m"], updates["velocity_m_s"], updates["covariance"] = state[:, :3], state[:, 3:], covariance
    recent_ns = round(parameters.coast_after_s * 1e9)
    updates["time_ns"], updates["n_sensors"] = time_ns, table.last_hit_ns >= time_ns - recent_ns
    for name in ("track_id", "status", "score", "hits", "misses"):
        updates[name] = getattr(table, name)
    return updates


def tracks_of(table: MoverTable, time_ns: int, net: RoadNet, parameters: Parameters) -> list[Track]:
    """Movers as tracks, best score first."""
    best = table.take(np.argsort(-table.score, kind="stable"))
    state, covariance = whole_of(best, net, parameters)
    numbers = (best.track_id.tolist(), best.status.tolist(), best.score.tolist(), best.hits.tolist())
    return [
        Track(name, time_ns, state[k], covariance[k], TrackStatus(status), score, hits, int(best.misses[k]))
        for k, (name, status, score, hits) in enumerate(zip(*numbers, strict=True))
    ]
