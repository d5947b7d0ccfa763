"""A relay network event by event: the relays that fly (`lookdown.wire.relay.core`), with simulated links and time.

Between two nodes a message leaves when the link is free, takes its octets by the rate of the contact and arrives a
delay later, unless the contact is over by then, the link is cut, or the other node is dead. A node that dies loses
what it had in memory and comes back with what its journal had written.
"""

import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count

from lookdown.wire.clock import NS_PER_S
from lookdown.wire.relay.bundle import Bundle, Key
from lookdown.wire.relay.core import Relay
from lookdown.wire.relay.parts import RelayLimits
from lookdown.wire.relay.plan import Contact
from lookdown.wire.relay.routing import Network

_NEVER_NS = 2**62


@dataclass(slots=True)
class MemoryJournal:
    """The journal of a simulated node: what is written outlives it."""

    written: dict[Key, tuple[Bundle, bytes]] = field(default_factory=dict)
    deliveries: list[tuple[Bundle, int]] = field(default_factory=list)
    noted: list[Callable[[], object]] = field(default_factory=list)

    def hold(self, bundle: Bundle, octets: bytes) -> None:
        """Note a bundle that is held from now on."""
        self.noted.append(lambda: self.written.update({bundle.key: (bundle, octets)}))

    def release(self, key: Key) -> None:
        """Note that a bundle is held no more."""
        self.noted.append(lambda: self.written.pop(key, None))

    def deliver(self, bundle: Bundle, payload: bytes, arrival_ns: int) -> None:
        """Note a message for this node."""
        self.noted.append(lambda: self.deliveries.append((bundle, arrival_ns)))

    def commit(self) -> None:
        """Write what was noted."""
        for note in self.noted:
            note()
        self.noted.clear()


class Simulation:
    """Relays on all nodes of a plan.

    Parameters
    ----------
    network : Network
        The contact plan.
    limits : RelayLimits
        Of each relay.
    seed : int
        Of losses and transfer numbers.
    loss : float
        Share of messages that vanish.
    """

    def __init__(self, network: Network, limits: RelayLimits, seed: int = 0, loss: float = 0.0) -> None:
        self.network, self._limits = network, limits
        self.loss = loss
        self._random = random.Random(seed)
        self.journals = {node: MemoryJournal() for node in network.nodes}
        self.relays: dict[int, Relay] = {}
        self.cut: set[tuple[int, int]] = set()
        """Links on which nothing arrives."""
        self.ended: Counter[str] = Counter()
        """Counts of relays that died, as `Relay.counts`, and ``routes``: how often they computed theirs."""
        self.now_ns = 0
        self.messages = 0
        """Messages sent over links so far."""
        self._free: dict[tuple[int, int], int] = {}
        self._wakes: dict[int, int] = {}
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._count = count()
        for node in network.nodes:
            self.revive(node)

    def at(self, time_ns: int, do: Callable[[], None]) -> None:
        """Do something at a time."""
        heapq.heappush(self._events, (time_ns, next(self._count), do))

    def run(self, until_ns: int, watch: Callable[[int], None] | None = None) -> None:
        """Go on until a time; ``watch`` is told the time of each event."""
        while self._events and self._events[0][0] <= until_ns:
            self.now_ns, _, do = heapq.heappop(self._events)
            do()
            if watch:
                watch(self.now_ns)
        self.now_ns = max(self.now_ns, until_ns)

    def submit(self, bundle: Bundle) -> bool:
        """Give a bundle to the relay of its source; False if the node is dead or its store is full."""
        relay = self.relays.get(bundle.source)
        if relay is None:
            return False
        taken = relay.submit(bundle, self.now_ns)
        self._turn(bundle.source)
        return taken

    def kill(self, node: int) -> None:
        """Let a node die, with all that it had not written."""
        if relay := self.relays.pop(node, None):
            self.ended.update(relay.counts)
            self.ended["routes"] += relay.routes.computed
        self.journals[node].noted.clear()

    def revive(self, node: int) -> None:
        """Start a node, with what its journal holds."""
        journal = self.journals[node]
        self.relays[node] = Relay(
            node,
            self.network,
            self._limits,
            journal=journal,
            held=list(journal.written.values()),
            delivered={bundle.key: bundle.expires_ns for bundle, _ in journal.deliveries},
            first_transfer=self._random.getrandbits(62),
        )
        self._turn(node)

    def _turn(self, node: int) -> None:
        """One turn of a relay, as its process makes it."""
        relay = self.relays.get(node)
        if relay is None:
            return
        self._transmit(node, relay.sends(self.now_ns))
        self.journals[node].commit()
        self._transmit(node, relay.settle(True, self.now_ns))
        due_ns = max(relay.due_ns(self.now_ns), self.now_ns + 1)
        known_ns = self._wakes.get(node, 0)
        if due_ns < _NEVER_NS and not self.now_ns < known_ns <= due_ns:
            self._wakes[node] = due_ns
            self.at(due_ns, lambda: self._wake(node, due_ns))

    def _wake(self, node: int, due_ns: int) -> None:
        if self._wakes.get(node) == due_ns:
            self._turn(node)

    def _transmit(self, node: int, messages: Iterable[tuple[int, bytes]]) -> None:
        for peer, message in messages:
            self.messages += 1
            contact = self._contact(node, peer)
            if contact is None or (node, peer) in self.cut or self._random.random() < self.loss:
                continue
            leaves_ns = max(self.now_ns, self._free.get((node, peer), 0))
            leaves_ns += -(-8 * len(message) * NS_PER_S // contact.bits_per_s)
            self._free[node, peer] = leaves_ns
            if leaves_ns <= contact.end_ns + NS_PER_S // 100:
                self.at(leaves_ns + contact.delay_ns, lambda p=peer, m=message: self._arrive(node, p, m))  # type: ignore[misc]

    def _arrive(self, node: int, peer: int, message: bytes) -> None:
        relay = self.relays.get(peer)
        if relay and (node, peer) not in self.cut:
            relay.receive(node, message, self.now_ns)
            self._turn(peer)

    def _contact(self, node: int, peer: int) -> Contact | None:
        edge = self.network.edges[node, peer]
        first, last = self.network.first_contact[edge], self.network.first_contact[edge + 1]
        at = int(first) + int(self.network.end_ns[first:last].searchsorted(self.now_ns, "right"))
        if at < last and self.network.contacts[at].start_ns <= self.now_ns:
            return self.network.contacts[at]
        return None
