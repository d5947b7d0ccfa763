"""Roads as lines through points that meet at shared points: a network in which a mover may turn off.

Lines are cut where they share a point with another, or with themselves; what lies between two such points, or ends, is
an *edge*, measured from its first point [m]. A place that a mover has reached along its edge and beyond its end lies on
any of the edges that go on from there (`RoadNet.ways`); a place on another edge has a distance along the first one's
continuation (`RoadNet.bridges`), over the shortest way (Dijkstra 1959). Where nothing goes on, an edge does, straight.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.spatial import KDTree

from lookdown.geo.earth import geodetic_to_ecef
from lookdown.wire.messages import Float

Int = NDArray[np.int64]

JOIN_M = 0.2
"""Points of lines as near as this are one."""
MOST_WAYS = 32
"""Ways on from a place that are told apart; beyond, roads go on along one of their branches each."""
REACH_M = 20e3
"""Farthest way over other edges that is looked for."""

_STEP_M = 20.0  # between the points at which a place is held against a road


@dataclass(frozen=True)
class RoadConfig:
    """A road, as a configuration tells it.

    Attributes
    ----------
    points : tuple of tuple of float
        Latitude and longitude [deg] and height over the ellipsoid [m] of two points or more. Where a point is one of
        another road as well, the two join.
    name : str
        For people.
    width_m : float
        Width, and how far the points may be off [m].
    """

    points: tuple[tuple[float, float, float], ...]
    name: str = ""
    width_m: float = 20.0

    def __post_init__(self) -> None:
        """Refuse what is no road."""
        values = np.array(self.points, np.float64)
        if len(values) < 2 or not np.isfinite(values).all() or (np.abs(values[:, 0]) > 90).any():
            raise ValueError("points: wanted two or more of latitude and longitude [deg] and height [m], all finite")
        if not 0.0 < self.width_m < 1e4:
            raise ValueError(f"width_m: wanted 0 to 10000, got {self.width_m}")


@dataclass(frozen=True, slots=True)
class Nearby:
    """A point of an edge at which a place may be."""

    edge: int
    along_m: float
    variance_m2: float  # of along_m
    square: float  # squared distance from the place, in its sigmas


class RoadNet:
    """Roads in ECEF, cut into edges where they join.

    Parameters
    ----------
    roads : sequence of RoadConfig
        The roads; none is a network, too.

    Attributes
    ----------
    length_m, width_m : ndarray of float64, shape (edges,)
        Of each edge [m].
    road : ndarray of int64, shape (edges,)
        Index of the road that each edge is a part of.
    nodes : ndarray of int64, shape (edges, 2)
        Node at the beginning and at the end of each edge.
    """

    def __init__(self, roads: Sequence[RoadConfig]) -> None:
        self._roads = tuple(roads)
        lines = [_line(road) for road in roads]
        cuts = _shared(lines)
        places: list[Float] = []
        ends: list[tuple[int, int]] = []
        of: list[int] = []
        for index, (line, cut) in enumerate(zip(lines, cuts, strict=True)):
            at = sorted(cut)
            for a, b in pairwise(at):
                places.append(line[a : b + 1])
                ends.append((cut[a], cut[b]))
                of.append(index)
        self.road = np.array(of, np.int64)
        self.nodes = np.array(ends, np.int64).reshape(-1, 2)
        self.width_m = np.array([road.width_m for road in roads], np.float64)[self.road]
        steps = [np.diff(place, axis=0) for place in places]
        long = [np.linalg.norm(step, axis=1) for step in steps]
        self.length_m = np.array([one.sum() for one in long], np.float64)
        # All legs in one row, so that one search finds those of many places.
        self._first = np.concatenate([[0], np.cumsum([len(one) for one in long])]).astype(np.int64)
        self._begin = np.concatenate([place[:-1] for place in places]) if places else np.zeros((0, 3))
        unit = [step / one[:, None] for step, one in zip(steps, long, strict=True)]
        self._direction = np.concatenate(unit) if unit else np.zeros((0, 3))
        at_m = [np.cumsum(one) - one for one in long]
        self._span_m = float(self.length_m.max(initial=0.0)) + 1.0
        self._at_m = np.concatenate(at_m) if at_m else np.zeros(0)
        self._key = self._at_m + np.repeat(np.arange(len(places)), np.diff(self._first)) * self._span_m
        self._leave: list[list[tuple[int, int]]] = [[] for _ in range(int(self.nodes.max(initial=-1)) + 1)]
        for edge, (a, b) in enumerate(ends):
            self._leave[a].append((edge, 1))
            self._leave[b].append((edge, -1))
        self._graph = self._weighed()
        self._distances = lru_cache(maxsize=256)(self._from_ends)
        count = np.maximum(2, (self.length_m / _STEP_M).astype(np.int64) + 1)
        self._sample_edge = np.repeat(np.arange(len(places)), count)
        steps_m = [np.linspace(0.0, one, n) for one, n in zip(self.length_m, count, strict=True)]
        self._sample_m = np.concatenate(steps_m) if steps_m else np.zeros(0)
        self._samples = self.at(self._sample_edge, self._sample_m)[0]
        self._tree = KDTree(self._samples) if len(places) else None

    def __len__(self) -> int:
        """Return the number of edges."""
        return len(self.length_m)

    def __reduce__(self) -> tuple[type["RoadNet"], tuple[tuple[RoadConfig, ...]]]:
        """Pickle as the roads that it was made of."""
        return RoadNet, (self._roads,)

    def at(self, edge: Int, along_m: Float) -> tuple[Float, Float]:
        """Places and unit directions at distances along edges, ECEF, shapes (n, 3); straight on beyond their ends."""
        edge, along_m = np.asarray(edge, np.int64), np.asarray(along_m, np.float64)
        inside = np.clip(along_m, 0.0, self.length_m[edge])
        leg = np.searchsorted(self._key, inside + edge * self._span_m, side="right") - 1
        leg = np.clip(leg, self._first[edge], self._first[edge + 1] - 1)
        direction = self._direction[leg]
        return self._begin[leg] + (along_m - self._at_m[leg])[:, None] * direction, direction

    def near(self, place_m: Float, covariance_m2: Float, most: float) -> list[Nearby]:
        """Find the points of edges that a place with a covariance may be, the most likely of each edge.

        Parameters
        ----------
        place_m : ndarray of float64, shape (3,)
            The place, ECEF [m].
        covariance_m2 : ndarray of float64, shape (3, 3)
            Its covariance [m^2].
        most : float
            Greatest squared distance, in sigmas; half the width of a road counts as one of its own.

        Returns
        -------
        list of Nearby
            In order of edges.
        """
        if self._tree is None:
            return []
        widest = 0.5 * float(self.width_m.max())
        reach = np.sqrt(most * (float(np.linalg.eigvalsh(covariance_m2)[-1]) + widest**2)) + _STEP_M
        rows = np.sort(np.array(self._tree.query_ball_point(place_m, reach), np.int64))
        found = []
        for edge in np.unique(self._sample_edge[rows]).tolist():
            own = rows[self._sample_edge[rows] == edge]
            information = np.linalg.inv(covariance_m2 + 0.25 * self.width_m[edge] ** 2 * np.eye(3))
            away = place_m - self._samples[own]
            best = self._sample_m[own[np.argmin(np.einsum("ni,ij,nj->n", away, information, away))]]
            along, variance, square = self._refined(edge, float(best), place_m, information)
            if square < most:
                found.append(Nearby(edge, along, variance, square))
        return found

    def ways(self, edge: int, along_m: float) -> list[tuple[int, float, int]]:
        """Where a mover is that has gone a distance along an edge: edge, distance along it, and 1 or -1 for its sense.

        Within the edge that is one place. Beyond its ends it is one on each edge that goes on there, and so on.
        """
        done, open_ = [], [(edge, along_m, 1)]
        while open_:
            k, s, sense = open_.pop(0)
            length = float(self.length_m[k])
            if 0.0 <= s <= length:
                done.append((k, s, sense))
                continue
            node, beyond = (self.nodes[k, 1], s - length) if s > length else (self.nodes[k, 0], -s)
            came = k, -1 if s > length else 1
            on = [way for way in self._leave[node] if way != came]
            if not on:
                done.append((k, s, sense))
            # Going on along an edge from its beginning is going up along it if the mover went up before.
            up = sense if s > length else -sense
            for other, leaves in on if len(done) + len(open_) + len(on) <= MOST_WAYS else on[:1]:
                start = beyond if leaves == 1 else float(self.length_m[other]) - beyond
                open_.append((other, start, up * leaves))
        return done

    def bridges(self, edge: int, other: int) -> list[tuple[float, int]]:
        """How distances along another edge count along this one: ``along = offset + sense * along_of_other``.

        Returns
        -------
        list of (float, int)
            Offset [m] and sense; none if there is no way within `REACH_M`.
        """
        if edge == other:
            return [(0.0, 1)]
        length, own = float(self.length_m[other]), float(self.length_m[edge])
        begin, end = self._distances(edge)
        found = []
        first, last = self.nodes[other]
        for node, far, offset, sense in ((first, last, 0.0, 1), (last, first, length, -1)):
            # Not those that turn and go back, over this edge or over the other.
            if end[node] < min(begin[node] + own, end[far] + length) - JOIN_M:
                found.append((own + float(end[node]) + offset, sense))
            if begin[node] < min(end[node] + own, begin[far] + length) - JOIN_M:
                found.append((-float(begin[node]) - offset, -sense))
        return found

    def _refined(self, edge: int, along_m: float, place_m: Float, information: Float) -> tuple[float, float, float]:
        where = np.array([edge])
        [point], [direction] = self.at(where, np.array([along_m]))
        weight = float(direction @ information @ direction)
        step = float(direction @ information @ (place_m - point)) / weight
        along_m = float(np.clip(along_m + np.clip(step, -_STEP_M, _STEP_M), 0.0, self.length_m[edge]))
        off = place_m - self.at(where, np.array([along_m]))[0][0]
        return along_m, 1.0 / weight, float(off @ information @ off)

    def _weighed(self) -> csr_array:
        """Shortest edge between each two nodes."""
        best: dict[tuple[int, int], float] = {}
        for (a, b), length in zip(self.nodes.tolist(), self.length_m.tolist(), strict=True):
            if a != b:
                pair = min(a, b), max(a, b)
                best[pair] = min(best.get(pair, np.inf), length)
        begin, end = np.array(list(best), np.int64).reshape(-1, 2).T
        n = len(self._leave)
        return csr_array((np.array(list(best.values()), np.float64), (begin, end)), shape=(n, n))

    def _from_ends(self, edge: int) -> tuple[Float, Float]:
        """Distances of all nodes from the beginning and from the end of an edge [m]."""
        ends = self.nodes[edge]
        begin, end = dijkstra(self._graph, directed=False, indices=ends, limit=REACH_M)
        return begin, end


def _line(road: RoadConfig) -> Float:
    """Points of a road in ECEF, none twice in a row."""
    lat, lon, height = np.array(road.points, np.float64).T
    line = geodetic_to_ecef(np.radians(lat), np.radians(lon), height)
    keep = [0]
    for k in range(1, len(line)):
        if np.linalg.norm(line[k] - line[keep[-1]]) > JOIN_M:
            keep.append(k)
    if len(keep) < 2:
        raise ValueError(f"points: wanted a road longer than {JOIN_M} m, got {road.name or 'one'} that is shorter")
    return np.asarray(line[keep], np.float64)


def _shared(lines: list[Float]) -> list[dict[int, int]]:
    """Points of each line at which it is cut, its ends among them, and their nodes."""
    if not lines:
        return []
    places = np.concatenate(lines)
    near = KDTree(places).query_pairs(JOIN_M, output_type="ndarray")
    alike = csr_array((np.ones(len(near)), (near[:, 0], near[:, 1])), shape=(len(places), len(places)))
    node = connected_components(alike, directed=False)[1]
    several = np.bincount(node)[node] > 1
    first = np.cumsum([0, *(len(line) for line in lines)])
    cuts = []
    for a, b in zip(first[:-1].tolist(), first[1:].tolist(), strict=True):
        several[[a, b - 1]] = True
        cuts.append(np.flatnonzero(several[a:b]))
    used = [node[a + cut] for a, cut in zip(first[:-1], cuts, strict=True)]
    names = np.unique(np.concatenate(used))  # nodes are numbered without gaps
    numbers = [np.searchsorted(names, one).tolist() for one in used]
    return [dict(zip(cut.tolist(), number, strict=True)) for cut, number in zip(cuts, numbers, strict=True)]
