"""Contact plans from orbits: who sees whom above the Earth's limb, with so many links a satellite.

Satellites link to those that move least against them, for these links last longest, and keep a link as long as it can
be. A station links to satellites above its least elevation, the nearest to the zenith first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lookdown.geo.earth import SPEED_OF_LIGHT_M_S, geodetic_to_ecef, upward
from lookdown.geo.orbit import Orbit
from lookdown.geo.sight import tangent_height
from lookdown.wire.clock import NS_PER_S
from lookdown.wire.errors import ConfigError
from lookdown.wire.relay.plan import Contact

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Station:
    """A ground station: identity, place on the ellipsoid [deg, m]."""

    node: int
    lat_deg: float
    lon_deg: float
    height_m: float = 0.0


STATIONS = (
    Station(901, 78.23, 15.39, 450.0),  # Svalbard
    Station(902, 28.3, -16.5, 50.0),  # Canary Islands
    Station(903, -31.0, 116.2, 250.0),  # Western Australia
    Station(904, 40.6, -104.9, 1600.0),  # Colorado
    Station(905, -53.0, -70.9, 40.0),  # Magallanes
)
"""Places where ground stations stand, to the tenth of a degree or better; more than enough for contacts."""


@dataclass(frozen=True)
class LinkRules:
    """What links can be.

    Attributes
    ----------
    per_satellite, per_station : int
        Terminals between satellites of one satellite, antennas of one station. A satellite has one terminal for the
        ground besides.
    max_range_m : float
        Longest link between satellites [m].
    grazing_height_m : float
        A link between satellites passes the Earth at least so high [m].
    min_elevation_deg : float
        Least elevation at a station [deg].
    bits_per_s, ground_bits_per_s : int
        Rates between satellites and to the ground [bit/s].
    step_s : float
        Contacts begin and end at multiples of this [s].
    """

    per_satellite: int = 4
    per_station: int = 4
    max_range_m: float = 5000e3
    grazing_height_m: float = 80e3
    min_elevation_deg: float = 10.0
    bits_per_s: int = 100_000_000
    ground_bits_per_s: int = 50_000_000
    step_s: float = 60.0

    def __post_init__(self) -> None:
        for name in ("per_satellite", "per_station", "max_range_m", "bits_per_s", "ground_bits_per_s", "step_s"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name}: wanted more than 0, came {getattr(self, name)}")


def plan_contacts(
    orbits: Sequence[Orbit],
    stations: Sequence[Station],
    start_ns: int,
    duration_s: float,
    rules: LinkRules | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Contact]:
    """Plan the contacts of satellites 1, 2, ... and ground stations.

    Parameters
    ----------
    orbits : sequence of Orbit
        The satellites; the first is node 1.
    stations : sequence of Station
        The ground.
    start_ns : int
        Beginning of the plan, TAI [ns].
    duration_s : float
        Its length [s].
    rules : LinkRules or None
        What links can be; None for the defaults.
    progress : callable or None
        Told steps done and steps in all.

    Returns
    -------
    list of Contact
        Both ways of each link; the delay is that of light over the distance in the middle of the contact.
    """
    rules = rules or LinkRules()
    taken = {station.node for station in stations}
    if len(taken) < len(stations) or any(1 <= node <= len(orbits) for node in taken):
        raise ConfigError(f"stations: wanted nodes of their own above {len(orbits)}, came {sorted(taken)}")
    step_ns = round(rules.step_s * NS_PER_S)
    steps = max(1, round(duration_s / rules.step_s))
    ground = np.array(
        [geodetic_to_ecef(np.radians(s.lat_deg), np.radians(s.lon_deg), s.height_m) for s in stations]
    ).reshape(-1, 3)
    up = upward(ground) if len(ground) else ground
    open_since: dict[tuple[int, int], int] = {}
    between: set[tuple[int, int]] = set()
    down: set[tuple[int, int]] = set()
    contacts: list[Contact] = []
    times = start_ns + step_ns * np.arange(steps + 1, dtype=np.int64)
    path_m = np.stack([orbit.state(times)[0] for orbit in orbits]).transpose(1, 0, 2)  # step, satellite, axis
    place = {station.node: row for row, station in enumerate(stations)}

    def close(pair: tuple[int, int], step: int) -> None:
        since = open_since.pop(pair)
        middle = path_m[[(since + step) // 2, (since + step + 1) // 2]].mean(axis=0)
        other = ground[place[pair[1]]] if pair[1] in place else middle[pair[1] - 1]
        delay_ns = round(float(np.linalg.norm(middle[pair[0] - 1] - other)) / SPEED_OF_LIGHT_M_S * NS_PER_S)
        rate = rules.ground_bits_per_s if pair[1] in place else rules.bits_per_s
        begin, end = int(times[since]), int(times[step])
        contacts.extend(Contact(*ends, begin, end, rate, delay_ns) for ends in (pair, pair[::-1]))

    for step in range(steps):
        position = path_m[step]
        # A contact holds for the whole step: both ends of it are looked at.
        after = path_m[step + 1]
        between = _links(position, after, rules, between)
        down = _passes(position, after, ground, up, [s.node for s in stations], rules, down)
        wanted = between | down
        for pair in [pair for pair in open_since if pair not in wanted]:
            close(pair, step)
        for pair in wanted:
            open_since.setdefault(pair, step)
        if progress:
            progress(step + 1, steps)
    for pair in list(open_since):
        close(pair, steps)
    return sorted(contacts)


def _links(position: Float, after: Float, rules: LinkRules, kept: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Choose the links between satellites for a step: those that go on, then the slowest pairs first."""
    first, second = np.triu_indices(len(position), 1)
    apart, apart_after = position[second] - position[first], after[second] - after[first]
    near = np.maximum(np.sum(apart**2, -1), np.sum(apart_after**2, -1)) <= rules.max_range_m**2
    first, second, apart, apart_after = first[near], second[near], apart[near], apart_after[near]
    clear = np.minimum(_lowest(position[first], apart), _lowest(after[first], apart_after)) >= rules.grazing_height_m
    first, second = first[clear], second[clear]
    motion = np.sum((apart_after - apart)[clear] ** 2, -1)
    order = np.argsort(motion, kind="stable")
    pairs = list(zip((first[order] + 1).tolist(), (second[order] + 1).tolist(), strict=True))
    return _choose(pairs, kept, lambda _: rules.per_satellite)


