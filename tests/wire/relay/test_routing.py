"""Earliest arrival over a contact plan, held to a search in the graph of all nodes at all times."""

from itertools import pairwise
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdown.wire.relay.plan import Contact
from lookdown.wire.relay.routing import UNREACHED, Network, Routes
from lookdown.wire.relay.search import earliest_arrival

RATES = (10**9, 5 * 10**8, 3 * 10**8)  # 1, 2 and 3.3 ns a bit


@st.composite
def plans(draw: st.DrawFn) -> tuple[int, list[Contact]]:
    nodes = draw(st.integers(2, 7))
    contacts = []
    pairs = [(a, b) for a in range(1, nodes + 1) for b in range(1, nodes + 1) if a != b]
    for pair in draw(st.lists(st.sampled_from(pairs), unique=True, max_size=14)):
        at = 0
        for _ in range(draw(st.integers(1, 3))):
            start = at + draw(st.integers(0, 12))
            at = start + draw(st.integers(1, 12))
            contacts.append(Contact(*pair, start, at, draw(st.sampled_from(RATES)), draw(st.integers(0, 9))))
    return nodes, contacts


def slow_arrivals(
    nodes: int, contacts: list[Contact], source: int, now: int, bits: int, dead: dict[Any, int]
) -> dict[int, int]:
    """First arrivals in the graph whose nodes are (node, time): an edge to wait, and one for each time of leaving."""
    last = 150
    graph = nx.DiGraph()
    for node in range(1, nodes + 1):
        nx.add_path(graph, [(node, t) for t in range(last)])
    for a, b, start, end, rate, delay in contacts:
        takes = -(-bits * 10**9 // rate)
        for t in range(max(start, dead.get((a, b), 0)), end - takes + 1):
            if t + takes + delay >= dead.get(b, 0):
                graph.add_edge((a, t), (b, t + takes + delay))
    first: dict[int, int] = {}
    for node, t in nx.descendants(graph, (source, now)) | {(source, now)}:
        first[node] = min(t, first.get(node, t))
    return first


@settings(max_examples=150, deadline=None)
@given(plans(), st.integers(0, 20), st.integers(1, 4), st.data())
def test_arrivals_are_those_of_the_graph_of_all_times(
    plan: tuple[int, list[Contact]], now: int, bits: int, data: st.DataObject
) -> None:
    nodes, contacts = plan
    source = data.draw(st.integers(1, nodes))
    links = sorted({contact[:2] for contact in contacts})
    dead: dict[Any, int] = {}
    if links:
        dead = data.draw(st.dictionaries(st.sampled_from(links), st.integers(0, 60), max_size=3))
    dead |= data.draw(st.dictionaries(st.integers(1, nodes).filter(lambda n: n != source), st.integers(0, 60)))
    routes = Routes(Network(contacts, range(1, nodes + 1)), source)
    for what, until in dead.items():
        if isinstance(what, tuple):
            routes.link_dead(*what, until)
        else:
            routes.node_dead(what, until)
    routes.compute(now, bits)
    wanted = slow_arrivals(nodes, contacts, source, now, bits, dead)
    for node in range(1, nodes + 1):
        assert routes.arrival_ns(node) == wanted.get(node, UNREACHED)
        way = routes.way(node)
        if node == source:
            assert (way, routes.hop(node)) == ([], node)
        elif node in wanted:
            assert way[0].sender == source
            assert way[-1].receiver == node
            assert routes.hop(node) == way[0].receiver
            assert all(one.receiver == two.sender for one, two in pairwise(way))
        else:
            assert (way, routes.hop(node)) == ([], None)


def test_a_dead_link_and_a_dead_node_are_gone_round_until_they_live() -> None:
    day = 10**15
    pairs = [(1, 2, 1), (2, 4, 1), (1, 3, 5), (3, 4, 5), (4, 5, 1)]
    routes = Routes(Network([Contact(a, b, 0, day, 10**9, ms) for a, b, ms in pairs]), 1)
    routes.compute(0, 8)
    assert routes.hop(5) == 2
    assert routes.link_dead(2, 4, 10**9)
    assert not routes.link_dead(2, 4, 10**9)
    assert not routes.link_dead(4, 2, 10**9)
    routes.compute(0, 8)
    assert routes.hop(5) == 3
    routes.compute(10**9, 8)
    assert routes.hop(5) == 2
    assert routes.node_dead(2, 3 * 10**9)
    routes.compute(2 * 10**9, 8)
    assert routes.hop(5) == 3
    assert routes.hop(99) is None


def test_arrays_that_do_not_fit_are_refused() -> None:
    network = Network([Contact(1, 2, 0, 10, 1, 0)])
    with pytest.raises(ValueError, match="source: wanted 0 to 1, came 2"):
        call(network, source=2)
    with pytest.raises(ValueError, match="bits: wanted"):
        call(network, bits=0)
    with pytest.raises(ValueError, match="fit 2 nodes, 1 edges and 1 contacts"):
        call(network, edge_until_ns=np.zeros(2, np.int64))


def call(network: Network, **other: Any) -> None:
    given = {
        name: getattr(network, name)
        for name in ("first_edge", "receiver", "first_contact", "start_ns", "end_ns", "bits_per_s", "delay_ns")
    }
    given |= {"edge_until_ns": np.zeros(1, np.int64), "node_until_ns": np.zeros(2, np.int64)}
    given |= {"source": 0, "now_ns": 0, "bits": 1, "arrival_ns": np.zeros(2, np.int64)}
    given |= {name: np.zeros(2, np.int32) for name in ("by_edge", "by_contact", "hop")}
    earliest_arrival(*(given | other).values())
