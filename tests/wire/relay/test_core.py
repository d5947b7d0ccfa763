"""Relays in steps: each bundle once, whatever dies, is cut or lost; priorities, expiry, a store that is full."""

import random

import pytest

from lookdown.hil.network.simulate import Simulation
from lookdown.wire.clock import NS_PER_S
from lookdown.wire.relay.bundle import FULL, Bundle, Custody, decode_hop
from lookdown.wire.relay.core import Relay
from lookdown.wire.relay.parts import RelayLimits
from lookdown.wire.relay.plan import Contact
from lookdown.wire.relay.routing import Network

DAY_NS = 86_400 * NS_PER_S
MBIT, MS = 10**6, 10**6


def both_ways(pairs: list[tuple[int, int]], start_ns: int = 0, end_ns: int = DAY_NS) -> list[Contact]:
    return [Contact(*p, start_ns, end_ns, 10 * MBIT, 5 * MS) for a, b in pairs for p in ((a, b), (b, a))]


def bundle(
    source: int, destination: int, sequence: int, priority: int = 3, now_ns: int = 0, for_s: int = 3600
) -> Bundle:
    return Bundle(source, 1, sequence, destination, priority, now_ns, now_ns + for_s * NS_PER_S, b"x" * 200)


@pytest.mark.parametrize("seed", range(12))
def test_each_bundle_arrives_once_whatever_dies_and_is_cut(seed: int) -> None:
    draw = random.Random(seed)
    ring = [(n, n % 10 + 1) for n in range(1, 11)]
    pairs = [*ring, (1, 6), (3, 8), (5, 10), (2, 9)]
    limits = RelayLimits(window=8, answer_after_s=0.3, dead_for_s=0.3)
    run = Simulation(Network(both_ways(pairs)), limits, seed, loss=0.02)
    promised = {}
    sequences = dict.fromkeys(range(1, 11), 0)

    def make() -> None:
        source, destination = draw.sample(range(1, 11), 2)
        sequences[source] += 1
        made = bundle(source, destination, sequences[source], draw.randrange(4), run.now_ns)
        if run.submit(made):
            promised[made.key] = destination

    def kill() -> None:
        node = draw.randrange(1, 11)
        run.kill(node)
        run.at(run.now_ns + draw.randrange(2 * NS_PER_S), lambda: run.revive(node))

    def cut() -> None:
        link = draw.choice(pairs)
        run.cut |= {link, link[::-1]}
        run.at(run.now_ns + draw.randrange(3 * NS_PER_S), lambda: run.cut.difference_update({link, link[::-1]}))

    for do, often_ms in ((make, 40), (kill, 700), (cut, 500)):
        for at in range(0, 20_000, often_ms):
            run.at((at + draw.randrange(often_ms)) * MS, do)
    run.run(20 * NS_PER_S)
    run.loss = 0.0
    run.run(140 * NS_PER_S)
    assert len(promised) > 400
    arrived = [(made.key, node) for node, journal in run.journals.items() for made, _ in journal.deliveries]
    assert sorted(arrived) == sorted(promised.items())
    assert sum(relay.held for relay in run.relays.values()) == 0
    assert sum(relay.counts["repeated"] for relay in run.relays.values()) > 0


def test_the_way_goes_round_a_dead_node_and_back_when_it_lives() -> None:
    run = Simulation(Network(both_ways([(1, 2), (2, 4), (1, 3), (3, 5), (5, 4)])), RelayLimits(answer_after_s=0.2))
    assert run.submit(bundle(1, 4, 1))
    run.run(NS_PER_S)
    assert run.journals[4].deliveries[0][1] == pytest.approx(10 * MS, rel=0.1)  # two hops
    run.kill(2)
    assert run.submit(bundle(1, 4, 2, now_ns=run.now_ns))
    run.run(2 * NS_PER_S)
    assert len(run.journals[4].deliveries) == 2
    assert run.relays[1].counts["dead links"] == 1
    assert run.relays[5].routes.computed > 0
    run.revive(2)
    run.run(10 * NS_PER_S)
    assert run.submit(bundle(1, 4, 3, now_ns=run.now_ns))
    run.run(11 * NS_PER_S)
    assert run.journals[4].deliveries[2][1] - 10 * NS_PER_S < 12 * MS


