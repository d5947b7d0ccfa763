"""A day of a relay network: messages from the satellites to the ground over planned contacts, what became of them."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.geo.orbit import parse_walker
from lookdown.hil.network.contacts import STATIONS, LinkRules, plan_contacts
from lookdown.hil.network.simulate import Simulation
from lookdown.wire.clock import NS_PER_S
from lookdown.wire.errors import ConfigError
from lookdown.wire.relay.bundle import PRIORITIES, Bundle, Key
from lookdown.wire.relay.parts import RelayLimits
from lookdown.wire.relay.plan import Contact
from lookdown.wire.relay.routing import Network

_SAMPLE_NS = 60 * NS_PER_S


@dataclass(frozen=True)
class DayPlan:
    """What is simulated.

    Attributes
    ----------
    walker : str
        Constellation, ``i:T/P/F``.
    altitude_m : float
        Its altitude [m].
    start_ns : int
        Beginning, TAI [ns].
    hours : float
        Length [h].
    messages : int
        Messages, at random times of the first 90 % and from random satellites, each to a random station.
    octets : int
        Size of a message.
    lifetime_s : float
        When a message expires [s].
    deaths : int
        Satellites that die at a random time, for half an hour each.
    max_range_m : float
        Longest link between satellites [m].
    ground_bits_per_s : int
        Rate of a link to the ground [bit/s].
    capacity_octets : int
        Store of each relay.
    seed : int
        Of all that is random.
    """

    walker: str = "75:600/30/23"
    altitude_m: float = 1000e3
    start_ns: int = 1_790_000_000 * NS_PER_S
    hours: float = 24.0
    messages: int = 5_000
    octets: int = 2_000
    lifetime_s: float = 6 * 3600.0
    deaths: int = 60
    max_range_m: float = 5000e3
    ground_bits_per_s: int = LinkRules.ground_bits_per_s
    capacity_octets: int = 16 * 1024 * 1024
    seed: int = 1

    def __post_init__(self) -> None:
        names = ("hours", "messages", "octets", "lifetime_s", "max_range_m", "ground_bits_per_s", "capacity_octets")
        for name in names:
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name}: wanted more than 0, came {getattr(self, name)}")


@dataclass(frozen=True)
class DayResult:
    """What came of it: figures for people and programs, delays by priority [s], what was held when [octets]."""

    figures: dict[str, Any]
    delays_s: list[NDArray[np.float64]]
    held_octets: NDArray[np.int64]
    peak_octets: NDArray[np.int64]


def contacts_of(plan: DayPlan, progress: Callable[[int, int], None] | None = None) -> list[Contact]:
    """Plan the contacts of the constellation and the stations."""
    try:
        orbits = parse_walker(plan.walker, plan.altitude_m, plan.start_ns)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    # The stations' numbers stay clear of those of the satellites.
    shift = max(0, len(orbits) // 1000 * 1000)
    stations = [replace(station, node=station.node + shift) for station in STATIONS]
    rules = LinkRules(max_range_m=plan.max_range_m, ground_bits_per_s=plan.ground_bits_per_s)
    return plan_contacts(orbits, stations, plan.start_ns, plan.hours * 3600.0, rules, progress)


def run_day(plan: DayPlan, contacts: list[Contact], progress: Callable[[int, int], None] | None = None) -> DayResult:
    """Run the relays over a day of contacts.

    Parameters
    ----------
    plan : DayPlan
        What is sent, what dies.
    contacts : list of Contact
        Of `contacts_of`.
    progress : callable or None
        Told seconds simulated and seconds in all.
    """
    draw = random.Random(plan.seed)
    network = Network(contacts)
    grounds = [node for node in network.nodes if node > 900 and node % 1000 > 900]
    satellites = [node for node in network.nodes if node not in grounds]
    if not grounds or not satellites:
        raise ConfigError("contacts: wanted some to the ground, came none; fly lower or higher, or for longer")
    end_ns = plan.start_ns + round(plan.hours * 3600 * NS_PER_S)
    run = Simulation(network, RelayLimits(capacity_octets=plan.capacity_octets, answer_after_s=1.0), plan.seed)
    run.now_ns = plan.start_ns
    sent: dict[Key, Bundle] = {}
    refused = 0

    def submit(number: int, source: int, ground: int, priority: int) -> None:
        nonlocal refused
        now_ns = run.now_ns
        lives_ns = round(plan.lifetime_s * NS_PER_S)
        bundle = Bundle(source, 1, number, ground, priority, now_ns, now_ns + lives_ns, bytes(plan.octets))
        if run.submit(bundle):
            sent[bundle.key] = bundle
        else:
            refused += 1  # made on a satellite that is dead, or whose store is full

    for number in range(1, plan.messages + 1):
        what = (number, draw.choice(satellites), draw.choice(grounds), draw.randrange(PRIORITIES))
        at_ns = plan.start_ns + round(0.9 * draw.random() * (end_ns - plan.start_ns))
        run.at(at_ns, lambda what=what: submit(*what))  # type: ignore[misc]
    for node in draw.sample(satellites, min(plan.deaths, len(satellites))):
        at_ns = plan.start_ns + round(draw.random() * (end_ns - plan.start_ns))
        run.at(at_ns, lambda node=node: run.kill(node))  # type: ignore[misc]
        run.at(at_ns + 1800 * NS_PER_S, lambda node=node: run.revive(node))  # type: ignore[misc]
    held: list[int] = []
    peaks = dict.fromkeys(network.nodes, 0)
    for at_ns in range(plan.start_ns, end_ns + 1, _SAMPLE_NS):
        run.run(at_ns)
        for node, relay in run.relays.items():
            peaks[node] = max(peaks[node], relay.octets)
        held.append(sum(relay.octets for relay in run.relays.values()))
        if progress:
            progress((at_ns - plan.start_ns) // NS_PER_S, (end_ns - plan.start_ns) // NS_PER_S)
    return _result(plan, run, sent, refused, np.array(held), np.array([peaks[node] for node in network.nodes]))


def _result(
    plan: DayPlan,
    run: Simulation,
    sent: dict[Key, Bundle],
    refused: int,
    held: NDArray[np.int64],
    peaks: NDArray[np.int64],
) -> DayResult:
    arrivals = [pair for journal in run.journals.values() for pair in journal.deliveries]
    delays: list[list[float]] = [[] for _ in range(PRIORITIES)]
    for bundle, arrival_ns in arrivals:
        delays[bundle.priority].append((arrival_ns - bundle.created_ns) / NS_PER_S)
    every = np.array([delay for some in delays for delay in some])
    counts = {
        name: run.ended[name] + sum(relay.counts[name] for relay in run.relays.values())
        for name in ("sent", "passed on", "repeated", "dropped", "expired", "refused full", "dead links")
    }
    by_priority = Counter(bundle.priority for bundle in sent.values())
    delivered = {bundle.key for bundle, _ in arrivals}
    once = len(delivered)
    held_keys = {key for journal in run.journals.values() for key in journal.written} - delivered  # of the dead, too
    figures = {
        "plan": asdict(plan),
        "nodes": len(run.network.nodes),
        "contacts": len(run.network.contacts),
        "messages": {
            "sent": len(sent),
            "not taken": refused,
            "delivered": once,
            "delivered twice": len(arrivals) - once,
            "sent by priority": [by_priority[priority] for priority in range(PRIORITIES)],
            "delivered by priority": [len(some) for some in delays],
            "held at the end": len(held_keys),
            "hops": counts["sent"] / max(once, 1),
        },
        "delay_s": {f"p{q}": float(np.percentile(every, q)) for q in (50, 90, 99, 100)} if every.size else {},
        "storage_octets": {
            "all nodes, most": int(held.max()),
            "all nodes, median": float(np.median(held)),
            "one node, most": int(peaks.max()),
        },
        "relays": counts,
        "routes computed": run.ended["routes"] + sum(relay.routes.computed for relay in run.relays.values()),
    }
    return DayResult(figures, [np.sort(some) for some in delays], held, peaks)
