"""The short way through a relay: what left by it is what the relay's books come to; all else is left to the books."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from lookdown.wire.clock import NS_PER_S, SteppedClock
from lookdown.wire.config import parse_config
from lookdown.wire.keys import NodeKeys, enrol
from lookdown.wire.relay.bundle import TAKEN, Bundle, Custody, Key, Report, encode_transfer
from lookdown.wire.relay.config import RelayConfig
from lookdown.wire.relay.core import Relay
from lookdown.wire.relay.live import RelayProcess
from lookdown.wire.relay.parts import RelayLimits
from lookdown.wire.relay.plan import Contact, write_plan
from lookdown.wire.relay.routing import Network
from lookdown.wire.relay.shortcut import Shortcut
from lookdown.wire.relay.store import read_deliveries

T0_NS = 1_790_000_000 * NS_PER_S
HOUR_NS = 3600 * NS_PER_S
KEY_OF = {1: "one", 3: "three", 4: "four"}


class Frame:
    """A message as ZeroMQ gives it."""

    more = False

    def __init__(self, node: int, message: bytes) -> None:
        self.bytes = node.to_bytes(2, "big") + message
        self.key = KEY_OF.get(node, "")

    def get(self, name: str) -> str:
        assert name == "User-Id"
        return self.key


class Bench:
    """Relay 2 of a plan with its shortcut; what comes from a socket is put into a list."""

    def __init__(self, contacts: list[Contact], **limits: float) -> None:
        self.clock, self.queue = SteppedClock(T0_NS), list[Frame]()
        self.relay = Relay(2, Network(contacts), RelayLimits(**limits))  # type: ignore[arg-type]
        self.shortcut = Shortcut(2, True, 100)
        self.shortcut.known.update({key: node for node, key in KEY_OF.items()})
        self.left: list[bytes] = []
        self.passed = 0

    def recv(self, flags: int, copy: bool) -> Frame:
        assert (flags, copy) == (zmq.NOBLOCK, False)
        if not self.queue:
            raise zmq.Again
        return self.queue.pop(0)

    def open(self) -> None:
        senders = dict.fromkeys((1, 3, 4), lambda message, _: self.left.append(bytes(message)))
        self.relay.open(self.shortcut, senders, self.clock.now_ns())

    def books(self) -> list[tuple[int, bytes]]:
        """Write up what waits; what left must be what the relay would send."""
        out: list[tuple[int, bytes]] = []
        for came, now_ns, left in self.shortcut.take():
            if isinstance(came, Bundle):
                self.relay.submit(came, now_ns)
            else:
                self.relay.receive(int.from_bytes(came.bytes[:2], "big"), came.bytes[2:], now_ns)
            if left:
                sends = self.relay.sends(now_ns)
                assert (left[0], left[1][2:]) in sends
                sends.remove((left[0], left[1][2:]))
                self.passed += 1
                out += sends
        return out + self.relay.settle(True, self.clock.now_ns())


def day(pairs: list[tuple[int, int]], rate: int = 10**7, end_ns: int = T0_NS + 24 * HOUR_NS) -> list[Contact]:
    return [Contact(*pair, T0_NS - HOUR_NS, end_ns, rate, 10**6) for a, b in pairs for pair in ((a, b), (b, a))]


def bundle(sequence: int, to: int = 3, priority: int = 2, octets: int = 200, lives_ns: int = HOUR_NS) -> Bundle:
    return Bundle(1, 5, sequence, to, priority, T0_NS, T0_NS + lives_ns, bytes(octets))


def warm(bench: Bench) -> None:
    """Let one message for node 3 come the long way: the relay knows from then on where those go."""
    bench.relay.receive(1, encode_transfer(1, bundle(1).encode()), bench.clock.now_ns())
    assert bench.relay.sends(bench.clock.now_ns())
    bench.relay.settle(True, bench.clock.now_ns())
    bench.clock.advance(0.1)
    bench.open()


def test_a_message_leaves_with_a_number_of_its_own_and_the_books_agree() -> None:
    bench = Bench(day([(1, 2), (2, 3)]))
    warm(bench)
    octets = bundle(2).encode()
    bench.queue.append(Frame(1, encode_transfer(77, octets)))
    assert bench.shortcut.pass_on(bench, bench.clock) is None
    assert bench.left == [b"\0\2" + encode_transfer(2, octets)]
    assert bench.relay.held == 1  # its books do not know yet
    assert [peer for peer, _ in bench.books()] == [1]  # custody is taken
    assert (bench.relay.held, bench.relay.counts["sent"]) == (2, 2)


def test_what_is_made_here_leaves_before_the_books_or_waits_for_them() -> None:
    bench = Bench(day([(1, 2), (2, 3)]))
    warm(bench)
    first, nowhere, second = (
        Bundle(2, 9, n, to, 1, T0_NS, T0_NS + HOUR_NS, b"plots") for n, to in ((1, 3), (2, 4), (3, 3))
    )
    for made in (first, nowhere, first, second):  # the first is asked for twice
        bench.shortcut.start(made.encode(), made, bench.clock.now_ns())
    assert bench.left == [b"\0\2" + encode_transfer(2, first.encode())]  # nothing overtakes what waits
    assert [left is not None for *_, left in bench.shortcut.waiting] == [True, False, False, False]
    assert not bench.books()
    assert [peer for peer, _ in bench.relay.sends(bench.clock.now_ns())] == [3, 3]  # who asks twice may have lost it
    assert (bench.relay.held, bench.relay.counts["repeated"], bench.relay.counts["refused destination"]) == (3, 1, 1)


def test_every_single_bit_that_is_flipped_keeps_a_bundle_from_passing() -> None:
    bench = Bench(day([(1, 2), (2, 3)]))
    warm(bench)
    message = Frame(1, encode_transfer(77, bundle(2).encode()))
    good = message.bytes
    for bit in range(8 * len(good)):
        if 24 <= bit < 88:
            continue  # the number of the transfer before: another one leaves
        octets = bytearray(good)
        octets[bit // 8] ^= 128 >> bit % 8
        frame = Frame(1, b"")
        frame.bytes = bytes(octets)
        bench.queue.append(frame)
        assert bench.shortcut.pass_on(bench, bench.clock) is frame, bit
    for size in range(len(good)):
        frame = Frame(1, good[2:])
        frame.bytes = good[:size]
        bench.queue.append(frame)
        assert bench.shortcut.pass_on(bench, bench.clock) is frame, size
    assert not bench.left
    assert not bench.shortcut.waiting


def test_what_is_not_certain_to_go_on_is_left_to_the_books() -> None:
    bench = Bench(day([(1, 2), (2, 3)]))
    warm(bench)
    stranger = Frame(1, encode_transfer(1, bundle(2).encode()))
    stranger.key = "three"
    parts = Frame(1, encode_transfer(1, bundle(2).encode()))
    parts.more = True
    odd = {
        "another node's key": stranger,
        "two parts": parts,
        "known": Frame(1, encode_transfer(9, bundle(1).encode())),
        "for this node": Frame(1, encode_transfer(1, bundle(2, to=2).encode())),
        "no way": Frame(1, encode_transfer(1, bundle(2, to=99).encode())),
        "over": Frame(1, encode_transfer(1, bundle(2, lives_ns=1).encode())),
        "longer than the routes were computed for": Frame(1, encode_transfer(1, bundle(2, octets=9000).encode())),
        "a report": Frame(1, Report(1, 5, ()).encode()),
        "nothing": Frame(1, b""),
    }
    for why, frame in odd.items():
        bench.queue.append(frame)
        assert bench.shortcut.pass_on(bench, bench.clock) is frame, why
    assert not bench.left
    bench.queue += [Frame(1, encode_transfer(n, bundle(2).encode())) for n in (1, 2)]
    again = bench.queue[1]
    assert bench.shortcut.pass_on(bench, bench.clock) is None
    assert bench.shortcut.pass_on(bench, bench.clock) is again  # it passed a moment ago
    bench.clock.advance(1.0)  # the routes are old
    bench.books()
    bench.queue.append(Frame(1, encode_transfer(3, bundle(3).encode())))
    assert bench.shortcut.pass_on(bench, bench.clock) is not None
    assert len(bench.left) == 1


@pytest.mark.parametrize("seed", range(4))
def test_whatever_comes_the_books_come_to_what_left(seed: int) -> None:
    """Priorities, rates, windows, full stores, full neighbours, ends of contacts, dead links."""
    draw = random.Random(seed)
    plan = day([(1, 2), (2, 3)], rate=2_000_000) + day([(2, 4), (4, 5), (3, 5)], 10**7, T0_NS + 40 * NS_PER_S)
    bench = Bench(plan, window=6, capacity=40, capacity_octets=15_000, answer_after_s=0.4, dead_for_s=0.2)
    flying: list[tuple[int, Custody]] = []
    seen = sequence = own = started = 0
    made = bundle(2**40)
    for _ in range(4000):
        bench.clock.advance(draw.choice((0.0, 0.0005, 0.005, 0.05)))
        now_ns = bench.clock.now_ns()
        for _ in range(draw.choice((0, 1, 1, 6))):
            if draw.random() < 0.95:
                to, priority, octets = draw.choice((1, 3, 4, 5)), draw.randrange(4), draw.choice((20, 200, 2000))
                expires_ns = now_ns + draw.choice((1, NS_PER_S, HOUR_NS))
                sequence += 1
                made = Bundle(1, 5, sequence, to, priority, now_ns - 5, expires_ns, bytes(octets))
            bench.queue.append(Frame(1, encode_transfer(draw.getrandbits(60), made.encode())))
        while flying and draw.random() < 0.8:
            peer, custody = flying.pop(draw.randrange(len(flying)))
            verdict = draw.choices((0, 1, 2), (97, 1, 2))[0]
            bench.queue.append(Frame(peer, custody._replace(verdict=verdict).encode()))
        more = bench.shortcut.pass_on(bench, bench.clock)
        asked = draw.choice((0,) * 8 + (1, 2)) if len(bench.shortcut.waiting) < 100 else 0
        for _ in range(asked):
            own += 1
            to, priority, octets = draw.choice((3, 4, 5)), draw.randrange(4), draw.choice((20, 200, 2000))
            ours = Bundle(2, 7, own, to, priority, now_ns, now_ns + draw.choice((1, NS_PER_S, HOUR_NS)), bytes(octets))
            bench.shortcut.start(ours.encode(), ours, now_ns)
        sends = [(left[0], bytes(left[1][2:])) for *_, left in bench.shortcut.waiting[seen:] if left]
        started += sum(bool(left) and isinstance(came, Bundle) for came, _, left in bench.shortcut.waiting[seen:])
        seen = len(bench.shortcut.waiting)
        if more or asked or draw.random() < 0.3:
            sends += bench.books()
            if more:
                bench.relay.receive(int.from_bytes(more.bytes[:2], "big"), more.bytes[2:], now_ns)
            while bench.queue:
                frame = bench.queue.pop(0)
                bench.relay.receive(int.from_bytes(frame.bytes[:2], "big"), frame.bytes[2:], now_ns)
            sends += bench.relay.sends(now_ns)
            if draw.random() < 0.01:
                bench.relay.link_down(draw.choice((3, 4)), now_ns)
            bench.open()
            seen = 0
        for peer, message in sends:
            if message[0] == 1 and draw.random() < 0.98:
                key = Key(*(int.from_bytes(message[9 + a : 9 + b], "big") for a, b in ((4, 6), (8, 16), (16, 24))))
                flying.append((peer, Custody(key, int.from_bytes(message[1:9], "big"), TAKEN)))
    assert bench.passed - started > 100
    assert started > 15
    assert bench.relay.counts["passed on"] > 100
    assert bench.relay.counts["dropped"] + bench.relay.counts["refused full"] > 0


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[list[RelayProcess]]:
    """Relays 1, 2 and 3 in one thread, with keys."""
    clock = SteppedClock(T0_NS)
    write_plan(tmp_path / "plan.txt", day([(1, 2), (2, 3)]))
    keys = {node: NodeKeys.make(node, 0) for node in (1, 2, 3)}
    contexts: list[Any] = []
    processes = []
    for node in keys:
        keys[node].save(tmp_path / f"keys{node}")
        for other in keys.keys() - {node}:
            enrol(tmp_path / f"keys{node}", keys[other].card)
        values = {
            "node": node,
            "plan": str(tmp_path / "plan.txt"),
            "endpoint": f"ipc://{tmp_path}/relay{node}",
            "local": f"ipc://{tmp_path}/local{node}",
            "store": str(tmp_path / f"{node}.sqlite"),
            "neighbours": [
                {"node": n, "endpoint": f"ipc://{tmp_path}/relay{n}"} for n in (node - 1, node + 1) if 1 <= n <= 3
            ],
            "security": {"keys": str(tmp_path / f"keys{node}")},
        }
        contexts.append(zmq.Context())
        processes.append(RelayProcess(parse_config(values, RelayConfig, "test"), contexts[-1], clock))
    yield processes
    for process, context in zip(processes, contexts, strict=True):
        process.close()
        context.term()


def test_a_live_relay_passes_messages_on_before_it_books_them(chain: list[RelayProcess], tmp_path: Path) -> None:
    clock: Any = chain[0]._clock
    early = 0

    def step(seconds: float = 0.0005) -> None:
        nonlocal early
        clock.advance(seconds)
        for process in chain:
            process.turn(1)
            if process is chain[1] and process._shortcut.passed:
                early += 1

    for n in range(1, 31):
        now_ns = clock.now_ns()
        assert chain[0]._give(Bundle(1, 5, n, 3, 1, now_ns, now_ns + HOUR_NS, b"%d" % n), now_ns)[0] == TAKEN
        for _ in range(4):
            step()
    for _ in range(1000):
        step(0.002)
        if not any(process.relay.held for process in chain):
            break
    assert [int(m.payload) for m in read_deliveries(tmp_path / "3.sqlite")] == list(range(1, 31))
    counts = chain[1].relay.counts
    assert early > 5
    assert (counts["taken"], counts["passed on"], counts["astray"]) == (30, 30, 0)
    assert not any(process.relay.held for process in chain)