def test_a_bundle_waits_for_its_contact_on_disk_and_survives() -> None:
    plan = both_ways([(1, 2)], 0, 10 * NS_PER_S) + both_ways([(2, 3)], 100 * NS_PER_S, 110 * NS_PER_S)
    run = Simulation(Network(plan), RelayLimits())
    assert run.submit(bundle(1, 3, 1))
    run.run(50 * NS_PER_S)
    assert (run.relays[1].held, run.relays[2].held) == (0, 1)
    run.kill(2)
    run.revive(2)
    run.run(200 * NS_PER_S)
    assert [arrival_ns // NS_PER_S for _, arrival_ns in run.journals[3].deliveries] == [100]
    assert run.relays[2].held == 0


def test_higher_priorities_go_first_and_what_expires_goes_not() -> None:
    plan = both_ways([(1, 2)], 60 * NS_PER_S, 70 * NS_PER_S)
    run = Simulation(Network(plan), RelayLimits())
    for sequence, (priority, for_s) in enumerate([(0, 3600), (3, 3600), (1, 3600), (3, 30), (2, 3600)], 1):
        assert run.submit(bundle(1, 2, sequence, priority, for_s=for_s))
    run.run(100 * NS_PER_S)
    assert [made.sequence for made, _ in run.journals[2].deliveries] == [2, 5, 3, 1]
    assert run.relays[1].counts["expired"] == 1


def test_a_full_store_drops_the_lowest_priority_counts_it_and_refuses_what_is_no_higher() -> None:
    events = []
    network = Network(both_ways([(1, 2)], 60 * NS_PER_S, 70 * NS_PER_S))
    relay = Relay(1, network, RelayLimits(capacity=3), trace=lambda *event: events.append(event[1:3]))
    for sequence, priority in enumerate([1, 0, 0], 1):
        assert relay.submit(bundle(1, 2, sequence, priority), 0)
    assert relay.submit(bundle(1, 2, 4, 2), 0)
    assert ("dropped", (1, 1, 2)) in events
    assert relay.submit(bundle(1, 2, 5, 1), 0)
    assert ("dropped", (1, 1, 3)) in events
    assert not relay.submit(bundle(1, 2, 6, 1), 0)
    assert (relay.held, relay.counts["dropped"], relay.counts["refused full"]) == (3, 2, 1)


def test_nothing_is_promised_that_could_not_be_written() -> None:
    network = Network(both_ways([(1, 2), (2, 3)]))
    one, two = Relay(1, network), Relay(2, network)
    assert one.submit(bundle(1, 3, 1), 0)
    ((peer, message),) = one.sends(0)
    assert peer == 2
    two.receive(1, message, 0)
    assert [peer for peer, _ in two.sends(0)] == [3]  # cut-through
    ((peer, answer),) = two.settle(False, 0)
    custody = decode_hop(answer)
    assert isinstance(custody, Custody)
    assert (peer, custody.verdict, two.held) == (1, FULL, 0)
    one.receive(2, answer, 0)
    assert one.held == 1


def test_bad_messages_are_counted_by_reason_and_change_nothing() -> None:
    relay = Relay(1, Network(both_ways([(1, 2)])))
    whole = Custody(bundle(1, 2, 1).key, 7, 0).encode()
    for data in (b"", b"\x09", whole[:-1], whole[:10], bytes([whole[0], whole[1] ^ 1]) + whole[2:], b"\x01" + bytes(8)):
        relay.receive(2, data, 0)
    relay.receive(2, whole, 0)
    assert relay.counts == {"refused kind": 2, "refused truncated": 3, "refused crc": 1}
