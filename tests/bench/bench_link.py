"""The link with keys beside the link without, and beside ZeroMQ's bare sockets, which promise nothing.

Packets of 200 octets over TCP between two processes. What counts is the processor time of the busier end, all its
threads: its inverse is what a core at each end carries, and other load of the machine changes it little. The three
take turns, and the ratio is the median over the rounds.

The drain after an outage goes from a spool on disk through the link into a recording on disk, both synchronised, with
both ends in one thread: by the clock.
"""

import shutil
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import zmq
from pytest_benchmark.fixture import BenchmarkFixture

from lookdown.wire.clock import SystemClock
from lookdown.wire.keys import NodeKeys, enrol
from lookdown.wire.link import LinkReceiver, LinkSender
from lookdown.wire.recording import Recorder
from lookdown.wire.spool import Spool
from tests.bench.link_ends import BARE, BOARD, GROUND, OCTETS, measure

PACKETS = 200_000
ROUNDS = 5
GOAL_PER_S = 200_000
WAITING = 60_000  # packets in the spool when the outage ends
DRAIN_GOAL_PER_S = 40_000
PLAIN, CURVE, SOCKETS = "link without keys", "link with CURVE", "bare sockets"


def keys_in(folder: Path) -> str:
    """Folders of keys of two nodes that know each other."""
    keys = {node: NodeKeys.make(node, 0) for node in (GROUND, BOARD)}
    for node, other in ((GROUND, BOARD), (BOARD, GROUND)):
        keys[node].save(folder / str(node))
        enrol(folder / str(node), keys[other].card)
    return str(folder)


def test_curve(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    ways = {PLAIN: "", CURVE: keys_in(tmp_path), SOCKETS: BARE}
    rounds = [{name: measure(PACKETS, keys) for name, keys in ways.items()} for _ in range(ROUNDS)]
    busier = {name: [max(r[name]["sender_s"], r[name]["receiver_s"]) for r in rounds] for name in ways}
    benchmark.pedantic(lambda: measure(PACKETS, ways[CURVE]), rounds=1, iterations=1)
    ratios = {name: [a / b for a, b in zip(busier[CURVE], busier[name], strict=True)] for name in (PLAIN, SOCKETS)}
    low, _, high = quantiles(ratios[PLAIN], n=4)
    benchmark.extra_info.update(
        stage="link, packets of 200 octets, CURVE",
        size="200 B",
        ns_per_pixel=1e9 * median(busier[CURVE]) / 200,
        peer=PLAIN,
        ratio_to_peer=median(ratios[PLAIN]),
        ratio_quartiles=[low, high],
        ratio_to_bare_sockets=median(ratios[SOCKETS]),
        packets_per_s={name: 1 / median(seconds) for name, seconds in busier.items()},
        wall_packets_per_s={name: 1 / median(r[name]["wall_s"] for r in rounds) for name in ways},
        ends_us={
            name: [1e6 * median(r[name][end] for r in rounds) for end in ("sender_s", "receiver_s")] for name in ways
        },
        goal_per_s=GOAL_PER_S,
    )
    info = benchmark.extra_info
    rates = ", ".join(f"{name} {rate:,.0f}/s" for name, rate in info["packets_per_s"].items())
    print(f"\n{info['stage']}: {rates}; CURVE by plain {info['ratio_to_peer']:.2f}", end="", flush=True)


def drained(spool: Path, recording: Path) -> float:
    """Packets a second from a spool into a recording, all of them, until the spool is empty."""
    context: zmq.Context[Any] = zmq.Context()
    clock = SystemClock()
    recorder = Recorder(recording, durable=True)
    receiver = LinkReceiver(context, "tcp://127.0.0.1:*", clock, {BOARD})
    sender = LinkSender(context, receiver.endpoint, BOARD, clock, spool=Spool(spool, BOARD, 2, durable=True))
    assert sender.held == WAITING
    begun = time.perf_counter()
    while not sender.idle:
        sender.service(0)
        for delivery in receiver.service(0):
            recorder.append(delivery)
        recorder.commit()
        receiver.commit()
    spent = time.perf_counter() - begun
    assert (receiver.stats[BOARD].received, receiver.stats[BOARD].lost, sender.stats.resent) == (WAITING, 0, 0)
    for end in (sender, receiver, recorder):
        end.close()
    context.term()
    return WAITING / spent


def passed_on(packet: bytes) -> float:
    """Packets a second through ZeroMQ's sockets alone, both ends in one thread, nothing kept."""
    context: zmq.Context[Any] = zmq.Context()
    near, far = context.socket(zmq.DEALER), context.socket(zmq.ROUTER)
    port = far.bind_to_random_port("tcp://127.0.0.1")
    near.connect(f"tcp://127.0.0.1:{port}")
    begun = time.perf_counter()
    for at in range(0, WAITING, 500):
        for _ in range(min(500, WAITING - at)):
            near.send(packet)
        for _ in range(min(500, WAITING - at)):
            far.recv_multipart()
    spent = time.perf_counter() - begun
    context.destroy(linger=0)
    return WAITING / spent


def test_drain_after_an_outage(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    context: zmq.Context[Any] = zmq.Context()
    packet = bytes(OCTETS)
    full = tmp_path / "full.sqlite"
    with_nobody = LinkSender(context, "tcp://127.0.0.1:9", BOARD, SystemClock(), spool=Spool(full, BOARD, 1))
    for number in range(WAITING):
        assert with_nobody.offer(packet, 2)
        if number % 64 == 63:
            with_nobody.service()
    with_nobody.service()
    with_nobody.close()
    context.term()
    rates, bare = [], []
    for turn in range(ROUNDS):
        spool = tmp_path / f"{turn}.sqlite"
        shutil.copy(full, spool)
        rates.append(drained(spool, tmp_path / f"{turn}.ldrec"))
        bare.append(passed_on(packet))
    benchmark.pedantic(lambda: passed_on(packet), rounds=1, iterations=1)
    benchmark.extra_info.update(
        stage="link, drain of a spool after an outage",
        size="200 B",
        ns_per_pixel=1e9 / median(rates) / OCTETS,
        peer=SOCKETS,
        ratio_to_peer=median(b / a for a, b in zip(rates, bare, strict=True)),
        wall_packets_per_s={"drain": median(rates), SOCKETS: median(bare)},
        goal_per_s=DRAIN_GOAL_PER_S,
    )
    print(f"\ndrain {median(rates):,.0f} packets/s, bare sockets {median(bare):,.0f}/s", end="", flush=True)
