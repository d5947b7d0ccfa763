"""The relay itself, without sockets, files or clock: which bundles it holds and where each goes next.

A turn is: `Relay.receive` for what came, `Relay.sends` for what goes out (a bundle goes on before it is on disk:
cut-through), a commit of the journal, then `Relay.settle`, which answers for what is stored. A relay lets go of
a bundle when the next node has taken custody. What a dead link held goes another way; who found it dead tells all.

A bundle may come back to a relay whose transfer of it is not answered yet (the next node found its own link dead). The
answer to that transfer must not count then, or nobody would keep the bundle: who takes a bundle again gives up what
earlier transfers of it promised.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from typing import Any

from lookdown.wire.clock import NS_PER_S
from lookdown.wire.errors import EarlyError, WireError
from lookdown.wire.relay.bundle import (
    FULL,
    PRIORITIES,
    REFUSED,
    TAKEN,
    Bundle,
    Custody,
    Key,
    Report,
    Transfer,
    decode_hop,
    encode_transfer,
)
from lookdown.wire.relay.parts import Held, Neighbour, RelayLimits
from lookdown.wire.relay.routing import Network, Routes
from lookdown.wire.relay.shortcut import Opening, Shortcut
from lookdown.wire.relay.store import Journal

_LONGEST_BACKOFF = 16
_FAR_NS = 2**62
_BURST_NS = 1_000_000  # as much may be ahead of a contact's rate: clocks of processes tick no finer
_ARRIVALS_KEPT = 10_000
_LATELY_KEPT = 64  # destinations
_EARLY = -1  # for this node, and sealed with keys that it does not know yet
Open = Callable[[Bundle], bytes]
Send = Callable[[Any, int], Any]
Trace = Callable[[int, str, Key, int], None]
"""Told (time [ns], event, bundle, other node or 0)."""


class Relay:
    """One relay.

    Parameters
    ----------
    node : int
        The node it runs on; one of the plan.
    network : Network
        The contact plan; may be shared.
    limits : RelayLimits or None
        Its bounds; None for the defaults.
    journal : Journal or None
        Told what to keep on disk; None: nothing is kept.
    open_payload : callable or None
        Opens the payload of a bundle for this node, or raises WireError; None: it is handed on as it is.
    trace : callable or None
        Told what happens to each bundle.
    held : iterable of (Bundle, bytes)
        What an earlier start held.
    delivered : dict of Key to int
        What was delivered here, and when it expires [ns].
    first_transfer : int
        Number of the first transfer; random at each start, so that answers to an earlier start do not count.
    """

    def __init__(
        self,
        node: int,
        network: Network,
        limits: RelayLimits | None = None,
        *,
        journal: Journal | None = None,
        open_payload: Open | None = None,
        trace: Trace | None = None,
        held: Iterable[tuple[Bundle, bytes]] = (),
        delivered: dict[Key, int] | None = None,
        first_transfer: int = 1,
    ) -> None:
        self.node = node
        self.counts: Counter[str] = Counter()
        """By name: taken, sent, passed on, delivered, repeated, dropped, expired, refused for a reason, dead links."""
        self.octets = 0
        """Octets of the bundles held."""
        self.routes = Routes(network, node)
        self._limits = limits or RelayLimits()
        self._journal, self._open, self._trace = journal, open_payload, trace or (lambda *_: None)
        self._neighbours = {peer: Neighbour(list(found)) for peer, found in network.of_sender(node).items()}
        self._held: dict[Key, Held] = {}
        self._waiting: tuple[dict[int, deque[Held]], ...] = tuple({} for _ in range(PRIORITIES))
        self._expiring: list[tuple[int, Key]] = []  # heap
        self._forgetting: list[tuple[int, Key]] = []  # heap
        self._transfer = first_transfer
        self._delivered: set[Key] = set()
        for key, expires_ns in (delivered or {}).items():
            self._remember(key, expires_ns)
        self._arrivals: dict[Key, tuple[Bundle, bytes]] = {}
        self._answers: list[tuple[int, Custody]] = []  # to neighbours, once stored
        self._fresh: list[Held] = []  # held and not yet stored
        self._out: list[tuple[int, bytes]] = []
        self._reports: dict[int, Report] = {}
        self._report_number = 0
        self._stale_ns = 0
        self._bits = 8 * 1024
        self._lately: dict[int, None] = {}  # destinations of what came, the latest last
        for bundle, octets in held:
            self._keep(bundle, bundle.key, octets)

    @property
    def unsettled(self) -> int:
        """Messages that wait for `settle`: stored here, and answered."""
        return len(self._fresh) + len(self._answers) + len(self._arrivals)

    @property
    def waiting(self) -> bool:
        """Whether a bundle waits to be sent."""
        return any(self._waiting)

    @property
    def held(self) -> int:
        """Bundles held."""
        return len(self._held)

    def submit(self, bundle: Bundle, now_ns: int) -> bool:
        """Take a bundle made here; False if there is no room for it or it cannot be. It is safe after `settle`."""
        key = bundle.key
        self._trace(now_ns, "created", key, 0)
        return self._take(bundle, key, bundle.encode(), now_ns) == TAKEN

    def receive(self, peer: int, data: bytes, now_ns: int) -> None:
        """Take a message of a neighbour, whatever its octets are: a bad one is counted by reason."""
        try:
            came = decode_hop(data)
        except WireError as error:
            self.counts[f"refused {error.reason}"] += 1
            return
        if isinstance(came, Transfer):
            key = came.bundle.key
            self._trace(now_ns, "arrived", key, peer)
            verdict = self._take(came.bundle, key, came.octets, now_ns)
            self._answers.append((peer, Custody(key, came.number, verdict)))
        elif isinstance(came, Report):
            self._hear(peer, came, now_ns)
        else:
            self._answered(peer, came, now_ns)

    def link_up(self, peer: int, now_ns: int) -> None:
        """Note that a neighbour is connected; what it missed is told."""
        neighbour = self._neighbours.get(peer)
        if neighbour is None:
            return
        neighbour.failures = 0
        if neighbour.dead_until_ns > now_ns:
            self._mark(peer, neighbour, 0, now_ns)
        self._out += [(peer, report.encode()) for report in self._reports.values()]

    def link_down(self, peer: int, now_ns: int) -> None:
        """Note that the connection to a neighbour broke: what was under way goes out again, another way if need be."""
        neighbour = self._neighbours.get(peer)
        if neighbour is None:
            return
        backoff = min(2**neighbour.failures, _LONGEST_BACKOFF)
        neighbour.failures += 1
        self.counts["dead links"] += 1
        for held in reversed(neighbour.flying.values()):
            self._queue(held, first=True)
        neighbour.flying.clear()
        self._mark(peer, neighbour, now_ns + round(backoff * self._limits.dead_for_s * NS_PER_S), now_ns)

    def sends(self, now_ns: int) -> list[tuple[int, bytes]]:
        """Return (neighbour, message) to send now."""
        self._time_out(now_ns)
        out, self._out = self._out, []
        for queues in reversed(self._waiting):
            if queues:
                for destination in list(queues):
                    self._forward(queues, destination, now_ns, out)
        return out

    def settle(self, written: bool, now_ns: int) -> list[tuple[int, bytes]]:
        """Return (neighbour, custody signal) to send, now that the journal is written, or could not be."""
        for held in self._fresh:
            if written:
                self._trace(now_ns, "spooled" if held.bundle.source == self.node else "stored", held.key, 0)
            elif not held.gone:
                self._let_go(held)
                self.counts["refused disk"] += 1
        self._fresh.clear()
        for bundle, payload in self._arrivals.values():
            if written:
                self._remember(bundle.key, bundle.expires_ns)
                self.counts["delivered"] += 1
                self._trace(now_ns, "delivered", bundle.key, 0)
            elif self._journal:  # it opens only once, so it is kept here until it can be written
                self._journal.deliver(bundle, payload, now_ns)
        if written:
            self._arrivals.clear()
        answers, self._answers = self._answers, []
        if not written:
            answers = [(peer, c if c.verdict != TAKEN else c._replace(verdict=FULL)) for peer, c in answers]
        return [(peer, custody.encode()) for peer, custody in answers]

    def open_again(self, now_ns: int) -> None:
        """Open what is held for this node itself, because its keys were not known: others are known now."""
        for queues in self._waiting:
            for held in list(queues.get(self.node, ())):
                if self._arrive(held.bundle, now_ns) in (TAKEN, REFUSED):
                    self._let_go(held)

    def clock_set(self, by_ns: int) -> None:
        """Shift what runs by time, because the clock was set: answers, rates and dead links keep their distance.

        Contacts and expiry are times of day: they are judged by the clock as it is now.
        """
        self._stale_ns = 0
        for peer, neighbour in self._neighbours.items():
            neighbour.shift(by_ns)
            if neighbour.dead_until_ns:
                self.routes.link_dead(self.node, peer, neighbour.dead_until_ns)

    def open(self, shortcut: Shortcut, send: dict[int, Send], now_ns: int) -> None:
        """Tell the shortcut what goes on at once: for destinations that were lately asked for, if nothing waits before.

        Parameters
        ----------
        shortcut : Shortcut
            What passes messages on before `receive` and `sends` come to the same.
        send : dict of int to callable
            Sends octets to a neighbour.
        now_ns : int
            Time, TAI [ns].
        """
        if self._stale_ns - now_ns < self._limits.route_for_s * NS_PER_S / 2:
            self._route(now_ns)
        # An answer that is late by then closes a link, and what goes over others.
        late_ns = [next(iter(n.flying.values())).due_ns for n in self._neighbours.values() if n.flying]
        until_ns = min(self._stale_ns, now_ns + round(self._limits.answer_after_s * NS_PER_S), *late_ns)
        due = {self.routes.hop(destination) for queues in self._waiting for destination in queues}
        found: dict[int, Opening] = {}
        for peer, neighbour in self._neighbours.items():
            contact = neighbour.contact(now_ns)
            if contact and peer in due:  # its turn is first
                found.clear()
                break
            if contact and max(neighbour.full_until_ns) <= now_ns + _BURST_NS:
                room = self._limits.window - len(neighbour.flying)
                found[peer] = Opening(
                    peer, send[peer], min(until_ns, contact.end_ns), contact.bits_per_s, neighbour.free_ns, room
                )
        shortcut.open(
            {to: found[peer] for to in self._lately if (peer := self.routes.hop(to) or 0) in found},
            self._held,
            self._delivered,
            self._transfer,
            self._limits.capacity - len(self._held),
            self._limits.capacity_octets - self.octets,
            self._bits // 8,
        )

    def due_ns(self, now_ns: int) -> int:
        """Return when `sends` may have something to do though nothing comes [ns]."""
        due = [_FAR_NS, *(heap[0][0] for heap in (self._expiring, self._forgetting) if heap)]
        waiting = any(self._waiting)
        for neighbour in self._neighbours.values():
            if neighbour.flying:
                due.append(next(iter(neighbour.flying.values())).due_ns)
            if waiting:
                due.append(neighbour.change_ns(now_ns))
                times = (neighbour.free_ns, neighbour.dead_until_ns, *neighbour.full_until_ns)
                due += [time for time in times if time > now_ns]
        return min(due)

    def _take(self, bundle: Bundle, key: Key, octets: bytes, now_ns: int) -> int:
        if key in self._delivered:
            self.counts["repeated"] += 1
            return TAKEN
        if held := self._held.get(key):
            self.counts["repeated"] += 1
            held.binding = self._transfer
            if not held.waiting:
                for neighbour in self._neighbours.values():
                    neighbour.flying.pop(key, None)
                self._queue(held)
            return TAKEN
        if bundle.expires_ns <= now_ns:
            self.counts["expired"] += 1
            self._trace(now_ns, "expired", key, 0)
            return TAKEN  # nobody needs to keep it
        if bundle.destination == self.node and (verdict := self._arrive(bundle, now_ns)) != _EARLY:
            return verdict
        if bundle.destination not in self.routes.network.index:
            self.counts["refused destination"] += 1
            return REFUSED
        if not self._make_room(bundle.priority, len(octets), now_ns):
            self.counts["refused full"] += 1
            self._trace(now_ns, "refused", key, 0)
            return FULL
        held = self._keep(bundle, key, octets)
        self.counts["taken"] += 1
        self._fresh.append(held)
        if self._journal:
            self._journal.hold(bundle, octets)
        return TAKEN

    def _arrive(self, bundle: Bundle, now_ns: int) -> int:
        if bundle.key in self._arrivals:
            self.counts["repeated"] += 1
            return TAKEN
        if len(self._arrivals) >= _ARRIVALS_KEPT:
            self.counts["refused full"] += 1
            return FULL
        try:
            payload = self._open(bundle) if self._open else bundle.payload
        except EarlyError:
            self.counts["early"] += 1
            return _EARLY
        except WireError as error:
            self.counts[f"refused {error.reason}"] += 1
            self._trace(now_ns, "refused", bundle.key, 0)
            return REFUSED
        self._arrivals[bundle.key] = (bundle, payload)
        if self._journal:
            self._journal.deliver(bundle, payload, now_ns)
        return TAKEN

    def _make_room(self, priority: int, octets: int, now_ns: int) -> bool:
        """Drop waiting bundles of lower priority, the lowest and oldest first; return whether there is room."""
        limits = self._limits
        while len(self._held) >= limits.capacity or self.octets + octets > limits.capacity_octets:
            victim = next(
                (held for queues in self._waiting[:priority] for queue in queues.values() for held in queue), None
            )
            if victim is None:
                return False
            self._let_go(victim)
            self.counts["dropped"] += 1
            self._trace(now_ns, "dropped", victim.key, 0)
        return True

    def _keep(self, bundle: Bundle, key: Key, octets: bytes) -> Held:
        held = self._held[key] = Held(bundle, key, octets, self._transfer)
        heappush(self._expiring, (bundle.expires_ns, key))
        self.octets += len(octets)
        if 8 * len(octets) > self._bits:
            self._bits = 8 * len(octets)
            self._stale_ns = 0
        self._lately.pop(bundle.destination, None)
        self._lately[bundle.destination] = None
        if len(self._lately) > _LATELY_KEPT:
            del self._lately[next(iter(self._lately))]
        self._queue(held)
        return held

    def _let_go(self, held: Held) -> None:
        held.gone = True
        self.octets -= len(held.octets)
        del self._held[held.key]
        if held.waiting:
            self._unqueue(held)
        for neighbour in self._neighbours.values():
            neighbour.flying.pop(held.key, None)
        if self._journal:
            self._journal.release(held.key)

    def _queue(self, held: Held, first: bool = False) -> None:
        held.waiting = True
        queue = self._waiting[held.bundle.priority].setdefault(held.bundle.destination, deque())
        if first:
            queue.appendleft(held)
        else:
            queue.append(held)

    def _unqueue(self, held: Held) -> None:
        queues = self._waiting[held.bundle.priority]
        queue = queues[held.bundle.destination]
        queue.remove(held)
        held.waiting = False
        if not queue:
            del queues[held.bundle.destination]

    def _forward(
        self, queues: dict[int, deque[Held]], destination: int, now_ns: int, out: list[tuple[int, bytes]]
    ) -> None:
        """Send what waits for a destination over the neighbour that it is routed to, as the contact takes it."""
        if now_ns >= self._stale_ns:
            self._route(now_ns)
        peer = self.routes.hop(destination)
        neighbour = self._neighbours.get(peer) if peer is not None else None
        contact = neighbour.contact(now_ns) if neighbour else None
        if peer is None or neighbour is None or contact is None:
            return
        queue = queues[destination]
        while queue:
            held = queue[0]
            takes_ns = -(-8 * len(held.octets) * NS_PER_S // contact.bits_per_s)
            leaves_ns = max(now_ns, neighbour.free_ns) + takes_ns
            if (
                len(neighbour.flying) >= self._limits.window
                or max(neighbour.free_ns, neighbour.full_until_ns[held.bundle.priority]) > now_ns + _BURST_NS
                or leaves_ns > contact.end_ns
            ):
                break
            neighbour.free_ns = leaves_ns
            queue.popleft()
            held.waiting = False
            answer_ns = 2 * contact.delay_ns + round(self._limits.answer_after_s * NS_PER_S)
            held.due_ns = leaves_ns + answer_ns
            neighbour.flying[held.key] = held
            self.counts["sent"] += 1
            self._trace(now_ns, "sent", held.key, peer)
            out.append((peer, encode_transfer(self._transfer, held.octets)))
            self._transfer += 1
        if not queue:
            del queues[destination]

    def _route(self, now_ns: int) -> None:
        """Compute the routes, and until when they hold: to the next change of a contact, or for a while."""
        self.routes.compute(now_ns, self._bits)
        fresh_ns = now_ns + round(self._limits.route_for_s * NS_PER_S)
        self._stale_ns = min([fresh_ns, *(n.change_ns(now_ns) for n in self._neighbours.values())])

    def _time_out(self, now_ns: int) -> None:
        """Find links whose answer is late, and bundles whose time is over."""
        for peer, neighbour in self._neighbours.items():
            if neighbour.flying and now_ns >= next(iter(neighbour.flying.values())).due_ns:
                self.link_down(peer, now_ns)
        while self._expiring and self._expiring[0][0] <= now_ns:
            _, key = heappop(self._expiring)
            if held := self._held.get(key):
                self._let_go(held)
                self.counts["expired"] += 1
                self._trace(now_ns, "expired", key, 0)
        while self._forgetting and self._forgetting[0][0] <= now_ns:
            self._delivered.discard(heappop(self._forgetting)[1])

    def _remember(self, key: Key, expires_ns: int) -> None:
        self._delivered.add(key)
        heappush(self._forgetting, (expires_ns + round(self._limits.remember_s * NS_PER_S), key))

    def _answered(self, peer: int, custody: Custody, now_ns: int) -> None:
        neighbour = self._neighbours.get(peer)
        held = self._held.get(custody.key)
        if neighbour is None:
            return
        neighbour.failures = 0
        # A late answer counts, too: the other node has the bundle, even if it went another way since.
        if held is None or not held.binding <= custody.transfer < self._transfer:
            return
        if custody.verdict == TAKEN:
            self._let_go(held)
            self.counts["passed on"] += 1
            self._trace(now_ns, "custody", custody.key, peer)
        elif custody.verdict == REFUSED:
            self._let_go(held)
            self.counts["dropped"] += 1
            self._trace(now_ns, "dropped", custody.key, peer)
        elif neighbour.flying.pop(custody.key, None):
            until_ns = now_ns + round(self._limits.dead_for_s * NS_PER_S)
            for priority in range(held.bundle.priority + 1):
                neighbour.full_until_ns[priority] = until_ns
            self._queue(held, first=True)

    def _mark(self, peer: int, neighbour: Neighbour, until_ns: int, now_ns: int) -> None:
        """Note that a link is dead, or lives again, and tell all."""
        neighbour.dead_until_ns = until_ns
        self.routes.link_dead(self.node, peer, until_ns)
        self._stale_ns = 0
        dead = tuple((p, n.dead_until_ns) for p, n in self._neighbours.items() if n.dead_until_ns > now_ns)
        self._report_number = max(self._report_number + 1, now_ns)
        self._tell(Report(self.node, self._report_number, dead), now_ns)

    def _hear(self, peer: int, report: Report, now_ns: int) -> None:
        """Take a report that is news, and tell it on."""
        known = self._reports.get(report.node)
        if report.node == self.node or (known and known.number >= report.number):
            return
        for other, _ in known.dead if known else ():
            self.routes.link_dead(report.node, other, 0)
        for other, until_ns in report.dead:
            self.routes.link_dead(report.node, other, until_ns)
        self._stale_ns = 0
        self._tell(report, now_ns, but=peer)

    def _tell(self, report: Report, now_ns: int, but: int = 0) -> None:
        self._reports[report.node] = report
        message = report.encode()
        self._out += [
            (peer, message)
            for peer, neighbour in self._neighbours.items()
            if peer != but and neighbour.dead_until_ns <= now_ns and neighbour.contact(now_ns)
        ]
