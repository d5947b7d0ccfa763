"""The link with keys beside the link without, and beside ZeroMQ's bare sockets, which promise nothing.

Packets of 200 octets over TCP between two processes. What counts is the processor time of the busier end, all its
threads: its inverse is what a core at each end carries, and other load of the machine changes it little. The three
take turns, and the ratio is the median over the rounds.
"""

from pathlib import Path
from statistics import median, quantiles

from pytest_benchmark.fixture import BenchmarkFixture

from lookdown.wire.keys import NodeKeys, enrol
from tests.bench.link_ends import BARE, BOARD, GROUND, measure

PACKETS = 200_000
ROUNDS = 5
GOAL_PER_S = 200_000
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
