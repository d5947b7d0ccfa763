"""Relays in one thread, their clock stepped: keys renewed and revoked, clocks set, losses told, disks bounded."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from lookdown.wire.clock import NS_PER_S, SteppedClock
from lookdown.wire.config import parse_config
from lookdown.wire.keys import NodeKeys, enrol, revoke
from lookdown.wire.messages import Event, EventKind
from lookdown.wire.packet import decode
from lookdown.wire.relay.bundle import REFUSED, TAKEN, Bundle, Key
from lookdown.wire.relay.config import RelayConfig
from lookdown.wire.relay.live import RelayProcess
from lookdown.wire.relay.plan import Contact, write_plan
from lookdown.wire.relay.store import Store, read_deliveries
from lookdown.wire.trace import Traces
from lookdown.wire.trace_file import TraceFile

T0_NS = 1_790_000_000 * NS_PER_S
DAY_NS = 86_400 * NS_PER_S
STEP_S = 0.004


class Pair:
    """Relays 1 and 2, which see each other all day."""

    def __init__(self, folder: Path, **limits: float) -> None:
        self.folder, self.clock = folder, SteppedClock(T0_NS)
        self.limits: dict[str, float] = {"settle_after_s": 0.001, **limits}
        ways = [Contact(a, b, T0_NS - DAY_NS, T0_NS + DAY_NS, 10**8, 0) for a, b in ((1, 2), (2, 1))]
        write_plan(folder / "plan.txt", ways)
        for node in (1, 2):
            NodeKeys.make(node, 0).save(self.keys(node))
        for node, other in ((1, 2), (2, 1)):
            enrol(self.keys(node), NodeKeys.load(self.keys(other)).card)
        self.contexts: dict[int, Any] = {}
        self.relays: dict[int, RelayProcess] = {}
        self.made = 0
        for node in (1, 2):
            self.start(node)

    def keys(self, node: int) -> Path:
        return self.folder / f"keys{node}"

    def start(self, node: int) -> None:
        other = 3 - node
        values = {
            "node": node,
            "plan": str(self.folder / "plan.txt"),
            "endpoint": f"ipc://{self.folder}/relay{node}",
            "local": f"ipc://{self.folder}/local{node}",
            "store": str(self.folder / f"{node}.sqlite"),
            "events_to": 2 if node == 1 else 0,
            "neighbours": [{"node": other, "endpoint": f"ipc://{self.folder}/relay{other}"}],
            "limits": self.limits,
            "security": {"keys": str(self.keys(node))},
        }
        self.contexts[node] = zmq.Context()
        self.relays[node] = RelayProcess(parse_config(values, RelayConfig, "test"), self.contexts[node], self.clock)

    def stop(self, node: int) -> None:
        self.relays.pop(node).close()
        self.contexts.pop(node).term()

    def step(self, seconds: float = STEP_S) -> None:
        self.clock.advance(seconds)
        for relay in self.relays.values():
            relay.turn(2)

    def until(self, done: Callable[[], bool], seconds: float = 30.0, step_s: float = STEP_S) -> None:
        for _ in range(round(seconds / step_s)):
            if done():
                return
            self.step(step_s)
        pytest.fail(f"did not come about in {seconds} s of the clock")

    def send(self, count: int = 1, priority: int = 1, lifetime_s: int = 3600) -> None:
        """Let relay 1 take messages for node 2."""
        for _ in range(count):
            assert self.give(priority, lifetime_s)[0] == TAKEN

    def give(self, priority: int = 1, lifetime_s: int = 3600) -> tuple[int, str]:
        self.made += 1
        now_ns = self.clock.now_ns()
        bundle = Bundle(1, 5, self.made, 2, priority, now_ns, now_ns + lifetime_s * NS_PER_S, b"%d" % self.made)
        return self.relays[1]._give(bundle, now_ns)

    def arrived(self) -> list[int]:
        return [int(m.payload) for m in read_deliveries(self.folder / "2.sqlite") if m.key.boot_id == 5]

    def events(self) -> list[Event]:
        found = [decode(m.payload) for m in read_deliveries(self.folder / "2.sqlite") if m.key.boot_id != 5]
        return [event for event in found if isinstance(event, Event)]

    def refused(self, node: int) -> int:
        return self.relays[node].relay.counts["refused connections"]


@pytest.fixture
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path, **getattr(request, "param", {}))
    yield made
    for node in list(made.relays):
        made.stop(node)


def test_keys_of_both_relays_are_rotated_under_traffic_without_loss(pair: Pair) -> None:
    """Of each second rotation the other side learns only afterwards."""
    for turn in range(4):
        pair.send(10)
        pair.until(lambda: len(pair.arrived()) > pair.made - 5)
        node = 1 + turn % 2
        fresh = NodeKeys.load(pair.keys(node)).rotated(turn)
        if turn < 2:
            enrol(pair.keys(3 - node), fresh.card)
        fresh.save(pair.keys(node))
        pair.send(10)
        pair.stop(node)  # a relay's own connections have the key of its start
        pair.start(node)
        if turn >= 2:
            pair.until(lambda: pair.refused(1) + pair.refused(2) > 0)
            enrol(pair.keys(3 - node), fresh.card)
        pair.send(10)
        pair.until(lambda: len(pair.arrived()) == pair.made and pair.relays[1].relay.held == 0)
    assert sorted(pair.arrived()) == list(range(1, 121))


@pytest.mark.parametrize("who", [1, 2])
def test_a_revoked_neighbour_is_cut_within_a_second_and_both_sides_see_it(pair: Pair, who: int) -> None:
    pair.send(3)
    pair.until(lambda: len(pair.arrived()) == 3 and pair.relays[1].relay.held == 0)
    before = {node: pair.refused(node) for node in (1, 2)}
    revoke(pair.keys(3 - who), who)
    pair.until(lambda: pair.refused(1) > before[1] and pair.refused(2) > before[2], seconds=1.0)
    if who == 1:
        pair.send(2)
    else:
        assert pair.give()[0] == REFUSED  # nobody to seal it for
    for _ in range(300):
        pair.step(0.02)
    assert len(pair.arrived()) == 3
    assert pair.relays[1].relay.held >= 2 * (who == 1)
    stranger = NodeKeys.make(who, 1)  # the node gets new keys
    stranger.save(pair.keys(who))
    for other in NodeKeys.load(pair.keys(3 - who)).card, stranger.card:
        enrol(pair.keys(who if other.node_id != who else 3 - who), other)
    pair.stop(who)
    pair.start(who)
    for _ in range(30):  # the other one sees the new card
        pair.step(0.02)
    pair.send(1)
    pair.until(lambda: len(pair.arrived()) == 4, step_s=0.02)
    pair.until(lambda: pair.relays[1].relay.held == 0, step_s=0.02)
    # What it sealed with the keys that were revoked is refused, and counted.
    assert (pair.relays[1].relay.counts["dropped"] >= 2) == (who == 1)  # the events of relay 1 among it


@pytest.mark.parametrize("by_s", [-3600, 3600])
def test_a_clock_that_is_set_stops_nothing(pair: Pair, by_s: int) -> None:
    pair.send(5)
    pair.until(lambda: len(pair.arrived()) == 5 and pair.relays[1].relay.held == 0)
    pair.stop(2)
    pair.send(5)  # under way to a relay that is gone: its answer is awaited
    pair.until(lambda: pair.relays[1].relay.counts["dead links"] > 0)
    pair.clock.set_ns(pair.clock.now_ns() + by_s * NS_PER_S)
    pair.step()
    pair.start(2)
    pair.send(5)
    pair.until(lambda: len(pair.arrived()) == 15 - 5 * (by_s > 0), seconds=20.0, step_s=0.02)
    # An hour ahead, those that live an hour are over, by the clock as it is.
    assert pair.relays[1].relay.counts["expired"] == (5 if by_s > 0 else 0)
    pair.until(lambda: pair.relays[1].relay.held == 0, step_s=0.02)
    assert len(set(pair.arrived())) == len(pair.arrived())


@pytest.mark.parametrize("pair", [{"capacity": 10}], indirect=True)
def test_what_is_dropped_and_what_expires_is_told_by_events_that_add_up(pair: Pair) -> None:
    pair.stop(2)
    pair.send(10, priority=0, lifetime_s=4)
    pair.send(2, priority=2)
    for _ in range(100):
        pair.step(0.05)
    counts = pair.relays[1].relay.counts
    lost = (counts["dropped"] + counts["refused full"], counts["expired"])
    assert lost[0] >= 2
    assert lost[1] >= 1
    pair.start(2)
    pair.until(lambda: pair.relays[1].relay.held == 0 and len(pair.events()) >= 2, step_s=0.05)
    told: dict[EventKind, int] = {}
    for event in pair.events():
        assert event.sensor_id == 1
        told[event.kind] = told.get(event.kind, 0) + event.count
    final = pair.relays[1].relay.counts
    assert told[EventKind.PACKETS_GIVEN_UP] == final["dropped"] + final["refused full"]
    assert told[EventKind.EXPIRED] == final["expired"]


def test_what_was_delivered_is_bounded_by_size_and_age_and_still_comes_once(tmp_path: Path) -> None:
    store = Store(tmp_path / "s", 2)
    hour_ns = 3600 * NS_PER_S

    def deliver(numbers: range, now_ns: int) -> None:
        for n in numbers:
            store.deliver(Bundle(1, 5, n, 2, 1, now_ns, now_ns + hour_ns, b"x"), bytes(1000), now_ns)
        assert store.commit()

    deliver(range(1, 301), T0_NS)
    assert store.bound(1_000_000, 86_400.0, T0_NS - hour_ns, T0_NS) == (0, 0)
    assert store.bound(150_000, 86_400.0, T0_NS - hour_ns, T0_NS) == (200, 0)  # by hundreds
    assert [m.key.sequence for m in read_deliveries(tmp_path / "s")] == list(range(201, 301))
    assert len(store.delivered()) == 300  # known, so that none comes twice
    deliver(range(301, 311), T0_NS + 2 * hour_ns)
    now_ns = T0_NS + 3 * hour_ns
    assert store.bound(150_000, 2 * 3600.0, now_ns - hour_ns, now_ns) == (0, 100)
    assert len(read_deliveries(tmp_path / "s")) == 10
    assert set(store.delivered()) == {Key(1, 5, n) for n in range(301, 311)}  # the others are over
    store.close()
    again = Store(tmp_path / "s", 2)
    assert again.bound(5_000, 86_400.0, now_ns - hour_ns, now_ns) == (10, 0)
    again.close()


def test_a_trace_is_bounded_and_the_newest_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "7.jsonl"
    trace = TraceFile(path, 7, 10_000)
    for n in range(1, 1001):
        trace.note(n, "sent", Key(1, 5, n), 8)
        trace.flush()
        assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 10_000
    trace.close()
    traces = Traces()
    for file in sorted(tmp_path.iterdir()):
        traces.read(file)
    kept = [key.sequence for key in traces]
    assert kept == list(range(kept[0], 1001))
    assert len(kept) > 50
    assert trace.deleted > 0
    assert traces.left_out == 0
    again = TraceFile(path, 7, 10_000)  # goes on where it was
    again.note(2000, "sent", Key(1, 5, 2000), 0)
    again.close()
    assert path.read_bytes().endswith(b'"id": "1-0000000000000005-2000"}\n')
