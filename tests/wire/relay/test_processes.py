"""Relays as processes, secured, through a proxy of bad links: each message once while nodes die and links are cut."""

import random
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from lookdown.hil.network.proxy import FaultProxies
from lookdown.wire.relay.bundle import Key
from lookdown.wire.relay.local import RelayClient
from lookdown.wire.relay.store import read_deliveries
from tests.wire.relay.processes import Relays, relays

LIMITS = "answer_after_s = 0.5\ndead_for_s = 0.3"
LONGEST_S = 1.0  # wait for events where all is cut
Wanted = SimpleQueue[tuple[int, bytes] | None]


def send_all(context: Any, run: Relays, node: int, wanted: Wanted) -> dict[Key, tuple[int, bytes]]:
    """Send what is wanted of a node, whose relay may be dead now and then; return what it took."""
    client = RelayClient(context, run.local(node), node)
    taken = {}
    while message := wanted.get():
        to, payload = message
        taken[client.send(to, payload, len(payload) % 4, 3600.0, wait_s=100.0)] = message
    return taken


def torment(context: Any, tmp_path: Path, pairs: list[tuple[int, int]], seconds: float, count: int, seed: int) -> str:
    """Kill nodes and cut links at random, after random numbers of events, under load.

    It goes on until the time is over and ``count`` messages a node are under way; every message that was taken must
    arrive once, unchanged.
    """
    draw = random.Random(seed)
    kills = cuts = given = 0
    nodes = tuple(sorted({node for pair in pairs for node in pair}))
    with (
        FaultProxies() as proxies,
        relays(tmp_path, pairs, proxies=proxies, limits=LIMITS, delay_ms=5, followed=nodes) as run,
        ThreadPoolExecutor(len(nodes)) as pool,
    ):
        for proxy in run.links.values():
            proxy.faults.delay_s, proxy.faults.bits_per_s, proxy.faults.loss = 0.005, 2e7, 0.005
        wanted: dict[int, Wanted] = {node: SimpleQueue() for node in nodes}
        sent: list[Future[Any]] = [pool.submit(send_all, context, run, node, wanted[node]) for node in nodes]
        begun = time.monotonic()
        while (spent := (time.monotonic() - begun) / seconds) < 1.0 or given < count * len(nodes):
            while given < min(spent, 1.0) * count * len(nodes):
                node, to = draw.sample(nodes, 2)
                wanted[node].put((to, b"%d from %d" % (given, node) * draw.randrange(1, 30)))
                given += 1
            run.follower.pass_by(draw.randrange(1, 60), LONGEST_S)
            if draw.random() < 0.3:
                node = draw.choice(nodes)
                run.kill(node)
                run.follower.pass_by(draw.randrange(60), LONGEST_S)
                run.start(node)
                run.wait(node)
                kills += 1
                continue
            pair = draw.choice(pairs)
            both = [run.links[pair], run.links[pair[::-1]]]
            if draw.random() < 0.3:
                for proxy in both[: draw.randrange(1, 3)]:
                    proxy.faults.half_open = True
            else:
                for proxy in both:
                    proxies.cut(proxy)
            cuts += 1
            if draw.random() < 0.6:
                heal(run)
        heal(run)
        for queue in wanted.values():
            queue.put(None)
        promised = {key: what for future in sent for key, what in future.result(timeout=120).items()}
        run.follower.wait(lambda: arrived_count(run) >= len(promised), 60.0)
        run.stop()
        arrived = [(m.key, node, m.payload) for node in nodes for m in read_deliveries(tmp_path / f"{node}.sqlite")]
    assert len(promised) == given
    assert sorted(arrived) == sorted((key, to, payload) for key, (to, payload) in promised.items())
    return f"{len(promised)} messages, {kills} kills, {cuts} cuts and half-open links"


def heal(run: Relays) -> None:
    for proxy in run.links.values():
        proxy.faults.cut = proxy.faults.half_open = False


def arrived_count(run: Relays) -> int:
    return sum(len(read_deliveries(run.folder / f"{node}.sqlite")) for node in run.nodes)


def test_four_relays_deliver_once_while_nodes_die_and_links_are_cut(context: Any, tmp_path: Path) -> None:
    torment(context, tmp_path, [(1, 2), (2, 3), (3, 4), (4, 1)], seconds=6.0, count=25, seed=1)


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_ten_relays_deliver_once_in_five_minutes_of_kills_and_cuts(context: Any, tmp_path: Path) -> None:
    ring = [(n, n % 10 + 1) for n in range(1, 11)]
    said = torment(context, tmp_path, [*ring, (1, 6), (3, 8), (5, 10), (2, 9)], seconds=300.0, count=300, seed=2)
    print(said)