def _lowest(start: Float, way: Float) -> Float:
    """Least height of the lines from one satellite to another [m].

    A line that is lowest beyond one end rises from there: the look back from that end is the higher one.
    """
    return np.maximum(tangent_height(start, way), tangent_height(start + way, -way))


def _passes(
    position: Float,
    after: Float,
    ground: Float,
    up: Float,
    nodes: list[int],
    rules: LinkRules,
    kept: set[tuple[int, int]],
) -> set[tuple[int, int]]:
    """Choose the links to the ground for a step: those that go on, then the highest passes."""
    if not nodes:
        return set()
    elevation = np.minimum(*(_sin_elevation(p, ground, up) for p in (position, after)))
    satellite, station = np.nonzero(elevation >= np.sin(np.radians(rules.min_elevation_deg)))
    order = np.argsort(-elevation[satellite, station], kind="stable")
    pairs = [(int(satellite[n]) + 1, nodes[station[n]]) for n in order]
    return _choose(pairs, kept, lambda node: rules.per_station if node in nodes else 1)


def _sin_elevation(position: Float, ground: Float, up: Float) -> Float:
    way = position[:, None, :] - ground[None, :, :]
    return np.asarray(np.sum(way * up, -1) / np.linalg.norm(way, axis=-1), np.float64)


def _choose(
    pairs: list[tuple[int, int]], kept: set[tuple[int, int]], room: Callable[[int], int]
) -> set[tuple[int, int]]:
    """Choose pairs in order, those kept first, until their ends have no terminal left."""
    used: dict[int, int] = {}
    chosen: set[tuple[int, int]] = set()
    for some in ([pair for pair in pairs if pair in kept], pairs):
        for pair in some:
            a, b = pair
            if pair not in chosen and used.get(a, 0) < room(a) and used.get(b, 0) < room(b):
                chosen.add(pair)
                used[a], used[b] = used.get(a, 0) + 1, used.get(b, 0) + 1
    return chosen
