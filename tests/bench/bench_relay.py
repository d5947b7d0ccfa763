"""Routes of 600 nodes computed anew after a death, beside the same search with the heap of Python's library."""

import heapq
from statistics import median
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from lookdown.geo.orbit import parse_walker
from lookdown.hil.network.contacts import STATIONS, LinkRules, plan_contacts
from lookdown.wire.clock import NS_PER_S
from lookdown.wire.relay.routing import UNREACHED, Network, Routes
from tests.bench.measure import timed

START_NS = 1_790_000_000 * NS_PER_S
BITS = 16_000


def plain_search(network: Network, source: int, now_ns: int, dead: int) -> dict[int, int]:
    """First arrivals by a search over dictionaries and tuples."""
    best, heap = {source: now_ns}, [(now_ns, source)]
    while heap:
        t, node = heapq.heappop(heap)
        if t > best[node]:
            continue
        for peer, contacts in network.of_sender(node).items():
            if peer == dead:
                continue
            for contact in contacts:
                leave = max(t, contact.start_ns) - (-BITS * NS_PER_S // contact.bits_per_s)
                if leave <= contact.end_ns:
                    if leave + contact.delay_ns < best.get(peer, UNREACHED):
                        best[peer] = leave + contact.delay_ns
                        heapq.heappush(heap, (best[peer], peer))
                    break
    return best


@pytest.mark.parametrize(("links", "range_m"), [("stable", 5000e3), ("changing", 1500e3)])
def test_routes_after_a_death(benchmark: BenchmarkFixture, links: str, range_m: float) -> None:
    orbits = parse_walker("75:600/30/23", 1000e3, START_NS)
    network = Network(plan_contacts(orbits, STATIONS, START_NS, 3600.0, LinkRules(max_range_m=range_m)))
    routes = Routes(network, 1)
    now_ns, dead = START_NS + 1000 * NS_PER_S, 2

    def ours() -> None:
        routes.node_dead(dead, UNREACHED - 2**40)
        routes.compute(now_ns, BITS)

    def peer() -> Any:
        return plain_search(network, 1, now_ns, dead)

    ours()
    wanted = peer()
    assert {node: routes.arrival_ns(node) for node in network.nodes if node in wanted} == wanted
    pairs = [(timed(ours), timed(peer)) for _ in range(11)]
    benchmark.pedantic(ours, rounds=20)
    ours_ms = 1000 * median(pair[0] for pair in pairs)
    benchmark.extra_info.update(
        stage="routes after a death", size=links, ms=ours_ms, contacts=len(network.contacts), goal_ms=5.0
    )
    benchmark.extra_info["ratio_to_plain"] = median(a / b for a, b in pairs)
    print(
        f"\nroutes of {len(network.nodes)} nodes, {len(network.contacts)} contacts, {len(network.edges)} edges "
        f"({links}): {ours_ms:.2f} ms, {1 / benchmark.extra_info['ratio_to_plain']:.0f} times as fast as in Python",
        end="",
    )
