"""Relays as processes, secured, through a proxy of bad links: each message once while nodes die and links are cut."""

import random
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lookdown.hil.network.proxy import FaultProxies
from lookdown.wire.relay.bundle import Key
from lookdown.wire.relay.local import RelayClient
from lookdown.wire.relay.store import read_deliveries
from tests.wire.relay.processes import Relays, relays

LIMITS = "answer_after_s = 0.5\ndead_for_s = 0.3"


def send_all(context: Any, run: Relays, node: int, count: int, seed: int, until: float) -> dict[Key, tuple[int, bytes]]:
    """Send messages of a node to all others, with its relay killed now and then; return what it took."""
    draw = random.Random(seed * 100 + node)
    client = RelayClient(context, run.local(node), node)
    pause = max(0.0, until - time.monotonic()) / count
    taken = {}
    for n in range(count):
        to = draw.choice([other for other in run.nodes if other != node])
        payload = b"%d from %d" % (n, node) * draw.randrange(1, 30)
        taken[client.send(to, payload, draw.randrange(4), 3600.0, wait_s=100.0)] = (to, payload)
        time.sleep(pause * draw.random())  # the load, not a wait for something
    return taken


def torment(context: Any, tmp_path: Path, pairs: list[tuple[int, int]], seconds: float, count: int, seed: int) -> str:
    """Kill nodes and cut links at random under load; every message that was taken must arrive once, unchanged."""
    draw = random.Random(seed)
    kills = cuts = 0
    with FaultProxies() as proxies, relays(tmp_path, pairs, proxies=proxies, limits=LIMITS, delay_ms=5) as run:
        for proxy in run.links.values():
            proxy.faults.delay_s, proxy.faults.bits_per_s, proxy.faults.loss = 0.005, 2e7, 0.005
        until = time.monotonic() + seconds
        with ThreadPoolExecutor(len(run.nodes)) as pool:
            sent: list[Future[Any]] = [
                pool.submit(send_all, context, run, node, count, seed, until) for node in run.nodes
            ]
            while time.monotonic() < until:
                time.sleep(draw.random() * 12.0 / len(run.nodes))
                if draw.random() < 0.3:
                    node = draw.choice(run.nodes)
                    run.kill(node)
                    time.sleep(draw.random())
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
                    for proxy in run.links.values():
                        proxy.faults.cut = proxy.faults.half_open = False
            for proxy in run.links.values():
                proxy.faults.cut = proxy.faults.half_open = False
            promised = {key: what for future in sent for key, what in future.result(timeout=120).items()}
        deadline = time.monotonic() + 60.0
        while arrived_count(run) < len(promised) and time.monotonic() < deadline:
            time.sleep(0.2)
        run.stop()
        arrived = [(m.key, node, m.payload) for node in run.nodes for m in read_deliveries(tmp_path / f"{node}.sqlite")]
    assert len(promised) == count * len(run.nodes)
    assert sorted(arrived) == sorted((key, to, payload) for key, (to, payload) in promised.items())
    return f"{len(promised)} messages, {kills} kills, {cuts} cuts and half-open links"


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
